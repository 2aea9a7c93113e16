"""SweepRun: recipes x thresholds x T as one frozen value; run_sweep() carries it out, or goes on where it stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..convert.driver import convert, trace_for_inference
from ..convert.neuron_recipe import NeuronRecipe
from ..convert.operations import Site, is_qcfs
from ..convert.recipe import Recipe
from ..convert.recipes import COS, QCFS, SRP
from ..convert.rules import sites
from ..convert.statistics import Groups, Percentile, Statistic, per_layer
from ..convert.unit_recipe import UnitRecipe
from ..core.config import to_json
from ..core.errors import ArgumentError, ConversionError, SpikewrightError, sentence
from ..core.references import source_of
from ..core.seed import seed_all
from ..data import of_kind
from ..data.batches import Batches
from ..data.folder import FolderImages
from ..data.images import ImageDataset
from ..report import Report, RunFolder
from .conversion import ConvertRun, calibration_batches, credited, judged_images, run_environment
from .judging import Judging, take_measurements
from .network import Loaded, load_network
from .registries import REGISTRIES
from .sweep_report import Outcome, recipe_text, statistic_text, sweep_report


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """One trained network, converted in many ways, each judged at every time step.

    Args:
        model: embedded network, one that others trained (see `spikewright list`), weights file, run folder, or
            file.py:function for a network of your own.
        recipes: the conversion methods.
        thresholds: statistics, each tried with every method that measures thresholds in this network; where all are
            trained, a method runs once.
        groups: what a threshold is shared by; each is tried with every statistic, whatever the statistic's own.
        dataset: name of the data set.
        calibration: split whose images set thresholds.
        calibration_images: how many of them, from the first on; none for all.
        judging: what the results are judged on, and how; layers are not compared.
        seed: of every generator.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    model: str = "cifar10_resnet20_qcfs_l4"
    recipes: tuple[Recipe, ...] = (QCFS(), SRP(), COS())
    thresholds: tuple[Statistic, ...] = (Percentile(),)
    groups: tuple[Groups, ...] = (per_layer,)
    dataset: str = "cifar10"
    calibration: str = "calibration"
    calibration_images: int | None = None
    judging: Judging = field(default_factory=Judging)
    seed: int = 42
    data: Path | None = None
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        for name in ("recipes", "thresholds", "groups"):
            given = getattr(self, name)
            if not given:
                raise ArgumentError(sentence(f"SweepRun.{name}", "none", "at least one"))
            twice = [part for place, part in enumerate(given) if part in given[:place]]
            if twice:
                met = f"{getattr(twice[0], '__name__', type(twice[0]).__name__)} twice"
                raise ArgumentError(sentence(f"SweepRun.{name}", met, "different ones"))
        if self.calibration_images is not None and self.calibration_images < 1:
            met = repr(self.calibration_images)
            raise ArgumentError(sentence("SweepRun.calibration_images", met, "none or a whole number of at least 1"))
        splits = of_kind(self.dataset, "images").SPEC.splits
        for who, split in (("calibration", self.calibration), ("judging.split", self.judging.split)):
            if split not in splits:
                raise ArgumentError(sentence(f"SweepRun.{who}", repr(split), f"one of {', '.join(splits)}"))
        if self.calibration == self.judging.split:
            met = f"{self.calibration!r}, the split that is judged"
            raise ArgumentError(sentence("SweepRun.calibration", met, "another split", "Calibrate on training images"))

    def conversion(self, recipe: Recipe) -> ConvertRun:
        """The same run for one recipe alone."""
        return ConvertRun(
            model=self.model,
            recipe=recipe,
            dataset=self.dataset,
            calibration=self.calibration,
            calibration_images=self.calibration_images,
            judging=self.judging,
            seed=self.seed,
            data=self.data,
            out=self.out,
        )

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, machine, commit, command, device and seed."""
        return run_environment(self.conversion(self.recipes[0]))


@dataclass(frozen=True)
class Point:
    """One way to convert the network; one run of it gives all T.

    Args:
        recipe: the method, with the statistic that it uses here.
        threshold: where thresholds come from, in words; None where the network has none.
        measured: whether calibration images are needed.
    """

    recipe: Recipe
    threshold: str | None
    measured: bool

    @property
    def key(self) -> str:
        """What tells the point from all others of its sweep."""
        return _key(to_json(_Holder(self.recipe), REGISTRIES)["recipe"])


@dataclass(frozen=True)
class _Holder:
    recipe: Recipe


def _key(recipe: Mapping[str, Any]) -> str:
    return json.dumps(recipe, sort_keys=True)


def points(config: SweepRun, calls: Sequence[Site]) -> tuple[Point, ...]:
    """The points of a sweep: every recipe with every statistic, or once where it measures nothing.

    Args:
        config: the sweep.
        calls: the call sites of the network.
    """
    trained = any(map(is_qcfs, calls))
    statistics = [replace(statistic, groups=groups) for statistic in config.thresholds for groups in config.groups]
    found = []
    for recipe in config.recipes:
        measuring = []
        if isinstance(recipe, (NeuronRecipe, UnitRecipe)) and not (trained and recipe.threshold is None):
            variants = [Point(replace(recipe, threshold=each), statistic_text(each), True) for each in statistics]
            measuring = [point for point in variants if _measures(point.recipe, calls)]
        alone = Point(recipe, "trained" if trained else None, _measures(recipe, calls))
        found += measuring or [alone]
    return tuple({point.key: point for point in found}.values())


def _measures(recipe: Recipe, calls: Sequence[Site]) -> bool:
    return any(site.depends_on_input and at.matches(site) for at in recipe.statistics() for site in calls)


def run_sweep(
    config: SweepRun,
    folder: RunFolder,
    watch: Callable[[int, int, Outcome, bool], None] = lambda *_: None,
    ready: Callable[[], None] = lambda: None,
) -> Report:
    """Convert and judge at every point, and write the report into the run folder.

    Points that the folder's metrics.jsonl holds already are not run again, so a sweep that was stopped goes on.

    Args:
        config: the sweep, that of the folder.
        folder: where every point is written as soon as it is finished.
        watch: called after each point with its number from 1 on, how many there are, what came out, and whether that
            was there already.
        ready: called when the network and all data are there: from then on the folder will be kept.

    Raises:
        SpikewrightError: if the network, the judged or the calibration images cannot be loaded. A recipe that does not
            convert the network is no error, but an outcome.
    """
    first = config.conversion(config.recipes[0])
    loaded = load_network(config.model, config.data)
    images = judged_images(first, loaded)
    batches = cache(partial(calibration_batches, first))
    try:
        calls = sites(trace_for_inference(loaded.model, example=lambda: next(iter(batches()))[0]))
    except ConversionError:  # every recipe will say so at its own point
        calls = []
    planned = points(config, calls)
    calibration = batches() if any(point.measured for point in planned) else None
    ready()
    finished = {_key(line["recipe"]): Outcome.from_dict(line) for line in folder.metrics()}
    for number, point in enumerate(planned, 1):
        known = point.key in finished
        if not known:
            seed_all(config.seed)
            finished[point.key] = outcome_of(point, loaded, calibration, images, config.judging)
            folder.log(**finished[point.key].to_dict())
        watch(number, len(planned), finished[point.key], known)
    outcomes = [finished[point.key] for point in planned]
    parts = [part for point in planned for part in (point.recipe, *(at.statistic for at in point.recipe.statistics()))]
    report = sweep_report(
        loaded.title,
        outcomes,
        config.judging,
        to_json(config, REGISTRIES),
        config.environment,
        [source_of(type(part)) for part in parts],
    )
    report = credited(report, loaded)
    folder.write(report)
    return report


def outcome_of(
    point: Point,
    loaded: Loaded,
    calibration: Batches | None,
    images: ImageDataset | FolderImages,
    judging: Judging,
) -> Outcome:
    """Convert and judge at one point; what does not convert gives the sentence that says why."""
    began, name = time.monotonic(), recipe_text(point.recipe)
    table, failure = None, None
    try:
        conversion = convert(loaded.model, point.recipe, calibration if point.measured else None)
        table = take_measurements(conversion, images, judging).table(name)
    except SpikewrightError as error:
        failure = str(error)
    return Outcome(json.loads(point.key), name, point.threshold, round(time.monotonic() - began, 1), table, failure)
