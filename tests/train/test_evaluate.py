"""accuracy and accuracy_over_time: by hand, in chunks, against separate runs, with bad input."""

import math

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from spikewright.coding import poisson
from spikewright.convert.recipes.cos import CalibratedIF
from spikewright.convert.recipes.srp import MaskedIF
from spikewright.core import Neuron, Phases, Spiking
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.neurons import IF
from spikewright.train import AccuracyOverTime, accuracy, accuracy_over_time
from spikewright.train.evaluate import wilson


def spiking() -> Spiking:
    """Two layers of dyadic numbers, so that no result depends on the order of a sum."""
    g = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), IF(start=0.5), nn.Dropout(0.5), nn.Linear(16, 4))
    for parameter in net.parameters():
        parameter.data = torch.randint(-4, 5, parameter.shape, generator=g) / 8
    return Spiking(net)


def data(n: int, size: int = 7) -> list[tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(1)
    x, y = torch.randint(0, 17, (n, 6), generator=g) / 16, torch.randint(0, 4, (n,), generator=g)
    return list(zip(x.split(size), y.split(size), strict=True))


# accuracy


def test_accuracy_by_hand() -> None:
    batches = [
        (torch.eye(3), torch.tensor([0, 1, 0])),
        (torch.eye(3)[:1], torch.tensor([1])),
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
    ]
    assert accuracy(nn.Identity(), batches) == 0.5
    assert accuracy(nn.Identity(), batches, fabric=Fabric(accelerator="cpu", devices=1)) == 0.5


def test_accuracy_is_judged_in_eval_and_the_mode_comes_back() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.9), nn.BatchNorm1d(3))
    net[2].eval()
    before = net[2].running_mean.clone()
    first = accuracy(net, [(torch.eye(3), torch.arange(3))])
    assert accuracy(net, [(torch.eye(3), torch.arange(3))]) == first
    assert [module.training for module in net.modules()] == [True, True, True, False]
    assert torch.equal(net[2].running_mean, before)


# over time


def separate(model: Spiking, batches, timesteps: int) -> tuple[int, list[Tensor]]:
    """Right answers and classes of the mean output of a run of exactly T steps."""
    hits, picked = 0, []
    with torch.no_grad():
        for x, y in batches:
            classes = model.eval()(x.expand(timesteps, *x.shape)).mean(0).argmax(1)
            hits += int((classes == y).sum())
            picked.append(classes)
    return hits, picked


def test_one_run_equals_separate_runs() -> None:
    model, batches = spiking(), data(50)
    found = accuracy_over_time(model, batches, 8)
    assert found.samples == 50
    assert len(found.correct) == 8
    assert [found.correct[t - 1] for t in (1, 2, 5, 8)] == [separate(model, batches, t)[0] for t in (1, 2, 5, 8)]
    assert len(set(found.correct)) > 1
    assert found.agreeing == ()
    assert found.source_accuracy is None


@pytest.mark.parametrize("rows", [1, 7, 14, 21, 50, 10_000])
def test_chunks_do_not_change_the_result(rows: int) -> None:
    whole = accuracy_over_time(spiking(), data(50), 13, rows=10**9, source=nn.Linear(6, 4))
    assert accuracy_over_time(spiking(), data(50), 13, rows=rows, source=nn.Linear(6, 4)).correct == whole.correct


