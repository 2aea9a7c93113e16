"""RedTeamRun: trojans implanted, looked for by every tool, and the tools judged, as one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ..convert.recipe import Recipe
from ..convert.recipes import HMT
from ..convert.statistics import Maximum
from ..core.arguments import check_whole
from ..core.config import to_json
from ..core.errors import ArgumentError, ConfigError, sentence
from ..core.seed import seed_all
from ..data import HorizontalFlip, load_dataset
from ..data.augment import Augmentation
from ..data.images import ImageDataset
from ..interpret import METHODS as ATTRIBUTIONS
from ..redteam.judge import Embedding, LiteEmbedding, PixelEmbedding
from ..redteam.lite import lite
from ..redteam.synthesis import SYNTHESES
from ..report import Report, RunFolder, environment
from ..train import SGD, FitConfig
from .hardening import Hardening
from .network import Loaded, load_network
from .red_team_attribution import attributed
from .red_team_galleries import hunted
from .red_team_judging import judged, study_of
from .red_team_networks import SUSPECTS, suspects
from .red_team_report import red_team_report
from .red_team_trojans import SETS
from .red_team_tuning import check_network
from .registries import REGISTRIES

PACKAGES = ("spikewright", "torch", "numpy", "captum", "efficientnet-lite-pytorch", "safetensors")
JUDGES: dict[str, Callable[[], Embedding]] = {
    "lite": lambda: LiteEmbedding(network=lite(0, side=128)),
    "pixels": PixelEmbedding,
}
"""How a judge sees, by name."""


@dataclass(frozen=True, kw_only=True)
class RedTeamRun:
    """Do tools find faults that were put into a network on purpose, and is a spiking network another matter?

    Args:
        model: a trained ordinary network of colour images, or one trained as a spiking network; see `load_network`.
        dataset: name of the data set.
        train: split that is poisoned.
        test: split on which everything is measured.
        train_images, test_images: how many of each, from the first on; none for all.
        trojans: name of a set: twelve, patches or three.
        side: of a patch, in pixels.
        rate: share of all pictures that each universal patch or style poisons.
        source_rate: share of the source class's pictures that one with a source poisons.
        fit: how the network is fine-tuned, once with poison and once without (the twin).
        augment: what happens to a training picture, poisoned or not; none for nothing.
        hardening: how the fine-tuning, of network and twin, trains against attacks; none for clean pictures alone. Its
            watch says by which attack, and on how many held-out pictures, all networks are tried at the end.
        harm: clean accuracy, 0..1, on pictures without a natural feature, that all trojans together may cost, beside
            the twin; one that lost more has none that is looked for.
        keeps_norms: batch norms keep their statistics: for few pictures.
        networks: which are looked into, of ordinary and spiking.
        recipe: how an ordinary network becomes the spiking one. Thresholds at the maximum keep what a trigger excites;
            those of least error clip it, which can end a trojan.
        beside: another recipe whose success is told beside; none for no other.
        calibration: training pictures whose activations set its thresholds: clean ones, or with the poison in them.
        timesteps: T of the spiking one.
        success_at: every T at which success is measured.
        prune: share of the weights of each layer, the smallest, that is set to zero after the fine-tuning, 0..1.
        attribution: names of attribution methods; an empty list for none.
        attributed: pictures for each patch trojan.
        synthesis: names of methods of synthesis; an empty list for none.
        pictures: in each gallery.
        backgrounds: at most so many pictures that patches are put over; the last quarter gives the scores.
        judges: lite, a network trained on ImageNet, and pixels, which needs no weights.
        batch_size: pictures per update of the fine-tuning.
        seed: of everything.
        threads: of the CPU.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    model: str = "cifar10_resnet20_relu"
    dataset: str = "cifar10"
    train: str = "train"
    test: str = "test"
    train_images: int | None = 25_000
    test_images: int | None = 2_000
    trojans: str = "twelve"
    side: int = 10
    rate: float = 0.02
    source_rate: float = 0.2
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(epochs=5, warmup_epochs=0.25, optimizer=SGD(lr=0.05, weight_decay=1e-4))
    )
    hardening: Hardening | None = None
    harm: float = 0.03
    keeps_norms: bool = False
    augment: Augmentation | None = field(default_factory=HorizontalFlip)
    networks: tuple[str, ...] = SUSPECTS
    recipe: Recipe = field(default_factory=lambda: HMT(threshold=Maximum()))
    beside: Recipe | None = field(default_factory=HMT)
    calibration: Literal["clean", "poisoned"] = "clean"
    timesteps: int = 2
    success_at: tuple[int, ...] = (1, 2, 4)
    prune: float = 0.0
    attribution: tuple[str, ...] = tuple(ATTRIBUTIONS)
    attributed: int = 12
    synthesis: tuple[str, ...] = tuple(SYNTHESES)
    pictures: int = 5
    backgrounds: int = 32
    judges: tuple[str, ...] = tuple(JUDGES)
    batch_size: int = 100
    seed: int = 0
    threads: int = 1
    data: Path | None = None
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        for name in ("timesteps", "side", "attributed", "pictures", "batch_size", "threads"):
            check_whole(f"RedTeamRun.{name}", getattr(self, name), least=1)
        for name in ("train_images", "test_images"):
            if getattr(self, name) is not None:
                check_whole(f"RedTeamRun.{name}", getattr(self, name), least=1)
        check_whole("RedTeamRun.seed", self.seed, least=0)
        check_whole("RedTeamRun.backgrounds", self.backgrounds, least=8)
        for steps in self.success_at:
            check_whole("RedTeamRun.success_at", steps, least=1)
        for name in ("rate", "source_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ArgumentError(
                    sentence(f"RedTeamRun.{name}", repr(getattr(self, name)), "a share above 0, at most 1")
                )
        if not 0 <= self.harm <= 1:
            raise ArgumentError(sentence("RedTeamRun.harm", repr(self.harm), "a share in 0..1"))
        if not 0 <= self.prune < 1:
            raise ArgumentError(sentence("RedTeamRun.prune", repr(self.prune), "a share in 0..1, below 1"))
        for name, given, known in (
            ("trojans", (self.trojans,), SETS), ("networks", self.networks, SUSPECTS), ("judges", self.judges, JUDGES),
            ("attribution", self.attribution, ATTRIBUTIONS), ("synthesis", self.synthesis, SYNTHESES),
        ):  # fmt: skip
            unknown = [each for each in given if each not in known]
            if unknown or len(set(given)) < len(given):
                met = repr(unknown[0]) if unknown else "one name twice"
                allowed = f"names out of {', '.join(known)}, each once"
                raise ArgumentError(sentence(f"RedTeamRun.{name}", met, allowed))
        for name in ("networks", "judges"):
            if not getattr(self, name):
                raise ArgumentError(sentence(f"RedTeamRun.{name}", "none", "at least one"))


