"""perturb() and run_attack(): the harness projects, keeps what succeeded, and judges with the true forward pass."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, DataError, sentence
from ..core.evaluating import evaluating
from ..core.loss import Batch
from ..core.seed import generator as seeded
from ..models.classifier import Classifier
from .budget import Budget, per_sample
from .determinism import check_deterministic
from .objective import margin
from .oracle import Oracle, check_classes
from .search import Search

FRESH_DRAWS = 10
"""Least number of draws by which a network that draws is judged."""


def perturb(
    classifier: Classifier,
    search: Search,
    budget: Budget,
    x: Tensor,
    y: Tensor,
    *,
    generator: torch.Generator,
    through: Classifier | None = None,
    targets: Tensor | None = None,
) -> Tensor:
    """Adversarial inputs for one batch, as the search proposes them, projected into the budget: for training.

    The network runs in `eval()` and is afterwards as it was, also after an exception: modes, gradient rule, gradients
    of parameters and the global random state are untouched. What a network draws that says so (`Classifier.is_random`)
    follows from the generator.

    Args:
        classifier: the network, its T, encoder, read-out and gradient rule.
        search: how to look.
        budget: where.
        x: the batch; images [N, ...], or sequences [T, N, ...] where the classifier's input are sequences.
        y: classes, [N].
        generator: source of random starts and the like.
        through: the network whose gradient is taken; the attacked one if not given.
        targets: classes to reach, [N]; None for any wrong one.

    Returns:
        Like x.

    Raises:
        ArgumentError, DataError, ShapeError: for arguments that do not fit.

    Example:
        >>> from spikewright.attack import FGSM, Linf
        >>> from spikewright.core.seed import generator
        >>> linear = torch.nn.Linear(2, 2)
        >>> x, y = torch.full((1, 2), 0.5), torch.tensor([0])
        >>> z = perturb(Classifier(linear), FGSM(), Linf(eps=0.25), x, y, generator=generator(0))
        >>> float((z - x).abs().max())
        0.25
    """
    _check_parts(classifier, search, budget, through)
    first = _batch_first(classifier, x)
    random = classifier.is_random or (through is not None and through.is_random)
    path = (int(torch.randint(2**62, (), generator=generator, device=generator.device)),) if random else ()
    with evaluating(classifier), evaluating(through), _drawing(path, classifier, through):
        oracle = Oracle(classifier, budget, first, y, through=through, targets=targets)
        z = budget.project(search.search(oracle, generator), first)
    return _as_given(classifier, z.detach())


@dataclass(frozen=True)
class AttackResult:
    """What an attack did to every sample, in the order of the data.

    Args:
        clean: whether the unchanged sample is classified right, [N].
        robust: whether it still is after the attack, [N]; a sample that was wrong before counts as broken. Of a
            targeted attack: whether the target was missed.
        distances: size of each perturbation in the budget's norm, [N]; 0 where nothing was attacked.
        forwards: passes of batches, or of what still stood of them, through the network; without those of the judge.
        backwards: gradients taken, likewise.
        seconds: time of the attack.
        adversarial: the inputs, like the data, [N, ...] batch first; None if they were not kept.
        by_draw: of a network that draws, `robust` as each fresh draw alone would say, [D, N]; None of others.
    """

    clean: Tensor
    robust: Tensor
    distances: Tensor
    forwards: int
    backwards: int
    seconds: float
    adversarial: Tensor | None = None
    by_draw: Tensor | None = None

    @property
    def clean_accuracy(self) -> float:
        """Share of samples classified right without an attack, 0..1."""
        return float(self.clean.double().mean())

    @property
    def robust_accuracy(self) -> float:
        """Share of all samples classified right after the attack, 0..1."""
        return float(self.robust.double().mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the robust accuracy over single draws; 0 of a network that does not draw."""
        return 0.0 if self.by_draw is None else float(self.by_draw.double().mean(1).std())

    @property
    def success_rate(self) -> float:
        """Share of the samples classified right before that the attack broke, 0..1; NaN if there were none."""
        hit = self.clean & ~self.robust
        return float(hit.double().sum() / self.clean.double().sum())


