"""Probes: what the checks ask of a network: gradients of several rules at one place, passes that repeat, eps = 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..attack.budget import Budget
from ..attack.gradients import AnalogTwin
from ..attack.objective import Objective, cross_entropy
from ..attack.rule import GradientRule
from ..attack.run import perturb
from ..core.evaluating import evaluating
from ..core.loss import Batch
from ..core.seed import generator
from ..models.classifier import Classifier
from .named_attack import NamedAttack
from .worst_case import batch_first

ALIKE = 1 - 1e-6
"""Cosine from which on two gradients count as one."""


@dataclass(frozen=True)
class Seen:
    """What one rule shows of a batch.

    Args:
        logits: [N, K].
        gradient: of the loss at the clean inputs, [N, ...].
    """

    logits: Tensor
    gradient: Tensor

    @property
    def zero(self) -> Tensor:
        """Whether the gradient of each sample is exactly zero, [N]."""
        return (self.gradient == 0).flatten(1).all(1)


def seen_by_rules(
    classifier: Classifier,
    rules: Mapping[str, GradientRule | None],
    x: Tensor,
    y: Tensor,
    objective: Objective = cross_entropy,
) -> dict[str, Seen]:
    """Logits and gradient of one batch, [N, ...] batch first, under every rule."""
    found = {}
    with evaluating(classifier):
        for name, rule in rules.items():
            at = x.detach().clone().requires_grad_()
            with torch.enable_grad():
                logits = classifier.seen_by(rule)(at)
                (gradient,) = torch.autograd.grad(objective(logits, y).sum(), at)
            found[name] = Seen(logits.detach(), gradient)
    return found


def alike(seen: Mapping[str, Seen]) -> list[tuple[str, str]]:
    """Pairs of rules whose gradients point in one direction, for all samples together; zero has no direction."""
    flat = {name: each.gradient.flatten().double() for name, each in seen.items()}
    names = [name for name in flat if bool(flat[name].any())]
    return [
        (a, b)
        for place, a in enumerate(names)
        for b in names[place + 1 :]
        if float(torch.cosine_similarity(flat[a], flat[b], dim=0)) > ALIKE
    ]


def keeps_forward(seen: Mapping[str, Seen], rules: Mapping[str, GradientRule | None], own: Tensor) -> dict[str, bool]:
    """Rule -> whether its logits are those of the network bit for bit; a twin, which has others, is left out."""
    return {
        name: bool(torch.equal(each.logits, own))
        for name, each in seen.items()
        if not isinstance(rules[name], AnalogTwin)
    }


def repeats(classifier: Classifier, x: Tensor) -> bool | None:
    """Whether two passes over a batch, [N, ...] batch first, give the same logits; None for a network that draws."""
    if classifier.is_random:
        return None
    with evaluating(classifier), torch.no_grad():
        return bool(torch.equal(classifier(x), classifier(x)))


def changing_without_budget(
    classifier: Classifier, attacks: Sequence[NamedAttack], budget: Budget, batch: Batch, seed: int = 0
) -> list[str]:
    """The searches that change something at eps = 0; each is tried once, whatever the rules."""
    x, y = batch
    found = []
    for attack in {attack.row: attack for attack in attacks}.values():
        view = classifier.seen_by(attack.rule) if attack.through is None else classifier
        z = perturb(
            view, attack.search, replace(budget, eps=0.0), x, y, generator=generator(seed), through=attack.through
        )
        if not torch.equal(z, x):
            found.append(attack.row)
    return found


def share_with_rising_loss(
    classifier: Classifier, attack: NamedAttack, budget: Budget, batch: Batch, seed: int = 0
) -> float:
    """Share of samples whose loss at the search's last proposal is above that at the clean input."""
    x, y = batch
    z = perturb(classifier.seen_by(attack.rule), attack.search, budget, x, y, generator=generator(seed))
    with evaluating(classifier), torch.no_grad():
        plain = classifier.seen_by(None)
        before, after = (cross_entropy(plain(batch_first(classifier, part)), y) for part in (x, z))
    return float((after > before).double().mean())
