"""fused: the same spikes, states and gradients as bptt, for every neuron, reset, surrogate, layout and constant."""

import pytest
import torch
from torch import nn

from spikewright.core import (
    ATan,
    Gaussian,
    Rectangle,
    Sigmoid,
    SoftSign,
    Spiking,
    StraightThrough,
    SuperSpike,
    Triangle,
    bptt,
    carry_state,
    detached,
    fused,
    fuses,
    none,
    sliced,
    subtract,
    to_zero,
)
from spikewright.core.errors import ArgumentError
from spikewright.core.kernels.order import order_of
from spikewright.neurons import ALIF, ATLIF, IF, LIF, LMH, PLIF

SHAPE = (6, 3, 4, 5)
"""Not a multiple of anything that the loops like."""

KINDS = {
    "IF": lambda **how: IF(start=0.25, learn=("v_threshold", "start"), **how),
    "LIF": lambda **how: LIF(tau=3.0, learn=("decay", "v_threshold"), **how),
    "PLIF": lambda **how: PLIF(**how),
    "LMH": lambda **how: LMH(v_threshold=0.8, a1=0.2, b1=-0.3, a2=0.7, b2=1.3, **how),
}
SURROGATES = (ATan(alpha=1.5), Triangle(gamma=0.7), Rectangle(), Sigmoid(), SoftSign(), StraightThrough(), SuperSpike())
RESETS = {
    "subtract": subtract,
    "to_zero": to_zero,
    "none": none,
    "subtract, detached": detached(subtract),
    "to_zero, detached": detached(to_zero),
}


def inputs(seed=0, shape=SHAPE, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5).to(dtype)


def results(neuron, unroll, xs):
    """Output, last state and all gradients; the last state takes part in the loss."""
    neuron.unroll = unroll
    xs = xs.detach().requires_grad_()
    start = neuron.init_state(xs[0].detach())
    start = type(start)(*(part.detach().requires_grad_() for part in start))
    state, spikes = unroll(neuron, start, xs)
    loss = (spikes * inputs(1, xs.shape, xs.dtype)).sum() + sum(
        (part * inputs(2, part.shape, part.dtype)).sum() for part in state
    )
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in neuron.named_parameters()}
    return spikes, [*state], [xs.grad, *(part.grad for part in start)], gradients


def check(make, xs, rtol=1e-9):
    spikes, states, of_inputs, gradients = results(make(), fused, xs)
    expected = results(make(), bptt, xs)
    assert torch.equal(spikes, expected[0])
    assert 0 < spikes.mean() < 1
    for one, other in zip(states, expected[1]):
        assert torch.equal(one, other)
    for one, other in zip([*of_inputs, *gradients.values()], [*expected[2], *expected[3].values()]):
        if one is None or other is None:  # bptt gives none where nothing depends on it, e.g. on a start that is lost
            assert one is other or not (one if other is None else other).any()
        else:
            torch.testing.assert_close(one, other, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reset", RESETS.values(), ids=RESETS)
def test_equal_to_bptt_for_every_reset(kind, reset):
    check(lambda: KINDS[kind](reset=reset).double(), inputs())


@pytest.mark.parametrize("kind", ["LIF", "LMH"])
@pytest.mark.parametrize("spike", SURROGATES, ids=lambda spike: type(spike).__name__)
def test_equal_to_bptt_for_every_surrogate(kind, spike):
    check(lambda: KINDS[kind](spike=spike).double(), inputs())


@pytest.mark.parametrize("kind", ["IF", "LIF", "PLIF"])
@pytest.mark.parametrize("reset", RESETS.values(), ids=RESETS)
def test_equal_to_bptt_where_only_what_is_above_the_threshold_fires(kind, reset):
    make = lambda: KINDS[kind](spike=Rectangle(fires=torch.gt), reset=reset)  # noqa: E731
    assert fuses(make())
    check(lambda: make().double(), inputs())
    neuron, xs = IF(spike=StraightThrough(fires=torch.gt), reset=reset), (inputs() * 4).round() / 4
    assert not torch.equal(neuron.over_time(xs), IF(reset=reset).over_time(xs))  # some are equal to the threshold
    assert torch.equal(results(neuron, fused, xs)[0], results(neuron, bptt, xs)[0])


def test_what_has_no_passes_above_the_threshold_is_bptt():
    assert not fuses(LMH(spike=Rectangle(fires=torch.gt)))
    assert not fuses(LIF(spike=Rectangle(fires=torch.lt)))


def test_equal_to_bptt_for_a_threshold_that_adapts():
    check(lambda: ATLIF(decay=0.8, v_threshold=0.7).double(), inputs())
    check(lambda: ATLIF(decay=0.8, v_threshold=torch.tensor([0.7, 0.5, 0.9, 1.1, 0.6])).double(), inputs())


@pytest.mark.parametrize("kind", [*KINDS, "ATLIF"])
def test_equal_to_bptt_in_single_precision(kind):
    make = KINDS.get(kind, ATLIF)
    check(lambda: make(), inputs(dtype=torch.float32), rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_equal_to_bptt_in_half_precision_where_nothing_is_rounded(dtype):
    xs = (inputs() * 16).round().div(16).to(dtype)
    spikes, states, (gradient, *_), _ = results(IF(), fused, xs)
    expected = results(IF(), bptt, xs)
    assert spikes.dtype == gradient.dtype == states[0].dtype == dtype
    assert torch.equal(spikes, expected[0])
    torch.testing.assert_close(gradient, expected[2][0], rtol=0.05, atol=0.1)


def test_half_precision_is_computed_with_in_single_precision():
    xs = torch.full((1000, 1, 1), 0.0015, dtype=torch.bfloat16)
    exact = (xs.double().cumsum(0)[-1] >= 1).item()
    neuron = IF(reset=none)
    neuron.unroll = fused
    assert neuron.over_time(xs)[-1].item() == exact == 1
    neuron.unroll = bptt
    assert neuron.over_time(xs)[-1].item() == 0  # steps of 0.0015 are lost beside 0.5


def test_constants_per_channel_and_per_neuron():
    per_channel, per_neuron = torch.linspace(0.5, 1.5, 4).reshape(4, 1), torch.linspace(0.5, 2, 20).reshape(4, 5)
    check(lambda: LIF(tau=per_channel, v_threshold=per_neuron, learn=("decay", "v_threshold")).double(), inputs())
    check(lambda: LMH(v_threshold=per_channel, a2=0.8).double(), inputs())
    check(lambda: IF(start=per_neuron, v_threshold=per_channel, learn=("start",)).double(), inputs())


@pytest.mark.parametrize("steps", [1, 2, 33])
def test_any_number_of_steps(steps):
    check(lambda: LIF(learn=("decay",)).double(), inputs(shape=(steps, 2, 7)))


def test_layers_larger_than_a_block():
    check(lambda: LIF(learn=("decay", "v_threshold")).double(), inputs(shape=(3, 2, 1031)))
    check(lambda: LMH(a1=0.2).double(), inputs(shape=(3, 2, 1031)))


def test_a_repeated_image_is_read_in_place():
    still = inputs(shape=(1, *SHAPE[1:])).expand(SHAPE)
    check(lambda: LIF().double(), still)


def test_channels_last_stays_channels_last():
    xs = inputs(shape=(4 * 2, 3, 5, 6)).to(memory_format=torch.channels_last).unflatten(0, (4, 2))
    check(lambda: LIF(tau=torch.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1), learn=("decay",)).double(), xs)
    neuron = LIF()
    neuron.unroll = fused
    assert neuron.over_time(xs).flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)])
