"""What `fit` does after each update: hooks, each called with what it asks for, and several of them as one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

from torch import nn

AfterStep = Callable[..., None]
"""Model and learning rate -> nothing; one with a parameter `step` is also told how many updates have been done."""


def call(hook: AfterStep, model: nn.Module, lr: float, step: int) -> None:
    """Call a hook with what it asks for.

    Args:
        hook: (model, lr) or (model, lr, step=...).
        model: the network after an update.
        lr: the learning rate of that update.
        step: updates done since the training began, this one included: 1 after the first. It goes on where a training
            is resumed, and is the same in every process.

    Example:
        >>> seen = []
        >>> call(lambda model, lr, step: seen.append(step), nn.Identity(), 0.1, 3)
        >>> seen
        [3]
    """
    if asks_for_step(hook):
        hook(model, lr, step=step)
    else:
        hook(model, lr)


def asks_for_step(hook: AfterStep) -> bool:
    """Whether a hook has a parameter `step`."""
    try:
        return "step" in inspect.signature(hook).parameters
    except ValueError:  # some built-in functions do not tell
        return False


def in_turn(hooks: Iterable[AfterStep]) -> AfterStep:
    """Several hooks as one, called in their order.

    Example:
        >>> seen = []
        >>> both = in_turn([lambda model, lr: seen.append(lr), lambda model, lr, step: seen.append(step)])
        >>> call(both, nn.Identity(), 0.5, 7)
        >>> seen
        [0.5, 7]
    """
    kept = tuple(hooks)

    def after_step(model: nn.Module, lr: float, step: int) -> None:
        for hook in kept:
            call(hook, model, lr, step)

    return after_step
