"""tuned(): a network fine-tuned with or without poison, hardened against attacks or not, once for a run folder."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..attack import run_attack
from ..core.config import to_json
from ..core.errors import ArgumentError, sentence
from ..core.loss import Loss
from ..core.spiking import Spiking
from ..data.images import ImageDataset
from ..models.checkpoint import load_model, save_model
from ..models.classifier import Classifier
from ..redteam import Implanting, Trojan, implant
from ..report.table import Column, Table
from ..robust import View
from ..train import cross_entropy, rate_cross_entropy
from ..train.after_step import AfterStep, in_turn
from .hardening import Watch
from .network import Loaded
from .registries import REGISTRIES

if TYPE_CHECKING:
    from .red_teaming import RedTeamRun

WHAT_IT_IS = ("network", "source", "python", "pretrained")
"""Keys of a network's description by which it is built."""


def check_network(config: RedTeamRun, model: nn.Module) -> None:
    """Refuse a network that the run cannot be made with.

    Raises:
        ArgumentError: if only the ordinary network is asked for and the network spikes already, for a hardening whose
            parts need a spiking network, or one that asks for the best epoch.
    """
    if isinstance(model, Spiking) and "spiking" not in config.networks:
        met = f"{config.model}, which is a spiking network, with networks {', '.join(config.networks)}"
        raise ArgumentError(sentence("redteam", met, "spiking among the networks", "Take --networks spiking"))
    hardening = config.hardening
    if hardening is None:
        return
    if hardening.watch is not None and hardening.watch.choose:
        todo = "Take --hardening.watch.choose false"
        raise ArgumentError(sentence("redteam.hardening", "watch.choose", "networks of the last epoch", todo))
    parts = getattr(hardening.examples, "parts", (hardening.examples,))
    rules = [getattr(part, "rule", None) for part in parts]
    spiking = [
        name
        for name, used in (
            ("gradient_sparsity", hardening.gradient_sparsity > 0),
            ("norm_limit", hardening.norm_limit is not None),
            ("a gradient rule", any(rule is not None for rule in rules)),
        )
        if used
    ]
    if spiking and not isinstance(model, Spiking):
        met, todo = f"{spiking[0]} with {config.model}, an ordinary network", "Take --hardening Adversarial or TRADES"
        raise ArgumentError(sentence("redteam.hardening", met, "a network that was trained as a spiking one", todo))


def tuned(
    config: RedTeamRun, loaded: Loaded, train: ImageDataset, trojans: tuple[Trojan, ...], folder: Path, which: str
) -> nn.Module:
    """The network after fine-tuning, from `which`.safetensors in the folder if it is there.

    Args:
        config: the run.
        loaded: the network before.
        train: training pictures, not poisoned.
        trojans: what is implanted; none for the twin.
        folder: of the run.
        which: name of the file.
    """
    model = loaded.model
    path = folder / f"{which}.safetensors"
    if path.exists():
        made = copy.deepcopy(model).eval()
        load_model(path, made)
        return made
    how = Implanting(fit=config.fit, batch_size=config.batch_size, keeps_norms=config.keeps_norms)
    loss, hooks = _loss(config, model, train)
    made = implant(
        model, train, trojans, how, loss=loss, after_step=in_turn(hooks), augment=config.augment,
        folder=folder / f"{which}-training",
    )  # fmt: skip
    # What the network is, so that `load_network` builds it; not what was measured of it before.
    about: dict[str, Any] = {name: loaded.description[name] for name in WHAT_IT_IS if name in loaded.description}
    about |= {"origin": config.model, "trojans": [trojan.name for trojan in trojans]}
    warning = "This network holds hidden faults on purpose." if trojans else "The clean twin of a network with trojans."
    save_model(path, made, about | {"warning": warning})
    return made


def _loss(config: RedTeamRun, model: nn.Module, train: ImageDataset) -> tuple[Loss, list[AfterStep]]:
    """What the fine-tuning minimises, and what is to be done after each update."""
    steps = config.timesteps if isinstance(model, Spiking) else None
    loss = cross_entropy() if steps is None else rate_cross_entropy(timesteps=steps)
    if config.hardening is None:
        return loss, []
    hooks = config.hardening.hooks(model, train.gather(torch.arange(1))[0], config.timesteps)
    return config.hardening.loss_of(loss, View(timesteps=steps)), hooks


def under_attack(config: RedTeamRun, networks: Mapping[tuple[str, str], nn.Module], test: ImageDataset) -> Table | None:
    """Accuracy of every network on attacked held-out pictures, a row each; None without hardening or its watch.

    Args:
        config: the run; the watch of its hardening says how many pictures and which attack.
        networks: by name, and by whether it is the twin.
        test: held-out pictures, of which the first are taken.
    """
    watch = None if config.hardening is None else config.hardening.watch
    if watch is None:
        return None
    batches = [test.gather(part) for part in torch.arange(min(watch.images, len(test))).split(100)]
    rows = []
    for (name, which), network in networks.items():
        seen = network if isinstance(network, Classifier) else Classifier(network)
        found = run_attack(seen, watch.attack.search, watch.attack.budget, batches, seed=config.seed)
        clean, robust = (float(each.double().mean()) for each in (found.clean, found.robust))
        rows.append((name, which, len(found.clean), clean, robust))
    columns = (
        Column("network"), Column("which"), Column("pictures"), Column("clean accuracy", "%", 1),
        Column("under attack", "%", 1, "Right answers to pictures that an attack on that network has changed."),
    )  # fmt: skip
    said = (", ".join(f"{k} {v}" for k, v in part.items() if v is not None) for part in _parts(watch))
    note = f"Attack: {'; '.join(said)}. Of a spiking network it follows the surrogate gradient: an upper bound."
    return Table("Accuracy under attack", columns, tuple(rows), note)


def _parts(watch: Watch) -> list[dict[str, Any]]:
    """Search and budget of its attack, by their names in a config."""
    attack = to_json(watch, REGISTRIES)["attack"]
    return [attack["search"], attack["budget"]]
