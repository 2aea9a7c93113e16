"""What a judgement says is what the single measurements say, and its report shows it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spikewright.coding import repeat
from spikewright.convert import Maximum, convert
from spikewright.convert.recipe import Conversion, Recipe
from spikewright.convert.recipes import DCGS, HMT, QCFS
from spikewright.core.errors import ArgumentError, ConfigError
from spikewright.data import Batches, ImageDataset, load_dataset, synthetic
from spikewright.experiments.activity import activity_figures
from spikewright.experiments.judged_report import _within, judgement_report, summary
from spikewright.experiments.judging import Judgement, Judging, diagnose_first, judge, take_measurements
from spikewright.experiments.network import load_network
from spikewright.profile import count_macs, count_spikes, estimate
from spikewright.report import Report, RunFolder
from spikewright.train.evaluate import AccuracyOverTime, accuracy, accuracy_over_time, wilson


@pytest.fixture(scope="module")
def judged(conversion: Conversion, images: ImageDataset) -> tuple[Judgement, list[dict]]:
    lines: list[dict] = []
    judging = Judging(
        split="test",
        timesteps=4,
        batch_size=7,
        counted_images=10,
        diagnosed_images=10,
        diagnosed_timesteps=4,
    )
    return judge(conversion, images, judging, log=lambda **numbers: lines.append(numbers)), lines


def test_the_result_table_holds_what_was_measured(
    judged: tuple[Judgement, list[dict]], conversion: Conversion, images: ImageDataset
) -> None:
    judgement, lines = judged
    table = judgement.table("OPI")
    over_time = accuracy_over_time(conversion.model, Batches(images, 20), 4, source=conversion.source)
    assert table.column("T") == (None, 1, 2, 4)
    assert table.column("recipe") == ("OPI ANN", "OPI", "OPI", "OPI")
    expected = [over_time.accuracy[t - 1] for t in (1, 2, 4)]
    assert table.column("accuracy") == (accuracy(conversion.source, Batches(images, 20)), *expected)
    assert table.column("agreement") == (None, *(over_time.agreement[t - 1] for t in (1, 2, 4)))
    ends = [wilson(over_time.source_correct or 0, 20), *(wilson(over_time.correct[t - 1], 20) for t in (1, 2, 4))]
    assert list(zip(table.column("low"), table.column("high"))) == ends
    assert lines == [
        {"timesteps": t, "accuracy": over_time.accuracy[t - 1], "agreement": over_time.agreement[t - 1]}
        for t in (1, 2, 4)
    ]
    assert table.caption.startswith("20 images; spikes, operations and energy on the first 10; per_output: ")


def test_spikes_operations_and_energy_are_those_of_the_counters(
    judged: tuple[Judgement, list[dict]], conversion: Conversion, images: ImageDataset
) -> None:
    judgement, _ = judged
    table = judgement.table("OPI")
    counted = Batches(images.subset(10), 10)
    neurons = 4 * 16 * 16 + 6 * 8 * 8
    macs = 4 * 27 * 256 + 6 * 36 * 64 + 96 * 4  # two convolutions as if all borders were inside, one linear layer
    spikes = count_spikes(conversion.model, counted, timesteps=4)
    assert table.column("spikes")[3] == pytest.approx(spikes.spikes_per_sample(4) / neurons)
    source = count_macs(conversion.source, judgement.image)
    assert table.column("MACs")[0] == source.totals().macs / 1e6
    assert 0.7 * macs < source.totals().macs <= macs
    for row, t in ((1, 1), (2, 2), (3, 4)):
        energy = estimate(judgement.operations, judgement.judging.cost_table, timesteps=t, ann=judgement.source)
        assert table.column("energy")[row] == pytest.approx(energy.joule)
        assert table.column("ratio")[row] == pytest.approx(energy.joule / energy.ann_joule)  # pyright: ignore
    assert list(table.column("synops")[1:]) == sorted(table.column("synops")[1:])  # pyright: ignore


def test_the_report_is_written_whole(
    judged: tuple[Judgement, list[dict]], conversion: Conversion, tmp_path: Path
) -> None:
    judgement, _ = judged
    report = judgement_report("mine by OPI", conversion, judgement, {"seed": 1}, {"python": "3"})
    folder = RunFolder.create(tmp_path, "judged", {}, {})
    folder.write(report)
    assert Report.from_json((folder.path / "report.json").read_text()) == report
    figures = {path.stem for path in (folder.path / "figures").glob("*.svg")}
    assert figures == {"accuracy", "energy", "density", "layer_error", "raster", "membranes"}
    page = (folder.path / "report.html").read_text()
    assert page.count("<figure") == 6
    assert "no data" not in page.lower()
    titles = [table.title for table in report.tables]
    expected = ["Error by layer", "Spikes", "Firing rate", "Operations", "Converted sites", "Membrane potentials"]
    assert titles == ["Result", *expected]
    result = json.loads((folder.path / "report.json").read_text())["tables"][0]
    assert result["rows"][3][:3] == ["OPI", 4, judgement.over_time.accuracy[3]]
    assert any("Optimized Potential Initialization" in source for source in report.references)
    assert report.notes[0] == judgement.diagnosis.verdict()


def test_the_summary_says_the_last_row(judged: tuple[Judgement, list[dict]]) -> None:
    judgement, _ = judged
    over_time, text = judgement.over_time, summary("OPI", judged[0])
    assert f"reaches {100 * (over_time.source_accuracy or 0):.2f} % of 20 images" in text
    assert f"network {100 * over_time.accuracy[3]:.2f} % at T = 4, for {judgement.energies[-1].ratio:.3f} of" in text
    assert f"{100 * over_time.agreement[3]:.2f} % of the images the source network's class" in text
    far = replace(judgement, over_time=AccuracyOverTime(20, (1, 2, 3, 4), (1, 2, 3, 4), 20))
    assert summary("OPI", far).endswith("stays within one point of its accuracy at no T up to 4.")
    near = replace(judgement, over_time=AccuracyOverTime(20, (1, 20, 3, 20), (1, 2, 3, 4), 20))
    assert summary("OPI", near).endswith("stays within one point of its accuracy from T = 4 on.")


@pytest.mark.parametrize(
    ("accuracies", "first"), [((0.1, 0.5), 2), ((0.5, 0.5), 1), ((0.9, 0.1, 0.6), 3), ((0.9, 0.4), None)]
)
def test_within_counts_from_the_last_time_below(accuracies: tuple[float, ...], first: int | None) -> None:
    assert _within(accuracies, 0.5) == first


def test_a_table_whose_operations_have_no_price_has_no_ratio(
    conversion: Conversion, images: ImageDataset, judging: Judging
) -> None:
    loihi = replace(judging, costs="LOIHI", timesteps=2)  # names fit in any case
    judgement = judge(conversion, images, loihi)
    assert set(judgement.table("OPI").column("ratio")) == {None}
    assert ", for " not in summary("OPI", judgement)
    assert "energy" in {figure.name for figure in judgement_report("x", conversion, judgement, {}, {}).figures}


def test_fewer_images_than_asked_for(conversion: Conversion, images: ImageDataset, judging: Judging) -> None:
    few = judge(conversion, images, replace(judging, images=3, timesteps=2))
    assert few.over_time.samples == 3
    assert few.operations.samples == 3
    assert few.diagnosis.samples == 3
    assert torch.equal(few.image, images.gather(torch.tensor([0]))[0])


def test_how_many_images_are_counted_at_once_changes_nothing(
    conversion: Conversion, images: ImageDataset, judging: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    handle = conversion.model.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    tables = []
    for rows in (320, 1):
        monkeypatch.setattr("spikewright.experiments.judging.COUNTED_ROWS", rows)
        seen.clear()
        tables.append(take_measurements(conversion, images, replace(judging, counted_images=5)).table("any"))
        assert (min(seen[-5:]) == 1) == (rows == 1)
    handle.remove()
    assert tables[0] == tables[1]


def test_diagnose_first_takes_the_first_images(conversion: Conversion, images: ImageDataset, judging: Judging) -> None:
    found = diagnose_first(conversion, images, replace(judging, diagnosed_images=500))
    assert (found.samples, found.timesteps, found.tolerance) == (20, 4, 0.9)
    found = diagnose_first(conversion, images, replace(judging, images=3))
    assert found.samples == 3, "no image that is not judged"


def test_the_embedded_network_keeps_its_answers_when_it_spikes() -> None:
    conversion = convert(load_network("cifar10_resnet20_qcfs_l4").model, QCFS())
    sample = load_dataset("cifar10", None, "sample").subset(20)
    found = accuracy_over_time(conversion.model, Batches(sample, 20), 32, source=conversion.source)
    assert found.agreement[-1] > 0.6
    assert found.agreement[-1] > found.agreement[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timesteps": 0}, r"Judging\.timesteps: got 0; expected a whole number of at least 1"),
        ({"batch_size": 0}, r"Judging\.batch_size: got 0"),
        ({"counted_images": 0}, r"Judging\.counted_images: got 0"),
        ({"diagnosed_images": -1}, r"Judging\.diagnosed_images: got -1"),
        ({"diagnosed_timesteps": 0}, r"Judging\.diagnosed_timesteps: got 0"),
        ({"images": 0}, r"Judging\.images: got 0; expected none or a whole number of at least 1"),
        ({"threads": -1}, r"Judging\.threads: got -1; expected 0 or a number of threads"),
        ({"at": ()}, r"Judging\.at: got \(\); expected numbers of steps of at least 1"),
        ({"at": (0, 4)}, r"Judging\.at: got \(0, 4\)"),
    ],
)
def test_bad_judgings_are_named(change: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Judging(**change)


def test_unknown_costs_are_named() -> None:
    with pytest.raises(ConfigError, match=r"Judging\.costs: got 'gold'; expected one of float32_45nm"):
        Judging(costs="gold")


def test_shown_steps_end_with_the_last() -> None:
    assert Judging(timesteps=5).shown == (1, 2, 4, 5)
    assert Judging(timesteps=5, at=(64,)).shown == (5,)


def test_activity_of_the_first_image(conversion: Conversion, images: ImageDataset) -> None:
    image = images.gather(torch.tensor([0]))[0]
    table, (raster, histogram) = activity_figures(conversion.model, conversion.neurons(), image, 3, neurons=5)
    sites = list(conversion.neurons())
    assert raster.options["layers"] == [[site, 5] for site in sites]
    spikes = np.asarray(raster.arrays["spikes"])
    assert spikes.shape == (3, 10)
    assert set(np.unique(spikes)) <= {0, 1}
    assert histogram.table_name == table.title
    # the same neurons by hand: start at half a threshold, add the input, fire at the threshold, subtract it
    first = next(iter(conversion.neurons().values()))
    z, threshold = conversion.source.get_submodule("0.0")(image).flatten(), float(first.get_buffer("v_threshold"))
    v, fired = torch.full_like(z, 0.5 * threshold), []
    for _ in range(3):
        v = v + z
        fired.append(v >= threshold)
        v = v - threshold * fired[-1]
    places = torch.linspace(0, len(z) - 1, 5).round().long()
    assert np.array_equal(spikes[:, :5], torch.stack(fired)[:, places].numpy())
    rows = [dict(zip((column.name for column in table.columns), row)) for row in table.rows]
    layer = next(column.name for column in table.columns if column.name in ("layer", "site"))
    counts = next(column.name for column in table.columns if column.name in ("count", "neurons"))
    assert sum(int(row[counts] or 0) for row in rows if row[layer] == sites[0]) == len(z)


def test_activity_shows_some_layers_of_many(conversion: Conversion, images: ImageDataset) -> None:
    image = images.gather(torch.tensor([3]))[0]
    _, (raster, _) = activity_figures(
        conversion.model, conversion.neurons(), repeat(image, 1)[0], 2, layers=1, neurons=10_000
    )
    (border,) = raster.options["layers"]
    assert border == [next(iter(conversion.neurons())), 4 * 16 * 16]
    assert math.prod(np.asarray(raster.arrays["spikes"]).shape) == 2 * 1024
    assert re.match(r"Spikes of 1 layer for the first image", raster.caption)


@pytest.mark.parametrize(
    "recipe", [HMT(), DCGS(), DCGS(encode="everything", threshold=Maximum())], ids=["HMT", "DCGS", "everything"]
)
def test_a_recipe_of_units_is_judged_and_reported(
    own: Path, images: ImageDataset, judging: Judging, tmp_path: Path, recipe: Recipe
) -> None:
    calibration = synthetic.load(split="train").subset(100).gather(torch.arange(100))[0]
    conversion = convert(load_network(f"{own}:net").model, recipe, calibration)
    judgement = judge(conversion, images, judging)
    report = judgement_report("a run", conversion, judgement, {}, {})
    RunFolder.create(tmp_path, "run", {}, {}).write(report)
    table = judgement.table("it")
    names = [column.name for column in table.columns]
    assert ("synops per bit" in names) == (isinstance(recipe, HMT))
    assert judgement.over_time.agreement[-1] > 0.8
    (raster,) = [figure for figure in report.figures if figure.name == "raster"]
    assert set(np.unique(np.asarray(raster.arrays["spikes"]))) <= {-1, 0, 1}
    assert np.asarray(raster.arrays["spikes"]).any()


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_the_order_of_memory_changes_rounding_only_and_is_put_back(
    conversion: Conversion, images: ImageDataset, memory_format
) -> None:
    strides = {name: part.stride() for name, part in conversion.model.named_parameters()}
    seen: set[bool] = set()

    def look(module, args, output) -> None:
        seen.add(output.is_contiguous(memory_format=torch.channels_last) and not output.is_contiguous())

    convolution = next(part for part in conversion.model.modules() if isinstance(part, torch.nn.Conv2d))
    judging = Judging(split="test", timesteps=4, counted_images=5, memory_format=memory_format)
    with convolution.register_forward_hook(look):
        found = judge(conversion, images, judging).over_time
    plain = accuracy_over_time(conversion.model, Batches(images, 20), 4, source=conversion.source)
    assert found.correct == pytest.approx(plain.correct, abs=1)
    assert (True in seen) == (memory_format == "channels_last")
    assert {name: part.stride() for name, part in conversion.model.named_parameters()} == strides


def test_the_event_runtime_judges_as_torch_does_and_its_plan_is_reported(
    conversion: Conversion, images: ImageDataset
) -> None:
    judging = Judging(split="test", timesteps=4, counted_images=5, diagnosed_images=5, memory_format="contiguous")
    plain, events = (judge(conversion, images, replace(judging, engine=engine)) for engine in ("torch", "events"))
    assert events.over_time.correct == pytest.approx(plain.over_time.correct, abs=1)
    assert plain.plan is None
    assert events.plan is not None
    assert "events" in events.plan.column("path")
    report = judgement_report("x", conversion, events, config={}, environment={})
    assert events.plan in report.tables
