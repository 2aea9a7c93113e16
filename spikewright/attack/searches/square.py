"""Square: random squares painted onto the image, kept where they raise the margin; it needs no gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ...core.errors import ShapeError, sentence
from ..budget import Budget, per_sample, random_signs
from ..budgets.l2 import L2
from ..budgets.linf import Linf
from ..objective import Objective, margin
from ..oracle import Oracle
from ..search import Search, check_positive, check_share
from .square_l2 import first_tiles, moved_window
from .windows import mask_of, random_corners

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries after which the painted share of the image halves."""


def painted_share(query: int, first: float, halvings: tuple[int, ...] = HALVINGS) -> float:
    """Share of the image that a query paints: the first one, halved once for each halving that lies behind.

    Source: Andriushchenko et al. 2020 (see `Square`), section 4 and appendix B.

    Example:
        >>> painted_share(0, 0.8), painted_share(51, 0.8), painted_share(9000, 0.8)
        (0.8, 0.2, 0.0015625)
    """
    return first / 2 ** sum(query > halving for halving in halvings)


def side_of(share: float, height: int, width: int, least: int = 1) -> int:
    """Side of the square that covers a share of an image, at most the image's shorter side.

    Example:
        >>> side_of(0.8, 32, 32), side_of(0.001, 32, 32), side_of(0.8, 4, 32)
        (29, 1, 4)
    """
    return min(max(round(math.sqrt(share * height * width)), least), height, width)


@dataclass(frozen=True, kw_only=True)
class Square(Search):
    """Gradient-free: from a pattern of full size, each query changes one random square, and is kept if the value rises.

    Linf: vertical stripes of +-eps; a query sets the square to +-2 eps per channel and projects. L2: see `square_l2`.

    Args:
        queries: forward passes, at least 1; the first is that of the pattern.
        share: of the image that the first squares cover, above 0, at most 1.
        halvings: queries after which the share halves. The published ones are for 10,000 queries and AutoAttack leaves
            them as they are; give others to rescale them.
        objective: what to make large.

    Raises:
        ShapeError: for inputs without two image axes at the end, [N, ..., C, H, W]. Images need not be square; what is
            painted is then at most as wide as the shorter side. Frames of a sequence are painted at one place, with
            signs of their own.

    Source: Andriushchenko et al. 2020, "Square Attack: a Query-Efficient Black-box Adversarial Attack via Random
        Search", ECCV 2020, arXiv 1912.00049, algorithms 1 to 3.
        Differs: each sample has its own squares, where the authors' code paints all of a batch alike, and they reach
        the last row and column, which that code leaves out; a value that stays the same is not kept.

    Example:
        >>> Square(queries=100).share
        0.8
    """

    takes: ClassVar[tuple[type[Budget], ...]] = (Linf, L2)
    queries: int = 5000
    share: float = 0.8
    halvings: tuple[int, ...] = HALVINGS
    objective: Objective = margin

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("Square.queries", self.queries, least=1)
        check_share("Square.share", self.share)
        check_positive("Square.share", self.share)
        for halving in self.halvings:
            check_whole("Square.halvings", halving, least=0)

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        x, budget = _planes(oracle.x), oracle.budget
        begin, change = (first_tiles, moved_window) if isinstance(budget, L2) else (first_stripes, painted_square)
        best = budget.project(begin(x, budget.eps, generator), x)
        value = oracle.loss(best.view_as(oracle.x), self.objective)
        for query in range(self.queries - 1):
            if oracle.finished:
                break
            share = painted_share(query, self.share, self.halvings)
            z = budget.project(change(best, x, budget.eps, share, generator), x)
            asked = oracle.loss(z.view_as(oracle.x), self.objective)
            best = torch.where(per_sample(asked > value, z), z, best)
            value = torch.maximum(asked, value)
        return best.view_as(oracle.x)


def first_stripes(x: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """x with stripes one pixel wide of +eps or -eps down the image, of random signs per sample and channel."""
    return x + eps * random_signs(x[..., :1, :], generator)


def painted_square(best: Tensor, x: Tensor, eps: float, share: float, generator: torch.Generator) -> Tensor:
    """The best images so far with a square of +-2 eps more, one sign per channel, to be projected.

    Args:
        best: [N, C, H, W].
        x: the clean images.
        eps: of the budget.
        share: of the image that is painted.
        generator: of places and signs.

    Source: Andriushchenko et al. 2020 (see `Square`), algorithm 2.

    Example:
        >>> x = torch.zeros(1, 1, 2, 2)
        >>> painted_square(x, x, 0.25, 0.25, torch.Generator().manual_seed(0)).abs().sum()
        tensor(0.5000)
    """
    height, width = x.shape[-2:]
    side = side_of(share, height, width)
    inside = mask_of(random_corners(x, side, generator), side, x)
    return torch.where(inside, best + 2 * eps * random_signs(x[..., :1, :1], generator), best)


def _planes(x: Tensor) -> Tensor:
    """[N, ..., H, W] -> [N, C, H, W], with all axes between as channels."""
    if x.dim() < 4:
        met, allowed = f"inputs of shape {list(x.shape)}", "images [N, ..., C, H, W]"
        todo = "A square needs two axes side by side; for other inputs take RandomNoise, or PGD"
        raise ShapeError(sentence("Square", met, allowed, todo))
    return x.reshape(len(x), -1, *x.shape[-2:])
