"""What every model must do: images in, logits out, scaling first, one activation module per site, and it spikes."""

import pytest
import torch
from torch import nn

from spikewright.coding import mean, repeat
from spikewright.core import Spiking
from spikewright.models import MODELS, Normalize
from spikewright.neurons import IF

SITES = {
    **{"cifar_cnn": 3, "event_cnn": 3, "mlp": 2, "resnet18": 17, "resnet20": 19, "resnet34": 33, "resnet56": 55},
    **{
        "vgg11": 10,
        "vgg16": 15,
        "vgg16_slim": 14,
        "vit": 6,
        "vit_gelu": 6,
        "wide_resnet16": 13,
        "wide_resnet16_convex": 13,
    },
}
PARAMETERS = {
    "cifar_cnn": 27 * 16 + 2 * 16 + 144 * 32 + 2 * 32 + 288 * 64 + 2 * 64 + 1024 * 10 + 10,
    "event_cnn": 18 * 16 + 2 * 16 + 144 * 32 + 2 * 32 + 32 * 8 * 8 * 128 + 128 + 128 * 10 + 10,
    "mlp": 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10,
    "resnet18": 11_173_962,
    "resnet20": 272_474,
    "resnet34": 21_797_672,
    "resnet56": 855_770,
    "vgg11": 28_149_514,
    "vgg16": 33_646_666,
    "vgg16_slim": 14_991_946,
    "vit": 502_730,
    "vit_gelu": 502_730,
    "wide_resnet16": 2_748_890,
    "wide_resnet16_convex": 2_748_890 + 6 * 2,
}
SHAPES = {"event_cnn": (2, 34, 34), "mlp": (1, 28, 28), "resnet34": (3, 64, 64)}  # others take 32x32 in colour
every = pytest.mark.parametrize("name", MODELS)


class Site(nn.ReLU):
    """An activation that can be told apart."""


def on_meta(name, **arguments):
    """The model without memory, for its structure alone."""
    with torch.device("meta"):
        return MODELS[name](**arguments)


def test_the_registry_goes_by_name():
    assert list(MODELS) == sorted(SITES)


@every
def test_it_has_the_parameters_and_activation_sites_that_it_says(name):
    model = on_meta(name, activation=Site)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    assert sum(isinstance(module, Site) for module in model.modules()) == SITES[name]
    assert not any(type(module) is nn.ReLU for module in model.modules())


@every
def test_every_activation_is_called_once_per_forward_pass(name):
    model, calls = on_meta(name, activation=Site), []
    for module in model.modules():
        if isinstance(module, Site):
            module.register_forward_hook(lambda module, inputs, output: calls.append(module))
    images = torch.zeros(1, *SHAPES.get(name, (3, 32, 32)), device="meta")
    assert model.eval()(images).shape == (1, 1000 if name == "resnet34" else 10)
    assert len(calls) == len(set(calls)) == SITES[name]


@every
def test_the_number_of_classes_is_free(name):
    assert [p.shape for p in on_meta(name, classes=7).parameters()][-1] == (7,)


@every
def test_pixel_scaling_is_the_first_layer(name):
    model = on_meta(name)
    assert next(module for module in model.children()).__class__ is Normalize


@pytest.mark.parametrize("name", ["event_cnn", "mlp", "resnet20"])
def test_it_runs_as_a_spiking_network_with_a_gradient(name):
    torch.manual_seed(0)
    model = Spiking(MODELS[name](activation=lambda: IF(start=0.5)))
    images = torch.rand(2, *SHAPES.get(name, (3, 32, 32))).requires_grad_()
    logits = mean(model(repeat(images, 3)))
    logits[0].sum().backward()
    assert logits.shape == (2, 10)
    assert images.grad is not None
    assert images.grad[0].abs().sum() > 0
