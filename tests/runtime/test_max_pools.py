"""Max pools in the compiled pass: the torch layers' results for every geometry, with and without carried states."""

import pytest
import torch
from torch import nn

from spikewright.coding import repeat
from spikewright.convert import DCGS, HMT, OPI, Maximum, Recipe, convert, differential, max_pool_to_gate
from spikewright.convert.layers import MaxPoolGate
from spikewright.core import Spiking, carry_state
from spikewright.neurons import IF
from spikewright.runtime import compile
from spikewright.runtime.max_pools import MaxPools

WINDOWS = {
    "2x2": nn.MaxPool2d(2),
    "overlapping": nn.MaxPool2d(3, stride=2, padding=1),
    "not square": nn.MaxPool2d((3, 2), stride=1, padding=(1, 0)),
}
RECIPES = {
    "DCGS": (DCGS(), ()),
    "HMT": (HMT(coding=differential, signed=True), ()),
    "OPI": (OPI(threshold=Maximum()), (max_pool_to_gate,)),
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("window", WINDOWS)
def test_pools_give_what_torch_gives(window: str, recipe: str) -> None:
    torch.manual_seed(1)  # no potential lies within rounding of a threshold
    pool = WINDOWS[window]
    layers = (nn.Conv2d(3, 20, 3), nn.ReLU(), pool, nn.Conv2d(20, 12, 3), nn.ReLU(), pool, nn.Flatten())
    source = nn.Sequential(*layers, nn.LazyLinear(5)).eval()
    images = torch.randn(6, 3, 13, 12)
    source(images)
    kind, extra = RECIPES[recipe]
    assert isinstance(kind, Recipe)
    model, xs = convert(source, kind, images, extra=extra).model.eval(), repeat(images, 7)
    network = compile(model, xs)
    assert sum(isinstance(operation, MaxPools) for operation in network.operations) == 2
    with torch.no_grad():
        torch.testing.assert_close(network(xs), model(xs), rtol=1e-4, atol=1e-4)
        with carry_state(model), carry_state(network):
            whole, parts = model(xs), torch.cat([network(xs[:3]), network(xs[3:])])
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(2, dilation=2)], ids=["ceil", "dilated"]
)
def test_other_windows_are_left_to_torch(pool: nn.Module) -> None:
    torch.manual_seed(1)
    source = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), pool, nn.Flatten(), nn.LazyLinear(5)).eval()
    images = torch.randn(2, 3, 9, 9)
    source(images)
    model, xs = convert(source, DCGS(), images).model.eval(), repeat(images, 2)
    network = compile(model, xs)
    assert not any(isinstance(operation, MaxPools) for operation in network.operations)
    with torch.no_grad():
        torch.testing.assert_close(network(xs), model(xs), rtol=1e-4, atol=1e-4)


def test_a_gate_behind_an_average_pool_sees_several_spikes_of_a_channel_at_once() -> None:
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(IF(v_threshold=0.3), nn.AvgPool2d(2), MaxPoolGate(nn.MaxPool2d(2)))).eval()
    xs = (torch.rand(17, 2, 5, 8, 8) < 0.2).float()
    with torch.no_grad():
        torch.testing.assert_close(compile(model, xs)(xs), model(xs))
