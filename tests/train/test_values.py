"""mean_metric and metric_over_time: by hand, in chunks, against separate runs, with bad input."""

import math

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from spikewright.convert.recipes.cos import CalibratedIF
from spikewright.convert.recipes.srp import MaskedIF
from spikewright.core import Neuron, Phases, Spiking
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.neurons import IF
from spikewright.train import MAE, PSNR, RMSE, Metric, MetricOverTime, mean_metric, metric_over_time


def spiking() -> Spiking:
    """Two layers of dyadic numbers, so that no result depends on the order of a sum."""
    g = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), IF(start=0.5), nn.Dropout(0.5), nn.Linear(16, 4))
    for parameter in net.parameters():
        parameter.data = torch.randint(-4, 5, parameter.shape, generator=g) / 8
    return Spiking(net)


def data(n: int, size: int = 7) -> list[tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(1)
    x, y = torch.randint(0, 17, (n, 6), generator=g) / 16, torch.rand(n, 4, generator=g)
    return list(zip(x.split(size), y.split(size), strict=True))


# metrics, by hand


def test_metrics_by_hand() -> None:
    values, targets = torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([[0.4, 0.6], [0.0, 0.0]])
    assert PSNR.of(values, targets).tolist() == pytest.approx([20.0, -10 * math.log10(0.5)], abs=1e-4)
    assert RMSE.of(values, targets).tolist() == pytest.approx([0.1, math.sqrt(0.5)])
    assert MAE.of(values, targets).tolist() == pytest.approx([0.1, 0.5])
    assert PSNR.of(targets, targets).tolist() == [math.inf, math.inf]


def test_a_mean_over_samples_not_over_batches() -> None:
    x = torch.zeros(3, 2)
    y = torch.tensor([[1.0, 1.0], [3.0, 3.0], [8.0, 8.0]])
    batches = [(x[:2], y[:2]), (x[2:], y[2:]), (torch.zeros(0, 2), torch.zeros(0, 2))]
    assert mean_metric(nn.Identity(), batches, MAE) == 4.0
    assert mean_metric(nn.Identity(), batches, MAE, fabric=Fabric(accelerator="cpu", devices=1)) == 4.0


def test_an_ordinary_network_is_judged_in_eval_and_the_mode_comes_back() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.9)).train()
    assert mean_metric(net, data(20), RMSE) == mean_metric(net, data(20), RMSE)
    assert net.training
    assert net[1].training


# over time


@torch.no_grad()
def test_one_run_equals_separate_runs() -> None:
    model, batches = spiking(), data(50)
    found = metric_over_time(model, batches, 8, RMSE)
    assert found.samples == 50
    for t in (1, 2, 5, 8):
        each = [RMSE.of(model.eval()(x.expand(t, *x.shape)).mean(0), y) for x, y in batches]
        assert found.values[t - 1] == pytest.approx(float(torch.cat(each).mean()), rel=1e-6)
    assert found.source_value is None
    assert found.deviation == ()


@pytest.mark.parametrize("rows", [1, 7, 20, 10_000])
def test_chunks_do_not_change_the_result(rows: int) -> None:
    source = nn.Linear(6, 4)
    whole = metric_over_time(spiking(), data(50), 13, MAE, rows=10**9, source=source)
    assert metric_over_time(spiking(), data(50), 13, MAE, rows=rows, source=source) == whole


@torch.no_grad()
def test_source_and_deviation() -> None:
    model, source, batches = spiking(), nn.Linear(6, 4), data(20)
    found = metric_over_time(model, batches, 3, RMSE, source=source)
    assert found.source_value == pytest.approx(mean_metric(source, batches, RMSE))
    x = torch.cat([x for x, _ in batches])
    wanted, got = source(x), model.eval()(x.expand(3, *x.shape)).mean(0)
    assert found.deviation[2] == pytest.approx(float((got - wanted).norm() / wanted.norm()), rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 24, 10_000])
@pytest.mark.parametrize(
    "layer", [MaskedIF(rehearsal=3), CalibratedIF(window=4), IF(start=0.5)], ids=["SRP", "COS", "IF"]
)
def test_the_curve_begins_after_the_phases_whatever_the_chunks(layer: Neuron, rows: int) -> None:
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Linear(5, 9), layer, nn.Linear(9, 4)))
    batches = [(torch.randn(12, 5), torch.rand(12, 4)), (torch.randn(12, 5), torch.rand(12, 4))]
    judged = metric_over_time(model, batches, 2, RMSE, rows=rows)  # fewer steps than the window
    assert judged.phases == model.phases
    for t in (1, 2):
        each = []
        for x, y in batches:
            out = model(x.expand(model.phases.steps(2), 12, 5))[model.phases.rehearsal :]
            each.append(RMSE.of(out[:t].mean(0), y))
        assert judged.values[t - 1] == pytest.approx(float(torch.cat(each).mean()), rel=1e-5)