def test_chunks_do_not_change_one_bit_of_the_sum() -> None:
    """The outputs of one step each are far apart in size, so that sums in another order would differ."""

    class Steps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.tensor([1.0, 3.0e7, 0.1, 7.0]) - x

    xs = torch.randn(12, 40, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(40, dtype=torch.int64)
    found = [
        accuracy_over_time(Spiking(Steps()), [(xs[0], labels)], 12, encode=lambda x, t: xs, rows=rows).correct
        for rows in (1, 80, 200, 10_000)
    ]
    assert found[0] == found[1] == found[2] == found[3]


def test_agreement_and_source_accuracy() -> None:
    source = nn.Linear(6, 4)
    batches = data(50)
    found = accuracy_over_time(spiking(), batches, 5, source=source)
    expected = [source(x).argmax(1) for x, _ in batches]
    for t in (1, 3, 5):
        picked = separate(spiking(), batches, t)[1]
        assert found.agreeing[t - 1] == sum(int((a == b).sum()) for a, b in zip(picked, expected, strict=True))
    assert found.source_correct == sum(int((a == y).sum()) for a, (_, y) in zip(expected, batches, strict=True))
    assert found.source_accuracy == accuracy(source, batches)
    assert found.agreement[2] == found.agreeing[2] / 50
    assert found.accuracy[2] == found.correct[2] / 50


def test_another_encoder() -> None:
    seen = []

    def encode(x: Tensor, timesteps: int) -> Tensor:
        seen.append(timesteps)
        return poisson(x, timesteps, torch.Generator().manual_seed(0))

    found = accuracy_over_time(spiking(), data(20), 6, encode=encode)
    assert seen == [6, 6, 6]
    assert len(found.correct) == 6


def test_modes_come_back_also_after_an_exception() -> None:
    model, source = spiking().train(), nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5)).train()
    model.module[0].eval()
    modes = [module.training for module in (*model.modules(), *source.modules())]
    accuracy_over_time(model, data(10), 3, source=source)
    assert [module.training for module in (*model.modules(), *source.modules())] == modes

    def broken():
        yield from data(10)
        raise RuntimeError("the loader died")

    with pytest.raises(RuntimeError, match="the loader died"):
        accuracy_over_time(model, broken(), 3, source=source)
    assert [module.training for module in (*model.modules(), *source.modules())] == modes
    assert all(module.carry is None for module in model.modules() if isinstance(module, IF))


def test_table() -> None:
    found = AccuracyOverTime(100, (50, 80, 90), (60, 90, 95), 92)
    table = found.table()
    rows = [tuple(row) for row in table.rows]
    assert [row[0] for row in rows] == [1, 2, 3]
    assert rows[2][1:] == pytest.approx((0.9, *wilson(90, 100), 0.95))
    assert table.caption == "100 samples. The source network reaches 92.00 %."
    assert [row[0] for row in found.table(at=(3, 1)).rows] == [3, 1]
    assert AccuracyOverTime(100, (50,), (), None).table().rows[0][4] is None


@pytest.mark.parametrize("at", [0, 4, -1])
def test_table_at_steps_that_were_not_run(at: int) -> None:
    with pytest.raises(ArgumentError, match=rf"AccuracyOverTime\.table at: got {at}; expected 1\.\.3 steps"):
        AccuracyOverTime(100, (50, 80, 90), (), None).table(at=(1, at))


