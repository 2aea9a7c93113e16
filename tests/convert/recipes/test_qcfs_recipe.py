"""QCFS: what prepare() puts in, what convert() makes of it, and its arguments."""

import math

import pytest
import torch
from torch import nn

from spikewright.convert import QCFS, convert, prepare
from spikewright.convert.layers import QCFSActivation, clamp_then_floor, floor_then_clamp
from spikewright.core.errors import ArgumentError


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def activations(model: nn.Module) -> list[QCFSActivation]:
    return [module for module in model.modules() if isinstance(module, QCFSActivation)]


def test_defaults() -> None:
    recipe = QCFS()
    assert (recipe.levels, recipe.v_threshold, recipe.start, recipe.order) == (4, 8.0, 0.5, floor_then_clamp)
    assert recipe.statistics() == ()


@pytest.mark.parametrize("order", [floor_then_clamp, clamp_then_floor])
def test_prepare(order) -> None:
    made = activations(prepare(net(), QCFS(levels=8, v_threshold=4.0, order=order)))
    assert [(layer.levels, layer.v_threshold.item(), layer.order) for layer in made] == [(8, 4.0, order)] * 2


def test_neurons_take_the_trained_thresholds() -> None:
    trained = prepare(net(), QCFS())
    for layer, value in zip(activations(trained), (1.25, 0.75), strict=True):
        layer.v_threshold.data.fill_(value)
    neurons = convert(trained, QCFS(levels=99)).neurons()  # the number of levels plays no role any more
    assert [(n.v_threshold.item(), n.amplitude.item(), n.start.item()) for n in neurons.values()] == [
        *((1.25, 1.25, 0.5), (0.75, 0.75, 0.5))
    ]


def test_a_network_built_with_the_activation_converts_without_prepare() -> None:
    built = nn.Sequential(nn.Linear(6, 8), QCFSActivation(levels=4, v_threshold=1.5), nn.Linear(8, 3))
    assert list(convert(built, QCFS()).neurons()) == ["1"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"levels": 0}, r"levels: got 0; expected a whole number of at least 1"),
        ({"v_threshold": 0.0}, r"v_threshold: got 0\.0; expected a finite number above 0"),
        ({"start": math.nan}, r"QCFS\.start: got nan; expected a finite number, in units of the threshold"),
        ({"start": math.inf}, r"QCFS\.start: got inf"),
    ],
)
def test_arguments(arguments: dict, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        QCFS(**arguments)
