"""check_deterministic(classifier, x): two passes over one batch must agree, or the attack has to know of the draws."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from ..core.evaluating import evaluating
from ..models.classifier import Classifier

TOLERANCE = 1e-4
"""How far two passes may be apart, as a share of the largest logit: rounding in another order, and no more."""


def check_deterministic(classifier: Classifier, x: Tensor, first: Tensor | None = None) -> None:
    """Raise ArgumentError if two passes over a batch differ, naming the first part of the network that draws.

    A network that draws looks robust to an attack that does not know of it: each gradient belongs to another network.

    Args:
        classifier: the network.
        x: a batch, batch first.
        first: its logits of a first pass, if there are any already.

    Example:
        >>> check_deterministic(Classifier(nn.Linear(2, 2)), torch.ones(1, 2))
    """
    view = classifier.seen_by(None)
    with torch.no_grad(), evaluating(view):
        first = view.once(x) if first is None else first
        apart = (view.once(x) - first).abs().amax()
        if apart <= TOLERANCE * first.abs().amax().clamp(min=TOLERANCE):
            return
        met = f"two passes that differ by {float(apart):.2g}, from {_what_draws(view, x)} on"
    todo = "Say that it draws, so that gradients and answers are averaged: Classifier(..., draws=10)"
    raise ArgumentError(sentence("Classifier", met, "a network that answers the same twice", todo))


def _what_draws(view: Classifier, x: Tensor) -> str:
    """The first part whose output is another one in a second pass."""
    passes: list[list[tuple[str, Tensor]]] = []

    def note(name: str):
        def hook(_: nn.Module, inputs: tuple, output: object) -> None:
            if inputs and isinstance(inputs[0], Tensor) and not passes[-1]:
                passes[-1].append((before, inputs[0]))
            if isinstance(output, Tensor):
                passes[-1].append(
                    (f"{name.removeprefix('module.') or 'itself'} ({type(parts[name]).__name__})", output)
                )

        return hook

    before = "its input" if view.timesteps is None else "its encoder"
    parts = {name: part for name, part in view.model.named_modules() if not list(part.children())}
    hooks = [part.register_forward_hook(note(name)) for name, part in parts.items()]
    try:
        for _ in range(2):
            passes.append([])
            view.once(x)
    finally:
        for hook in hooks:
            hook.remove()
    for (name, one), (_, other) in zip(*passes):
        if one.shape != other.shape or not torch.equal(one, other):
            return name
    return "its read-out"
