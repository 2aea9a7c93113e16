"""save_actor() and load_actor(): a trained policy as one file, without anything that only its training needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.arguments import check_module
from ..core.config import from_json, to_json
from ..core.errors import ArgumentError, CheckpointError, SpikewrightError, sentence
from ..core.evaluating import evaluating
from ..core.fill import fill
from ..models.checkpoint import load, save
from .actor import OrdinaryActor, Space, SpikingActor
from .choice import ACTORS, ActorChoice, OrdinaryChoice, SpikingChoice

KIND = "actor"
"""What the description of a file says it holds."""
_PROBES = 64


@dataclass(frozen=True, kw_only=True)
class _Described:
    actor: ActorChoice
    space: Space


@dataclass(frozen=True)
class SavedActor:
    """A policy from a file.

    Args:
        actor: observations [N, D] -> actions [N, A], in `eval()`.
        choice: its kind and sizes.
        space: observations and actions that it was made for.
        task: id of the environment that it was trained on.
        about: what else was written down, such as its return.
    """

    actor: nn.Module
    choice: ActorChoice
    space: Space
    task: str
    about: Mapping[str, Any]

    def check(self, space: Space, task: str) -> None:
        """Raise ArgumentError unless the actor fits a task: as many observations, and actions with the same bounds."""
        for name in ("observations", "actions", "low", "high"):
            met, allowed = getattr(self.space, name), getattr(space, name)
            if not np.allclose(met, allowed, rtol=1e-5):
                who, todo = f"actor of {self.task} on {task}", "Play the task that it was trained on"
                raise ArgumentError(sentence(who, f"{name} {met}", str(allowed), todo))


def save_actor(path: Path, actor: nn.Module, task: str, about: Mapping[str, Any] | None = None) -> None:
    """Write a policy: one safetensors file that holds its weights and says how it is built.

    Critics, proxy and optimisers stay where they are.

    Args:
        path: the file, ending in `.safetensors`.
        actor: a `SpikingActor` with neurons of `NEURONS`, or an `OrdinaryActor`.
        task: id of the environment that it was trained on.
        about: what JSON can hold and is worth knowing, such as returns.

    Raises:
        ArgumentError: for an actor that could not be built again from the file.
        CheckpointError: if the file cannot be written.

    Example:
        >>> import tempfile
        >>> actor = SpikingActor(Space(3, (-1.0,), (1.0,)))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_actor(Path(folder) / "actor.safetensors", actor, "Pendulum-v1")
        ...     saved = load_actor(Path(folder) / "actor.safetensors")
        >>> x = torch.randn(4, 3)
        >>> saved.task, torch.equal(saved.actor(x), actor(x))
        ('Pendulum-v1', True)
    """
    check_module(actor, "save_actor.actor", "The order is path, actor, task")
    choice, space = described(actor)
    try:
        json.dumps(dict(about or {}))
    except (TypeError, ValueError) as error:
        raise ArgumentError(sentence("save_actor.about", str(error), "what JSON can hold")) from error
    description = to_json(_Described(actor=choice, space=space), _REGISTRIES)
    save(Path(path), actor.state_dict(), {"kind": KIND, "task": task, **description, "about": dict(about or {})})


def load_actor(path: Path) -> SavedActor:
    """Read a policy; no code from the file is run, and every size is checked before anything is built.

    Raises:
        CheckpointError: if the file is missing or broken, holds no actor, or sizes that do not fit each other.
    """
    tensors, description = load(Path(path))
    who = f"actor {path}"
    if description.get("kind") != KIND or not isinstance(description.get("task"), str):
        todo = "Name an actor.safetensors or best.safetensors of `spikewright rl`"
        raise CheckpointError(sentence(who, "a file without an actor", "what save_actor wrote", todo))
    parts = {name: description.get(name) for name in ("actor", "space")}
    try:
        known = from_json(_Described, parts, _REGISTRIES)
    except SpikewrightError as error:
        raise CheckpointError(sentence(who, f"a description that does not fit ({error})", "a whole file")) from error
    _check_size(known.actor.widths(known.space), tensors, who)
    with torch.random.fork_rng(devices=[]):
        actor = known.actor.build(known.space)
    fill(actor, tensors, who)
    return SavedActor(actor.eval(), known.actor, known.space, description["task"], dict(description.get("about", {})))


def described(actor: nn.Module) -> tuple[ActorChoice, Space]:
    """Kind and sizes of an actor, and what it was made for.

    Raises:
        ArgumentError: for one that they would not make again, as its neurons or layers are others.
    """
    space = _space_of(actor)
    if isinstance(actor, SpikingActor):
        widths = [part.out_features for part in actor.network.modules() if isinstance(part, nn.Linear)][:-1]
        sizes = {"timesteps": actor.timesteps, "population": actor.decoder.weight.shape[1]}
        kinds = [kind for kind in ACTORS.values() if issubclass(kind, SpikingChoice)]
    else:
        widths = [part.out_features for part in actor.modules() if isinstance(part, nn.Linear)][:-1]
        sizes, kinds = {}, [OrdinaryChoice]
    for kind in kinds:
        choice = kind(hidden=tuple(widths), **sizes)
        if _equal(actor, choice, space):
            return choice, space
    todo = "Add its kind to rl/choice.py, or keep its state_dict"
    raise ArgumentError(
        sentence("save_actor.actor", "neurons or layers of its own", f"one of {', '.join(ACTORS)}", todo)
    )


_REGISTRIES = {ActorChoice: ACTORS}


def _space_of(actor: nn.Module) -> Space:
    if not isinstance(actor, SpikingActor | OrdinaryActor):
        met, allowed = type(actor).__name__, "a SpikingActor or an OrdinaryActor"
        raise ArgumentError(sentence("save_actor.actor", met, allowed))
    bounded = actor.bounded
    low, high = ((bounded.middle + sign * bounded.reach).tolist() for sign in (-1, 1))
    if isinstance(actor, SpikingActor):
        observations = len(actor.encoder.centres)
    else:
        observations = next(part.in_features for part in actor.modules() if isinstance(part, nn.Linear))
    return Space(observations, tuple(low), tuple(high))


def _equal(actor: nn.Module, choice: ActorChoice, space: Space) -> bool:
    """Whether a choice builds this actor: the same parts by name and shape, and with its weights the same actions."""
    with torch.random.fork_rng(devices=[]):
        twin = choice.build(space)
        x = torch.randn(_PROBES, space.observations, generator=torch.Generator().manual_seed(0))
    own, other = actor.state_dict(), twin.state_dict()
    if str(twin) != str(actor) or {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in other.items()}:
        return False
    twin.load_state_dict(own)
    device = next(actor.parameters()).device
    with torch.no_grad(), evaluating(actor), evaluating(twin):
        return torch.equal(twin.to(device)(x.to(device)), actor(x.to(device)))


def _check_size(widths: tuple[int, ...], tensors: Mapping[str, Tensor], who: str) -> None:
    """Raise CheckpointError where the description speaks of more weights than there are, so that none are built."""
    told, found = sum(map(mul, widths, widths[1:])), sum(tensor.numel() for tensor in tensors.values())
    if told > found:
        met = f"layers of {told:,} weights in the description, {found:,} numbers in the file"
        raise CheckpointError(sentence(who, met, "as many", "Use another copy"))
