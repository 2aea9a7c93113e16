"""ConvertRun: a conversion and its judgement as one frozen value; run_conversion() carries it out in a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..convert.diagnosis import Diagnosis
from ..convert.driver import convert
from ..convert.recipe import Conversion, Recipe
from ..convert.recipes import QCFS
from ..convert.start import FittedStart, fit_starts
from ..core.config import to_json
from ..core.errors import ArgumentError, ConfigError, sentence
from ..core.seed import seed_all
from ..data import load_dataset
from ..data.batches import Batches
from ..data.folder import FolderImages
from ..data.images import ImageDataset
from ..report import FigureSpec, Report, RunFolder, Table, environment
from .judged_report import judgement_report, layer_figure
from .judging import Judging, diagnose_first, judge, measure
from .network import Loaded, load_network, load_spiking, save_conversion
from .registries import REGISTRIES
from .spiking_report import spiking_report
from .training import PACKAGES

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, kw_only=True)
class ConvertRun:
    """Conversion of a trained network, judged at every time step.

    Args:
        model: embedded network, one that others trained (see `spikewright list`), weights file, run folder, or
            file.py:function for a network of your own.
        recipe: the conversion method.
        dataset: name of the data set.
        calibration: split whose images set thresholds, for methods that measure.
        calibration_images: how many of them, from the first on; none for all.
        fit_start: find each layer's start potentials on the calibration images; none keeps the recipe's.
        judging: what the result is judged on, and how.
        seed: of every generator.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    model: str = "cifar10_resnet20_qcfs_l4"
    recipe: Recipe = field(default_factory=QCFS)
    dataset: str = "cifar10"
    calibration: str = "calibration"
    calibration_images: int | None = None
    fit_start: FittedStart | None = None
    judging: Judging = field(default_factory=Judging)
    seed: int = 42
    data: Path | None = None
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        if self.calibration_images is not None and self.calibration_images < 1:
            met = repr(self.calibration_images)
            raise ArgumentError(sentence("ConvertRun.calibration_images", met, "none or a whole number of at least 1"))


