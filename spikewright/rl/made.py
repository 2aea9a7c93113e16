"""made(): the actor of a training, from what makes it; one that does not fit its task is refused before any step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..core.arguments import check_module, named
from ..core.errors import ArgumentError, SpikewrightError, sentence
from ..core.evaluating import evaluating
from .actor import Space

_PROBES = 2


def made(actor: object, space: Space) -> nn.Module:
    """An actor for a space, which takes its observations, gives its actions and can learn.

    Args:
        actor: makes it.
        space: what it is made for.

    Raises:
        ArgumentError: for anything that is no such function, or whose actor does not fit.

    Example:
        >>> made(lambda space: nn.Linear(space.observations, space.actions), Space(3, (-1.0,), (1.0,)))
        Linear(in_features=3, out_features=1, bias=True)
    """
    if isinstance(actor, nn.Module) or not callable(actor):
        allowed, todo = "a function that makes an actor for a Space", "E.g. partial(SpikingActor, hidden=(64, 64))"
        raise ArgumentError(sentence("train.actor", named(actor), allowed, todo))
    found: Any = actor(space)
    check_module(found, "train.actor(space)")
    x, allowed = torch.zeros(_PROBES, space.observations), f"float32 actions [N, {space.actions}]"
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), evaluating(found):
            actions = found(x)
    except (RuntimeError, ValueError, TypeError, SpikewrightError) as error:
        met = f"an error on observations {list(x.shape)} ({' '.join(str(error).split())})"
        raise ArgumentError(sentence("train.actor(space)", met, allowed)) from error
    if not isinstance(actions, torch.Tensor) or actions.shape != (_PROBES, space.actions) or actions.dtype != x.dtype:
        shape = f"{actions.dtype} {list(actions.shape)}" if isinstance(actions, torch.Tensor) else named(actions)
        raise ArgumentError(sentence("train.actor(space)", f"{shape} for observations {list(x.shape)}", allowed))
    if not any(parameter.requires_grad for parameter in found.parameters()):
        raise ArgumentError(sentence("train.actor(space)", "no parameter that learns", "at least one"))
    return found
