"""InterpretRun: attribution of a network's answers as one frozen value; run_interpretation() carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..attack.rule import GradientRule
from ..convert.recipe import Recipe
from ..core.arguments import check_whole
from ..core.config import to_json
from ..core.errors import ArgumentError, sentence
from ..core.evaluating import evaluating
from ..core.input_error import readable_input
from ..core.references import source_of
from ..core.seed import seed_all
from ..core.spiking import Spiking
from ..data.batches import Batches
from ..data.folder import FolderImages
from ..data.images import ImageDataset
from ..interpret import METHODS, Map, Method, attribute, faithfulness
from ..interpret.attribute import checked_method
from ..interpret.baselines import BASELINES, EDGE, baseline_map
from ..interpret.metrics import bootstrap
from ..models.classifier import Classifier
from ..report import Column, FigureSpec, Report, RunFolder, Table, environment
from .attacking import victim
from .conversion import EvaluateRun, credited, judged_images
from .judging import Judging
from .network import Loaded, load_network
from .registries import REGISTRIES
from .training import PACKAGES

USUAL = (
    "Saliency",
    "InputXGradient",
    "IntegratedGradients",
    "GuidedBackprop",
    "GuidedGradCAM",
    "Occlusion",
    "KernelSHAP",
)
SHOWN = 6
"""Images in the figure."""


@dataclass(frozen=True, kw_only=True)
class InterpretRun:
    """What each pixel did for a network's answers.

    Args:
        model: a network: embedded, run folder or file of `train` or `convert`, one that others trained, or
            file.py:function.
        recipe: how an ordinary network becomes a spiking one first; none explains it as it is.
        calibration: split whose images set thresholds, for recipes that measure.
        timesteps: T, of a spiking network.
        rule: whose gradient a spiking network shows; none for its own.
        methods: names of methods, see docs/interpret.md; "all" for every one.
        explain: whose logit is explained: that of the answer, or that of the label.
        missing: value of a missing pixel, on a scale of 0..1.
        steps: pieces in which pixels are taken away and come in.
        dataset: name of the data set.
        split: split of the data set: "sample" is the embedded one.
        images: number of images, from the first on.
        rows: images of one forward pass, about; fewer need less memory.
        device: where to compute.
        seed: of all that is drawn.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    model: str = "cifar10_resnet20_relu"
    recipe: Recipe | None = None
    calibration: str = "calibration"
    timesteps: int = 4
    rule: GradientRule | None = None
    methods: tuple[str, ...] = USUAL
    explain: Literal["answer", "label"] = "answer"
    missing: float = 0.5
    steps: int = 16
    dataset: str = "cifar10"
    split: str = "sample"
    images: int = 16
    rows: int = 256
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = 0
    data: Path | None = None
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        for name in ("timesteps", "steps", "images", "rows"):
            check_whole(f"InterpretRun.{name}", getattr(self, name), least=1)
        check_whole("InterpretRun.seed", self.seed, least=0)
        if not 0 <= self.missing <= 1:
            raise ArgumentError(sentence("InterpretRun.missing", repr(self.missing), "a number in 0..1"))
        if not self.chosen:
            raise ArgumentError(sentence("InterpretRun.methods", "none", "at least one", "Take --methods all"))

    @property
    def chosen(self) -> list[Method]:
        """The methods, each once.

        Raises:
            ConfigError: for a name that there is not.
        """
        names = METHODS if any(name.casefold() == "all" for name in self.methods) else self.methods
        return list({method.label: method for method in map(checked_method, names)}.values())


def explained(config: InterpretRun) -> tuple[Loaded, nn.Module]:
    """The network that a run names, and as a function of images.

    Raises:
        CheckpointError: if there is no such network.
        ArgumentError: if a gradient rule is given for an ordinary one.
    """
    loaded = load_network(config.model, config.data)
    spiking = isinstance(loaded.model, Spiking) or "recipe" in loaded.description
    if spiking or config.recipe is not None:
        found = victim(config.model, config.recipe, config.dataset, config.calibration, config.data)
        return found.loaded, Classifier(found.model, config.timesteps, rule=config.rule)
    if config.rule is not None:
        todo = "Say how it becomes one, e.g. --recipe OPI"
        raise ArgumentError(sentence("--rule", "a rule for an ordinary network", "one for a spiking network", todo))
    return loaded, loaded.model