def run_attack(
    classifier: Classifier,
    search: Search,
    budget: Budget,
    batches: Iterable[Batch],
    *,
    seed: int = 0,
    restarts: int = 1,
    through: Classifier | None = None,
    target_shift: int = 0,
    keep: bool = False,
) -> AttackResult:
    """Attack every sample that the network classifies right, and judge what came out with its true forward pass.

    A sample is broken if any input that a search asked about, or its last proposal, lies in the budget and is
    classified wrong. It is then left out of all later passes, unless the search `refines`; restarts go on with the
    samples still standing.

    A network that draws (`Classifier(..., draws=10)`, or one with a `RandomEncoder`) is attacked by gradients averaged
    over its draws, with no sample left out, and judged before and after by the mean logits of at least 10 fresh draws.
    All that it draws follows from the seed. One that draws and does not say so is refused.

    Args:
        classifier: the network, its T, encoder, read-out and gradient rule.
        search: how to look.
        budget: where.
        batches: pairs (x, y) as for `accuracy_over_time`.
        seed: of all random numbers; each batch and restart has a generator of its own.
        restarts: how often the search begins, at least 1.
        through: the network whose gradient is taken: transfer from it. The attacked one if not given.
        target_shift: 0 for any wrong class; k aims at the class y + k, modulo the number of classes.
        keep: whether to keep the adversarial inputs.

    Raises:
        ArgumentError, DataError, ShapeError: for arguments that do not fit, or data without a sample.
    """
    _check_parts(classifier, search, budget, through)
    check_whole("run_attack.restarts", restarts, least=1)
    check_whole("run_attack.target_shift", target_shift, least=0)
    began, judged, forwards, backwards = time.perf_counter(), [], 0, 0
    with evaluating(classifier), evaluating(through):
        for number, (x, y) in enumerate(batches):
            first = _batch_first(classifier, x)
            with _drawing((seed, number, 0, 1), classifier, through):
                batch = _Batch(classifier, budget, first, y, through, target_shift)
                if not number and not classifier.is_random:
                    check_deterministic(classifier, first, batch.logits)
            for restart in range(restarts):
                with _drawing((seed, number, restart, 2), classifier, through):
                    batch.attack(search, seeded(seed, number, restart))
            with _drawing((seed, number, 0, 3), classifier, through):
                judged.append(batch.judged(keep))
            forwards, backwards = forwards + batch.forwards, backwards + batch.backwards
    if not judged:
        raise DataError(sentence("run_attack", "no batch", "at least one", "Check the data and the split"))
    clean, robust, distances, adversarial, by_draw = zip(*judged)
    return AttackResult(
        torch.cat(clean), torch.cat(robust), torch.cat(distances), forwards, backwards,
        time.perf_counter() - began, torch.cat(adversarial) if keep else None,
        torch.cat(by_draw, 1) if classifier.is_random else None,
    )  # fmt: skip


