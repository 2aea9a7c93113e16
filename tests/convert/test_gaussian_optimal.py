"""GaussianOptimal: exact pooling of moments, at ReLUs and leaky ReLUs, per group, bound levels, what it refuses."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert import (
    OPI,
    ErrorOptimal,
    GaussianOptimal,
    Levels,
    Maximum,
    convert,
    per_channel,
    per_feature,
    per_layer,
    per_neuron,
)
from spikewright.convert.statistics import LevelStatistic, iterated_threshold, optimal_threshold
from spikewright.core.errors import ArgumentError, ConversionError, DataError, ShapeError

G = torch.Generator().manual_seed(0)
X = torch.randn(300, 3, 4, 5, generator=G) * torch.tensor([1.0, 2.0, 0.5]).view(3, 1, 1) + 0.3


def measured(statistic, batches: list[Tensor]) -> Tensor:
    running = statistic.begin("site")
    for batch in batches:
        running.update(statistic.groups(batch))
    return running.result()


@pytest.mark.parametrize("groups", [per_layer, per_channel, per_neuron, per_feature])
def test_moments_are_pooled_over_batches(groups) -> None:
    statistic = GaussianOptimal(timesteps=4, groups=groups)
    values = groups(X).flatten(1).double()
    expected = optimal_threshold(values.mean(1), values.var(1, correction=0).sqrt(), Levels.of_if(4)).float()
    for batches in ([X], list(X.split(1)), list(X.split(77)), [X[:0], X]):
        assert torch.allclose(measured(statistic, batches), expected, rtol=1e-6)


def test_a_large_mean_costs_no_digits() -> None:
    """The sum of squares less the square of the sum would."""
    x = torch.tensor([1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3]).view(4, 1)
    running = GaussianOptimal().begin("site")
    for part in x.split(1):
        running.update(per_layer(part))
    assert (running.squares / running.count).item() == pytest.approx(1.25, rel=1e-9)  # pyright: ignore


def test_the_published_iteration_on_request() -> None:
    mu, sigma = X.double().mean().view(1), X.double().var(correction=0).sqrt().view(1)
    found = measured(GaussianOptimal(timesteps=64, iterations=100), [X])
    assert torch.allclose(found.double(), iterated_threshold(mu, sigma, Levels.of_if(64), 100))
    assert found.item() < 0.97 * measured(GaussianOptimal(timesteps=64), [X]).item()


def test_levels_can_be_bound() -> None:
    statistic: LevelStatistic = GaussianOptimal(timesteps=4)
    bound = dataclasses.replace(statistic, levels=Levels(4, -60, 60))
    assert measured(bound, [torch.randn(100_000, 1, generator=G)]).item() == pytest.approx(0.2390, rel=1e-2)
    assert statistic.said == Levels(4, 0, 4)


@pytest.mark.parametrize("levels", [Levels(4, 0, 4), Levels(4, 0, 12), Levels(2, 0, 9)])
def test_from_a_gaussian_sample_both_statistics_agree(levels: Levels) -> None:
    x = torch.randn(200_000, 1, generator=G)
    gaussian = measured(GaussianOptimal(levels=levels), [x]).item()
    assert measured(ErrorOptimal(levels=levels), [x]).item() == pytest.approx(gaussian, rel=2e-2)
    both = measured(ErrorOptimal(levels=levels.mirrored()), [x.abs()]).item()
    assert both == pytest.approx(measured(GaussianOptimal(levels=levels.mirrored()), [x]).item(), rel=2e-2)


def test_levels_of_an_if_neuron_change_nothing() -> None:
    plain, given = ErrorOptimal(timesteps=5), ErrorOptimal(timesteps=5, levels=Levels.of_if(5))
    assert torch.equal(measured(plain, [X]), measured(given, [X]))
    assert measured(ErrorOptimal(levels=Levels(2, 0, 5)), [X]).item() == pytest.approx(
        measured(plain, [X]).item() * 2 / 5
    )


def test_at_a_relu_its_input_is_measured() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Flatten(), nn.Linear(60, 2))
    recipe = OPI(threshold=GaussianOptimal(timesteps=8, groups=per_channel))
    found = convert(net, recipe, X).thresholds["1"]
    with torch.no_grad():
        assert torch.allclose(found.flatten(), measured(recipe.threshold, [net[0](X)]))
    assert found.shape == (3, 1, 1)


def test_at_a_leaky_relu_levels_of_both_signs() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(60, 2))
    found = convert(net, OPI(threshold=GaussianOptimal(timesteps=8)), X).thresholds["1"]
    with torch.no_grad():
        expected = measured(GaussianOptimal(levels=Levels(8, -8, 8)), [net[0](X)])
    assert torch.allclose(found, expected)


@pytest.mark.parametrize(
    "act", [nn.ReLU6(), nn.Hardtanh(0, 2), F.relu6, lambda x: x.clamp(0, 3), lambda x: F.hardtanh(x, 0)]
)
def test_a_bounded_activation_is_refused(act) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act, self.head = act, nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.act(x))

    with pytest.raises(ConversionError, match=r"is bounded at \d, which GaussianOptimal does not model; expected an"):
        convert(Net(), OPI(threshold=GaussianOptimal()), torch.randn(50, 5))
    convert(Net(), OPI(threshold=ErrorOptimal()), torch.randn(50, 5))


@pytest.mark.parametrize("act", [nn.ReLU(), lambda x: x.clamp(min=0), lambda x: x.clamp_min(0), F.relu])
@pytest.mark.parametrize(
    ("groups", "shape"), [(per_layer, ()), (per_channel, (7, 1)), (per_neuron, (7, 5)), (per_feature, (5,))]
)
def test_groups_of_tokens(act, groups, shape: tuple[int, ...]) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act, self.head = act, nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.act(x)).mean(1)

    x = torch.randn(300, 7, 5, generator=G)
    for statistic in (GaussianOptimal(groups=groups), Maximum(groups=groups)):
        conversion = convert(Net(), OPI(threshold=statistic), x)
        assert [found.shape for found in conversion.thresholds.values()] == [shape]
        assert conversion.model(x.expand(4, *x.shape)).shape == (4, 300, 2)


def test_groups_of_features_by_hand() -> None:
    a = torch.arange(12).view(2, 2, 3)
    assert per_neuron(a).tolist() == [[i, i + 6] for i in range(6)]
    assert per_feature(a)[1].flatten().tolist() == [1, 4, 7, 10]
    assert per_neuron.spread(torch.arange(6), (2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ShapeError, match=r"per_feature: got an activation \[3\]; expected \[N, \.\.\., D\]"):
        per_feature(torch.zeros(3))


def test_a_group_that_is_never_active_takes_the_layers_largest() -> None:
    x = torch.stack([torch.randn(400, generator=G), torch.full((400,), -2.0)], 1)
    net = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(2, 2))
    found = convert(net, OPI(threshold=GaussianOptimal(groups=per_channel)), x).thresholds["1"]
    assert found[0] == found[1] > 1


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="site: got no value; expected at least one batch"):
        GaussianOptimal().begin("site").result()
    with pytest.raises(
        ArgumentError, match=r"GaussianOptimal\.timesteps: got 0; expected a whole number of at least 1"
    ):
        GaussianOptimal(timesteps=0)
    with pytest.raises(ArgumentError, match=r"GaussianOptimal\.iterations: got 0; expected a whole number of at least"):
        GaussianOptimal(iterations=0)
    with pytest.raises(ArgumentError, match=r"GaussianOptimal\.levels: got 8; expected Levels\(density"):
        GaussianOptimal(levels=8)  # pyright: ignore
    with pytest.raises(ArgumentError, match=r"ErrorOptimal\.levels: got .*; expected a lowest level of 0 or of minus"):
        ErrorOptimal(levels=Levels(8, -3, 8))
    with pytest.raises(ArgumentError, match=r"GaussianOptimal\.groups: got .*; expected one of per_layer, per_channel"):
        OPI(threshold=GaussianOptimal(groups=lambda a: a))  # pyright: ignore


def test_repr_and_copies() -> None:
    assert repr(GaussianOptimal()) == "GaussianOptimal(groups=per_layer, timesteps=8)"
    import copy
    import pickle

    assert copy.deepcopy(per_neuron) is per_neuron
    assert pickle.loads(pickle.dumps(per_channel)) is per_channel
