"""Modules that cannot be traced: kept whole, they are units of DCGS and HMT, computed on what has arrived so far."""

import pytest
import torch
from torch import Tensor, nn

from spikewright.coding import repeat
from spikewright.convert import DCGS, HMT, OPI, Maximum, convert, differential, rate
from spikewright.core.errors import ConversionError
from spikewright.profile import count_operations


class Routed(nn.Module):
    """Sends every image to one of two layers by what it holds, which no symbolic trace can follow."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.one(row).relu() if row.mean() > 0.4 else self.other(row) for row in x])


def network() -> nn.Module:
    torch.manual_seed(0)
    body = (nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Flatten(), Routed(72, 12), nn.Linear(12, 10), nn.ReLU())
    return nn.Sequential(*body, nn.Linear(10, 4)).eval()


IMAGES = torch.rand(40, 2, 5, 5, generator=torch.Generator().manual_seed(1))
RECIPES = {
    "DCGS": DCGS(threshold=Maximum()),
    "HMT, differential": HMT(coding=differential, signed=True, threshold=Maximum()),
    "HMT, rate": HMT(coding=rate, threshold=Maximum()),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_module_that_cannot_be_traced_becomes_a_unit(recipe: str) -> None:
    source = network()
    conversion = convert(source, RECIPES[recipe], IMAGES, leaves=(Routed,))
    with torch.no_grad():
        expected, found = source(IMAGES), conversion.model(repeat(IMAGES, 64))
    means = found.cumsum(0) / torch.arange(1, 65).view(-1, 1, 1)
    errors = (means - expected).abs().mean((1, 2)) / expected.abs().mean()
    assert errors[-1] < 0.02
    assert errors[-1] < errors[0]
    counted = count_operations(conversion.model, [IMAGES[:2]], timesteps=4)
    assert [type(conversion.model.module.get_submodule("3")).__name__] == [name for name, _ in counted.uncounted]


def test_without_being_named_it_is_refused_with_its_place() -> None:
    with pytest.raises(ConversionError, match=r"3 \(Routed\) fails"):
        convert(network(), DCGS(threshold=Maximum()), IMAGES)


def test_methods_without_units_refuse_it_and_name_the_recipe_that_has_them() -> None:
    with pytest.raises(ConversionError, match="Routed"):
        convert(network(), OPI(threshold=Maximum()), IMAGES, leaves=(Routed,))
