"""Online learning: gradients of slices, of single steps, and of traces, each against what defines it."""

import pytest
import torch
from torch import nn

from spikewright.core import ATan, Spiking, bptt, carry_state, gradient_rule, none, ottt, sliced, sltt
from spikewright.core.errors import ArgumentError
from spikewright.neurons import LIF


def network():
    torch.manual_seed(0)
    return Spiking(nn.Sequential(nn.Linear(3, 5), LIF(), nn.Linear(5, 4), LIF(), nn.Linear(4, 2))).double()


XS = 3 * torch.rand(6, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
PULL = torch.rand(6, 4, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
"""A weight for every output, so that gradients differ."""


def gradients(model, block, xs=XS):
    xs = xs.clone().requires_grad_()
    with block:
        out = model(xs)
        (PULL * out).sum().backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()} | {"xs": xs.grad}
    model.zero_grad()
    return out.detach(), found


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_slices_have_the_gradient_of_carried_calls(steps):
    model = network()
    out, found = gradients(model, gradient_rule(model, sliced(steps)))
    with carry_state(model):
        for part, pull in zip(XS.split(steps), PULL.split(steps)):
            (pull * model(part)).sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad)
    assert torch.equal(out, model(XS))


def test_shorter_slices_are_nearer_to_nothing_longer_ones_to_all():
    model = network()
    full = gradients(model, gradient_rule(model, bptt))[1]["module.0.weight"].flatten()
    alike = []
    for steps in (1, 2, 3, 6):
        found = gradients(model, gradient_rule(model, sliced(steps)))[1]["module.0.weight"].flatten()
        alike.append(torch.cosine_similarity(found, full, 0).item())
    assert alike[-1] == pytest.approx(1)
    assert all(share < 1 - 1e-6 for share in alike[:-1])
    assert alike[0] > 0


def test_sltt_is_slices_of_one_step():
    model = network()
    out, found = gradients(model, gradient_rule(model, sltt))
    expected, wanted = gradients(model, gradient_rule(model, sliced(1)))
    assert torch.equal(out, expected)
    assert all(torch.equal(found[name], wanted[name]) for name in found)


@pytest.mark.parametrize("steps", [0, 1.5, True])
def test_slices_are_whole_steps(steps):
    with pytest.raises(ArgumentError, match=r"sliced\.steps: got .*; expected a whole number of at least 1"):
        sliced(steps)


def test_ottt_by_hand():
    """weight gradient = sum of delta_t a_t, delta the derivative at each step's potential, a the trace of the input."""
    layer, neuron = nn.Linear(1, 1, bias=False), LIF(tau=2.0)
    with torch.no_grad():
        layer.weight.fill_(0.4)
    model, xs = Spiking(nn.Sequential(layer, neuron)), torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1).requires_grad_()
    pull, decay = torch.tensor([1.0, 2.0, 3.0]), neuron.decay.item()
    with ottt(model, decay):
        (pull * model(xs).flatten()).sum().backward()
    a = [1.0, decay, decay**2 + 1]
    delta = pull * ATan().derivative(0.4 * torch.tensor(a) - 1)  # no spike: the potential is the trace of the current
    assert layer.weight.grad.item() == pytest.approx(float((delta * torch.tensor(a)).sum()), rel=1e-5)
    assert xs.grad.flatten().tolist() == pytest.approx((0.4 * delta).tolist(), rel=1e-5)


def test_of_one_layer_without_reset_it_is_back_propagation_through_time():
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Linear(3, 2, bias=False), LIF(tau=3.0, reset=none))).double()
    full = gradients(model, gradient_rule(model, bptt))[1]
    found = gradients(model, ottt(model, model.module[1].decay.item()))[1]
    torch.testing.assert_close(found["module.0.weight"], full["module.0.weight"])
    assert not torch.allclose(found["xs"], full["xs"])  # what comes before is reached within the step alone


def test_the_forward_pass_and_all_that_is_not_a_weight_before_neurons_are_as_with_sltt():
    model = network()
    out, found = gradients(model, ottt(model, 0.6))
    expected, wanted = gradients(model, gradient_rule(model, sltt))
    assert torch.equal(out, expected)
    for name in ("xs", "module.0.bias", "module.2.bias", "module.4.weight", "module.4.bias"):
        torch.testing.assert_close(found[name], wanted[name])
    assert not torch.allclose(found["module.2.weight"], wanted["module.2.weight"])
    nothing = gradients(model, ottt(model, 0.0))[1]
    torch.testing.assert_close(nothing["module.2.weight"], wanted["module.2.weight"])
    chosen = gradients(model, ottt(model, 0.6, layers=[model.module[2]]))[1]
    torch.testing.assert_close(chosen["module.0.weight"], wanted["module.0.weight"])
    torch.testing.assert_close(chosen["module.2.weight"], found["module.2.weight"])


def test_afterwards_all_is_as_before_also_after_an_exception():
    model = network()
    before = gradients(model, gradient_rule(model, bptt))[1]
    with pytest.raises(RuntimeError, match="stop"):
        with ottt(model, 0.5):
            raise RuntimeError("stop")
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    after = gradients(model, gradient_rule(model, bptt))[1]
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("model", "decay", "message"),
    [
        (nn.Linear(1, 1), 0.5, r"ottt\.model: got Linear; expected a Spiking network"),
        (network(), 1.5, r"ottt\.decay: got 1\.5; expected a number in 0\.\.1"),
    ],
)
def test_arguments(model, decay, message):
    with pytest.raises(ArgumentError, match=message), ottt(model, decay):
        pytest.fail("the block was entered")
