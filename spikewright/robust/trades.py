"""trades(): the clean loss, plus how far answers move under attack; accuracy against robustness by one number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..attack import FGSM
from ..core.arguments import named
from ..core.errors import ArgumentError, sentence
from ..core.evaluating import evaluating
from ..core.loss import Batch, Loss, PassLoss, Result
from .adversarial import check_parts
from .examples import Attacked, Examples, Unchanged, View


def divergence(clean: Tensor, other: Tensor) -> Tensor:
    """KL(softmax(clean) || softmax(other)) of logits [N, K], per sample, [N].

    Example:
        >>> divergence(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]])).round(decimals=4)
        tensor([0.1201])
    """
    wanted, found = F.log_softmax(clean, -1), F.log_softmax(other, -1)
    return (wanted.exp() * (wanted - found)).sum(-1)


@dataclass(frozen=True)
class AwayFrom:
    """The objective of an attack: the divergence from given answers, whatever the classes.

    Args:
        clean: logits [N, K] of the clean batch.
    """

    clean: Tensor

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Logits and classes -> [N]."""
        return divergence(self.clean.to(logits.dtype), logits)


def trades(loss: Loss, examples: Examples, view: View, *, weight: float = 6.0) -> Loss:
    """TRADES: the loss of the clean batch, plus the divergence of the answers to inputs that an attack moves away:

        L = loss(f(x), y) + weight * mean KL( softmax f(x) || softmax f(z) )
        z = argmax over the budget of that divergence, searched for in `eval()`

    Both terms are taken in the mode of training, in two passes, and both answers have a gradient.

    Args:
        loss: of the labels, of one forward pass, e.g. `rate_cross_entropy(timesteps=4)`; it shares the clean pass.
        examples: the attack, `Attacked(search=PGD(...), budget=...)`; its objective is replaced.
        view: the network as its attackers see it; its read-out gives the logits of both terms.
        weight: 1 / lambda of the source, at least 0; at 0 the second term is left out.

    Returns:
        A loss that logs, besides what it is given, "divergence" and "attacked accuracy", 0..1.

    Raises:
        ArgumentError: for arguments of another kind or out of range, and for a search that begins at x itself, where
            the divergence has no gradient.

    Source: Zhang et al. 2019, "Theoretically Principled Trade-off between Robustness and Accuracy", ICML 2019,
        arXiv 1901.08573, eq. 5 and algorithm 1. Differs: starts are drawn from the budget as the search has it, there
        x + 0.001 times a normal number.

    Example:
        >>> from spikewright.attack import PGD, Linf
        >>> from spikewright.train import rate_cross_entropy
        >>> attack = Attacked(search=PGD(steps=10), budget=Linf(eps=8 / 255))
        >>> loss = trades(rate_cross_entropy(timesteps=4), attack, View(timesteps=4), weight=6.0)
    """
    check_parts("trades", loss, examples, view)
    if not isinstance(weight, Real) or not 0 <= weight < math.inf:
        raise ArgumentError(sentence("trades.weight", repr(weight), "a finite number of at least 0"))
    if not isinstance(loss, PassLoss):
        raise ArgumentError(sentence("trades.loss", named(loss), "a loss of one forward pass, e.g. rate_cross_entropy"))
    aimed = _aimed(examples)
    if not weight:
        return loss

    def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        x, y = batch
        with torch.no_grad(), evaluating(model):
            before = view.of(model)(x.movedim(1, 0) if view.of(model).has_sequences else x)
        z = aimed(before).of(model, batch, view, generator)
        seen = loss.seen(model, batch, generator)
        value, log = loss.of(seen, batch)
        moved = view.logits(model(loss.feed(model, (z, y), generator)))  # pyright: ignore[reportOptionalCall]
        apart = divergence(view.logits(seen.output), moved).mean()
        hits = (moved.detach().argmax(-1) == y).float().mean()
        return value + weight * apart, log | {"divergence": apart.detach(), "attacked accuracy": hits}

    return Loss(run)


def _aimed(examples: Examples) -> Callable[[Tensor], Examples]:
    """Clean logits -> the examples that move away from them."""
    if isinstance(examples, Unchanged):
        return lambda clean: examples
    search: Any = getattr(examples, "search", None)
    starts_at_x = isinstance(search, FGSM) or 0 in (getattr(search, "start", 1.0), getattr(search, "share", 1.0))
    if not isinstance(examples, Attacked) or not hasattr(search, "objective") or starts_at_x:
        met = repr(search) if isinstance(examples, Attacked) else named(examples)
        allowed = "one attack by a search that follows an objective from a random start"
        todo = "At x itself the divergence has no gradient: Attacked(search=PGD(steps=10))"
        raise ArgumentError(sentence("trades.examples", met, allowed, todo))
    return lambda clean: replace(examples, search=replace(search, objective=AwayFrom(clean)))