def test_nothing_is_left_behind_after_an_exception() -> None:
    model = spiking().train()
    with pytest.raises(ShapeError, match="targets of the shape"):
        metric_over_time(model, [(torch.zeros(3, 6), torch.zeros(3, 5))], 3, RMSE)
    assert all(module.training for module in model.modules())
    assert all(module.carry is None for module in model.modules() if isinstance(module, IF))


def test_table() -> None:
    found = MetricOverTime(PSNR, 100, (20.0, 26.0, 27.5), (0.5, 0.2, 0.1), 28.0)
    table = found.table(at=(3, 1))
    assert [tuple(row) for row in table.rows] == [(3, 27.5, -0.5, 0.1), (1, 20.0, -8.0, 0.5)]
    assert table.caption == "100 samples. The source network reaches 28.00 dB."
    assert [column.unit for column in table.columns] == ["steps", "dB", "dB", "%"]
    alone = MetricOverTime(RMSE, 4, (0.5, 0.25), phases=Phases(rehearsal=4)).table()
    assert alone.caption == "4 samples."
    assert [tuple(row) for row in alone.rows] == [(1, 5, 0.5, None, None), (2, 6, 0.25, None, None)]


@pytest.mark.parametrize("at", [0, 4])
def test_table_at_steps_that_were_not_run(at: int) -> None:
    with pytest.raises(ArgumentError, match=rf"MetricOverTime\.table at: got {at}; expected 1\.\.3 steps"):
        MetricOverTime(RMSE, 1, (1.0, 1.0, 1.0)).table(at=(1, at))


# bad input


def judges():
    return {
        "mean_metric": lambda batches, metric=RMSE: mean_metric(nn.Linear(6, 4), batches, metric),
        "metric_over_time": lambda batches, metric=RMSE: metric_over_time(spiking(), batches, 3, metric),
    }


every = pytest.mark.parametrize("name", judges())


@every
def test_no_sample(name: str) -> None:
    for batches in ([], [(torch.zeros(0, 6), torch.zeros(0, 4))]):
        with pytest.raises(DataError, match=f"{name}: got no sample; expected at least one batch"):
            judges()[name](batches)


@every
@pytest.mark.parametrize("y", [torch.zeros(2, 4), torch.zeros(())])
def test_as_many_targets_as_samples(name: str, y: Tensor) -> None:
    with pytest.raises(ShapeError, match=rf"{name}: got 3 samples and targets of shape .*; expected as many targets"):
        judges()[name]([(torch.zeros(3, 6), y)])


@every
def test_targets_of_the_shape_of_the_output(name: str) -> None:
    with pytest.raises(ShapeError, match=rf"{name}: got values of shape \[3, 4\] and targets of shape \[3, 1\]"):
        judges()[name]([(torch.zeros(3, 6), torch.zeros(3, 1))])


@every
def test_targets_must_be_finite(name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: got NaN or infinite values in the targets; expected finite"):
        judges()[name]([(torch.zeros(3, 6), torch.full((3, 4), math.nan))])


@every
def test_inputs_must_fit_the_network(name: str) -> None:
    with pytest.raises(ShapeError, match=rf"{name}: the network cannot take a batch of shape \[3, 5\]"):
        judges()[name]([(torch.zeros(3, 5), torch.zeros(3, 4))])


@every
def test_the_metric(name: str) -> None:
    with pytest.raises(ArgumentError, match=rf"{name}\.metric: got .*; expected PSNR, RMSE, MAE or a Metric"):
        judges()[name](data(3), nn.functional.mse_loss)
    total = Metric("total", "", lambda values, targets: (values - targets).sum())
    with pytest.raises(ArgumentError, match=rf"{name}\.metric total: got \[\] numbers for 3 samples; expected one"):
        judges()[name](data(3), total)


def test_timesteps() -> None:
    with pytest.raises(ArgumentError, match=r"metric_over_time\.timesteps: got 0; expected a whole number of at least"):
        metric_over_time(spiking(), data(3), 0, RMSE)
