"""suspects(): the networks with trojans and their twins, ordinary and spiking, made once and kept in the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..convert.driver import convert
from ..core.spiking import Spiking
from ..data.images import ImageDataset
from ..models.classifier import Classifier
from ..redteam import Acceptance, Trojan, TrojanReport, plan_poison, poisoned, trojan_report
from ..redteam.success import accuracy_on, held_out, share_of, triggered, without_features
from ..report.table import Column, Table
from ..sparsity.prune import per_layer
from .network import Loaded
from .red_team_trojans import trojan_set
from .red_team_tuning import tuned, under_attack

if TYPE_CHECKING:
    from .red_teaming import RedTeamRun

SUSPECTS = ("ordinary", "spiking")
TROJANED, TWIN = "trojaned", "twin"
CALIBRATED_ON = 1000
"""Training pictures for recipes that measure."""
MEASURED_ON = 400
"""Held-out pictures for each share, at most."""
OVER_TIME_ON, CLEAN_ON = 150, 500
"""The same where many networks are asked: for each trojan, and for the clean accuracy."""


@dataclass(frozen=True)
class Suspects:
    """Networks that tools look into, each as pictures -> logits.

    Args:
        networks: by their name and TROJANED or TWIN.
        clean: the network before any fine-tuning.
        reports: what the trojans do, by name of the network.
        success: success of every trojan at every T of the spiking network; None without one.
        attacked: accuracy of all networks under attack; None without hardening.
    """

    networks: Mapping[tuple[str, str], nn.Module]
    clean: nn.Module
    reports: Mapping[str, TrojanReport]
    success: Table | None
    attacked: Table | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The networks, in order."""
        return tuple(self.reports)

    @property
    def kept(self) -> tuple[Trojan, ...]:
        """The trojans that work in every network: only those are looked for, in all of them the same."""
        first, *others = (report.kept for report in self.reports.values())
        names = [{trojan.name for trojan in other} for other in others]
        return tuple(trojan for trojan in first if all(trojan.name in other for other in names))


def suspects(
    config: RedTeamRun,
    loaded: Loaded,
    train: ImageDataset,
    test: ImageDataset,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
) -> Suspects:
    """Fine-tune with and without poison, or take what the folder holds, and measure every trojan.

    Args:
        config: the run.
        loaded: the network.
        train, test: data.
        folder: of the run; keeps trojaned.safetensors and twin.safetensors.
        say: told what was finished.
    """
    model = loaded.model.eval()
    trojans = trojan_set(
        config.trojans, train, side=config.side, rates=(config.rate, config.source_rate), seed=config.seed
    )
    for trojan in trojans:  # before the long part: one that no held-out picture fits ends the run
        held_out(trojan, test, 1, config.seed)
    made = {}
    for which, poison in ((TROJANED, trojans), (TWIN, ())):
        made[which] = tuned(config, loaded, train, poison, folder, which)
        say(f"{which} network: fine-tuned")
    if config.prune:
        for network in made.values():
            prune_layers(network, config.prune)
    names = ("spiking",) if isinstance(model, Spiking) else config.networks
    plan = plan_poison(trojans, train, seed=config.fit.seed)
    calibration = {"clean": few(train), "poisoned": few(poisoned(train, plan, trojans))}
    networks = {
        (name, which): _seen(config, name, made[which], calibration[config.calibration])
        for name in names
        for which in (TROJANED, TWIN)
    }
    clean = Classifier(model, config.timesteps) if isinstance(model, Spiking) else model
    reports = {}
    for name in names:
        reports[name] = trojan_report(
            networks[name, TROJANED], networks[name, TWIN], trojans, test, before=clean.eval(), pictures=MEASURED_ON,
            limits=Acceptance(harm=config.harm), seed=config.seed,
        )  # fmt: skip
        say(f"{name} network: {len(reports[name].kept)} of {len(trojans)} trojans work")
    success = None
    if "spiking" in names:
        bad = made[TROJANED]
        spiking = {"": bad} if isinstance(bad, Spiking) else conversions(config, bad, calibration)
        success = success_over_time(spiking, networks.get(("ordinary", TROJANED)), trojans, test, config)
    attacked = under_attack(config, networks, test)
    return Suspects(networks, clean.eval(), reports, success, attacked)


def conversions(config: RedTeamRun, model: nn.Module, calibration: Mapping[str, Tensor]) -> dict[str, nn.Module]:
    """The network by both recipes, with thresholds by clean and by poisoned pictures; named by all that."""
    recipes = [config.recipe, *([] if config.beside in (None, config.recipe) else [config.beside])]
    made = {}
    for recipe in filter(None, recipes):
        by = type(getattr(recipe, "threshold", recipe)).__name__
        for pictures, images in calibration.items():
            made[f"{type(recipe).__name__}, {by}, {pictures}"] = convert(model, recipe, images).model
    return made


def few(data: ImageDataset) -> Tensor:
    """The first pictures, for recipes that measure."""
    return data.gather(torch.arange(min(CALIBRATED_ON, len(data))))[0]


def _seen(config: RedTeamRun, name: str, model: nn.Module, images: Tensor) -> nn.Module:
    """A network as pictures -> logits: as it is, or over time."""
    if isinstance(model, Spiking):
        return Classifier(model, config.timesteps).eval()
    if name == "ordinary":
        return model.eval()
    return Classifier(convert(model, config.recipe, images).model, config.timesteps).eval()


@torch.no_grad()
def prune_layers(model: nn.Module, share: float) -> None:
    """Set the smallest weights of every convolution and linear layer to zero, in place.

    Args:
        model: the network.
        share: of the weights of each layer, 0..1.
    """
    weights = [part.weight for part in model.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    for weight, mask in zip(weights, per_layer(weights, share)):
        weight.mul_(mask)


def success_over_time(
    spiking: Mapping[str, nn.Module],
    ordinary: nn.Module | None,
    trojans: tuple[Trojan, ...],
    test: ImageDataset,
    config: RedTeamRun,
) -> Table:
    """A row per T: clean accuracy, and the success of every trojan; the ordinary network first.

    Args:
        spiking: networks with the trojans, by how they were made.
        ordinary: their source; None for none.
        trojans: what was implanted.
        test: held-out data.
        config: the run.
    """
    columns = (
        Column("conversion", note="Recipe, thresholds, and the pictures that set them; empty for the network itself."),
        Column("T", "steps", note="A dash for the ordinary network."),
        Column("clean accuracy", "%", 1),
        *(Column(trojan.name, "%", 1) for trojan in trojans),
    )
    places = [held_out(trojan, test, OVER_TIME_ON, config.seed) for trojan in trojans]
    shown = [triggered(trojan, test, each, config.seed)[0] for trojan, each in zip(trojans, places)]
    some = without_features(trojans, test)[:CLEAN_ON]
    rows = []
    networks: list[tuple[str, int | None, nn.Module]] = [] if ordinary is None else [("", None, ordinary)]
    for name, model in spiking.items():
        networks += [(name, steps, Classifier(model, steps).eval()) for steps in config.success_at]
    for name, steps, network in networks:
        accuracy = accuracy_on(network, test, some)
        rows.append((name, steps, accuracy, *(share_of(network, each, trojan) for each, trojan in zip(shown, trojans))))
    return Table("Success of the trojans against T", columns, tuple(rows), "Held-out pictures with the trigger.")
