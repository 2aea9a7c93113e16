"""ExitRule: the margin of the read-out from which on an answer is given before T steps, and a bound on its cost."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..coding.encode import repeat
from ..core.arguments import named
from ..core.errors import ArgumentError, DataError, ShapeError, sentence
from ..core.spiking import Timed
from ..report.table import Column, Table

_LEVELS = 24
"""Rules that are tried, from the most cautious one on."""


@dataclass(frozen=True)
class ExitRule:
    """An answer is given at the first step whose margin is reached.

    Args:
        margins: for steps 1..T-1, by how much the mean output of the first class must lead that of the second; infinite
            where no answer is given.
        error: share of answers, 0..1, that may differ from those after T steps.
        confidence: probability, over the calibration images, that it is no more.
        bound: the share that is not exceeded with that confidence; 0 for a rule that never answers early.
        images: images that the bound rests on.
    """

    margins: tuple[float, ...]
    error: float
    confidence: float
    bound: float
    images: int

    @property
    def timesteps(self) -> int:
        """T, after which everything is answered."""
        return len(self.margins) + 1

    def table(self) -> Table:
        """One row per step."""
        columns = (
            Column("T", "steps"),
            Column("margin", "", None, "lead that is enough; none where nothing is answered"),
        )
        rows = tuple((t, m if math.isfinite(m) else None) for t, m in enumerate(self.margins, start=1))
        said = (
            f"at most {100 * self.bound:.2f} % of the answers differ, with confidence {100 * self.confidence:g} %; "
            f"from {self.images} images"
        )
        return Table("Early exit", columns, rows, said)


def upper_bound(wrong: int, images: int, confidence: float) -> float:
    """The largest share that still explains so few wrong ones, by Clopper and Pearson: exact for any number of images.

        the p with P(Binomial(images, p) <= wrong) = 1 - confidence

    Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the
        binomial", Biometrika 26(4), one-sided.

    Example:
        >>> round(upper_bound(0, 299, 0.95), 4), round(upper_bound(10, 100, 0.95), 4), upper_bound(5, 5, 0.95)
        (0.01, 0.1637, 1.0)
    """
    if wrong >= images:
        return 1.0
    low, high = wrong / images, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(wrong, images, middle) > 1 - confidence else (low, middle)
    return high


def _at_most(wrong: int, images: int, p: float) -> float:
    """P(Binomial(images, p) <= wrong)."""
    if p <= 0 or p >= 1:
        return 1.0 if p <= 0 else 0.0
    logs = [
        math.lgamma(images + 1) - math.lgamma(k + 1) - math.lgamma(images - k + 1) + k * math.log(p)
        + (images - k) * math.log1p(-p)
        for k in range(wrong + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))


def leads(sums: Tensor, before: int = 0) -> tuple[Tensor, Tensor]:
    """By how much the first class leads the second in the mean output, and which it is, [T, N] and [T, N].

    Args:
        sums: sums of the outputs so far, [T, N, K].
        before: the first one is that of `before + 1` steps.

    Example:
        >>> lead, first = leads(torch.tensor([[[1.0, 0.0]], [[2.0, 4.0]]]))
        >>> lead.flatten(), first.flatten()
        (tensor([1., 1.]), tensor([0, 1]))
    """
    steps = torch.arange(before + 1, before + 1 + len(sums), device=sums.device).view(-1, 1, 1)
    two, classes = (sums / steps).topk(2, dim=-1)
    return two[..., 0] - two[..., 1], classes[..., 0]


def greedy_margins(lead: Tensor, agrees: Tensor, share: float) -> Tensor:
    """Per step the smallest margin with which no more than its part of `share` of the images is answered wrongly.

    Steps are taken in order, on the images that no earlier step has answered; each may spend an equal part of the
    wrong answers, and what the earlier ones have left over.

    Args:
        lead: by how much the first class leads, [T - 1, N].
        agrees: whether it is the class after T steps, [T - 1, N].
        share: share of the images that may be answered wrongly.

    Returns:
        The margins, [T - 1]; infinite where nothing can be answered.

    Example:
        >>> lead = torch.tensor([[3.0, 2.0, 1.0, 0.5], [3.0, 2.0, 1.0, 0.5]])
        >>> agrees = torch.tensor([[True, True, False, True], [True, True, True, True]])
        >>> greedy_margins(lead, agrees, 0.0)
        tensor([2.0000, 0.5000])
    """
    steps, images = lead.shape
    open_, margins, spent = torch.ones(images, dtype=torch.bool), torch.full((steps,), math.inf), 0
    for t in range(steps):
        budget = int(share * images * (t + 1) / steps + 1e-9) - spent
        order = lead[t].argsort(descending=True, stable=True)
        order = order[open_[order]]
        wrong = (~agrees[t, order]).cumsum(0)
        values = lead[t, order]
        # a margin answers all images with that lead, so that only the last one of a run of equal leads can set it
        last = torch.ones(len(values), dtype=torch.bool)
        last[:-1] = values[1:] < values[:-1]
        possible = ((wrong <= budget) & last).nonzero()
        if not len(possible):
            continue
        best = int(possible[-1])
        margins[t] = values[best]
        spent += int(wrong[best])
        open_[order[: best + 1]] = False
    return margins


def exits(lead: Tensor, margins: Tensor) -> Tensor:
    """Index of the step at which each image is answered, T - 1 for the last one: [T, N] and [T - 1] -> [N].

    Example:
        >>> exits(torch.tensor([[3.0, 1.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]]), torch.tensor([2.0, 2.0]))
        tensor([0, 1, 2])
    """
    reached = torch.cat([lead[:-1] >= margins[:, None], torch.ones_like(lead[-1:], dtype=torch.bool)])
    return reached.int().argmax(0)


def fitted_rule(lead: Tensor, first: Tensor, error: float, confidence: float) -> ExitRule:
    """The boldest rule whose bound holds.

    The first third of the images makes a row of rules, from cautious to bold, by `greedy_margins`. The others judge
    them in that order, and the last one before the first whose bound exceeds `error` is taken: in a fixed order every
    test may use the whole confidence.

    Args:
        lead: by how much the first class leads after every step, [T, N], images in an order that says nothing.
        first: which class it is, [T, N].
        error: share of answers that may differ from those after T steps.
        confidence: probability that no more differ.

    Source: Angelopoulos et al. 2021, "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control",
        arXiv 2110.01052, fixed sequence testing with an exact binomial test.
    """
    agrees = first == first[-1]
    fitting = lead.shape[1] // 3
    judged = lead.shape[1] - fitting
    taken, bound = torch.full((len(lead) - 1,), math.inf), 0.0
    for level in range(_LEVELS):
        share = 2 * error * level / (_LEVELS - 1)
        margins = greedy_margins(lead[:-1, :fitting], agrees[:-1, :fitting], share)
        at = exits(lead[:, fitting:], margins)
        wrong = int((~agrees[:, fitting:].gather(0, at[None])).sum())
        found = upper_bound(wrong, judged, confidence)
        if found > error:
            break
        taken, bound = margins, found
    return ExitRule(tuple(taken.tolist()), error, confidence, bound, judged)


def fit_exit(
    model: Timed,
    images: Tensor | Iterable[Tensor],
    timesteps: int,
    *,
    error: float = 0.01,
    confidence: float = 0.95,
    batch_size: int = 50,
) -> ExitRule:
    """Calibrate after which margin an answer is final, so that few answers differ from those after T steps.

    The bound holds for images like these: take some that the network was not trained on, in random order. No rule that
    answers early can be shown to hold with fewer than log(1 - confidence) / log(1 - error) images in two thirds of
    them: 299 for 1 % and 95 %, so 448 or more in all, and many more for a bold rule.

    Args:
        model: the spiking network: a conversion's model, or what `compile` makes of it.
        images: images [N, ...], which are repeated over time; or several batches of them.
        timesteps: T.
        error: share of answers, above 0 and below 1, that may differ.
        confidence: probability, above 0 and below 1, that no more differ.
        batch_size: images run together.

    Raises:
        ArgumentError: for a model that is no spiking network, or numbers outside those ranges.
        DataError: if there are fewer than three images.
        ShapeError: if the network does not give logits of two classes or more.
    """
    check_rule("fit_exit", model, timesteps, error, confidence)
    return fitted_rule(*measured_leads(model, images, timesteps, batch_size=batch_size), error, confidence)


def measured_leads(
    model: Timed, images: Tensor | Iterable[Tensor], timesteps: int, *, batch_size: int = 50
) -> tuple[Tensor, Tensor]:
    """By how much the first class leads after each of T steps, and which it is, [T, N] and [T, N], for `fitted_rule`.

    Args:
        model, images, timesteps, batch_size: as for `fit_exit`.

    Raises:
        DataError, ShapeError: as for `fit_exit`.
    """
    batches = [images] if isinstance(images, Tensor) else list(images)
    found = []
    with torch.inference_mode():
        for part in (part for batch in batches for part in batch.split(batch_size)):
            outputs = model(repeat(part, model.phases.steps(timesteps)))[model.phases.rehearsal :][:timesteps]
            check_logits("fit_exit", outputs)
            found.append(tuple(value.cpu() for value in leads(outputs.cumsum(0))))
    count = sum(lead.shape[1] for lead, _ in found)
    if count < 3:
        raise DataError(sentence("fit_exit.images", f"{count} images", "at least 3, better some thousand"))
    lead, first = (torch.cat(parts, dim=1) for parts in zip(*found))
    return lead, first


def check_rule(who: str, model: object, timesteps: object, error: float, confidence: float) -> None:
    """Raise ArgumentError unless a rule can be calibrated with these."""
    if not isinstance(model, Timed):
        raise ArgumentError(sentence(f"{who}.model", named(model), "a Spiking network or a compiled one"))
    if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 2:
        raise ArgumentError(sentence(f"{who}.timesteps", repr(timesteps), "a whole number of at least 2"))
    for name, value in (("error", error), ("confidence", confidence)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise ArgumentError(sentence(f"{who}.{name}", repr(value), "a number above 0 and below 1"))


def check_logits(who: str, outputs: Tensor) -> None:
    """Raise ShapeError unless outputs are logits [T, N, K] of at least two classes."""
    if outputs.dim() != 3 or outputs.shape[-1] < 2:
        met = f"outputs {list(outputs.shape)}"
        raise ShapeError(sentence(who, met, "logits [T, N, K], K >= 2", "Only a classifier has a margin"))
