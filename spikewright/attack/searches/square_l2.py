"""How `Square` begins and goes on in an L2 budget: tiles of bumps, and length moved from window to window."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..budget import random_signs, uniform
from ..budgets.l2 import L2
from .windows import index_of, mask_of, random_corners

TINY = 1e-12


def bump(height: int, width: int) -> Tensor:
    """A hill in the middle of a rectangle, [height, width], of Euclidean length 1.

        h(i, j) ~ sum over k >= d(i, j) of 1 / (k + 1)^2        d: rows or columns to the middle, the larger

    Source: Andriushchenko et al. 2020 (see `Square`), eq. 2.

    Example:
        >>> bump(1, 3).round(decimals=3)
        tensor([[0.1920, 0.9620, 0.1920]])
    """
    terms = torch.arange(1, max(height, width) // 2 + 2, dtype=torch.float64) ** -2
    tails = terms.flip(0).cumsum(0).flip(0)
    rows, columns = ((torch.arange(size) - size // 2).abs() for size in (height, width))
    hill = tails[torch.maximum(rows[:, None], columns)]
    return (hill / hill.norm()).float()


def two_bumps(side: int) -> Tensor:
    """A hill above a valley, [side, side], of Euclidean length 1.

    Example:
        >>> two_bumps(2).round(decimals=3)
        tensor([[ 0.1390,  0.6930],
                [-0.1390, -0.6930]])
    """
    pair = torch.cat([bump(side // 2, side), -bump(side - side // 2, side)])
    return pair / pair.norm()


def first_tiles(x: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """x with a grid of 5 x 5 or more `two_bumps` of length eps in all, of random signs and random direction."""
    height, width = x.shape[-2:]
    side = max(min(height, width) // 5, 1)
    rows, columns = height // side, width // side
    tile = two_bumps(side).to(x)
    upright = uniform(x.new_zeros(len(x), 1, rows, columns, 1, 1), generator) < 0.5
    signs = random_signs(x.new_zeros(len(x), x.shape[1], rows, columns, 1, 1), generator)
    tiles = signs * torch.where(upright, tile, tile.T)
    whole = tiles.permute(0, 1, 2, 4, 3, 5).reshape(len(x), -1, rows * side, columns * side)
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    change = torch.zeros_like(x)
    change[..., top : top + rows * side, left : left + columns * side] = whole
    return x + eps * L2(eps=1.0).steepest(change)


def moved_window(best: Tensor, x: Tensor, eps: float, share: float, generator: torch.Generator) -> Tensor:
    """The best images so far with one window emptied, and its length, with all that is unused, given to another one.

    In the other window the old change, at length 1, and `two_bumps` are added, and scaled per channel to

        sqrt(max(eps^2 - |change|^2, 0) / C + |change in both windows|^2)

    Args:
        best: [N, C, H, W].
        x: the clean images.
        eps: of the budget.
        share: of the image that a window covers; its side is odd and at least 3, where the image is that large.
        generator: of places, signs and directions.

    Source: Andriushchenko et al. 2020 (see `Square`), algorithm 3.

    Example:
        >>> x = torch.full((1, 1, 8, 8), 0.5)
        >>> z = moved_window(x, x, 0.25, 0.1, torch.Generator().manual_seed(0))
        >>> float((z - x).norm())
        0.25
    """
    height, width = x.shape[-2:]
    odd = max(round(math.sqrt(share * height * width)), 3) // 2 * 2 + 1
    side = min(odd, height, width)
    change = best - x
    to, source = random_corners(x, side, generator), random_corners(x, side, generator)
    there, both = index_of(to, side, x), mask_of(to, side, x) | mask_of(source, side, x)
    unused = (eps**2 - change.square().flatten(1).sum(1)).clamp(min=0) / x.shape[1]
    length = (unused[:, None] + (change * both).square().sum((-2, -1))).sqrt()[..., None, None]
    old, pattern = change[there], two_bumps(side).to(x)
    upright = uniform(x[:, :1, :1, :1], generator) < 0.5
    new = random_signs(x[..., :1, :1], generator) * torch.where(upright, pattern, pattern.T) + _unit(old)
    moved = torch.where(mask_of(source, side, x), 0.0, change)
    moved[there] = length * _unit(new)
    return x + eps * L2(eps=1.0).steepest(moved)


def _unit(window: Tensor) -> Tensor:
    """Each channel of a window with Euclidean length 1, or 0 where it is 0."""
    return window / (window.square().sum((-2, -1), keepdim=True).sqrt() + TINY)
