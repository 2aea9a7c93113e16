"""Delays: by hand, carried, trained, narrowed and rounded; what the profile says of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from spikewright.core import Spiking, carry_state
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.layers import Delay, DelayedConv2d, DelayedLinear, NarrowDelays, round_delays
from spikewright.layers.delay import delay_taps
from spikewright.neurons import IF
from spikewright.profile import count_operations

XS = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0))
IMAGES = torch.randn(6, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_delay_by_hand():
    out = Delay([0, 1, 3]).over_time(XS)
    zero = torch.zeros(3, 2)
    assert torch.equal(out[..., 0], XS[..., 0])
    assert torch.equal(out[..., 1], torch.cat([zero[:1], XS[:-1, :, 1]]))
    assert torch.equal(out[..., 2], torch.cat([zero, XS[:-3, :, 2]]))
    assert torch.equal(Delay([0, 0, 0]).over_time(IMAGES), IMAGES)
    assert torch.equal(Delay([2, 2, 2]).over_time(IMAGES)[2:], IMAGES[:-2])


@pytest.mark.parametrize("cuts", [[1] * 6, [2, 4], [5, 1]])
@pytest.mark.parametrize("kind", ["Delay", "DelayedLinear", "DelayedConv2d"])
def test_whole_and_carried_runs_are_equal(kind, cuts):
    torch.manual_seed(0)
    layer = {
        "Delay": lambda: Delay([0, 1, 3]),
        "DelayedLinear": lambda: DelayedLinear(3, 2, longest=3),
        "DelayedConv2d": lambda: DelayedConv2d(3, 2, 3, longest=3, padding=1),
    }[kind]()
    xs = IMAGES if kind == "DelayedConv2d" else XS
    with carry_state(layer):
        parts = [layer.over_time(part) for part in xs.split(cuts)]
    torch.testing.assert_close(torch.cat(parts), layer.over_time(xs))


def test_shares_by_hand():
    """Distances 1, 0, 1 at a width of 1: exp(-1/2) to 1."""
    low = 2.718281828**-0.5
    expected = [low / (1 + 2 * low), 1 / (1 + 2 * low), low / (1 + 2 * low)]
    assert delay_taps(torch.tensor(1.0), torch.tensor(1.0), 2).tolist() == pytest.approx(expected)
    assert delay_taps(torch.tensor([7.0, -3.0]), torch.tensor(0.5), 2).argmax(-1).tolist() == [2, 0]


def by_hand(weight, delay, xs, synapse):
    """Sum over connections of weight times the input, as late as its delay says."""
    out = 0
    for d in delay.unique().tolist():
        late = torch.cat([torch.zeros_like(xs[: int(d)]), xs[: len(xs) - int(d)]])
        mask = (delay == d).float().view(*delay.shape, *[1] * (weight.dim() - 2))
        out = out + torch.stack([synapse(x, weight * mask) for x in late])
    return out


def test_rounded_delays_are_late_linear_layers():
    torch.manual_seed(0)
    layer = DelayedLinear(3, 4, longest=4, bias=False)
    round_delays(layer)
    assert torch.equal(layer.delay, layer.delay.round())
    assert len(layer.delay.unique()) > 2
    torch.testing.assert_close(layer.over_time(XS), by_hand(layer.weight, layer.delay, XS, F.linear))


def test_rounded_delays_are_late_convolutions():
    torch.manual_seed(0)
    layer = DelayedConv2d(3, 2, 3, longest=3, stride=2, padding=1)
    round_delays(layer)
    expected = by_hand(layer.weight, layer.delay, IMAGES, lambda x, w: F.conv2d(x, w, None, 2, 1))
    torch.testing.assert_close(layer.over_time(IMAGES), expected + layer.bias.view(-1, 1, 1))


def test_gradients():
    layer = DelayedLinear(2, 2, longest=3).double()
    xs = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)

    def of(xs, weight, delay):
        return torch.func.functional_call(layer, {"weight": weight, "delay": delay}, (xs,))

    layer.forward = layer.over_time
    assert torch.autograd.gradcheck(of, (xs, layer.weight, layer.delay))


def test_a_delay_is_learnt():
    """The target is the input three steps later; the delay begins near one step."""
    torch.manual_seed(0)
    layer = DelayedLinear(1, 1, longest=5, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.delay.fill_(1.2)
    model, xs = Spiking(layer), (torch.rand(40, 8, 1) < 0.3).float()
    target = torch.cat([torch.zeros(3, 8, 1), xs[:-3]])
    optimizer, narrow = torch.optim.Adam(layer.parameters(), lr=0.05), NarrowDelays(start=2.0, end=0.3, steps=150)
    for _ in range(200):
        optimizer.zero_grad()
        F.mse_loss(model(xs), target).backward()
        optimizer.step()
        narrow(model, 0.05)
    assert layer.width.item() == pytest.approx(0.3)
    round_delays(model)
    assert layer.delay.item() == 3.0
    assert F.mse_loss(model(xs), target) < 0.01


def test_narrowing_resumes_from_the_state_dict():
    narrow, layer, twin = NarrowDelays(steps=4), DelayedLinear(1, 1, longest=2), DelayedLinear(1, 1, longest=2)
    for _ in range(2):
        narrow(layer, 0.1)
    twin.load_state_dict(layer.state_dict())
    narrow(layer, 0.1)
    narrow(twin, 0.1)
    assert torch.equal(layer.width, twin.width)
    assert layer.width.item() == pytest.approx(2 * 0.25**0.75)


def test_a_delay_costs_nothing_and_spikes_pass_it_late():
    xs = torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1).repeat(1, 1, 2)
    model = Spiking(nn.Sequential(IF(), Delay([0, 1]), nn.Linear(2, 5, bias=False)))
    counted = count_operations(model, xs)
    assert [layer.layer for layer in counted.layers if layer.synops.any()] == ["2"]
    assert counted.layer("2").synops.tolist() == [5, 5, 5]


def test_the_cost_of_trained_delays_is_listed_as_unknown():
    counted = count_operations(Spiking(nn.Sequential(IF(), DelayedLinear(2, 1, longest=2))), torch.ones(3, 1, 2))
    assert ("DelayedLinear", 1) in counted.uncounted


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Delay([]), r"Delay\.steps: got \[\]; expected whole numbers, one for each channel"),
        (lambda: Delay([1, -1]), r"Delay\.steps: got -1; expected a whole number of at least 0"),
        (lambda: Delay([0.5]), r"Delay\.steps: got 0\.5"),
        (lambda: DelayedLinear(0, 1, longest=1), r"DelayedLinear\.inputs: got 0"),
        (lambda: DelayedLinear(1, 1, longest=0), r"DelayedLinear\.longest: got 0"),
        (
            lambda: DelayedConv2d(1, 1, 3, longest=1, width=0),
            r"DelayedConv2d\.width: got 0; expected a finite number ab",
        ),
        (lambda: DelayedConv2d(1, 1, 3, longest=1, stride=0), r"DelayedConv2d\.stride: got 0"),
        (lambda: NarrowDelays(steps=0), r"NarrowDelays\.steps: got 0"),
        (lambda: NarrowDelays(steps=1, end=0.0), r"NarrowDelays\.end: got 0\.0; expected a finite number above 0"),
        (lambda: round_delays(nn.Linear(1, 1)), r"round_delays\.model: got a network without trained delays; expected"),
    ],
)
def test_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Delay([0, 1]), r"Delay: got input of shape \[6, 2, 3\]; expected \[T, N, 2"),
        (DelayedLinear(2, 1, longest=1), r"DelayedLinear: got input of shape \[6, 2, 3\]; expected \[T, N, 2\]"),
        (
            DelayedConv2d(3, 1, 3, longest=1),
            r"DelayedConv2d: got input of shape \[6, 2, 3\]; expected \[T, N, 3, H, W\]",
        ),
    ],
)
def test_input_must_fit(layer, message):
    with pytest.raises(ShapeError, match=message):
        layer.over_time(XS)
