"""Oracle: all that a search may ask about the network it attacks; it counts the questions and keeps what succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..core.errors import ArgumentError, DataError, ShapeError, sentence
from ..models.classifier import Classifier
from .budget import Budget, per_sample
from .objective import Objective
from .rule import GradientRule


class Oracle:
    """A classifier, the batch under attack, and the goal. Searches see nothing else.

    Whatever a search asks about, the oracle looks at the answer of the network itself, with its true forward pass: the
    nearest allowed input that reaches the goal is kept for each sample, of equally near ones the first.

    Args:
        attacked: the network whose answers count.
        budget: which of the inputs asked about are allowed.
        x: the batch, [N, ...], batch first.
        y: its classes, [N].
        through: the network whose gradient is taken, e.g. another one, or the same with another gradient rule; the
            attacked one if not given.
        targets: the classes to reach, [N]; None if any wrong class will do.
        spare: whether a sample that reached the goal is left out of all later passes. It keeps its last answers, its
            gradient is 0, and a search goes on as if it had come to rest. Not done for a rule that `remembers`.

    Raises:
        ShapeError: if there is not one class for each sample.
        DataError: if a value is not finite or a class is none of the network's, or a target is the class itself.
    """

    def __init__(
        self,
        attacked: Classifier,
        budget: Budget,
        x: Tensor,
        y: Tensor,
        *,
        through: Classifier | None = None,
        targets: Tensor | None = None,
        spare: bool = False,
    ) -> None:
        _check_batch(x, y, targets)
        budget.check(x)
        y, targets = y.long(), None if targets is None else targets.long()
        self.attacked = attacked.seen_by(None)
        self.through = _anew(attacked if through is None else through)
        self._views = [self.through, *_further_draws(self.through)]
        self.budget, self.x, self.y, self.targets = budget, x, y, targets
        self.found = x.clone()
        self.fooled = torch.zeros(len(y), dtype=torch.bool, device=x.device)
        self.forwards = self.backwards = 0
        self._spare = spare and not getattr(self.through.rule, "remembers", False)
        self._among = torch.ones_like(self.fooled)
        self._at: slice | Tensor = slice(None)
        self._distances = torch.full((len(y),), torch.inf, dtype=x.dtype, device=x.device)
        self._answers = x.new_zeros(len(y), 0)

    @property
    def finished(self) -> bool:
        """Whether no sample is left about which asking could change anything."""
        return isinstance(self._at, Tensor) and not len(self._at)

    @contextmanager
    def only(self, samples: Tensor) -> Iterator[None]:
        """Within the block only these samples, [N] of booleans, are asked about; the others keep their last answers."""
        before, self._among = self._among, self._among & samples
        self._aim()
        try:
            yield
        finally:
            self._among = before
            self._aim()

    @property
    def same_forward(self) -> bool:
        """Whether the pass that gives the gradient also gives the answers that count."""
        through, attacked = self.through, self.attacked
        parts = [(view.model, view.timesteps, view.encode, view.readout) for view in (through, attacked)]
        alike = parts[0] == parts[1] and through.draws >= attacked.draws
        return alike and (through.rule is None or getattr(through.rule, "same_forward", False))

    def logits(self, z: Tensor) -> Tensor:
        """Answers of the attacked network, [N, K], without a gradient."""
        if not self.finished:
            with torch.no_grad():
                logits = self.attacked(z[self._at])
            self.forwards += self.attacked.draws
            self._see(z, logits)
        return self._answers

    def loss(self, z: Tensor, objective: Objective) -> Tensor:
        """What the attack makes large, at z: [N], without a gradient."""
        return self.value(self.logits(z), objective)

    def gradient(self, z: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        """The value that the attack makes large, [N], and its gradient at z, [N, ...]; both 0 where it was spared.

        Of a network that draws both are means over its draws.
        """
        values, gradients, at = z.new_zeros(len(z)), torch.zeros_like(z), self._at
        if self.finished:
            return values, gradients
        asked, answers = z.detach()[at].requires_grad_(), []
        for view in self._views:
            with torch.enable_grad():
                logits = view.once(asked)
                check_classes(self.y, logits)
                value = self._value(logits, objective, at)
                (gradient,) = torch.autograd.grad(value.sum(), asked)
            answers.append(logits.detach())
            values[at] += value.detach().to(z.dtype)
            gradients[at] += gradient
        draws = len(self._views)
        self.forwards += draws
        self.backwards += draws
        if self.same_forward:
            self._see(z, torch.stack(answers).mean(0))
        else:
            self.logits(z)
        return values / draws, gradients / draws

    def value(self, logits: Tensor, objective: Objective) -> Tensor:
        """What the attack makes large, [N]: the objective of the class, or minus that of the target."""
        return self._value(logits, objective, slice(None))

    def _value(self, logits: Tensor, objective: Objective, at: slice | Tensor) -> Tensor:
        return objective(logits, self.y[at]) if self.targets is None else -objective(logits, self.targets[at])

    def reached(self, logits: Tensor) -> Tensor:
        """Whether each answer reaches the goal, [N]; of equal logits the first class is the answer."""
        answer = logits.argmax(1)
        return answer != self.y if self.targets is None else answer == self.targets

    def _see(self, z: Tensor, logits: Tensor) -> None:
        """Keep the answers to those samples of z that were asked about, and what succeeded."""
        asked = torch.zeros_like(self.fooled)
        asked[self._at] = True
        if isinstance(self._at, slice):
            check_classes(self.y, logits)
            self._answers = logits
        else:
            if not self._answers.shape[1]:
                self._answers = logits.new_zeros(len(z), logits.shape[1])
            self._answers = self._answers.index_copy(0, self._at, logits)
        distances = self.budget.distance(z, self.x)
        new = asked & self.reached(self._answers) & self.budget.contains(z, self.x) & (distances < self._distances)
        if self._spare:
            new &= ~self.fooled
        self.found = torch.where(per_sample(new, z), z.detach(), self.found)
        self._distances = torch.where(new, distances, self._distances)
        self.fooled = self.fooled | new
        if self._spare:
            self._aim()

    def _aim(self) -> None:
        """Find the samples that the next pass runs."""
        asked = self._among & ~self.fooled if self._spare else self._among
        self._at = slice(None) if bool(asked.all()) else asked.nonzero()[:, 0]


def _anew(view: Classifier) -> Classifier:
    """The same classifier, of which the gradient rule remembers nothing."""
    return view.seen_by(view.rule.fresh()) if isinstance(view.rule, GradientRule) and view.rule.remembers else view


def _further_draws(view: Classifier) -> list[Classifier]:
    """The same classifier once for each draw after the first; the rule learns from the first alone."""
    rule = view.rule.again() if isinstance(view.rule, GradientRule) else view.rule
    return [view.seen_by(rule)] * (view.draws - 1) if view.draws > 1 else []


def check_classes(y: Tensor, logits: Tensor) -> None:
    """Raise DataError if a label is none of the network's classes."""
    if int(y.max()) >= logits.shape[1]:
        allowed = f"classes of 0..{logits.shape[1] - 1}"
        raise DataError(sentence("attack", f"a label {int(y.max())}", allowed, "Check that data and model fit"))


def _check_batch(x: Tensor, y: Tensor, targets: Tensor | None) -> None:
    """Raise an error unless x are finite values and y and targets classes, one for each sample."""
    if not isinstance(x, Tensor) or not torch.is_floating_point(x) or x.dim() < 2 or not x.numel():
        met = f"{x.dtype} of shape {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ShapeError(sentence("attack", met, "a floating-point batch [N, ...], e.g. images in 0..1"))
    if not torch.isfinite(x).all():
        raise DataError(sentence("attack", "NaN or infinite values in a batch", "finite values"))
    for name, labels in (("labels", y), ("targets", targets)):
        if labels is None:
            continue
        if not isinstance(labels, Tensor) or labels.shape != (len(x),) or labels.is_floating_point():
            met = f"{labels.dtype} of shape {list(labels.shape)}" if isinstance(labels, Tensor) else repr(labels)
            raise ShapeError(sentence(f"attack.{name}", met, f"one whole number for each of {len(x)} samples"))
        if int(labels.min()) < 0:
            raise DataError(sentence(f"attack.{name}", str(int(labels.min())), "classes of at least 0"))
    if targets is not None and bool((targets == y).any()):
        raise ArgumentError(sentence("attack.targets", "the sample's own class", "another class than the label"))