@dataclass(frozen=True, kw_only=True)
class EvaluateRun:
    """Judgement of a network that was converted earlier, or trained as a spiking one.

    Args:
        model: snn.safetensors, model.safetensors of a spiking network, or the run folder that holds it; or
            file.py:function for a spiking network of your own.
        dataset: name of the data set.
        judging: what it is judged on, and how.
        seed: of every generator.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    model: str
    dataset: str = "cifar10"
    judging: Judging = field(default_factory=Judging)
    seed: int = 42
    data: Path | None = None
    out: Path = Path("runs")


def calibration_batches(config: ConvertRun, fabric: Fabric | None = None) -> Batches:
    """The images that set thresholds: all of them, or one process's share.

    Raises:
        ArgumentError: if they are the split that the result is judged on.
    """
    if config.calibration == config.judging.split:
        raise ArgumentError(
            sentence(
                "ConvertRun.calibration",
                f"{config.calibration!r}, the split that is judged",
                "another split",
                "Calibrate on training images",
            )
        )
    data = load_dataset(config.dataset, config.data, config.calibration)
    few = data if config.calibration_images is None else data.subset(config.calibration_images)
    if fabric is None:
        return Batches(few, 100)
    return Batches(few, 100 * fabric.world_size, rank=fabric.global_rank, world_size=fabric.world_size)


def judged_images(config: ConvertRun | EvaluateRun, loaded: Loaded) -> ImageDataset | FolderImages:
    """The images that the result is judged on.

    Raises:
        ConfigError: if the network was made for another number of classes.
    """
    images = load_dataset(config.dataset, config.data, config.judging.split)
    classes = loaded.classes
    if classes is not None and classes != len(images.classes):
        raise ConfigError(
            f"--dataset {config.dataset}: has {len(images.classes)} classes, but {config.model} was made for "
            f"{classes}. Judge a network on the data set that it was trained for."
        )
    return images


def converted(config: ConvertRun, fabric: Fabric | None = None) -> tuple[Loaded, Conversion]:
    """The network that a run names, and its conversion; several processes share the calibration."""
    loaded = load_network(config.model, config.data)
    images = calibration_batches(config, fabric) if config.recipe.statistics() else None
    conversion = convert(loaded.model, config.recipe, images, fabric=fabric)
    if config.fit_start is not None:
        conversion = fit_starts(conversion, calibration_batches(config), config.fit_start)
    return loaded, conversion


def run_conversion(
    config: ConvertRun, folder: RunFolder, ready: Callable[[], None] = lambda: None, fabric: Fabric | None = None
) -> Report:
    """Convert, judge, and write the spiking network and the report into the run folder.

    Args:
        config: the run.
        folder: where it is written.
        ready: called when the network is converted and all data are there: from then on the folder will be kept.
        fabric: several processes that share calibration and accuracy, see `launched`; the first one writes.
    """
    seed_all(config.seed)
    loaded, conversion = converted(config, fabric)
    images = judged_images(config, loaded)
    ready()
    judgement = judge(conversion, images, config.judging, log=_log_of(folder, fabric), fabric=fabric)
    name = f"{loaded.title} by {type(config.recipe).__name__}"
    report = judgement_report(name, conversion, judgement, to_json(config, REGISTRIES), run_environment(config))
    about = {
        "dataset": config.dataset,
        "image": list(images[0][0].shape),
        "accuracy": judgement.over_time.accuracy[-1],
        "timesteps": config.judging.timesteps,
    }
    report = credited(report, loaded)
    if _writes(fabric):
        save_conversion(folder.path / "snn.safetensors", loaded, conversion, about)
        folder.write(report)
    return report


def run_diagnosis(config: ConvertRun, folder: RunFolder, ready: Callable[[], None] = lambda: None) -> Report:
    """Convert and compare layer by layer and step by step; nothing else is judged. `ready`: see `run_conversion`."""
    seed_all(config.seed)
    loaded, conversion = converted(config)
    images = judged_images(config, loaded)
    ready()
    found = diagnose_first(conversion, images, config.judging)
    tables, figures = diagnosis_parts(found)
    report = Report(
        f"Diagnosis of {loaded.title} by {type(config.recipe).__name__}",
        found.verdict(),
        to_json(config, REGISTRIES),
        run_environment(config),
        (*tables, conversion.table()),
        figures,
    )
    report = credited(report, loaded)
    folder.write(report)
    return report


def diagnosis_parts(found: Diagnosis) -> tuple[tuple[Table, ...], tuple[FigureSpec, ...]]:
    """Tables and figures of a diagnosis; those about single spikes only where neurons count them."""
    main, over_time = found.table(), found.over_time()
    figures = [
        layer_figure(main, found.tolerance),
        FigureSpec(
            "error_over_time",
            "layer_heatmap",
            "Error of every layer after 1, 2, ... steps, in per cent of its activation.",
            over_time.title,
            options={"across": "T", "value": "error", "full": 1.0, "label": "time steps T"},
        ),
    ]
    counted = tuple(table for table in (found.causes(), found.cases(), found.offsets()) if table.rows)
    if counted:
        figures += [
            FigureSpec(
                "causes",
                "layer_heatmap",
                f"Parts of the error after {found.timesteps} steps, in per cent of the activation.",
                "Causes",
                options={"across": "cause", "value": "error", "full": 1.0},
            ),
            FigureSpec(
                "offsets",
                "layer_heatmap",
                f"Neurons that have fired too often or too seldom after {found.timesteps} steps, in per cent.",
                "Offset spikes",
                options={"across": "offset", "value": "neurons", "label": "spikes too many or too few"},
            ),
        ]
    return (main, *counted, over_time), tuple(figures)


def run_evaluation(
    config: EvaluateRun, folder: RunFolder, ready: Callable[[], None] = lambda: None, fabric: Fabric | None = None
) -> Report:
    """Judge a spiking network and write the report into the run folder; arguments as for `run_conversion`."""
    seed_all(config.seed)
    loaded, network = load_spiking(config.model, config.data)
    images = judged_images(config, loaded)
    ready()
    how, about = to_json(config, REGISTRIES), run_environment(config)
    if isinstance(network, Conversion):
        judgement = judge(network, images, config.judging, log=_log_of(folder, fabric), fabric=fabric)
        name = f"{loaded.title} by {type(network.recipe).__name__}"
        report = judgement_report(name, network, judgement, how, about)
    else:
        measured = measure(network, None, images, config.judging, log=_log_of(folder, fabric), fabric=fabric)
        report = spiking_report(loaded.title, network, measured, how, about, loaded.description.get("about", {}))
    report = credited(report, loaded)
    if _writes(fabric):
        folder.write(report)
    return report


def _writes(fabric: Fabric | None) -> bool:
    return fabric is None or fabric.is_global_zero


def _log_of(folder: RunFolder, fabric: Fabric | None) -> Callable[..., None]:
    return folder.log if _writes(fabric) else lambda **numbers: None


def credited(report: Report, loaded: Loaded) -> Report:
    """The report with the source and licence of weights that others have trained among its references."""
    return replace(report, references=(*report.references, loaded.credit)) if loaded.credit else report


def run_environment(config: ConvertRun | EvaluateRun) -> dict:
    """Versions, machine, commit, command, device and seed of a run."""
    return environment(PACKAGES) | {"device": "cpu", "seed": config.seed}