def run_interpretation(
    config: InterpretRun,
    folder: RunFolder,
    watch: Callable[[str, Map], None] = lambda name, found: None,
    ready: Callable[[], None] = lambda: None,
) -> Report:
    """Attribute, take pixels away in the order of every map, and write the report into the run folder.

    Args:
        config: the run.
        folder: where it is written.
        watch: called after each method, with its name and maps.
        ready: called when network and data are there: from then on the folder will be kept.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ArgumentError(sentence("device", "cuda without a GPU that torch can use", "a GPU", "Take cpu"))
    seed_all(config.seed)
    loaded, network = explained(config)
    held = _images(config, loaded)
    x, labels = next(iter(Batches(held, config.images)))
    network, x = network.to(config.device), x.to(config.device)
    if config.steps > (pixels := x[0, 0].numel()):
        raise ArgumentError(sentence("--steps", str(config.steps), f"at most one for each of {pixels:,} pixels"))
    with evaluating(network), torch.no_grad(), readable_input("interpret", x):
        answers = network(x).argmax(1)
    ready()
    targets = answers if config.explain == "answer" else labels.to(config.device)
    maps: dict[str, Map] = {}
    for method in config.chosen:
        made = attribute(network, x, targets, method, baseline=config.missing, seed=config.seed, rows=config.rows)
        maps[method.label] = made
        folder.log(method=method.label, status=made.status, reason=made.reason, seconds=made.seconds)
        watch(method.label, made)
    maps |= {name: baseline_map(name, x, config.seed) for name in BASELINES}
    table = faithfulness_table(config, network, x, targets, maps)
    sources = (source_of(type(method)) for method in config.chosen)
    names = [str(held.classes[int(target)]) for target in targets]
    report = Report(
        f"What {loaded.title} looks at",
        summary(table, maps),
        to_json(config, REGISTRIES),
        run_environment(config),
        (table,),
        (grid_figure(x, maps, names),),
        NOTES,
        tuple(dict.fromkeys(filter(None, sources))),
    )
    report = credited(report, loaded)
    folder.write(report)
    return report


NOTES = (
    "A map is a claim about the network, not about the picture: a method whose curve is no better than that of an edge "
    "detector shows edges.",
    "Where pixels are taken away the network sees pictures that it was not trained on; compare rows, not numbers with "
    "those of other networks.",
)


def _images(config: InterpretRun, loaded: Loaded) -> ImageDataset | FolderImages:
    judging = Judging(split=config.split)
    asked = EvaluateRun(model=config.model, dataset=config.dataset, judging=judging, data=config.data)
    held = judged_images(asked, loaded)
    return held.subset(min(config.images, len(held)))


def faithfulness_table(
    config: InterpretRun, network: nn.Module, x: Tensor, targets: Tensor, maps: Mapping[str, Map]
) -> Table:
    """Areas under the deletion and insertion curves of all maps, beside those of the edge detector."""
    areas = {}
    for name, found in maps.items():
        if found.usable:
            curve = faithfulness(
                network, x, targets, found.values, baseline=config.missing, steps=config.steps, seed=config.seed,
                rows=config.rows,
            )  # fmt: skip
            areas[name] = tuple(area.cpu() for area in curve.areas)
    columns = (
        Column("method"),
        Column("deletion", "", 3, "Mean probability while pixels go, largest values first; low is good."),
        Column("insertion", "", 3, "Mean probability while pixels come, largest values first; high is good."),
        Column("over edges", "", 3, "Insertion less deletion, minus that of the edge detector; mean of pairs."),
        Column("low", "", 3),
        Column("high", "", 3, "95 % interval of `over edges`, by bootstrap over the images."),
        Column("gap", "", 3, "Median size of sum minus what it should be, in logits."),
        Column("time per image", "s"),
        Column("status"),
    )
    rows = []
    for name, found in maps.items():
        gap = None if found.delta is None else float(found.delta.abs().median())
        if name not in areas:
            rows.append((name, None, None, None, None, None, gap, None, found.status))
            continue
        deletion, insertion = areas[name]
        edge = areas[EDGE][1] - areas[EDGE][0]
        means = float(deletion.mean()), float(insertion.mean())
        over = (None, None, None) if name == EDGE else bootstrap(insertion - deletion - edge, seed=config.seed)
        if len(x) == 1:  # the interval would have no width, as if nothing were uncertain
            over = (over[0], None, None)
        rows.append((name, *means, *over, gap, found.seconds / len(x), found.status))
    remarks = tuple(f"{name}: {found.status}, {found.reason}." for name, found in maps.items() if found.reason)
    caption = f"Means over {len(x)} images; the logit of the {config.explain} is explained."
    return Table("Faithfulness", columns, tuple(rows), caption, remarks)


def summary(table: Table, maps: Mapping[str, Map]) -> str:
    """The result in a few sentences."""
    methods = [name for name in table.column("method") if name not in BASELINES]
    ends = dict(zip(table.column("method"), table.column("low")))
    better = [str(name) for name in methods if isinstance(low := ends[name], float) and low > 0]
    odd = [name for name, found in maps.items() if found.status != "ok"]
    text = f"Of {len(methods)} methods **{len(better)}** order the pixels better than an edge detector"
    text += f": {', '.join(better)}." if better else "."
    if not any(isinstance(low, float) for low in ends.values()):
        text = "One image does not say whether a method orders pixels better than an edge detector."
    return text + (f" Not applicable or without a meaning of their own: {', '.join(odd)}." if odd else "")


def grid_figure(x: Tensor, maps: Mapping[str, Map], names: Sequence[str]) -> FigureSpec:
    """The first images beside the maps of all methods and of the edge detector."""
    shown = {name: found for name, found in maps.items() if name not in BASELINES or name == EDGE}
    values = torch.stack([found.values[:SHOWN].cpu() for found in shown.values()]).double()
    largest = values.abs().amax((2, 3), keepdim=True)
    scaled = (127 * values / torch.where(largest > 0, largest, torch.ones_like(largest))).nan_to_num()
    arrays = {
        "images": (255 * x[:SHOWN].cpu()).round().clamp(0, 255).byte().numpy(),
        "maps": scaled.round().to(torch.int8).numpy(),
    }
    options: dict[str, Any] = {
        "methods": list(shown),
        "labels": list(names[:SHOWN]),
        "known": [found.usable for found in shown.values()],
    }
    text = (
        "Images with the class that is explained, and the maps of all methods: orange speaks for the class, blue "
        "against it; every map is scaled to its own largest size."
    )
    return FigureSpec("maps", "attribution_grid", text, arrays=arrays, options=options)


def run_environment(config: InterpretRun) -> dict[str, Any]:
    """Versions, machine, commit, command, device and seed of a run."""
    return environment((*PACKAGES, "captum")) | {"device": config.device, "seed": config.seed}
