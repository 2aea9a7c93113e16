"""diagnose(): every number and every verdict on networks whose spikes can be counted by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert import Conversion, RobustNorm, convert, diagnose
from spikewright.convert.diagnosis import Diagnosis, LayerError, Parts
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.core.phases import Phases


def linear(*rows: list[float]) -> nn.Linear:
    """A linear layer with these weights and no bias."""
    weight = torch.tensor(rows)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data.copy_(weight)
    return layer


def converted(net: nn.Module, **thresholds: float) -> Conversion:
    """Membranes start at zero; thresholds by site, with _ for the dot."""
    given = {name.removeprefix("at_"): torch.tensor(value) for name, value in thresholds.items()}
    return convert(net, RobustNorm(), thresholds=given)


def one_layer(threshold: float) -> Conversion:
    """Two values go through unchanged."""
    same = linear([1.0, 0.0], [0.0, 1.0])
    return converted(nn.Sequential(same, nn.ReLU(), linear([1.0, 1.0])), at_1=threshold)


def test_clipped() -> None:
    """Activations 3 and 1, threshold 1: both neurons fire at each step and give 1, so 2 of the 3 are lost."""
    found = diagnose(one_layer(1.0), torch.tensor([[3.0, 1.0]]), 4)
    (layer,) = found.layers
    lost = 2 / math.sqrt(10)
    assert (layer.site, layer.activation, layer.rate, layer.saturated, layer.silent) == ("1", 2.0, 1.0, 0.5, 0.0)
    assert (layer.error, layer.own, layer.clipped) == pytest.approx((lost, lost, lost))
    assert (found.first_wrong, found.timesteps, found.samples) == (layer, 4, 1)
    assert found.verdict() == (
        "1 is the first layer to go wrong: its error is 63% of its activation, and 63% is activation above the "
        "threshold, which no number of steps can represent. Raise the threshold: a higher percentile, the maximum, or "
        "one threshold per channel."
    )


def test_too_few_steps() -> None:
    """Activations 1 and 3, threshold 4, T = 2: the first potential reaches 2, the second 6; one spike is worth 2."""
    found = diagnose(one_layer(4.0), torch.tensor([[1.0, 3.0]]), 2, tolerance=0.4)
    (layer,) = found.layers
    missing = math.sqrt(2) / math.sqrt(10)
    assert (layer.activation, layer.rate, layer.clipped, layer.saturated, layer.silent) == (2.0, 1.0, 0.0, 0.0, 0.5)
    assert (layer.error, layer.own) == pytest.approx((missing, missing))
    assert found.first_wrong is layer
    assert "its error is 45% of its activation, and 45% of the activation arises in this layer: too" in found.verdict()
    assert "Try more time steps, a lower threshold" in found.verdict()


def test_the_same_layer_with_enough_steps() -> None:
    """T = 4: one spike of 4 in four steps is 1, three are 3."""
    found = diagnose(one_layer(4.0), torch.tensor([[1.0, 3.0]]), 4)
    assert (found.layers[0].error, found.layers[0].own, found.layers[0].silent) == (0.0, 0.0, 0.0)
    assert found.first_wrong is None
    assert found.verdict() == "No layer's error exceeds 50%; the largest is 0% at 1."
    assert found.verdict() in found.table().caption


def two_layers() -> nn.Sequential:
    """The difference of two values."""
    same = linear([1.0, 0.0], [0.0, 1.0])
    return nn.Sequential(same, nn.ReLU(), linear([1.0, -1.0]), nn.ReLU(), linear([1.0]))


def test_inherited() -> None:
    """5 and 4 with threshold 8 give two spikes each in four steps, 4 and 4, so their difference is 0 and not 1."""
    found = diagnose(converted(two_layers(), at_1=8.0, at_3=1.0), torch.tensor([[5.0, 4.0]]), 4)
    first, second = found.layers
    assert (first.activation, first.rate) == (4.5, 4.0)
    assert (first.error, first.own) == pytest.approx((1 / math.sqrt(41),) * 2)
    assert (second.activation, second.rate, second.error, second.own, second.silent) == (1.0, 0.0, 1.0, 0.0, 1.0)
    assert found.first_wrong is second
    assert found.verdict() == (
        "3 is the first layer to go wrong: its error is 100% of its activation, but only 0% of the activation arises "
        "here; the rest comes from the layers before it, whose errors add up. Try more time steps, or a source trained "
        "with QCFS."
    )
    assert [row[0] for row in found.table().rows] == ["1", "3"]


@pytest.mark.parametrize(
    ("phases", "advice"),
    [
        (Phases(), "Calibrate with COS, mask with SRP, or take more time steps."),
        (Phases(rehearsal=4), "Calibrate with COS, or take more time steps."),
        (Phases(window=4, layers=1), "Calibrate over more steps, a larger rho, or take more time steps."),
    ],
)
def test_the_advice_against_unevenness_is_not_what_is_done_already(phases: Phases, advice: str) -> None:
    layer = LayerError("1", 1.0, 1.0, 0.6, 0.5, 0.0, 0.0, 0.0, (0.6,), (Parts(0.1, 0.0, 0.1, 0.5),), (), ())
    verdict = Diagnosis((layer,), 1, 1, 0.5, phases).verdict()
    assert "most of it from the order in which its input arrives" in verdict
    assert verdict.endswith(advice)


def test_samples_are_taken_together() -> None:
    """The errors of two images, (2, 0) and (0, 0), over activations of (3, 1) and (1, 0)."""
    found = diagnose(one_layer(1.0), torch.tensor([[3.0, 1.0], [1.0, 0.0]]), 4)
    (layer,) = found.layers
    assert layer.error == pytest.approx(2 / math.sqrt(11))
    assert (layer.activation, layer.saturated, layer.silent, found.samples) == (1.25, 0.25, 0.0, 2)


class Clamped(nn.Module):
    """A ReLU clipped at a bound that is kept in a buffer."""

    def __init__(self, clamp) -> None:
        super().__init__()
        self.first, self.second, self.clamp = linear([1.0, 0.0], [0.0, 1.0]), linear([1.0, 1.0]), clamp
        self.register_buffer("top", torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.clamp(self.first(x), self.top))


@pytest.mark.parametrize(
    ("clamp", "site"),
    [
        (lambda x, top: x.clamp(0, top), "clamp"),
        (lambda x, top: x.clamp(min=0, max=top), "clamp"),
        (lambda x, top: torch.clamp(x, 0, top), "clamp"),
        (lambda x, top: x.clamp(0, (top + 2) / 2), "clamp"),
        (lambda x, top: x.clamp(0, top.to(x.dtype)), "clamp"),
    ],
)
def test_a_bound_in_a_buffer(clamp, site: str) -> None:
    """3 and 1 are clipped to 2 and 1; threshold 2 and T = 2 give two spikes and one, exactly these values."""
    found = diagnose(converted(Clamped(clamp), **{f"at_{site}": 2.0}), torch.tensor([[3.0, 1.0]]), 2)
    (layer,) = found.layers
    assert (layer.activation, layer.rate, layer.error, layer.own) == (1.5, 1.5, 0.0, 0.0)


# refusals


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"images": torch.zeros(2, 5)},
            ShapeError,
            r"diagnose\.images: the network cannot take a batch of shape \[2, 5",
        ),
        ({"images": torch.zeros(1, 2, 3)}, ShapeError, r"diagnose\.images: the network cannot take .* \[1, 2, 3\]"),
        ({"images": torch.zeros(2)}, ShapeError, r"diagnose\.images: got \[2\] of torch\.float32; expected a floating"),
        ({"images": torch.zeros(0, 2)}, ShapeError, r"diagnose\.images: got \[0, 2\]"),
        ({"images": torch.zeros(1, 2, dtype=torch.uint8)}, ShapeError, r"diagnose\.images: got .* of torch\.uint8"),
        ({"images": [[1.0, 2.0]]}, ShapeError, r"diagnose\.images: got list; expected a tensor \[N, \.\.\.\]"),
        ({"images": torch.tensor([[math.nan, 1.0]])}, DataError, r"diagnose\.images: got NaN or infinite values"),
        ({"timesteps": 0}, ArgumentError, r"diagnose\.timesteps: got 0; expected a whole number of at least 1"),
        ({"timesteps": 2.5}, ArgumentError, r"diagnose\.timesteps: got 2\.5; expected a whole number"),
        ({"timesteps": "4"}, ArgumentError, r"diagnose\.timesteps: got '4'; expected a whole number"),
        ({"tolerance": 0.0}, ArgumentError, r"diagnose\.tolerance: got 0\.0; expected a finite number above 0"),
        ({"tolerance": math.nan}, ArgumentError, r"diagnose\.tolerance: got nan"),
        (
            {"conversion": nn.ReLU()},
            ArgumentError,
            r"diagnose\.conversion: got ReLU; expected what convert\(\) returns",
        ),
    ],
)
def test_refused(arguments: dict, error: type[Exception], text: str) -> None:
    whole = {"conversion": one_layer(1.0), "images": torch.ones(1, 2), "timesteps": 2} | arguments
    with pytest.raises(error, match=text):
        diagnose(**whole)