# known values: Newcombe 1998, Statistics in Medicine 17, table I, method 3 (the score interval)
@pytest.mark.parametrize(
    ("hits", "samples", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval(hits: int, samples: int, low: float, high: float) -> None:
    assert wilson(hits, samples) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_symmetric_and_shrinks() -> None:
    low, high = wilson(30, 100)
    assert wilson(70, 100) == pytest.approx((1 - high, 1 - low))
    assert wilson(5000, 10000)[1] - wilson(5000, 10000)[0] < 0.02
    assert wilson(20, 20)[1] == pytest.approx(1.0)


# bad input


@pytest.mark.parametrize("timesteps", [0, -3, 2.0, True])
def test_timesteps(timesteps) -> None:
    with pytest.raises(
        ArgumentError, match=r"accuracy_over_time\.timesteps: got .*; expected a whole number of at least 1"
    ):
        accuracy_over_time(spiking(), data(10), timesteps)


def judges():
    return {
        "accuracy": lambda batches: accuracy(nn.Linear(6, 4), batches),
        "accuracy_over_time": lambda batches: accuracy_over_time(spiking(), batches, 3),
    }


@pytest.mark.parametrize("name", judges())
def test_no_sample(name: str) -> None:
    for batches in ([], [(torch.zeros(0, 6), torch.zeros(0, dtype=torch.int64))]):
        with pytest.raises(DataError, match=f"{name}: got no sample; expected at least one batch"):
            judges()[name](batches)


@pytest.mark.parametrize("name", judges())
@pytest.mark.parametrize("label", [-1, 4])
def test_labels_out_of_range(name: str, label: int) -> None:
    with pytest.raises(DataError, match=rf"labels: got values .*{label}.*; expected 0\.\.3\. Check that the data set"):
        judges()[name]([(torch.zeros(2, 6), torch.tensor([1, label]))])


@pytest.mark.parametrize("name", judges())
@pytest.mark.parametrize("labels", [torch.zeros(1), torch.zeros(4), torch.zeros(3, 4), torch.zeros(())])
def test_as_many_labels_as_images(name: str, labels: Tensor) -> None:
    with pytest.raises(ShapeError, match=rf"{name}: got 3 images and labels of shape .*; expected as many labels"):
        judges()[name]([(torch.zeros(3, 6), labels.long())])


@pytest.mark.parametrize("name", judges())
@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_images_must_be_finite(name: str, bad: float) -> None:
    x = torch.zeros(3, 6)
    x[1, 2] = bad
    with pytest.raises(DataError, match=f"{name}: got NaN or infinite values in an image batch; expected finite"):
        judges()[name]([(x, torch.zeros(3, dtype=torch.int64))])


@pytest.mark.parametrize("name", judges())
@pytest.mark.parametrize("x", [torch.zeros(3, 5), torch.zeros(3, 6, dtype=torch.float64), torch.zeros(3, 1, 4, 4)])
def test_images_must_fit_the_network(name: str, x: Tensor) -> None:
    with pytest.raises(ShapeError, match=rf"{name}: the network cannot take a batch of shape \[3, .*\] in {x.dtype}"):
        judges()[name]([(x, torch.zeros(3, dtype=torch.int64))])


def test_images_must_be_floating_point() -> None:
    with pytest.raises(ShapeError, match=r"got dtype torch\.uint8; expected a floating-point dtype"):
        judges()["accuracy_over_time"]([(torch.zeros(3, 6, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))])
    with pytest.raises(ShapeError, match=r"cannot take a batch of shape \[3, 6\] in torch\.uint8"):
        judges()["accuracy"]([(torch.zeros(3, 6, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))])


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 12, 64, 10_000])
@pytest.mark.parametrize(
    "layer", [MaskedIF(rehearsal=3), CalibratedIF(window=4), IF(start=0.5)], ids=["SRP", "COS", "IF"]
)
def test_the_curve_begins_after_the_phases_whatever_the_chunks(layer: Neuron, rows: int) -> None:
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Linear(5, 9), layer, nn.Linear(9, 4)))
    x, y = torch.randn(12, 5), torch.randint(0, 4, (12,))
    judged = accuracy_over_time(model, [(x, y)], 6, rows=rows)
    assert judged.phases == model.phases
    out = model(x.expand(model.phases.steps(6), 12, 5))[model.phases.rehearsal :]
    expected = (out.cumsum(0).argmax(-1) == y).sum(1).tolist()
    assert list(judged.correct) == expected[:6]
    two = accuracy_over_time(model, [(x, y)], 2, rows=rows)  # fewer steps than the window
    assert two.correct == judged.correct[:2]


def test_the_table_states_t_and_the_latency() -> None:
    counts = {"samples": 4, "correct": (2, 3), "agreeing": (), "source_correct": None}
    names = [column.name for column in AccuracyOverTime(**counts).table().columns]
    assert names[:2] == ["T", "accuracy"]
    rehearsed = AccuracyOverTime(**counts, phases=Phases(rehearsal=4)).table()
    assert [column.name for column in rehearsed.columns][:3] == ["T", "latency", "accuracy"]
    assert [row[:2] for row in rehearsed.rows] == [(1, 5), (2, 6)]
    held = AccuracyOverTime(**counts, phases=Phases(window=4, layers=10)).table()
    assert [row[:3] for row in held.rows] == [(1, 5, 41), (2, 6, 42)]
