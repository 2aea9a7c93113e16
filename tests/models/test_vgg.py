"""VGG: order of layers, pooling, initialisation, image sizes."""

import math

import pytest
import torch
from torch import nn

from spikewright.coding import repeat
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.models import vgg11, vgg16, vgg16_slim
from spikewright.models.vgg import average_pool
from spikewright.neurons import IF


def test_the_order_of_layers_in_a_stage_and_in_the_classifier():
    model = vgg11(hidden=8)
    assert [type(layer).__name__ for layer in model.features[:5]] == [
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
        "Dropout",
        "AvgPool2d",
    ]
    assert [type(layer).__name__ for layer in model.classifier] == [
        "Flatten",
        *["Linear", "ReLU", "Dropout"] * 2,
        "Linear",
    ]


def test_the_widths_of_vgg16():
    with torch.device("meta"):
        model = vgg16()
    convolutions = [layer for layer in model.features if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert all(layer.kernel_size == (3, 3) and layer.bias is not None for layer in convolutions)
    linear = [layer for layer in model.classifier if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in linear] == [512, 4096, 4096]


def test_imagenet_images_give_25088_features():
    with torch.device("meta"):
        model = vgg16(1000, size=224)
    assert model.classifier[1].in_features == 25088
    assert model.eval()(torch.zeros(1, 3, 224, 224, device="meta")).shape == (1, 1000)


def test_five_pools_of_the_kind_that_was_asked_for():
    with torch.device("meta"):
        model = vgg11(pool=lambda: nn.MaxPool2d(2))
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in model.features) == 5
    assert not any(isinstance(layer, nn.AvgPool2d) for layer in model.features)


def test_average_pooling_by_hand():
    x = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).view(1, 1, 2, 2)
    assert average_pool()(x).item() == 0.75


def test_initialisation_is_kaiming_over_fan_out_with_zero_linear_biases():
    torch.manual_seed(0)
    model = vgg11(hidden=16)
    conv = model.features[10]
    assert (conv.in_channels, conv.out_channels) == (128, 256)
    expected = math.sqrt(2 / (256 * 9))
    assert conv.weight.std().item() == pytest.approx(expected, rel=0.02)
    assert conv.weight.mean().item() == pytest.approx(0, abs=expected / 100)
    assert all(not layer.bias.any() for layer in model.classifier if isinstance(layer, nn.Linear))


def test_dropout_is_off_unless_asked_for():
    dropouts = [layer for layer in vgg11(hidden=8).modules() if isinstance(layer, nn.Dropout)]
    assert {layer.p for layer in dropouts} == {0.0}
    assert {layer.p for layer in vgg11(hidden=8, dropout=0.5).modules() if isinstance(layer, nn.Dropout)} == {0.5}
    assert len(dropouts) == 10


@pytest.mark.parametrize("size", [0, 16, 33, 48])
def test_an_image_size_that_does_not_halve_five_times_is_refused(size):
    with pytest.raises(ArgumentError, match=rf"VGG\.size: got {size}; expected a multiple of 32 pixels\."):
        vgg11(size=size)


def test_the_layers_of_the_slim_one():
    with torch.device("meta"):
        model = vgg16_slim(pool=average_pool).eval()
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    kinds = [type(layer).__name__ for layer in model.features]
    first, last = ["Conv2d", "BatchNorm2d", "ReLU", "Dropout"], ["Conv2d", "BatchNorm2d", "ReLU", "AvgPool2d"]
    assert kinds == [*first, *last] * 2 + [*first, *first, *last] * 3
    assert [layer.p for layer in model.features if isinstance(layer, nn.Dropout)] == [0.3] + [0.4] * 7
    assert [layer.p for layer in model.classifier if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert [layer.out_features for layer in model.classifier if isinstance(layer, nn.Linear)] == [512, 10]
    assert any(isinstance(layer, nn.MaxPool2d) for layer in vgg16_slim().modules())


def test_it_runs_as_a_spiking_network():
    torch.manual_seed(0)
    model = Spiking(vgg11(activation=lambda: IF(start=0.5), hidden=16)).eval()
    with torch.no_grad():
        assert model(repeat(torch.rand(1, 3, 32, 32), 2)).shape == (2, 1, 10)
