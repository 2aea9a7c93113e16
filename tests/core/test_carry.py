"""Carrying states between calls: chunks, nesting, exceptions, shapes, gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spikewright.core import Spiking, carry_state
from spikewright.core.errors import ShapeError
from spikewright.neurons import IF, LIF
from spikewright.neurons.if_ import IFState


def model():
    linear = nn.Linear(2, 2, bias=False)
    nn.init.eye_(linear.weight)
    return Spiking(nn.Sequential(IF(start=0.5), linear, LIF()))


def constant(timesteps, value=0.5, batch=1):
    return torch.full((timesteps, batch, 2), value)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(1, 4), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_any_chunking_equals_one_shot_exactly(cuts, seed):
    net = model()
    xs = torch.rand(sum(cuts), 3, 2, generator=torch.Generator().manual_seed(seed))
    with carry_state(net):
        parts = [net(part) for part in xs.split(cuts)]
    assert torch.equal(torch.cat(parts), net(xs))


def test_without_carrying_each_call_starts_fresh():
    net = Spiking(IF())
    assert net(constant(1)).sum() == net(constant(1)).sum() == 0


def test_after_the_block_and_in_the_next_block_states_start_fresh():
    net = Spiking(IF())
    for _ in range(2):
        with carry_state(net):
            assert net(constant(1)).sum() == 0
        assert net(constant(1)).sum() == 0


def test_states_can_be_read_and_set_by_name():
    net = model()
    with carry_state(net) as carried:
        assert list(carried) == ["module.0", "module.2"]
        assert carried["module.0"].state is None
        net(constant(1, 0.25))
        assert carried["module.0"].state.v.tolist() == [[0.75, 0.75]]
        carried["module.0"].state = IFState(torch.zeros(1, 2))
        net(constant(1, 0.5))
        assert carried["module.0"].state.v.tolist() == [[0.5, 0.5]]


def test_an_inner_block_starts_fresh_and_the_outer_one_goes_on():
    net = Spiking(IF())
    with carry_state(net) as outer:
        assert net(constant(1)).sum() == 0
        with carry_state(net):
            assert net(constant(1)).sum() == 0
            assert net(constant(1)).sum() == 2
        assert outer["module"].state.v.tolist() == [[0.5, 0.5]]
        assert net(constant(1)).sum() == 2


def test_an_exception_ends_the_carrying():
    net = Spiking(IF())

    def fail():
        with carry_state(net):
            net(constant(1))
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert net.module.carry is None
    assert net(constant(1)).sum() == 0


@pytest.mark.parametrize("shape", [(1, 3, 2), (1, 1, 5)])
def test_another_batch_or_feature_shape_is_refused(shape):
    net = Spiking(IF())
    message = r"IF: carries a state of shape \[1, 2\], but the next input has .*leave carry_state to start anew"
    with carry_state(net):
        net(constant(1))
        with pytest.raises(ShapeError, match=message):
            net(torch.zeros(shape))


def test_another_dtype_is_refused():
    net = Spiking(IF())
    with carry_state(net):
        net(constant(1))
        with pytest.raises(ShapeError, match=r"state in torch\.float32, but the next input is in torch\.float64"):
            net(constant(1).double())


def test_gradients_stop_at_the_border_between_calls():
    net = Spiking(IF())
    first, second = (constant(1).requires_grad_() for _ in range(2))
    with carry_state(net):
        net(first)
        net(second).sum().backward()
    assert first.grad is None
    assert second.grad is not None
    assert second.grad.abs().sum() > 0


def test_a_block_around_part_of_a_model_carries_that_part_only():
    net = nn.Sequential(IF(), IF())
    with carry_state(net[0]) as carried:
        assert list(carried) == [""]
        assert net[1].carry is None
