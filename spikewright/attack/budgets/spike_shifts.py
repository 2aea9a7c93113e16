"""SpikeShifts: events are moved in time alone; none is added and none is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...core.arguments import check_whole
from ...core.errors import ShapeError, sentence
from ..event_budget import EventBudget, Moves


@dataclass(frozen=True, kw_only=True)
class SpikeShifts(EventBudget):
    """Every pixel keeps its number of events; at most eps events are moved, each by at most `reach` steps.

    The events of a pixel look alike, so they are taken to keep their order: the first in x is the first in z. No other
    matching has a smaller largest shift. An event that jumps over another counts as two that are moved.

    Args:
        eps: most events moved, a whole number.
        reach: most steps by which an event is moved, at least 1.
        low: 0.
        high: most events in one step of a pixel; 1 for binary frames, infinite for counts.

    Source: budgets of Yu et al. 2026, "timing-only" attacks on event-driven networks, ICLR 2026: largest shift and
        number of events moved.

    Example:
        >>> x, z = torch.tensor([[[1.0], [0.0], [0.0]]]), torch.tensor([[[0.0], [1.0], [0.0]]])
        >>> SpikeShifts(eps=1, reach=1).contains(z, x), SpikeShifts(eps=1, reach=1).contains(z.flip(1), x)
        (tensor([True]), tensor([True]))
    """

    over_time: ClassVar[bool] = True
    reach: int = 1
    high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("SpikeShifts.reach", self.reach, least=1)

    def check(self, x: Tensor) -> None:
        super().check(x)
        if x.dim() < 3:
            raise ShapeError(sentence("SpikeShifts", f"a batch of shape {list(x.shape)}", "sequences [N, T, ...]"))

    def project(self, z: Tensor, x: Tensor) -> Tensor:
        """z itself where it is allowed; else what x becomes by one move after another that brings it nearest to z."""
        allowed, w, one = self.contains(z, x), x, torch.ones(len(x), device=x.device)
        for _ in range(0 if allowed.all() else self.eps):
            moves = self.moves(w, x, z - w, 8)
            nearer = moves.gain > 1  # the squared distance falls by 2 (gain - 1)
            w, made = self.greedily(w, x, moves._replace(gain=torch.where(nearer, moves.gain, -math.inf)), one)
            if not made.any():
                break
        return torch.where(allowed.view(-1, *[1] * (x.dim() - 1)), z, w)

    def steepest(self, gradient: Tensor) -> Tensor:
        moves = self._moves(self._gains(gradient), gradient, 1)
        return moves.applied(torch.zeros_like(gradient), moves.gain > 0)

    def distance(self, z: Tensor, x: Tensor) -> Tensor:
        """Number of events moved, [N]; infinite where a pixel has lost or gained one."""
        known, changed = x.cumsum(1), z.cumsum(1)
        before, now = torch.maximum(_late(known, 1), _late(changed, 1)), torch.minimum(known, changed)
        moved = known[:, -1] - (now - before).clamp(min=0).sum(1)
        return torch.where(known[:, -1] == changed[:, -1], moved, math.inf).flatten(1).sum(1)

    def contains(self, z: Tensor, x: Tensor) -> Tensor:
        known, changed = x.cumsum(1), z.cumsum(1)
        near = (changed >= _late(known, self.reach)) & (known >= _late(changed, self.reach))
        return super().contains(z, x) & near.flatten(1).all(1)

    def moves(self, z: Tensor, x: Tensor, gradient: Tensor, count: int) -> Moves:
        room = (z + 1 <= x.clamp(min=self.high)).to(z.dtype)
        held = (z >= 1).to(z.dtype)
        legal = torch.stack([held * _late(room, -lag) for lag in self._lags(z)], 1)
        gains = self._gains(gradient)
        return self._moves(torch.where((legal > 0) & (gains > 0), gains, -math.inf), z, count)

    def together(self, places: Tensor, x: Tensor) -> Tensor:
        """All steps of the pixel."""
        stride = x[0, 0].numel()
        return (places % stride)[:, None] + stride * torch.arange(x.shape[1], device=x.device)

    def _lags(self, z: Tensor) -> list[int]:
        most = min(self.reach, z.shape[1] - 1)
        return [lag for lag in range(-most, most + 1) if lag] or [1]

    def _gains(self, gradient: Tensor) -> Tensor:
        """What moving an event by each lag adds to a linear function, [N, L, T, ...]; outside the sequence nothing."""
        inside = torch.ones_like(gradient)
        return torch.stack(
            [torch.where(_late(inside, -lag) > 0, _late(gradient, -lag) - gradient, -math.inf)
             for lag in self._lags(gradient)], 1,
        )  # fmt: skip

    def _moves(self, gains: Tensor, like: Tensor, count: int) -> Moves:
        flat = gains.flatten(1)
        best, found = flat.topk(min(count, flat.shape[1]), dim=1)
        size, stride = like[0].numel(), like[0, 0].numel()
        lags = torch.tensor(self._lags(like), device=like.device)
        real = best.isfinite()
        start = found % size
        end = torch.where(real, start + lags[found // size] * stride, start)
        by = torch.where(real, 1.0, 0.0).to(like.dtype)
        return Moves(torch.stack([start, end], 2), torch.stack([-by, by], 2), best)


def _late(xs: Tensor, steps: int) -> Tensor:
    """A sequence [N, T, ...] so many steps later, or earlier where negative; 0 where nothing comes."""
    flat = xs.flatten(2)
    length = flat.shape[1]
    moved = F.pad(flat, (0, 0, steps, 0))[:, :length] if steps > 0 else F.pad(flat, (0, 0, 0, -steps))[:, -length:]
    return moved.reshape(xs.shape)