class _Batch:
    """One batch under attack: what still stands, and the input that counts for each sample."""

    def __init__(self, classifier, budget: Budget, x: Tensor, y: Tensor, through, target_shift: int) -> None:
        self.classifier, self.budget, self.x, self.y, self.through = classifier, budget, x, y, through
        Oracle(classifier, budget, x, y)  # looks at the data
        self.logits = self._answers(x).mean(0)
        check_classes(y, self.logits)
        self.clean, classes = self.logits.argmax(1) == y, self.logits.shape[1]
        self.targets = (y + target_shift) % classes if target_shift else None
        if target_shift and target_shift % classes == 0:
            met, allowed = f"{target_shift} for {classes} classes", "a shift to another class"
            raise ArgumentError(sentence("run_attack.target_shift", met, allowed))
        self.standing, self.best = self.clean.clone(), x.clone()
        self.forwards = self.backwards = 0

    def attack(self, search: Search, generator: torch.Generator) -> None:
        """Search around the samples that still stand."""
        at = self.standing.nonzero()[:, 0]
        if not len(at):
            return
        targets = None if self.targets is None else self.targets[at]
        x = self.x[at]
        random = self.classifier.is_random
        spare = not search.refines and not random  # one lucky success is none yet
        oracle = Oracle(self.classifier, self.budget, x, self.y[at], through=self.through, targets=targets, spare=spare)
        proposed = self.budget.project(search.search(oracle, generator).detach(), x)
        take = oracle.fooled
        if random:
            found, last = (oracle.value(self._answers(z).mean(0), margin) for z in (oracle.found, proposed))
            take = take & (found > last)
        proposed = torch.where(per_sample(take, x), oracle.found, proposed)
        self.best[at] = proposed
        self.forwards, self.backwards = self.forwards + oracle.forwards, self.backwards + oracle.backwards
        self.standing[at] = ~oracle.reached(oracle.logits(proposed))

    def judged(self, keep: bool) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]:
        """Clean, robust, distance, inputs, robust by draw; all run once more, in one batch as a user would."""
        draws = self._answers(self.best)
        answers = torch.stack([draws.mean(0), *draws]).argmax(2)
        missed = self.clean & (answers == self.y if self.targets is None else answers != self.targets)
        distances = self.budget.distance(self.best, self.x)
        inputs = self.best.cpu() if keep else None
        return self.clean.cpu(), missed[0].cpu(), distances.cpu(), inputs, missed[1:].cpu()

    def _answers(self, z: Tensor) -> Tensor:
        """Logits of every fresh draw, [D, N, K]; of a network that does not draw, D is 1."""
        view = self.classifier.seen_by(None)
        draws = max(FRESH_DRAWS, view.draws) if view.is_random else 1
        with torch.no_grad():
            return torch.stack([view.once(z) for _ in range(draws)])


@contextmanager
def _drawing(path: tuple[int, ...], classifier: Classifier, through: Classifier | None) -> Iterator[None]:
    """Within the block all that the networks draw follows from these numbers; without any nothing is changed."""
    with ExitStack() as stack:
        for view in (classifier, through) if path else ():
            if view is not None:
                stack.enter_context(view.seeded(*path))
        yield


def _check_parts(classifier: object, search: object, budget: object, through: object) -> None:
    """Raise ArgumentError unless each argument is of its kind."""
    todo = "Make one: Classifier(model, timesteps=4)"
    for name, value, kind, hint in (
        ("classifier", classifier, Classifier, todo),
        ("search", search, Search, "The order is classifier, search, budget"),
        ("budget", budget, Budget, "The order is classifier, search, budget"),
    ):
        if not isinstance(value, kind):
            raise ArgumentError(sentence(f"attack.{name}", named(value), f"a {kind.__name__}", hint))
    if through is not None and not isinstance(through, Classifier):
        raise ArgumentError(sentence("attack.through", named(through), "a Classifier, or None", todo))
    search.check_budget(budget)  # pyright: ignore[reportAttributeAccessIssue]
    spiking = classifier.timesteps is not None  # pyright: ignore[reportAttributeAccessIssue]
    if spiking and budget.over_time and not classifier.has_sequences:  # pyright: ignore[reportAttributeAccessIssue]
        met, todo = f"{type(budget).__name__} for images", "Take Classifier(model, timesteps, encode=as_given)"
        raise ArgumentError(sentence("attack.budget", met, "it for a classifier of sequences", todo))


def _batch_first(classifier: Classifier, x: Tensor) -> Tensor:
    """The batch with its first axis for the samples; sequences are given as [T, N, ...]."""
    return x.movedim(1, 0) if classifier.has_sequences and isinstance(x, Tensor) and x.dim() > 2 else x


def _as_given(classifier: Classifier, z: Tensor) -> Tensor:
    """The inverse of `_batch_first`."""
    return z.movedim(0, 1) if classifier.has_sequences else z
