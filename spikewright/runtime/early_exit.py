"""EarlyExit: a network that stops working on an image once its answer is decided."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..coding.encode import repeat
from ..core.arguments import named
from ..core.carry import Carry, carry_state
from ..core.errors import ArgumentError, DataError, ShapeError, sentence
from ..core.spiking import Timed
from ..report.table import Column, Table
from .exit_rule import ExitRule, check_logits, leads


class Answers(NamedTuple):
    """Answers, each after as many steps as it took."""

    logits: Tensor  # mean output over the steps until the answer, [N, K]
    steps: Tensor  # how many these are, [N]
    run: Tensor  # steps that were run, whole chunks, [N]


@dataclass(frozen=True)
class ExitJudgement:
    """What early answers cost and save.

    Args:
        images: number of images.
        steps: mean number of steps until the answer.
        run: mean number of steps that were run.
        agreement: share of answers that are those after T steps.
        accuracy: share of early answers that are right.
        full_accuracy: that of the answers after T steps.
        seconds: per image, with early exit.
        full_seconds: per image, all T steps in one call.
    """

    images: int
    steps: float
    run: float
    agreement: float
    accuracy: float
    full_accuracy: float
    seconds: float
    full_seconds: float

    def table(self) -> Table:
        """Early answers beside those after T steps."""
        columns = (
            Column("answers"),
            Column("steps", "", 2),
            Column("steps run", "", 2, "whole chunks, with what goes before the steps that count left out"),
            Column("agreement", "%", 2, "answers that are those after T steps"),
            Column("accuracy", "%", 2),
            Column("time", "s", None, "per image"),
        )
        rows = (
            ("early", self.steps, self.run, self.agreement, self.accuracy, self.seconds),
            ("after T steps", None, None, 1.0, self.full_accuracy, self.full_seconds),
        )
        return Table("Early exit", columns, rows, f"{self.images} images.")


class EarlyExit:
    """A spiking classifier that answers as soon as a rule allows.

    Time is run in chunks whose states are carried; between them the images that are answered are taken out of the
    batch, their states with them. The answer is that of the first step that reaches its margin, whatever the chunks.

    Args:
        network: the spiking network: a conversion's model, or what `compile` makes of it.
        rule: after which margin an answer is final, see `fit_exit`.
        chunk: steps that are run together. Each call has a price, so that a few steps at once may be quicker.
    """

    def __init__(self, network: Timed, rule: ExitRule, *, chunk: int = 1) -> None:
        if not isinstance(network, Timed):
            raise ArgumentError(sentence("EarlyExit.network", named(network), "a Spiking network or a compiled one"))
        if not isinstance(rule, ExitRule):
            raise ArgumentError(sentence("EarlyExit.rule", named(rule), "an ExitRule", "fit_exit makes one"))
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise ArgumentError(sentence("EarlyExit.chunk", repr(chunk), "a whole number of at least 1"))
        self.network, self.rule, self.chunk = network, rule, chunk

    @torch.inference_mode()
    def __call__(self, xs: Tensor) -> Answers:
        """Input [T, N, ...], with the steps that the network's phases need -> answers for N samples.

        Raises:
            ShapeError: if xs has fewer steps than the rule and the phases need, or the network gives no logits.
            DataError: if xs holds NaN or infinite values.
        """
        phases, needed = self.network.phases, self.network.phases.steps(self.rule.timesteps)
        if not isinstance(xs, Tensor) or xs.dim() < 3 or len(xs) < needed or not xs.shape[1]:
            met = f"shape {list(xs.shape)}" if isinstance(xs, Tensor) else named(xs)
            todo = "Give it repeat(images, network.phases.steps(rule.timesteps))"
            raise ShapeError(sentence("EarlyExit", met, f"[T, N, ...] with N >= 1 and T of at least {needed}", todo))
        first = max(phases.rehearsal + self.chunk, phases.window)
        open_ = torch.arange(xs.shape[1], device=xs.device)
        logits, done, total = None, 0, None
        steps = torch.zeros(len(open_), dtype=torch.int64, device=xs.device)
        run = torch.zeros_like(steps)
        margins = torch.tensor([*self.rule.margins, float("-inf")], device=xs.device)
        with carry_state(self.network) as carried:
            begin, end = 0, first
            while len(open_):
                out = self.network(_of(xs[begin:end], open_))[max(0, phases.rehearsal - begin) :]
                out = out[: self.rule.timesteps - done]
                check_logits("EarlyExit", out)
                if logits is None:
                    logits = torch.empty(len(open_), out.shape[-1], dtype=out.dtype, device=out.device)
                sums = out.cumsum(0) if total is None else total + out.cumsum(0)
                lead, _ = leads(sums, done)
                now = done + len(out)
                reached = lead >= margins[done:now, None]
                at = reached.int().argmax(0)
                decided = reached.any(0)
                chosen = sums.gather(0, at[None, :, None].expand(1, -1, sums.shape[-1]))[0]
                answered = open_[decided]
                steps[answered] = done + 1 + at[decided]
                logits[answered] = chosen[decided] / steps[answered][:, None]
                run[answered] = now
                left = ~decided
                _keep(carried, left, len(open_))
                open_, total, done, begin, end = open_[left], sums[-1, left], now, end, end + self.chunk
        return Answers(torch.empty(0) if logits is None else logits, steps, run)

    def judge(self, batches: Iterable[tuple[Tensor, Tensor]]) -> ExitJudgement:
        """Run batches (images [N, ...], labels [N]) with and without early exit, and compare answers and times.

        Raises:
            DataError: if there is no image.
        """
        count = right = full_right = same = steps = run = 0
        seconds = full_seconds = 0.0
        for x, y in batches:
            xs = repeat(x, self.network.phases.steps(self.rule.timesteps))
            begin = _now(x)
            answers = self(xs)
            middle = _now(x)
            with torch.inference_mode():
                outputs = self.network(xs)[self.network.phases.rehearsal :][: self.rule.timesteps]
            seconds, full_seconds = seconds + middle - begin, full_seconds + _now(x) - middle
            early, full = answers.logits.argmax(-1), outputs.sum(0).argmax(-1)
            right, full_right = right + int((early == y).sum()), full_right + int((full == y).sum())
            same, count = same + int((early == full).sum()), count + len(x)
            steps, run = steps + int(answers.steps.sum()), run + int(answers.run.sum())
        if not count:
            raise DataError(sentence("EarlyExit.judge", "no image", "at least one batch (images, labels)"))
        shares = (steps, run, same, right, full_right, seconds, full_seconds)
        return ExitJudgement(count, *(value / count for value in shares))


def _of(xs: Tensor, samples: Tensor) -> Tensor:
    """Some samples of [T, N, ...]; a repeated image stays one image."""
    if len(xs) > 1 and xs.stride(0) == 0:
        return xs[:1, samples].expand(len(xs), *[-1] * (xs.dim() - 1))
    return xs if len(samples) == xs.shape[1] else xs[:, samples]


def _keep(carried: dict[str, Carry], left: Tensor, samples: int) -> None:
    """Take samples out of the states that are carried; what has several rows per sample, as tokens, loses them all."""
    if bool(left.all()):
        return
    for carry in carried.values():
        if carry.state is None:
            continue
        parts = [
            part.unflatten(0, (samples, -1))[left].flatten(0, 1) if part.dim() and len(part) % samples == 0 else part
            for part in carry.state
        ]
        carry.state = type(carry.state)(*parts)


def _now(x: Tensor) -> float:
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter()
