"""AttackRun: a spiking network under attack as one frozen value; run_attacks() carries it out in a run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from ..attack.budget import Budget
from ..attack.budgets import Linf
from ..attack.rule import GradientRule
from ..attack.search import Search
from ..attack.searches import RandomNoise
from ..convert.driver import convert
from ..convert.recipe import Conversion, Recipe
from ..core.arguments import check_whole
from ..core.config import from_json, to_json
from ..core.errors import ArgumentError, CheckpointError, sentence
from ..core.seed import seed_all
from ..core.spiking import Spiking
from ..data import load_dataset
from ..data.batches import Batches
from ..models.checkpoint import save
from ..models.classifier import Classifier
from ..report import Report, RunFolder, environment
from ..robust.named_attack import NamedAttack, called, takes_gradient
from ..robust.suite import Probing, evaluate_robustness
from ..robust.suites import SUITES
from ..robust.worst_case import Outcome, WorstCase
from .attack_report import attack_report
from .conversion import EvaluateRun, credited, judged_images
from .judging import Judging
from .network import Loaded, Network, load_conversion, load_network, save_conversion
from .registries import REGISTRIES
from .training import PACKAGES

SAMPLES = "samples.safetensors"
"""The file with what every attack did to every sample."""


@dataclass(frozen=True, kw_only=True)
class AttackRun:
    """A spiking network under a suite of attacks, or under one of your choice.

    Args:
        model: a spiking network: run folder or file of `train` or `convert`; or a network that becomes one: an embedded
            one, one that others trained, file.py:function.
        recipe: how an ordinary network becomes a spiking one; none for the one that it was trained for.
        calibration: split whose images set thresholds, for recipes that measure.
        timesteps: T, of the network and of the attacker.
        suite: what is tried: quick takes minutes for small images on a CPU, whole is what a claim needs.
        search: one search in the place of the suite; none for the suite.
        rule: whose gradient it follows; none for the network's own.
        restarts: how often it begins.
        budget: what an attack may change, in values before the scaling inside the network.
        other: another network of the same kind, trained without a defence: attacks follow its gradient too, and it must
            fall to them; none for no such comparison.
        probing: curves and checks; none for neither.
        every: try each attack on all images, for a table in which every number stands for itself; otherwise on those
            alone that still stand, which is faster.
        dataset: name of the data set.
        split: split of the data set: "sample" is the embedded one.
        images: number of images, from the first on; none for all.
        batch_size: images per batch.
        device: where to compute.
        seed: of every generator.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    model: str = "cifar10_resnet20_qcfs_l4"
    recipe: Recipe | None = None
    calibration: str = "calibration"
    timesteps: int = 4
    suite: Literal["quick", "whole"] = "quick"
    search: Search | None = None
    rule: GradientRule | None = None
    restarts: int = 1
    budget: Budget = field(default_factory=Linf)
    other: str | None = None
    probing: Probing | None = field(default_factory=Probing)
    every: bool = True
    dataset: str = "cifar10"
    split: str = "sample"
    images: int | None = 50
    batch_size: int = 50
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = 0
    data: Path | None = None
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        for name in ("timesteps", "restarts", "batch_size"):
            check_whole(f"AttackRun.{name}", getattr(self, name), least=1)
        if self.images is not None:
            check_whole("AttackRun.images", self.images, least=1)
        if self.search is None and (self.rule is not None or self.restarts != 1):
            met = "a rule" if self.rule is not None else "restarts"
            todo = "Choose one, e.g. --search pgd; a suite has its own rules"
            raise ArgumentError(sentence("AttackRun", f"{met} without a search", "both", todo))
        if self.search is not None and self.rule is not None and not takes_gradient(self.search):
            met = f"a rule for {type(self.search).__name__}, which takes no gradient"
            raise ArgumentError(sentence("AttackRun.rule", met, "none"))
        check_whole("AttackRun.seed", self.seed, least=0)

    @property
    def attacks(self) -> list[NamedAttack]:
        """What is tried: the suite, or noise and the one search."""
        if self.search is None:
            return SUITES[self.suite]()
        column = called(self.rule) if takes_gradient(self.search) else ""
        row = called(self.search)
        one = NamedAttack(row=row, column=column, search=self.search, rule=self.rule, restarts=self.restarts)
        noise = NamedAttack(row="noise", search=RandomNoise())
        return [one] if isinstance(self.search, RandomNoise) else [noise, one]


@dataclass(frozen=True)
class Victim:
    """A spiking network to be attacked.

    Args:
        loaded: as it was named.
        model: the network.
        conversion: how it came from an ordinary one; None if it was trained as a spiking one.
    """

    loaded: Loaded
    model: Spiking
    conversion: Conversion | None


