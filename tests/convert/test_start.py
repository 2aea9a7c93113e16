"""Start potentials of single sites: set by hand, and fitted to data."""

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert import (
    COS,
    OPI,
    QCFS,
    SRP,
    Conversion,
    FittedStart,
    RobustNorm,
    convert,
    fit_starts,
    per_channel,
    per_layer,
    prepare,
)
from spikewright.convert.start import best_start
from spikewright.core.errors import ArgumentError, ConversionError, DataError, ShapeError
from spikewright.neurons import IF

X = torch.rand(400, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def net() -> nn.Module:
    torch.manual_seed(2)
    first = (nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU())
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(32, 5))


def starts(conversion: Conversion) -> dict[str, Tensor]:
    return {site: neuron.start for site, neuron in conversion.neurons().items()}


def test_single_sites_take_a_number_or_a_tensor() -> None:
    given = {"1": 0.25, "4": torch.linspace(-1, 2, 8).view(8, 1, 1)}
    conversion = convert(net(), OPI(), X, starts=given)
    assert starts(conversion)["1"].item() == 0.25
    assert torch.equal(starts(conversion)["4"], given["4"])
    assert set(conversion.starts) == {"1", "4"}
    assert starts(convert(net(), OPI(), X, starts={"4": 0.75}))["1"].item() == 0.5


def test_the_given_start_is_the_first_potential() -> None:
    conversion = convert(net(), OPI(), X, starts={"1": 1.0})
    neuron = conversion.neurons()["1"]
    first = neuron.over_time(torch.zeros(1, 3, 6, 8, 8))
    assert torch.equal(first, neuron.amplitude.expand_as(first))  # it stands at its threshold, and fires


@pytest.mark.parametrize(
    ("given", "text", "error"),
    [
        ({"3": 0.5}, r"starts\['3'\]: got a site without a start potential; expected one of 1, 4", ConversionError),
        ({"1": float("nan")}, r"starts\['1'\]: got NaN or infinity; expected finite numbers", ArgumentError),
    ],
)
def test_wrong_starts(given: dict, text: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=text):
        convert(net(), OPI(), X, starts=given)


def test_the_best_start_by_hand() -> None:
    """One step, threshold 1: only a start of at least 0.8 lets an input of 0.2 fire, and only one below lets it not."""
    candidates = torch.linspace(0, 1, 11)
    xs = torch.full((1, 4, 2), 0.2)
    a = torch.tensor([[1.0, 0.0]] * 4)
    arguments = {"v_threshold": torch.ones(()), "candidates": candidates}
    best = best_start(xs, a, groups=per_channel, **arguments)
    assert best[0] >= 0.8 - 1e-6
    assert best[1] == 0.5  # of many equal ones the nearest to a half
    assert best_start(xs, a[:, :1].expand(4, 2), groups=per_layer, **arguments).shape == ()


def test_the_best_start_is_the_best_of_all_candidates() -> None:
    g = torch.Generator().manual_seed(3)
    xs, a = torch.randn(5, 30, 7, generator=g) + 0.3, torch.rand(30, 7, generator=g)
    candidates = torch.linspace(-0.5, 1.5, 21)
    best = best_start(xs, a, v_threshold=torch.tensor(0.8), candidates=candidates, groups=per_channel)

    def error(start: Tensor | float) -> Tensor:
        out = IF(v_threshold=0.8, amplitude=0.8, start=start).over_time(xs).mean(0)
        return (out - a).square().sum(0)

    assert (torch.stack([error(float(p)) for p in candidates]) >= error(best) - 1e-6).all()


def read_out_error(conversion: Conversion, timesteps: int) -> float:
    x, phases = X[200:], conversion.model.phases
    with torch.no_grad():
        out = conversion.model(x.expand(phases.steps(timesteps), *x.shape))[phases.rehearsal :][:timesteps].mean(0)
        return float((out - conversion.source(x)).square().mean())


