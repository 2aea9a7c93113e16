"""Forward passes that losses share: what they see of the layers, and in which order."""

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.core.layer_outputs import layer_outputs
from spikewright.core.loss import Pass, pass_loss, whole
from spikewright.neurons import IF, LI, SignedIF

G = torch.Generator()


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.neuron, self.signed, self.read = IF(amplitude=2.0), SignedIF(), LI()

    def forward(self, x):
        return self.read(self.signed(-self.neuron(self.neuron(x))))


def test_layers_are_seen_in_order_with_unit_spikes_and_gradient():
    model = Spiking(Twice())
    xs = torch.full((4, 1, 1), 0.5).requires_grad_()
    with layer_outputs(model, 4) as layers:
        model(xs)
    assert [layer.name for layer in layers] == ["neuron", "neuron_2", "signed"]
    assert [layer.neurons for layer in layers] == [1, 1, 1]
    assert layers[0].out.flatten().tolist() == [0.0, 2.0, 0.0, 2.0]
    assert layers[0].spikes.flatten().tolist() == [0.0, 1.0, 0.0, 1.0]
    assert layers[2].out.min() == -1.0
    assert layers[2].spikes.min() == 0.0
    assert torch.autograd.grad(layers[0].spikes.sum(), xs)[0].abs().sum() > 0
    model(xs)
    assert len(layers) == 3  # the hooks are gone


def test_neurons_that_did_not_fire_have_a_gradient_of_their_spikes():
    model, xs = Spiking(IF()), torch.full((1, 1, 1), 0.9).requires_grad_()
    with layer_outputs(model, 1) as layers:
        model(xs)
    assert layers[0].spikes.sum() == 0
    assert torch.autograd.grad(layers[0].spikes.sum(), xs)[0].item() > 0


def test_a_sum_watches_if_one_part_does():
    seen: list[Pass] = []

    def of(passed, batch):
        seen.append(passed)
        return passed.output.sum(), {}

    plain, watching = pass_loss(of, "plain", whole), pass_loss(of, "watching", watches=True)
    model, batch = Spiking(nn.Sequential(IF())), (torch.ones(2, 1, 1), torch.zeros(1))
    assert (plain + 2.0 * watching)(model, batch, G)[0].item() == 6.0
    assert [len(passed.layers) for passed in seen] == [1, 1]
    plain(model, batch, G)
    assert not seen[-1].layers
    assert (watching + plain)(model, batch, G)[0].item() == 4.0


def test_what_cannot_be_watched():
    watching = pass_loss(lambda passed, batch: (passed.output.sum(), {}), "watching", whole, watches=True)
    with pytest.raises(ArgumentError, match=r"watching\.model: got Identity; expected a Spiking network"):
        watching(nn.Identity(), (torch.ones(1), torch.ones(1)), G)