def victim(reference: str, recipe: Recipe | None, dataset: str, calibration: str, data: Path | None) -> Victim:
    """A spiking network by its name; an ordinary one becomes one by the recipe given, or by that of its training.

    Raises:
        CheckpointError: if there is no such network, or it is an ordinary one and no recipe is known.
        ArgumentError: if a recipe is given for a network that spikes already.
    """
    loaded = load_network(reference, data)
    converted, spiking = "recipe" in loaded.description, isinstance(loaded.model, Spiking)
    if recipe is not None and (converted or spiking):
        met = f"a recipe for {reference}, which is a spiking network already"
        raise ArgumentError(sentence("AttackRun.recipe", met, "none"))
    if isinstance(loaded.model, Spiking):
        return Victim(loaded, loaded.model.eval(), None)
    if converted:
        loaded, conversion = load_conversion(reference)
    else:
        by = recipe or _trained_for(loaded)
        if by is None:
            raise CheckpointError(
                f"model {reference}: holds an ordinary network; expected a spiking one, or one that was trained for a "
                "recipe. Say how it becomes a spiking one, e.g. --recipe OPI, or run `spikewright convert` first."
            )
        images = Batches(load_dataset(dataset, data, calibration), 100) if by.statistics() else None
        conversion = convert(loaded.model, by, images)
    return Victim(loaded, conversion.model.eval(), conversion)


def _trained_for(loaded: Loaded) -> Recipe | None:
    """The recipe whose activations a network of this project was trained with."""
    network = loaded.description.get("network")
    return None if network is None else from_json(Network, network, REGISTRIES).prepare


def run_attacks(
    config: AttackRun,
    folder: RunFolder,
    watch: Callable[[Outcome], None] = lambda outcome: None,
    ready: Callable[[], None] = lambda: None,
) -> Report:
    """Attack, check, and write everything that the numbers depend on into the run folder.

    Args:
        config: the run.
        folder: where it is written.
        watch: called after each attack.
        ready: called when networks and data are there: from then on the folder will be kept.
    """
    if config.search is not None:
        config.search.check_budget(config.budget)
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ArgumentError(sentence("device", "cuda without a GPU that torch can use", "a GPU", "Take cpu"))
    seed_all(config.seed)
    first = victim(config.model, config.recipe, config.dataset, config.calibration, config.data)
    images = judged_images(_evaluation(config), first.loaded)
    images = images if config.images is None else images.subset(min(config.images, len(images)))
    other = None
    if config.other is not None:
        second = victim(config.other, config.recipe, config.dataset, config.calibration, config.data)
        other = Classifier(second.model.to(config.device), config.timesteps)
    classifier = Classifier(first.model.to(config.device), config.timesteps)
    batches = list(Batches(images, config.batch_size))
    ready()

    def seen(outcome: Outcome) -> None:
        folder.log(
            attack=outcome.attack.name, accuracy=outcome.accuracy, samples=outcome.attacked, seconds=outcome.seconds,
            forwards=outcome.forwards, gradients=outcome.backwards,
        )  # fmt: skip
        watch(outcome)

    digest = weights_digest(first.model)

    def keep(worst: WorstCase) -> None:  # the checks take their time, and may be interrupted
        save_samples(folder.path / SAMPLES, worst, config, digest)

    found = evaluate_robustness(
        classifier, config.attacks, config.budget, batches, probing=config.probing, other=other, seed=config.seed,
        every=config.every, watch=seen, attacked=keep,
    )  # fmt: skip
    if first.conversion is not None:
        about = {"dataset": config.dataset, "image": list(images[0][0].shape), "timesteps": config.timesteps}
        save_conversion(folder.path / "snn.safetensors", first.loaded, first.conversion, about)
    x = torch.cat([x for x, _ in batches])
    names = tuple(map(str, images.classes))
    about = run_environment(config) | {"weights sha256": digest}
    report = attack_report(
        first.loaded, classifier, found, x, names, to_json(config, REGISTRIES), about, config.timesteps
    )
    report = credited(report, first.loaded)
    folder.write(report)
    return report


def save_samples(path: Path, worst: WorstCase, config: AttackRun, digest: str) -> None:
    """Write labels, flags of every attack, who broke what first, and the inputs that did it."""
    tensors = {
        "labels": worst.labels, "clean": worst.clean, "robust": worst.robust, "broken_by": worst.broken_by,
        "adversarial": worst.adversarial,
    }  # fmt: skip
    tensors |= {f"robust:{each.attack.name}": each.robust for each in worst.outcomes}
    description = {
        "attacks": [each.attack.name for each in worst.outcomes],
        "budget": to_json(worst.budget) | {"type": type(worst.budget).__name__},
        "model": config.model,
        "weights sha256": digest,
        "timesteps": config.timesteps,
        "dataset": f"{config.dataset}, {config.split}, the first {len(worst.clean)}",
    }
    save(path, tensors, description)


def weights_digest(model: nn.Module) -> str:
    """sha256 of all parameters and buffers, names included: which network a number belongs to."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def run_environment(config: AttackRun) -> dict[str, Any]:
    """Versions, machine, commit, command, device and seed of a run."""
    return environment(PACKAGES) | {"device": config.device, "seed": config.seed}


def _evaluation(config: AttackRun) -> EvaluateRun:
    judging = Judging(split=config.split, timesteps=config.timesteps)
    return EvaluateRun(model=config.model, dataset=config.dataset, judging=judging, data=config.data)
