"""prepare_trained: weights by name, thresholds from the data, and refusals."""

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert import OPI, QCFS, SRP, ErrorOptimal, Maximum, Percentile, convert, per_channel, prepare_trained
from spikewright.convert.layers import TRAINED, ClippedReLU, QCFSActivation
from spikewright.core.errors import ArgumentError, ConversionError, DataError

X = torch.rand(300, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def net(pool: nn.Module | None = None) -> nn.Sequential:
    """A small network with batch norms that have seen data, in eval()."""
    torch.manual_seed(0)
    made = nn.Sequential(
        *(nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), pool or nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)),
    )
    with torch.no_grad():
        made.train()(X)
    return made.eval()


def thresholds(model: nn.Module) -> list[float]:
    return [module.v_threshold.item() for module in model.modules() if isinstance(module, TRAINED)]


def maxima(model: nn.Sequential, *places: int) -> list[float]:
    """Largest output of some layers, in eval()."""
    found, x = [], X
    with torch.no_grad():
        for place, layer in enumerate(model):
            x = layer(x)
            found += [x.max().item()] if place in places else []
    return found


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [(QCFS(levels=4), QCFSActivation), (SRP(), QCFSActivation), (OPI(trained_bound=4.0), ClippedReLU)],
)
def test_weights_by_name_and_thresholds_from_data(recipe, kind: type) -> None:
    source = net()
    made = prepare_trained(source, recipe, X, statistic=Maximum())
    state = made.state_dict()
    assert all(torch.equal(state.pop(name), value) for name, value in source.state_dict().items())
    assert list(state) == ["2.v_threshold", "6.v_threshold"]
    assert isinstance(made.get_submodule("2"), kind)
    assert thresholds(made) == pytest.approx(maxima(source, 2, 6))
    assert all(parameter.requires_grad for parameter in made.parameters())


def test_the_prepared_network_is_near_to_the_trained_one() -> None:
    """With many levels and no clipping it is the same function up to half a level; with 8.0 it would be far off."""
    source = net()
    with torch.no_grad():
        expected = source(X)
        fine = prepare_trained(source, QCFS(levels=4096), X, statistic=Maximum())(X)
        exact = prepare_trained(source, OPI(trained_bound=1.0), X, statistic=Maximum())(X)
        coarse = prepare_trained(source, QCFS(levels=4), X)(X)
    assert (fine - expected).abs().max() < 1e-2 * expected.std()
    assert torch.allclose(exact, expected, atol=1e-5)
    assert 1e-4 < (coarse - expected).square().mean() / expected.var() < 0.3


def test_by_default_the_error_is_least_for_the_levels_of_the_activation() -> None:
    for recipe, timesteps in ((QCFS(levels=4), 4), (QCFS(levels=16), 16), (OPI(trained_bound=4.0), 8)):
        chosen = prepare_trained(net(), recipe, X, statistic=ErrorOptimal(timesteps=timesteps))
        assert thresholds(prepare_trained(net(), recipe, X)) == thresholds(chosen)
    assert thresholds(prepare_trained(net(), QCFS(levels=2), X)) != thresholds(prepare_trained(net(), QCFS(), X))


def test_any_form_of_data_and_other_statistics() -> None:
    expected = thresholds(prepare_trained(net(), QCFS(), X, statistic=Percentile(percentile=99)))
    labels = torch.zeros(300)
    for data in (list(X.split(64)), iter(X.split(64)), [(x, labels) for x in X.split(64)]):
        assert thresholds(prepare_trained(net(), QCFS(), data, statistic=Percentile(percentile=99))) == expected


def test_max_pools_are_average_pools_while_thresholds_are_measured() -> None:
    source = net(nn.MaxPool2d(2))
    with pytest.warns(UserWarning, match="3: max pool replaced by an average pool") as said:
        made = prepare_trained(source, QCFS(), X, statistic=Maximum())
    assert len(said) == 1
    averaged = nn.Sequential(*source)
    averaged[3] = nn.AvgPool2d(2)
    assert thresholds(made) == pytest.approx(maxima(averaged, 2, 6))
    assert thresholds(made)[1] < 0.95 * maxima(source, 6)[0]


def test_the_model_and_its_mode_stay_and_batch_norms_do_not_learn_from_the_data() -> None:
    for mode in (True, False):
        source = net().train(mode)
        before = {name: value.clone() for name, value in source.state_dict().items()}
        made = prepare_trained(source, QCFS(), X)
        assert (source.training, made.training) == (mode, mode)
        assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())
        assert thresholds(made) == thresholds(prepare_trained(net(), QCFS(), X))


def test_every_call_site_has_its_own_threshold() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(2)
            self.a, self.b, self.act = nn.Linear(4, 6), nn.Linear(6, 3), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.b(self.act(self.a(x))) * 7)

    model, x = Twice(), torch.rand(50, 4)
    made = prepare_trained(model, QCFS(), x, statistic=Maximum())
    with torch.no_grad():
        first = model.act(model.a(x))
        second = model.act(model.b(first) * 7)
    assert thresholds(made) == pytest.approx([first.max().item(), second.max().item()])


def test_it_trains_and_converts() -> None:
    made = prepare_trained(net(), QCFS(levels=4), X).train()
    before = thresholds(made)
    optimizer = torch.optim.SGD(made.parameters(), 0.05)
    nn.functional.cross_entropy(made(X), torch.arange(300) % 5).backward()
    optimizer.step()
    assert all(a != b for a, b in zip(before, thresholds(made)))
    neurons = convert(made, QCFS()).neurons().values()
    assert [neuron.v_threshold.item() for neuron in neurons] == thresholds(made)


def test_a_network_that_decides_on_shapes_takes_the_first_batch() -> None:
    class Deciding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.act = nn.Linear(4, 3), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.linear(x[:, :4] if x.shape[1] > 4 else x))

    assert math.isfinite(*thresholds(prepare_trained(Deciding(), QCFS(), iter([torch.rand(40, 5), torch.rand(9, 5)]))))


def test_in_double_precision() -> None:
    made = prepare_trained(net().double(), QCFS(), X.double())
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float64}


def test_refusals() -> None:
    with pytest.raises(
        ArgumentError, match=r"statistic: got Maximum of other groups than a layer; expected groups=per"
    ):
        prepare_trained(net(), QCFS(), X, statistic=Maximum(groups=per_channel))
    with pytest.raises(ConversionError, match=r"OPI: trains no thresholds, so there is nothing to prepare from data"):
        prepare_trained(net(), OPI(), X)
    with pytest.raises(DataError, match=r"calibration: got no sample; expected at least one batch of images"):
        prepare_trained(net(), QCFS(), [])
    with pytest.raises(DataError, match=r"calibration: got NoneType"):
        prepare_trained(net(), QCFS(), None)
    dead = net()
    dead[5].bias.data.fill_(-100.0)
    with pytest.raises(ConversionError, match=r"6: is never, or too rarely, active on the calibration data"):
        prepare_trained(dead, QCFS(), X)
    with pytest.raises(ArgumentError, match=r"prepare_trained\.recipe: got the class QCFS; expected a recipe"):
        prepare_trained(net(), QCFS, X)  # pyright: ignore[reportArgumentType]


def test_nothing_is_said_without_pools() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare_trained(net(), QCFS(), X)
