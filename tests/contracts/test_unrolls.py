"""What every unroll must do, for every neuron: equal bptt forward, and backward if it is exact."""

import pickle

import pytest
import torch

from spikewright.core import Record, bptt, checkpointed, fused, recorded, sliced, sltt
from spikewright.neurons import NEURONS

EXACT = {
    "checkpointed(1)": checkpointed(1),
    "checkpointed(2)": checkpointed(2),
    "checkpointed(3)": checkpointed(3),
    "checkpointed(7)": checkpointed(7),
    "checkpointed(100)": checkpointed(100),
    "fused": fused,
    "recorded(Record)": recorded(Record()),
    "recorded(function)": recorded(lambda states, spikes: None),
    "sliced(7)": sliced(7),
    "sliced(100)": sliced(100),
}
"""Unrolls that claim the gradient of bptt."""

ONLINE = {"sliced(1)": sliced(1), "sliced(3)": sliced(3), "sltt": sltt}
"""Unrolls with a gradient of their own."""


def run(kind, unroll):
    neuron = kind(learn=kind.learnable).double()
    neuron.unroll = unroll
    generator = torch.Generator().manual_seed(0)
    xs = (4 * torch.rand(7, 2, 3, generator=generator, dtype=torch.float64) - 1).requires_grad_()
    weights = torch.rand(7, 2, 3, generator=generator, dtype=torch.float64)
    state, spikes = unroll(neuron, neuron.init_state(xs[0]), xs)
    (weights * neuron.over_time(xs)).sum().backward()
    return state, spikes, {"xs": xs.grad, **{name: p.grad for name, p in neuron.named_parameters()}}


@pytest.mark.parametrize("kind", NEURONS.values(), ids=NEURONS)
@pytest.mark.parametrize("unroll", EXACT.values(), ids=EXACT)
def test_it_equals_bptt_forward_and_backward(unroll, kind):
    state, spikes, gradients = run(kind, unroll)
    expected_state, expected_spikes, expected_gradients = run(kind, bptt)
    assert type(state) is type(expected_state)
    assert all(torch.equal(a, b) for a, b in zip(state, expected_state))
    assert torch.equal(spikes, expected_spikes)
    assert spikes.abs().sum() > 0
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name], rtol=1e-10, atol=1e-12)
    assert gradients["xs"].abs().sum() > 0


@pytest.mark.parametrize("kind", NEURONS.values(), ids=NEURONS)
@pytest.mark.parametrize("unroll", ONLINE.values(), ids=ONLINE)
def test_one_with_another_gradient_equals_bptt_forward(unroll, kind):
    state, spikes, gradients = run(kind, unroll)
    expected_state, expected_spikes, _ = run(kind, bptt)
    assert all(torch.equal(a, b) for a, b in zip(state, expected_state))
    assert torch.equal(spikes, expected_spikes)
    assert gradients["xs"].isfinite().all()
    assert gradients["xs"].abs().sum() > 0


@pytest.mark.parametrize("name", ["checkpointed(2)", "sliced(2)", "fused", "sltt"])
def test_a_neuron_with_it_can_be_pickled(name):
    unroll = {**EXACT, "sliced(2)": sliced(2), "sltt": sltt}[name]
    neuron = NEURONS["LIF"]()
    neuron.unroll = unroll
    twin, xs = pickle.loads(pickle.dumps(neuron)), torch.rand(4, 2, 3)
    assert twin.unroll == unroll
    assert torch.equal(twin.over_time(xs), neuron.over_time(xs))
