"""OPI with trained bounds: every ReLU trained as a clipped one, whose bound becomes the threshold without data."""

import math

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert import OPI, QCFS, RobustNorm, check, convert, prepare
from spikewright.convert.layers import ClippedReLU, clipped_relu
from spikewright.convert.recipes import RECIPES
from spikewright.core.errors import ArgumentError

D = torch.float64
X = torch.rand(400, 6, generator=torch.Generator().manual_seed(0))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def bounds(model: nn.Module) -> list[ClippedReLU]:
    return [module for module in model.modules() if isinstance(module, ClippedReLU)]


def trained(*values: float) -> nn.Module:
    """The network as training with bounds would leave it."""
    made = prepare(net(), OPI(trained_bound=4.0))
    for layer, value in zip(bounds(made), values, strict=True):
        layer.v_threshold.data.fill_(value)
    return made


def mean_output(model: nn.Module, x: Tensor, timesteps: int) -> Tensor:
    with torch.no_grad():
        return model(x.expand(timesteps, *x.shape)).mean(0)


def test_prepare_puts_a_clipped_relu_at_every_site() -> None:
    made = prepare(net(), OPI(trained_bound=4.0))
    assert [layer.v_threshold.item() for layer in bounds(made)] == [4.0, 4.0]
    assert [name for name in made.state_dict() if not name.endswith("v_threshold")] == list(net().state_dict())
    assert OPI().prepare() == []


def test_max_pools_become_average_pools_before_training() -> None:
    pooled = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2))
    with pytest.warns(UserWarning, match="2: max pool replaced by an average pool"):
        made = prepare(pooled, OPI(trained_bound=4.0))
    assert isinstance(made.get_submodule("2"), nn.AvgPool2d)


def test_neurons_take_the_trained_bounds_without_data() -> None:
    conversion = convert(trained(1.25, 0.75), OPI(trained_bound=4.0))
    found = [(n.v_threshold.item(), n.amplitude.item(), n.start.item()) for n in conversion.neurons().values()]
    assert found == [(1.25, 1.25, 0.5), (0.75, 0.75, 0.5)]
    assert conversion.thresholds == {}
    assert [row.rule for row in conversion.replaced] == ["clipped ReLU -> IF"] * 2


@pytest.mark.parametrize("kind", RECIPES.values(), ids=RECIPES)
def test_every_method_keeps_trained_bounds(kind) -> None:
    conversion = convert(trained(1.25, 0.75), kind())
    largest = [neuron.v_threshold.item() * max(neuron.levels) for neuron in conversion.neurons().values()]
    assert largest == pytest.approx([1.25, 0.75])
    assert check(trained(1.0, 1.0), kind()).convertible


def test_bounds_and_qcfs_thresholds_stand_beside_each_other() -> None:
    mixed = trained(1.25, 0.75)
    mixed.set_submodule("3", prepare(net(), QCFS(v_threshold=2.5)).get_submodule("3"))
    assert [n.v_threshold.item() for n in convert(mixed, OPI()).neurons().values()] == [1.25, 2.5]


def test_a_plain_network_still_takes_its_thresholds_from_data() -> None:
    assert convert(net(), OPI(trained_bound=4.0), X).thresholds.keys() == {"1", "3"}


@pytest.mark.parametrize("timesteps", [1, 2, 3, 8, 33])
@pytest.mark.parametrize("bound", [0.5, 1.5, 2.0])
def test_one_layer_is_the_closed_form_of_its_bound(bound: float, timesteps: int) -> None:
    """OPI 1: lambda clip(floor(T z/lambda + 1/2), 0, T)/T, within lambda/(2T) of the clipped ReLU that was trained."""
    identity = nn.Sequential(nn.Linear(1, 1, bias=False), ClippedReLU(v_threshold=bound), nn.Identity()).to(D)
    identity[0].weight.data.fill_(1.0)
    sixty_fourths = torch.arange(-128, 257)
    z = (sixty_fourths / 64).to(D).view(-1, 1)
    found = mean_output(convert(identity, OPI()).model, z, timesteps).flatten()
    unit = int(64 * bound)
    steps = torch.div(2 * timesteps * sixty_fourths + unit, 2 * unit, rounding_mode="floor").clamp(0, timesteps).to(D)
    assert torch.allclose(found, steps * bound / timesteps, rtol=0, atol=1e-13)
    source = clipped_relu(z, torch.tensor(bound, dtype=D)).flatten()
    assert (found - source).abs().max() <= bound / (2 * timesteps) + 1e-13


@pytest.mark.parametrize("timesteps", [1, 4, 16, 64])
def test_the_error_of_one_hidden_layer_is_bounded(timesteps: int) -> None:
    """OPI 6: at most (largest absolute row sum of the read-out) lambda/(2T)."""
    torch.manual_seed(1)
    source = nn.Sequential(nn.Linear(6, 40), ClippedReLU(v_threshold=0.6), nn.Linear(40, 5)).to(D)
    x = torch.randn(200, 6, dtype=D)
    with torch.no_grad():
        error = (mean_output(convert(source, OPI()).model, x, timesteps) - source(x)).abs().max()
        most = source[2].weight.abs().sum(1).max() * 0.6 / (2 * timesteps)
    assert 0.1 * most < error <= most * (1 + 1e-6)  # the bound is a float32 number


def test_a_deep_network_approaches_its_source() -> None:
    source = trained(0.5, 0.25).to(D).eval()
    x = 3 * X[:100].to(D)
    with torch.no_grad():
        expected = source(x)
    errors = [
        (mean_output(convert(source, RobustNorm(start=0.5)).model, x, t) - expected).square().mean()
        for t in (2, 16, 128)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3 * expected.var()


def test_a_trained_bound_must_be_above_0() -> None:
    for value in (0.0, -0.5, math.nan):
        with pytest.raises(ArgumentError, match=r"3\.v_threshold: got .* after training; expected a threshold above 0"):
            convert(trained(1.0, value), OPI())


@pytest.mark.parametrize("bound", [0.0, -1.0, math.nan, math.inf, "4"])
def test_the_start_value_must_be_above_0(bound) -> None:
    with pytest.raises(ArgumentError, match=r"OPI\.trained_bound: got .*; expected a finite number above 0, or none"):
        OPI(trained_bound=bound)