def test_an_order_is_undone(axes):
    shape = torch.Size((2, 3, 4, 5))
    x = inputs(shape=[7, *(shape[a] for a in axes)]).permute(0, *(1 + axes.index(a) for a in range(4)))
    order = order_of(x)
    flat, stride = order.sequence(x)
    assert order.axes == axes
    assert stride == shape.numel()
    assert flat.data_ptr() == x.data_ptr()
    assert torch.equal(order.unflat(flat, 7), x)


def test_the_state_is_carried():
    neuron, xs = LMH(a1=0.2).double(), inputs()
    neuron.unroll = fused
    with carry_state(neuron):
        parts = [neuron.over_time(part) for part in xs.split([1, 3, 2])]
    assert torch.equal(torch.cat(parts), neuron.over_time(xs))


def test_only_the_input_is_kept():
    kept = []
    neuron, xs = LIF(), inputs(dtype=torch.float32).requires_grad_()
    neuron.unroll = fused
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        neuron.over_time(xs)
    assert sum(x.numel() for x in kept if x.numel() > 60) == xs.numel()


@pytest.mark.parametrize(
    "neuron", [ALIF(), IF(mask=torch.ones(5)), LIF(spike=Gaussian()), LMH(spike=ATan(fires=torch.gt))]
)
def test_what_it_does_not_know_runs_as_before(neuron):
    assert not fuses(neuron)
    xs = inputs(dtype=torch.float32)
    expected = neuron.over_time(xs)
    neuron.unroll = fused
    assert torch.equal(neuron.over_time(xs), expected)


def test_what_it_knows():
    for neuron in (IF(), LIF(), PLIF(), LMH(), ATLIF(), LIF(reset=detached(to_zero))):
        assert fuses(neuron)


def test_a_network_learns_the_same():
    def gradients(unroll):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), LIF(), nn.Flatten(), nn.Linear(100, 3))
        net[2].unroll = unroll
        Spiking(net)(inputs(shape=(4, 3, 2, 5, 5), dtype=torch.float32)).square().sum().backward()
        return [parameter.grad for parameter in net.parameters()]

    for one, other in zip(gradients(fused), gradients(bptt)):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("unroll", "met"), [("fused", "'fused'"), (sliced, "the class sliced"), (None, "None")])
def test_what_is_no_unroll_is_named(unroll, met):
    neuron = LIF()
    neuron.unroll = unroll
    with pytest.raises(ArgumentError, match=rf"LIF.unroll: got {met}; expected an unroll, e.g. fused, or sliced\(2\)"):
        neuron.over_time(inputs(dtype=torch.float32))
