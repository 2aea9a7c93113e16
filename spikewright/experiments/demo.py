"""The main job in a few minutes: QCFS and OPI on embedded ResNet-20s and real CIFAR-10 test images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..convert.driver import convert
from ..convert.recipe import Recipe
from ..convert.recipes import OPI, QCFS
from ..core.config import to_json
from ..core.references import source_of
from ..core.seed import seed_all
from ..data import load_dataset
from ..data.batches import Batches
from ..report import Report, RunFolder, Table, environment
from .judged_report import density_figure, density_table, layer_figure, main_figures, summary
from .judging import Judging, judge
from .network import load_network
from .registries import REGISTRIES
from .training import PACKAGES

PAIRS: tuple[tuple[str, Recipe], ...] = (("cifar10_resnet20_qcfs_l4", QCFS()), ("cifar10_resnet20_relu", OPI()))
"""The network and the method of each half of the demo."""


@dataclass(frozen=True, kw_only=True)
class DemoRun:
    """What the demo does.

    Args:
        judging: on what the networks are judged, and how.
        seed: of every generator.
        out: folder of the run folders.
    """

    judging: Judging = field(default_factory=Judging)
    seed: int = 42
    out: Path = Path("runs")


def run_demo(config: DemoRun, folder: RunFolder, say: Callable[[str], None] = lambda text: None) -> Report:
    """Convert both networks, judge them on the embedded test images, and write the report."""
    seed_all(config.seed)
    images = load_dataset("cifar10", None, config.judging.split)
    calibration = Batches(load_dataset("cifar10", None, "calibration"), 100)
    results, tables, figures, verdicts = [], [], [], []
    sources = tuple(source_of(type(recipe)) for _, recipe in PAIRS)
    for name, recipe in PAIRS:
        method = type(recipe).__name__
        say(f"{name}: converting by {method}, judging at T = 1..{config.judging.timesteps} ...")
        conversion = convert(load_network(name).model, recipe, calibration)
        judgement = judge(conversion, images, config.judging, log=folder.log)
        results.append((method, judgement))
        errors = judgement.diagnosis.table()
        errors = Table(f"{errors.title}: {method}", errors.columns, errors.rows, errors.caption, errors.notes)
        density = density_table(judgement)
        density = Table(f"{density.title}: {method}", density.columns, density.rows, density.caption)
        tables += [errors, density]
        figures.append(layer_figure(errors, config.judging.tolerance, f"layer_error_{method}"))
        figures.append(density_figure(density, f"density_{method}"))
        verdicts.append(f"{method}: {judgement.diagnosis.verdict()}")
    parts = [judgement.table(method) for method, judgement in results]
    main = Table("Result", parts[0].columns, tuple(row for part in parts for row in part.rows), parts[0].caption)
    report = Report(
        "Demo: two ways from a trained network to a spiking one",
        "\n\n".join(summary(method, judgement) for method, judgement in results),
        to_json(config, REGISTRIES),
        environment(PACKAGES) | {"device": "cpu", "seed": config.seed},
        (main, *tables),
        (*main_figures(main), *figures),
        (*verdicts, config.judging.cost_table.note),
        (*sources, config.judging.cost_table.source),
    )
    folder.write(report)
    return report
