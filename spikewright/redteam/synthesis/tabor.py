"""TABOR: a mask and a pattern at a fixed place that turn every image into the target, kept small, smooth and whole."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...attack.search import check_not_negative, check_positive
from ...core.arguments import check_whole
from ...core.seed import generator
from .descent import descend
from .objectives import confidence, toward
from .placing import drawn_backgrounds
from .scoring import in_chunks
from .task import Draft, Synthesis, Task
from .victim import Victim

LARGE = 0.1
"""Share of the image that a mask of ordinary size covers; the weight of its size is measured there."""
FACTOR = 1.5
SUCCESS = 0.99


def elastic(v: Tensor) -> Tensor:
    """R1: sum of |v| + v^2, [C]; large where a trigger is large.

    Example:
        >>> elastic(torch.full((1, 1, 2, 2), 0.5))
        tensor([3.])
    """
    return (v.abs() + v.square()).flatten(1).sum(1)


def roughness(v: Tensor) -> Tensor:
    """R2: sum of squared differences to the next pixel, down and right, [C]; large where a trigger is scattered.

    Example:
        >>> roughness(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
        tensor([2.])
    """
    down, right = v[..., 1:, :] - v[..., :-1, :], v[..., 1:] - v[..., :-1]
    return down.square().flatten(1).sum(1) + right.square().flatten(1).sum(1)


def stamped(x: Tensor, mask: Tensor, pattern: Tensor) -> Tensor:
    """(1 - M) x + M D for every picture and background.

    Args:
        x: [C, B, 3, H, W].
        mask: [C, 1, H, W].
        pattern: [C, 3, H, W].

    Returns:
        [C * B, 3, H, W].
    """
    return torch.lerp(x, pattern[:, None].expand_as(x), mask[:, None].expand_as(x)).flatten(0, 1)


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored: masks [C, 1, H, W], patterns [C, 3, H, W], losses [steps], and which masks succeeded [C]."""

    mask: Tensor
    pattern: Tensor
    losses: Tensor
    succeeded: Tensor

    @property
    def pictures(self) -> Tensor:
        """M D + (1 - M) 0.5: the trigger on grey, [C, 3, H, W]."""
        return torch.lerp(torch.full_like(self.pattern, 0.5), self.pattern, self.mask)


@dataclass(frozen=True, kw_only=True)
class TABOR(Synthesis):
    """min over M, D of CE(f(x_a), t) + l1 R1(M) + l2 R1((1-M)D) + l3 R2(M) + l4 R2((1-M)D) + l5 R3 + l6 R4.

    x_a = (1-M) x + M D with M = sigmoid(2u), D = sigmoid(2w), both of the input's size; R3 = CE(f((1-M) x), y): without
    the trigger's region the true class must come back; R4 = CE(f(M D), t): the trigger alone must give the target. R1
    and R2 are divided by the number of pixels here. A trigger that covers the whole image has M = 1, and D alone is
    trained.

    l1 is not a setting: it begins where a mask of 10 % costs a tenth of the first cross-entropy; every `window` steps
    it grows by half while the target is reached in more than 99 % of the images, and shrinks as much otherwise. Kept is
    the smallest mask that reached it, or else the last.

    Args:
        steps: updates of Adam.
        batch: backgrounds per picture and step.
        lr: of Adam, with betas (0.5, 0.9).
        outside: l2, of the pattern outside of the mask.
        rough: l3 / l1, of the mask.
        rough_outside: l4, of the pattern outside of the mask.
        blocked: l5; y is the network's own answer for x, as a task has no labels. It costs as much as the main term.
        alone: l6.
        window: steps between changes of l1.
        spare: pictures made beyond those asked for, of which the best by score are kept.

    Source: Guo, Wang, Xing, Du and Song 2019, "TABOR: A Highly Accurate Approach to Inspecting and Restoring Trojan
        Backdoors in AI Systems", arXiv 1908.01763. A public implementation has 200 epochs in batches of 32 at a rate of
        1e-3, and, for patterns of 0..255, l1 to l6 = 1e-6, 1e-5, 1e-7, 1e-8, 0, 1e-2.
        Differs: weights for patterns of 0..1 and means over pixels; l1 is steered as in Neural Cleanse (Wang et al.
        2019); few large steps in place of many small ones.

    Example:
        >>> TABOR(steps=50).blocked
        0.0
    """

    steps: int = 150
    batch: int = 3
    lr: float = 0.1
    outside: float = 0.01
    rough: float = 0.1
    rough_outside: float = 0.01
    blocked: float = 0.0
    alone: float = 0.01
    window: int = 10
    spare: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch", 1), ("window", 1), ("spare", 0)):
            check_whole(f"TABOR.{name}", getattr(self, name), least=least)
        for name in ("outside", "rough", "rough_outside", "blocked", "alone"):
            check_not_negative(f"TABOR.{name}", getattr(self, name))
        check_positive("TABOR.lr", self.lr)

    def draft(self, task: Task, victim: Victim) -> Draft:
        found = self.restore(task, victim)
        many = task.held_out.expand(len(found.mask), *task.held_out.shape)
        with torch.no_grad():
            logits = in_chunks(victim, stamped(many, found.mask, found.pattern))
        notes, failed = victim.notes(), int((~found.succeeded).sum())
        if failed:
            notes = (*notes, f"{failed} of {len(found.mask)} masks never reached the target in 99 % of the images")
        score = confidence(logits, task.target, len(found.mask))
        return Draft(pictures=found.pictures, losses=found.losses, scores=score, notes=notes)

    def restore(self, task: Task, victim: Victim) -> Restored:
        """Masks and patterns, as many as the task asks for and `spare` more."""
        source, count = generator(task.seed, 3), task.pictures + self.spare
        shape = (count, 1, *task.canvas)
        u = nn.Parameter(torch.randn(shape, generator=source).to(task.backgrounds))
        w = nn.Parameter(torch.randn(count, 3, *task.canvas, generator=source).to(task.backgrounds))
        kept = _Smallest(u, w, task, victim, self)

        def loss(step: int) -> Tensor:
            mask, pattern = kept.now()
            x = drawn_backgrounds(task.seen, count, self.batch, source)
            logits = victim.logits(stamped(x, mask, pattern))
            attack = toward(logits, task.target, count)
            kept.look(step, logits, attack)
            size = kept.l1 * (elastic(mask) + self.rough * roughness(mask)) / mask[0].numel()
            rest = self.penalty(task, victim, x, mask, pattern)
            return attack + rest if task.whole else attack + rest + size

        parameters = [w] if task.whole else [u, w]
        losses = descend(victim, [{"params": parameters, "lr": self.lr}], self.steps, loss, betas=(0.5, 0.9))
        return kept.restored(losses)

    def penalty(self, task: Task, victim: Victim, x: Tensor, mask: Tensor, pattern: Tensor) -> Tensor:
        """The terms l2 and l4 to l6, [C]."""
        count, pixels = len(mask), mask[0].numel()
        around = (1 - mask) * pattern
        total = (self.outside * elastic(around) + self.rough_outside * roughness(around)) / pixels
        if self.blocked:
            with torch.no_grad():
                answers = victim.logits(x.flatten(0, 1)).argmax(1)
            logits = victim.logits((x * (1 - mask)[:, None]).flatten(0, 1))
            total = total + self.blocked * F.cross_entropy(logits, answers, reduction="none").view(count, -1).mean(1)
        return total + self.alone * toward(victim.logits(mask * pattern), task.target, count) if self.alone else total


class _Smallest:
    """Steers l1, and keeps the smallest mask of each picture that reached the target."""

    def __init__(self, u: Tensor, w: Tensor, task: Task, victim: Victim, settings: TABOR) -> None:
        self.u, self.w, self.whole, self.target, self.window = u, w, task.whole, task.target, settings.window
        self.l1 = self.hits = torch.zeros(len(u)).to(u)
        self.area = torch.full((len(u),), torch.inf).to(u)
        with torch.no_grad():
            self.mask, self.pattern = self.now()

    def now(self) -> tuple[Tensor, Tensor]:
        """Mask and pattern of the parameters, tanh(u)/2 + 1/2 as published, which is sigmoid(2u)."""
        mask = torch.ones_like(self.u) if self.whole else (2 * self.u).sigmoid()
        return mask, (2 * self.w).sigmoid()

    def look(self, step: int, logits: Tensor, attack: Tensor) -> None:
        """Count successes, and at the end of a window keep what is better and change l1."""
        if step == 0:
            self.l1 = LARGE * attack.detach() / (2 * LARGE)  # R1 of a mask of ones on a tenth of the pixels: 2 x 0.1
        self.hits = self.hits + (logits.argmax(1) == self.target).view(len(self.u), -1).float().mean(1)
        if (step + 1) % self.window:
            return
        success = self.hits / self.window > SUCCESS
        with torch.no_grad():
            mask, pattern = self.now()
            area = mask.mean((1, 2, 3))
            better = success & (area <= self.area)
            self.area = torch.where(better, area, self.area)
            self.mask = torch.where(better.view(-1, 1, 1, 1), mask, self.mask)
            self.pattern = torch.where(better.view(-1, 1, 1, 1), pattern, self.pattern)
        self.l1 = torch.where(success, self.l1 * FACTOR, self.l1 / FACTOR)
        self.hits = torch.zeros_like(self.hits)

    def restored(self, losses: Tensor) -> Restored:
        """The smallest successful masks, or the last."""
        succeeded = self.area.isfinite()
        with torch.no_grad():
            mask, pattern = self.now()
        chosen = succeeded.view(-1, 1, 1, 1)
        mask, pattern = torch.where(chosen, self.mask, mask), torch.where(chosen, self.pattern, pattern)
        return Restored(mask=mask, pattern=pattern, losses=losses, succeeded=succeeded)
