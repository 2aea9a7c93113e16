"""Neurons over all steps in one pass: worked by hand, equal to the neurons in torch, on a device equal to both."""

import os

import pytest
import torch
from torch import Tensor

from spikewright.core.dynamics import Leaky, Signed
from spikewright.core.neuron import Neuron
from spikewright.core.reset import none, to_zero
from spikewright.neurons import IF, LIF, SignedIF
from spikewright.runtime.dense_neurons import After, Constants, Equation, advance, has_kernel


def constants(neuron: Neuron, count: int, bias: float = 0.0) -> Constants:
    says = neuron.dynamics()  # pyright: ignore[reportAttributeAccessIssue]
    one = torch.ones(count)
    if isinstance(says, Signed):
        return Constants(says.v_threshold * one, says.start * one, one, one, one, neuron.amplitude * one, bias * one)
    assert isinstance(says, Leaky)
    mask = one if says.mask is None else says.mask * one
    parts = (says.v_threshold, says.start, says.decay, says.gain, mask, neuron.amplitude)
    return Constants(*(part * one for part in parts), bias=bias * one)


def test_three_steps_by_hand() -> None:
    # 0.5 + 0.4 + 0.2 = 1.1 fires, 0.1 + 0.4 + 0.2 = 0.7, 0.7 + 0.4 + 0.2 = 1.3 fires, 0.3 is left
    out = torch.empty(3, 1, 1)
    neuron = IF(start=0.5, amplitude=3.0)
    xs = [torch.full((1, 1, 1), 0.4)]
    v = advance(xs, None, constants(neuron, 1, bias=0.2), Equation(After.SUBTRACT, signed=False), out)
    assert out.flatten().tolist() == [3.0, 0.0, 3.0]
    torch.testing.assert_close(v, torch.tensor([[0.3]]))


CASES: dict[str, tuple[Neuron, Equation]] = {
    "IF": (IF(v_threshold=0.8, start=0.3, amplitude=0.8), Equation(After.SUBTRACT, signed=False)),
    "IF to zero": (IF(reset=to_zero), Equation(After.TO_ZERO, signed=False)),
    "IF without reset": (IF(reset=none), Equation(After.NONE, signed=False)),
    "IF with a mask": (IF(mask=(torch.arange(12) % 3 > 0).float()), Equation(After.SUBTRACT, signed=False)),
    "LIF": (LIF(tau=3.0, v_threshold=0.7), Equation(After.SUBTRACT, signed=False)),
    "SignedIF": (SignedIF(v_threshold=0.5, start=0.2), Equation(After.SUBTRACT, signed=True)),
}


def inputs(shape: tuple[int, ...] = (6, 5, 12)) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("neuron", "equation"), CASES.values(), ids=CASES)
def test_equal_to_the_neuron_in_torch(neuron: Neuron, equation: Equation) -> None:
    xs, more = inputs(), 0.3 * inputs()[:, :, range(11, -1, -1)]
    out = torch.empty_like(xs)
    advance([xs, more], None, constants(neuron, 12, bias=0.1), equation, out)
    with torch.no_grad():
        torch.testing.assert_close(out, neuron.over_time(xs + more + 0.1))
    assert 0 < float((out != 0).float().mean()) < 1


def test_it_goes_on_from_a_potential() -> None:
    xs, equation, made = inputs(), Equation(After.SUBTRACT, signed=False), constants(LIF(), 12)
    whole, parts = torch.empty_like(xs), torch.empty_like(xs)
    last = advance([xs], None, made, equation, whole)
    middle = advance([xs[:2]], None, made, equation, parts[:2])
    kept = middle.clone()
    torch.testing.assert_close(advance([xs[2:]], middle, made, equation, parts[2:]), last)
    assert torch.equal(whole, parts)
    assert torch.equal(middle, kept)


INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"


@pytest.mark.gpu
@pytest.mark.skipif(
    not has_kernel() or not (INTERPRETED or torch.cuda.is_available()),
    reason="needs Triton, and a GPU or its interpreter",
)
@pytest.mark.parametrize(("neuron", "equation"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_one_kernel_gives_the_same(neuron: Neuron, equation: Equation, kind: torch.dtype) -> None:
    from spikewright.runtime import device_kernel

    xs = inputs((6, 700, 12)).to(kind).to(DEVICE)
    made = Constants(*(part.to(DEVICE) for part in constants(neuron, 12, bias=0.1)))
    for given in ([xs], [xs[:1], xs]):
        for v in (None, inputs((700, 12)).to(DEVICE)):
            out, expected = (torch.empty_like(xs) for _ in range(2))
            last = device_kernel.advance(given, v, made, equation, out)
            known = advance(given, v, made, equation, expected)
            same = (out == expected).float().mean()
            assert same > 0.9999  # a potential within rounding of its threshold may fire or not
            assert ((last - known).abs() < 1e-4).float().mean() > 0.9999