def run_red_team(
    config: RedTeamRun,
    folder: RunFolder,
    say: Callable[[str], None] = lambda text: None,
    ready: Callable[[], None] = lambda: None,
) -> Report:
    """Implant, attribute, synthesise, judge, and write the report and a study for people into the run folder.

    What was done before in this folder is not done again: networks, maps' scores and galleries are kept there.

    Args:
        config: the run.
        folder: where it is written.
        say: told what was finished, a line each.
        ready: called when network and data are there: from then on the folder will be kept.

    Raises:
        ArgumentError: if no trojan works, or a package is missing.
        CheckpointError: if there is no such network.
        ConfigError: if it was made for other classes than those of the data.
        DataError: if data are missing, or too few for the trojans.
    """
    torch.set_num_threads(config.threads)
    seed_all(config.seed)
    train, test = (
        _images(config, split, count)
        for split, count in ((config.train, config.train_images), (config.test, config.test_images))
    )
    loaded = load_network(config.model, config.data)
    _check_classes(loaded, train, config)
    check_network(config, loaded.model)
    judges = [JUDGES[name]() for name in config.judges] if config.synthesis else []
    ready()
    found = suspects(config, loaded, train, test, folder.path, say)
    kept = found.kept
    if not kept:
        todo = "Train longer, --fit.epochs, or give more pictures, --train_images, in a new run"
        raise ArgumentError(sentence("redteam", "no trojan that works", "at least one", todo))
    maps = attributed(config, found, test, folder.path, say)
    hunts = hunted(config, found, train, test, folder.path, say)
    verdicts = judged(config, found, hunts, judges, test)
    report = red_team_report(config, found, maps, hunts, verdicts, to_json(config, REGISTRIES), about(config))
    if hunts and not (folder.path / "survey").exists():
        study_of(config, found, hunts, test, folder.path / "survey")
    folder.write(report)
    return report


def about(config: RedTeamRun) -> dict[str, Any]:
    """Versions, machine, commit, command, device and seed of a run."""
    return environment(PACKAGES) | {"device": "cpu", "seed": config.seed}


def _images(config: RedTeamRun, split: str, count: int | None) -> ImageDataset:
    images = load_dataset(config.dataset, config.data, split)
    if not isinstance(images, ImageDataset):
        todo = "Take one that is held in memory, e.g. cifar10"
        raise ConfigError(sentence("--dataset", config.dataset, "images in memory", todo))
    if images.images.shape[1] != 3 or min(images.images.shape[2:]) < config.side:
        met = f"{config.dataset} with images {list(images.images.shape[1:])}"
        raise ConfigError(sentence("--dataset", met, f"three channels and at least {config.side} pixels a side"))
    return images if count is None else images.subset(min(count, len(images)))


def _check_classes(loaded: Loaded, images: ImageDataset, config: RedTeamRun) -> None:
    if loaded.classes is not None and loaded.classes != len(images.classes):
        met = f"{config.model}, made for {loaded.classes} classes, with {len(images.classes)} of {config.dataset}"
        raise ConfigError(sentence("redteam", met, "a network of the data set's classes"))
