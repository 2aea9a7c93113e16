"""The Triton kernels of fused: equal to bptt, on a GPU, or with TRITON_INTERPRET=1 anywhere Triton is installed."""

import os

import pytest
import torch

from spikewright.core import (
    ATan,
    Rectangle,
    Sigmoid,
    SoftSign,
    StraightThrough,
    SuperSpike,
    Triangle,
    bptt,
    detached,
    fused,
    none,
    subtract,
    to_zero,
)
from spikewright.core import fused as unroll
from spikewright.neurons import ATLIF, IF, LIF, LMH, PLIF

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
pytestmark = [] if INTERPRETED else [pytest.mark.gpu]

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


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    """Where there is no GPU, tensors on the CPU go to the kernels, too."""
    pytest.importorskip("triton")
    if INTERPRETED:
        from spikewright.core.kernels import gpu

        monkeypatch.setitem(unroll.__globals__, "_loops", lambda xs: gpu)
    elif not torch.cuda.is_available():
        pytest.skip("needs a GPU")


def inputs(seed=0, shape=(6, 3, 4, 5), dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5).to(DEVICE, dtype)


def results(neuron, unroll, xs):
    neuron, xs = neuron.to(DEVICE), xs.detach().requires_grad_()
    start = neuron.init_state(xs[0].detach())
    start = type(start)(*(part.detach().requires_grad_() for part in start))
    state, spikes = unroll(neuron, start, xs)
    parts = (spikes, *state)
    sum((part * inputs(1 + i, part.shape, part.dtype)).sum() for i, part in enumerate(parts)).backward()
    gradients = [xs.grad, *(part.grad for part in start), *(p.grad for p in neuron.parameters())]
    return parts, gradients


def check(make, xs, tolerance=2e-5):
    found, expected = results(make(), fused, xs), results(make(), bptt, xs)
    assert torch.equal(found[0][0], expected[0][0])
    assert 0 < found[0][0].mean() < 1
    for one, other in zip(found[0][1:], expected[0][1:]):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
    for one, other in zip(found[1], expected[1]):
        if one is None or other is None:
            assert one is other or not (one if other is None else other).any()
        else:
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reset", RESETS.values(), ids=RESETS)
def test_equal_to_bptt_for_every_reset(kind, reset):
    check(lambda: KINDS[kind](reset=reset), inputs())


@pytest.mark.parametrize("kind", ["LIF", "LMH"])
@pytest.mark.parametrize("spike", SURROGATES, ids=lambda spike: type(spike).__name__)
def test_equal_to_bptt_for_every_surrogate(kind, spike):
    check(lambda: KINDS[kind](spike=spike), inputs())


@pytest.mark.parametrize("kind", ["IF", "LIF", "PLIF"])
@pytest.mark.parametrize("reset", RESETS.values(), ids=RESETS)
def test_equal_to_bptt_where_only_what_is_above_the_threshold_fires(kind, reset):
    make = lambda: KINDS[kind](spike=Rectangle(fires=torch.gt), reset=reset)  # noqa: E731
    check(make, inputs())
    neuron = IF(v_threshold=1.0, spike=StraightThrough(fires=torch.gt), reset=reset)
    xs = (inputs() * 4).round() / 4  # potentials that are equal to the threshold
    assert torch.equal(results(neuron, fused, xs)[0][0], results(neuron, bptt, xs)[0][0])


def test_equal_to_bptt_for_a_threshold_that_adapts():
    check(lambda: ATLIF(decay=0.8, v_threshold=0.7), inputs())
    check(lambda: ATLIF(decay=0.8, v_threshold=torch.tensor([0.7, 0.5, 0.9, 1.1, 0.6])), inputs())


def test_constants_per_channel_and_per_neuron():
    per_channel, per_neuron = torch.linspace(0.5, 1.5, 4).reshape(4, 1), torch.linspace(0.5, 2, 20).reshape(4, 5)
    check(lambda: LIF(tau=per_channel, v_threshold=per_neuron, learn=("decay", "v_threshold")), inputs())
    check(lambda: LMH(v_threshold=per_channel, a2=0.8), inputs())


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 7), (33, 2, 7), (3, 2, 1031)], ids=str)
def test_any_shape(shape):
    xs = inputs(shape=shape) + (0.6 if shape == (1, 1, 1) else 0)
    for make in (lambda: LIF(learn=("decay",)), lambda: LMH(a1=0.2)):
        if shape == (1, 1, 1):
            assert torch.equal(results(make(), fused, xs)[0][0], results(make(), bptt, xs)[0][0])
        else:
            check(make, xs)


def test_channels_last_and_a_repeated_image():
    xs = inputs(shape=(4 * 2, 3, 5, 6)).to(memory_format=torch.channels_last).unflatten(0, (4, 2))
    check(lambda: LIF(tau=torch.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1), learn=("decay",)), xs)
    check(lambda: PLIF(), inputs(shape=(1, 3, 4, 5)).expand(6, -1, -1, -1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_where_nothing_is_rounded(dtype):
    if INTERPRETED and dtype == torch.bfloat16:
        pytest.skip("the interpreter stores no bfloat16")
    xs = (inputs() * 16).round().div(16).to(dtype)
    found, expected = results(IF(), fused, xs), results(IF(), bptt, xs)
    assert torch.equal(found[0][0], expected[0][0])
    torch.testing.assert_close(found[1][0], expected[1][0], rtol=0.05, atol=0.1)
