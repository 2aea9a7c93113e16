"""Calibration data in every form: the same thresholds from each, how many samples it had, and what is refused."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from spikewright.convert import OPI, ErrorOptimal, Maximum, convert, per_channel
from spikewright.core.errors import ConversionError, DataError
from spikewright.data.batches import Batches
from spikewright.data.synthetic import load

IMAGES = load(split="train").subset(230)
X, Y = IMAGES.gather(torch.arange(230))


class Pairs(Dataset):
    """One image and its label at a time, as torchvision's data sets give them."""

    def __init__(self, x: Tensor = X) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.x[place], int(Y[place])


class Stream(IterableDataset):
    """The same, without a length."""

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return (Pairs()[place] for place in range(len(X)))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 5), nn.ReLU(), nn.Linear(5, 2))


FORMS = {
    "tensor": lambda: X,
    "tensors": lambda: list(X.split(50)),
    "pairs of batches": lambda: list(zip(X.split(50), Y.split(50))),
    "lists of batches": lambda: [[x, y] for x, y in zip(X.split(50), Y.split(50))],
    "generator": lambda: (x for x in X.split(7)),
    "Batches": lambda: Batches(IMAGES, 100),
    "DataLoader": lambda: DataLoader(Pairs(), batch_size=64),
    "shuffled DataLoader": lambda: DataLoader(Pairs(), 64, shuffle=True, generator=torch.Generator().manual_seed(3)),
    "data set": Pairs,
    "subset": lambda: Subset(Pairs(), range(230)),
    "TensorDataset": lambda: TensorDataset(X, Y),
    "data set of this package": lambda: IMAGES,
    "stream": Stream,
    "empty batch among others": lambda: [X[:0], X],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_thresholds(form: str) -> None:
    expected = convert(net(), OPI(threshold=Maximum(groups=per_channel)), X).thresholds
    found = convert(net(), OPI(threshold=Maximum(groups=per_channel)), FORMS[form]()).thresholds
    assert list(found) == ["1", "4"]
    for site, threshold in expected.items():
        assert torch.allclose(found[site], threshold, rtol=1e-5)
    assert found.samples == 230


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, r"calibration: got int; expected a tensor \[N, \.\.\.\], an iterable of batches or a data set"),
        ([], "calibration: got no sample; expected at least one batch of images"),
        (X[:0], "calibration: got no sample"),
        (Pairs(X[:0]), "calibration: got no sample"),
        (DataLoader(Pairs(X[:30]), 64, drop_last=True), "calibration: got no sample"),
        (Pairs((255 * X).byte()), r"got torch\.uint8; expected floating-point image batches"),
        ([(X.long(), Y)], r"got torch\.int64; expected floating-point image batches"),
        ((X, Y), r"got torch\.int64; .* a single batch with labels is \[\(images, labels\)\]"),
        (["image"], "got str; expected floating-point image batches"),
        (torch.full_like(X, torch.nan), "got NaN or infinite values in batch 0; expected finite images"),
        ([X, torch.full_like(X, torch.inf)], "got NaN or infinite values in batch 1"),
        (Pairs([X[0], "image"]), r"got str; expected samples that are tensors of one shape\. Add a transform"),
        (Pairs([X[0], X[0, :, 1:]]), r"got a sample of shape \[3, 15, 16\]; expected samples that are tensors of one"),
    ],
)
def test_what_is_no_calibration_data(data, message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert(net(), OPI(threshold=Maximum()), data)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("statistic", [Maximum(), ErrorOptimal()])
def test_activations_that_are_not_finite(statistic, value: float) -> None:
    broken = net()
    with torch.no_grad():
        broken[3].bias.fill_(value)
        broken[0].bias[2] = abs(value)
    with pytest.raises(DataError, match="calibration: 1 holds NaN or infinite values; the input or the weights"):
        convert(broken, OPI(threshold=statistic), X)


def test_a_layer_that_is_never_active() -> None:
    dead = net()
    with torch.no_grad():
        dead[3].bias.fill_(-1e6)
    with pytest.raises(ConversionError, match="4: is never, or too rarely, active on the calibration data"):
        convert(dead, OPI(threshold=ErrorOptimal()), X)


def test_a_dead_channel_takes_its_layers_largest() -> None:
    dead = net()
    with torch.no_grad():
        dead[0].bias[1] = -1e6
    found = convert(dead, OPI(threshold=ErrorOptimal(groups=per_channel)), X).thresholds["1"]
    assert found.shape == (4, 1, 1)
    assert found[1] == found.max()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_networks_in_other_precisions(dtype: torch.dtype) -> None:
    found = convert(net().to(dtype), OPI(threshold=ErrorOptimal()), X.to(dtype)).thresholds
    expected = convert(net(), OPI(threshold=ErrorOptimal()), X).thresholds
    for site, threshold in expected.items():
        assert found[site].item() == pytest.approx(threshold.item(), rel=0.05)
