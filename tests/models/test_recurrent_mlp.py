"""Recurrent: steps by hand, the state carried, every unroll, spikes counted, and wrong arguments."""

import pytest
import torch
from torch import nn

from spikewright import IF, LIF, CubaLIF, Spiking, carry_state, mean, recording
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.core.unroll import checkpointed
from spikewright.models import Recurrent, recurrent_mlp
from spikewright.profile import count_spikes


def layer(weight, neuron=None):
    made = Recurrent(neuron or IF(), len(weight))
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight))
    return made


def test_three_steps_by_hand():
    # neuron 0 is driven and excites neuron 1 by 0.6, neuron 1 inhibits neuron 0 by 1:
    # t=1: v = (1, 0)       -> fires (1, 0), v = (0, 0)
    # t=2: v = (1, 0.6)     -> fires (1, 0), v = (0, 0.6)
    # t=3: v = (1, 1.2)     -> fires (1, 1), v = (0, 0.2)
    # t=4: v = (0, 0.8)     -> (neuron 0 gets 1 - 1) fires (0, 0)
    xs = torch.tensor([1.0, 0.0]).expand(4, 1, 2)
    found = layer([[0.0, -1.0], [0.6, 0.0]]).over_time(xs)
    assert found[:, 0].tolist() == [[1, 0], [1, 0], [1, 1], [0, 0]]


def test_the_amplitude_is_what_the_others_hear():
    xs = torch.tensor([1.0, 0.0]).expand(2, 1, 2)
    found = layer([[0.0, 0.0], [0.5, 0.0]], IF(amplitude=2.0)).over_time(xs)
    assert found[:, 0].tolist() == [[2, 0], [2, 2]]


def test_without_weights_it_is_the_neuron():
    xs = torch.rand(8, 3, 4)
    assert torch.equal(layer([[0.0] * 4] * 4, LIF(tau=3.0)).over_time(xs), LIF(tau=3.0).over_time(xs))


@pytest.mark.parametrize("neuron", [IF, LIF, CubaLIF])
def test_a_sequence_in_two_calls_is_one(neuron):
    torch.manual_seed(0)
    model, xs = Spiking(Recurrent(neuron(), 5)), 2 * torch.rand(9, 2, 5)
    whole = model(xs)
    with carry_state(model):
        parts = torch.cat([model(xs[:4]), model(xs[4:])])
    assert torch.equal(parts, whole)
    assert torch.equal(model(xs), whole)
    assert whole.any()


def test_every_unroll_gives_the_same_gradient():
    torch.manual_seed(0)
    xs, found = 2 * torch.rand(6, 2, 5), []
    made = Recurrent(LIF(), 5)
    for unroll in (made.neuron.unroll, checkpointed(4)):
        made.neuron.unroll, made.weight.grad = unroll, None
        made.over_time(xs).sum().backward()
        found.append(made.weight.grad)
    assert torch.allclose(found[0], found[1])
    assert found[0].abs().sum() > 0


def test_its_spikes_are_counted_and_recorded():
    torch.manual_seed(0)
    model, xs = Spiking(nn.Sequential(nn.Linear(3, 5), Recurrent(IF(), 5))), 2 * torch.rand(6, 2, 3)
    spikes = float(model(xs).detach().sum())
    assert count_spikes(model, [xs]).layers[0].spikes.sum() == spikes
    with recording(model) as records:
        model(xs)
    assert float(records["module.1.neuron"].spikes[0].detach().sum()) == spikes


def test_the_network_has_a_recurrent_layer_per_width():
    model = recurrent_mlp(7, lambda: LIF(tau=5.0), shape=(1, 1, 12), widths=(8, 6))
    assert [part.weight.shape[0] for part in model if isinstance(part, Recurrent)] == [8, 6]
    out = mean(Spiking(model)(torch.rand(4, 3, 1, 1, 12)))
    out.sum().backward()
    assert out.shape == (3, 7)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Recurrent(nn.ReLU(), 3), r"Recurrent.neuron: got ReLU.*; expected a neuron, e.g. LIF\(\)"),
        (lambda: Recurrent(IF(), 0), "Recurrent.features: got 0"),
        (lambda: recurrent_mlp(2, shape=(3,), widths=()), r"widths: got \(\); expected at least one.*use mlp"),
        (lambda: recurrent_mlp(2, nn.ReLU, shape=(3,)), "Recurrent.neuron: got ReLU"),
    ],
)
def test_impossible_arguments_are_refused(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_other_features_are_refused():
    with pytest.raises(ShapeError, match=r"Recurrent: got input of shape \[2, 1, 4\]; expected \[T, N, 3\]"):
        Recurrent(IF(), 3).over_time(torch.zeros(2, 1, 4))
