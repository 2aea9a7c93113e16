"""The denoiser: image in, image out, begins as the identity, has the parameters and sites it says, and spikes."""

import pytest
import torch
from torch import nn

from spikewright.convert import DCGS, convert
from spikewright.core.errors import ArgumentError
from spikewright.models import Normalize, denoiser


class Site(nn.ReLU):
    """An activation that can be told apart."""


def test_it_has_the_parameters_and_activation_sites_that_it_says() -> None:
    model = denoiser(activation=Site)
    assert sum(p.numel() for p in model.parameters()) == 51_763
    assert sum(isinstance(module, Site) for module in model.modules()) == 6
    assert isinstance(model.normalize, Normalize)


@pytest.mark.parametrize("size", [(32, 32), (6, 10)])
def test_it_begins_as_the_identity_and_keeps_the_shape(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    model = denoiser()
    assert torch.allclose(model(x), x - model.tail.bias.view(-1, 1, 1))
    nn.init.ones_(model.tail.weight)
    assert model(x).shape == x.shape
    assert not torch.allclose(model(x), x, atol=0.1)


def test_all_of_it_converts() -> None:
    torch.manual_seed(0)
    model = denoiser(width=4, depth=1).eval()
    nn.init.normal_(model.tail.weight, std=0.1)
    x = torch.rand(8, 3, 8, 8)
    conversion = convert(model, DCGS(), x)
    assert len(conversion.neurons()) == 4
    out = conversion.model(x.expand(32, *x.shape)).mean(0)
    assert torch.allclose(out, model(x), atol=0.02)


@pytest.mark.parametrize("numbers", [{"width": 0}, {"depth": -1}])
def test_bad_sizes(numbers: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match=r"Denoiser: got width .*; expected a width of at least 1 and a depth"):
        denoiser(**numbers)
