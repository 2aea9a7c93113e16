"""gradient_rule: another unroll inside the block, the old one after it, whatever happens."""

import pytest
import torch
from torch import nn

from spikewright.core import Record, Spiking, bptt, checkpointed, gradient_rule, recorded, sliced
from spikewright.core.errors import ArgumentError
from spikewright.neurons import IF, LIF


def double_gradient(neuron, state, xs):
    """The forward of bptt with twice its gradient."""
    state, spikes = bptt(neuron, state, xs)
    return state, spikes.detach() + 2 * (spikes - spikes.detach())


def model():
    return Spiking(nn.Sequential(IF(), nn.Linear(2, 2), LIF()))


def grad(net):
    xs = torch.rand(4, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    out = net(xs)
    out.sum().backward()
    return out.detach(), xs.grad


def test_only_the_backward_pass_changes_and_only_inside():
    net = model()
    out, before = grad(net)
    with gradient_rule(net, double_gradient):
        inside_out, inside = grad(net)
    after_out, after = grad(net)
    assert torch.equal(out, inside_out)
    assert torch.equal(out, after_out)
    torch.testing.assert_close(inside, 4 * before)  # two neurons in a row
    assert before.abs().sum() > 0
    assert torch.equal(before, after)


def test_the_old_rule_is_back_after_an_exception():
    net = model()
    net.module[0].unroll = keep = checkpointed(2)

    def fail():
        with gradient_rule(net, double_gradient):
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert net.module[0].unroll is keep
    assert net.module[2].unroll is bptt


def test_blocks_nest():
    net = model()
    before = net.module[0].unroll
    with gradient_rule(net, double_gradient):
        with gradient_rule(net, recorded(Record())):
            assert net.module[0].unroll is not double_gradient
        assert net.module[0].unroll is net.module[2].unroll is double_gradient
    assert net.module[0].unroll is before


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("sltt", r"gradient_rule\.rule: got 'sltt'; expected an unroll"),
        (sliced, r"got sliced\(steps.*; expected an unroll, called as \(neuron, state, xs\)\. .* called first"),
        (checkpointed, r"gradient_rule\.rule: got checkpointed\(steps.*sliced\(2\)"),
    ],
)
def test_what_is_no_unroll_is_refused_before_anything_changes(rule, message):
    net = model()
    before = net.module[0].unroll
    with pytest.raises(ArgumentError, match=message), gradient_rule(net, rule):
        pass
    assert net.module[0].unroll is before
