"""LI: three steps by hand; it is linear and gives its potential."""

import math

import pytest
import torch

from spikewright.core import carry_state
from spikewright.neurons import LI

HALF = 1 / math.log(2)


def test_three_steps_by_hand():
    xs = torch.tensor([1.0, -2.0, 4.0]).view(3, 1, 1)
    assert LI(tau=HALF).over_time(xs).flatten().tolist() == [1.0, -1.5, 3.25]


def test_it_never_resets_and_has_no_levels():
    assert LI.levels is None
    assert LI(tau=HALF).over_time(torch.full((3, 1, 1), 100.0)).flatten().tolist() == [100.0, 150.0, 175.0]


def test_the_amplitude_scales_the_output_but_not_the_state():
    neuron = LI(tau=HALF, amplitude=3.0)
    with carry_state(neuron) as carried:
        assert neuron.over_time(torch.ones(2, 1, 1)).flatten().tolist() == [3.0, 4.5]
        assert carried[""].state.v.item() == 1.5


def test_it_is_linear():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(6, 2, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    neuron = LI()
    torch.testing.assert_close(neuron.over_time(2 * a - b), 2 * neuron.over_time(a) - neuron.over_time(b))


def test_the_gradient_is_exact():
    xs = torch.randn(4, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    neuron = LI(learn=("decay", "amplitude")).double()
    assert torch.autograd.gradcheck(neuron.over_time, (xs,))
    neuron.over_time(xs).sum().backward()
    assert neuron.decay.grad is not None


def test_a_constant_input_settles_at_its_sum():
    out = LI(tau=2.0).over_time(torch.ones(60, 1, 1, dtype=torch.float64))
    assert out[-1].item() == pytest.approx(1 / (1 - math.exp(-0.5)), rel=1e-6)
