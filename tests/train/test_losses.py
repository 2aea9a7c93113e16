"""Losses: cross-entropy by hand, sums and multiples, bad input."""

import math

import pytest
import torch
from torch import Tensor, nn

from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.train import Loss, cross_entropy

G = torch.Generator()


class Fixed(nn.Module):
    """Logits that are given."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits


TWO = Fixed(torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64))
BATCH = torch.zeros(2, 1), torch.tensor([0, 1])


def test_cross_entropy_by_hand() -> None:
    """Probabilities 3/4 and 1/2 of the right class."""
    value, numbers = cross_entropy()(TWO, BATCH, G)
    assert value.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert numbers["loss"].item() == value.item()
    assert not numbers["loss"].requires_grad
    assert numbers["accuracy"].item() == 0.5  # of two equal logits the first counts


def test_label_smoothing_by_hand() -> None:
    """A fifth of each label is spread over both classes: 0.9 and 0.1."""
    value, _ = cross_entropy(label_smoothing=0.2)(TWO, BATCH, G)
    first = 0.9 * math.log(4 / 3) + 0.1 * math.log(4)
    assert value.item() == pytest.approx((first + math.log(2)) / 2)


def test_sum_and_multiple() -> None:
    def constant(number: float, name: str) -> Loss:
        return Loss(lambda model, batch, generator: (torch.tensor(number), {name: torch.tensor(number)}))

    value, numbers = (constant(2.0, "a") + 0.5 * constant(3.0, "b"))(TWO, BATCH, G)
    assert value.item() == 3.5
    assert {name: number.item() for name, number in numbers.items()} == {"a": 2.0, "b": 3.0}


def test_the_generator_reaches_every_part() -> None:
    draws = Loss(lambda model, batch, generator: (torch.rand((), generator=generator), {}))
    one = (draws + draws)(TWO, BATCH, torch.Generator().manual_seed(3))[0]
    assert torch.equal(one, torch.rand(2, generator=torch.Generator().manual_seed(3)).sum())


def test_gradient() -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([0, 3, 1])

    def of(x: Tensor) -> Tensor:
        return cross_entropy(label_smoothing=0.1)(nn.Identity(), (x, labels), G)[0]

    assert torch.autograd.gradcheck(of, logits)


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_must_be_classes_of_the_network(label: int) -> None:
    with pytest.raises(DataError, match=rf"labels: got values .*{label}.*; expected 0\.\.1"):
        cross_entropy()(TWO, (BATCH[0], torch.tensor([0, label])), G)


def test_images_must_fit_the_network() -> None:
    with pytest.raises(ShapeError, match=r"cross_entropy: the network cannot take a batch of shape \[2, 3\]"):
        cross_entropy()(nn.Linear(4, 2), (torch.zeros(2, 3), torch.tensor([0, 1])), G)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_label_smoothing_range(share: float) -> None:
    with pytest.raises(ArgumentError, match=r"cross_entropy\.label_smoothing: got .*; expected a number in 0\.\.1"):
        cross_entropy(label_smoothing=share)