@pytest.mark.parametrize("groups", [per_layer, per_channel])
@pytest.mark.parametrize("recipe", [OPI(), RobustNorm()], ids=["OPI", "RobustNorm"])
def test_fitted_starts_are_better_than_the_recipes_on_other_images(recipe, groups) -> None:
    conversion = convert(net(), recipe, X[:200])
    fitted = fit_starts(conversion, X[:200], FittedStart(timesteps=4, groups=groups, images=200))
    assert read_out_error(fitted, 4) < read_out_error(conversion, 4)
    assert {tuple(start.shape) for start in fitted.starts.values()} <= {(), (6, 1, 1), (8, 1, 1)}
    assert starts(conversion)["1"].item() == recipe.start  # the conversion given stays as it is


@pytest.mark.parametrize("recipe", [QCFS(), SRP(), COS()], ids=["QCFS", "SRP", "COS"])
def test_any_method_takes_fitted_starts(recipe) -> None:
    trained = prepare(net(), QCFS(v_threshold=1.0))
    fitted = fit_starts(convert(trained, recipe), [(X[:30], torch.zeros(30))], FittedStart(images=20))
    for site, start in fitted.starts.items():
        assert torch.equal(starts(fitted)[site], start)
    again = convert(trained, recipe, starts=fitted.starts)
    x = X[:4].expand(8, 4, 2, 8, 8)
    with torch.no_grad():
        assert torch.equal(again.model(x), fitted.model(x))


def test_a_fitted_network_can_be_trained_on() -> None:
    fitted = fit_starts(convert(net(), OPI(), X), X[:20])
    fitted.model(X[:2].expand(3, 2, 2, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in fitted.model.parameters())


def test_bad_fits() -> None:
    conversion = convert(net(), OPI(), X)
    with pytest.raises(
        ArgumentError, match=r"fit_starts\.conversion: got Sequential; expected what convert\(\) returns"
    ):
        fit_starts(net(), X)  # pyright: ignore
    with pytest.raises(ArgumentError, match=r"fit_starts\.fitted: got .*; expected FittedStart"):
        fit_starts(conversion, X, 5)  # pyright: ignore
    for broken in (X.byte(), X.numpy()):
        with pytest.raises(DataError, match=r"fit_starts: got .*; expected floating-point image batches"):
            fit_starts(conversion, broken)
    with pytest.raises(
        ArgumentError,
        match=r"FittedStart\.groups: got .*; expected one of per_layer, per_channel, per_neuron, per_feature",
    ):
        FittedStart(groups="per_layer")  # pyright: ignore
    with pytest.raises(ArgumentError, match=r"FittedStart\.lowest: got 'a' and 1\.0"):
        FittedStart(lowest="a")  # pyright: ignore
    for wrong in ([1], {"1": "a"}):
        with pytest.raises(ArgumentError, match=r"convert\.starts: got .*; expected site -> number or tensor, or None"):
            convert(net(), OPI(), X, starts=wrong)  # pyright: ignore
    with pytest.raises(DataError, match="fit_starts: got no image"):
        fit_starts(conversion, [])
    with pytest.raises(DataError, match="fit_starts: got NaN or infinite values in an image"):
        fit_starts(conversion, torch.full((2, 2, 8, 8), torch.nan))
    with pytest.raises(ShapeError, match=r"fit_starts: the network cannot take a batch of shape \[2, 3, 8, 8\]"):
        fit_starts(conversion, torch.rand(2, 3, 8, 8))
    with pytest.raises(ArgumentError, match=r"FittedStart\.timesteps: got 0; expected a whole number of at least 1"):
        FittedStart(timesteps=0)
    with pytest.raises(
        ArgumentError, match=r"FittedStart\.lowest: got 1\.0 and 0\.5; expected .* lowest below highest"
    ):
        FittedStart(lowest=1.0, highest=0.5)
