"""Feature visualisation: a known filter is found; units are chosen by their weights; spiking units feel, not fire."""

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.models.classifier import Classifier
from spikewright.neurons import IF
from spikewright.redteam.synthesis import CPPNInner, FourierInner, FourierTarget, Task
from spikewright.redteam.synthesis.units import features, penultimate, visible
from spikewright.redteam.synthesis.victim import Victim
from tests.redteam.synthesis.conftest import task_of

GREY = torch.full((4, 3, 8, 8), 0.5)


class Filter(nn.Module):
    """Two logits: the product with a known picture, and minus it."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, x):
        logit = ((x - 0.5) * self.weights).flatten(1).sum(1)
        return torch.stack((-logit, logit), 1)


@pytest.mark.parametrize("size", [(12, 12), (9, 14)], ids=str)
def test_a_known_linear_filter_is_found(size):
    place = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    sign = torch.where((place[0] // 5 + place[1] // 6) % 2 == 0, 1.0, -1.0)
    weights = torch.stack((sign, sign, sign))
    task = Task(network=Filter(weights), target=1, backgrounds=torch.rand(4, 3, *size), clean=GREY, size=4, pictures=3)
    found = FourierTarget(steps=300, lr=0.3, transforms=None).search(task)
    for picture in found.pictures:
        assert float(torch.cosine_similarity((picture - 0.5).flatten(), weights.flatten(), dim=0)) > 0.9


def head(*parts: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), *parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))


def victim(network: nn.Module) -> Victim:
    return Victim("FourierInner", network, 1, GREY)


def test_units_are_those_with_the_largest_weights():
    network = head(nn.ReLU())
    with torch.no_grad():
        network[-1].weight[1] = torch.tensor([0.0, 3.0, -5.0, 1.0, 2.0, 0.0])
    seen = victim(network)
    found = visible(seen, GREY)
    assert found.strongest(1, 3) == (1, 4, 3)
    assert found.module is network[1]
    assert found.leak == 0.1
    x = torch.rand(2, 3, 8, 8)
    pooled = penultimate(seen, x)
    torch.testing.assert_close(pooled.felt(seen, x), network[:-1](x))
    before = nn.functional.leaky_relu(network[0](x), 0.1).mean((2, 3))
    torch.testing.assert_close(found.felt(seen, x), before)


def test_an_activation_in_place_is_looked_at_before_it_acts():
    network, same = head(nn.ReLU(inplace=True)), head(nn.ReLU())
    x = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(
        visible(victim(network), x).felt(victim(network), x), visible(victim(same), x).felt(victim(same), x)
    )


def test_a_convolution_may_be_the_last_layer():
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = penultimate(victim(network), GREY)
    assert found.module is network[2]
    torch.testing.assert_close(found.weights, network[2].weight.flatten(1))
    assert found.felt(victim(network), GREY).shape == (4, 6)


@pytest.mark.parametrize("pooled", [True, False])
def test_spiking_units_are_what_neurons_feel_averaged_over_time(pooled):
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, 3, padding=1)
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)] if pooled else [nn.Flatten(), nn.Linear(384, 3)]
    network = Classifier(Spiking(nn.Sequential(conv, IF(), *tail)), timesteps=3)
    x = torch.rand(2, 3, 8, 8)
    found = visible(victim(network), x)
    torch.testing.assert_close(found.felt(victim(network), x), conv(x).mean((2, 3)))
    assert found.weights is not None
    assert found.weights.shape == (3, 6)


def test_values_over_time_are_averaged():
    values = torch.tensor([1.0, 2.0, 5.0, 8.0]).view(4, 1, 1, 1)  # two images at two steps, time first
    assert features(values, 2).flatten().tolist() == [3.0, 5.0]


def test_units_that_are_silent_at_first_wake(trojaned):
    """Every unit's picture leaves the grey it begins with."""
    found = CPPNInner(steps=60).search(task_of(trojaned, pictures=10))
    assert float(found.pictures.flatten(1).std(1).min()) > 1e-3
    assert found.notes[0].startswith("units ")


def test_named_layers_and_units(trojaned):
    task = task_of(trojaned, pictures=3)
    found = FourierInner(steps=12, layer="3", units=(2, 5)).search(task)
    assert found.notes == ("units 2, 5, 2",)
    for settings, match in (
        ({"layer": "nowhere", "units": (0,)}, r"FourierInner.layer: got 'nowhere'; expected a layer .*, e.g. 0, 1, 2"),
        ({"layer": "3", "units": (99,)}, r"FourierInner.units: got units \(99,\) of layer '3'; .* from 0 to 31"),
        ({"layer": "3"}, r"FourierInner.units: got units \(\)"),
        ({"units": (1,)}, r"FourierInner.units: got units without a layer"),
    ):
        with pytest.raises(ArgumentError, match=match):
            FourierInner(steps=2, **settings).search(task)


def test_a_network_without_a_last_layer_is_told():
    task = Task(network=Filter(torch.ones(3, 8, 8)), target=1, backgrounds=GREY, clean=GREY, size=4)
    with pytest.raises(ArgumentError, match=r"FourierInner: got no linear layer or convolution with 2 outputs"):
        FourierInner(steps=2).search(task)


def test_a_spiking_network_without_its_shell_is_told():
    bare = nn.Sequential(nn.Flatten(), IF(), nn.Linear(192, 2))
    with pytest.raises(ShapeError, match="outside a Spiking shell"):
        FourierTarget(steps=2).search(Task(network=bare, target=1, backgrounds=GREY, clean=GREY, size=4))
