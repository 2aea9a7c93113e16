"""Groups of pixels that are changed together: grids that know nothing of the answer, and groups that do."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.arguments import check_whole, named
from ..core.errors import ShapeError, sentence
from ..core.seed import generator

LEAK = 0.1
"""Share of the true area that may be cut wrongly by groups that still count as drawn along its edge."""


def cell_size(height: int, width: int) -> int:
    """Side of a cell in pixels: 4 for images up to 47 pixels, 8 up to 127, then 16; half of smaller images.

    Example:
        >>> cell_size(32, 32), cell_size(64, 64), cell_size(224, 224)
        (4, 8, 16)
    """
    side = max(height, width)
    return min(4 if side < 48 else 8 if side < 128 else 16, max(1, min(height, width) // 2))


def grid_groups(height: int, width: int, size: int | None = None, *, seed: int = 0) -> Tensor:
    """Square cells at a random offset: the group of every pixel, [H, W], numbered from 0 without gaps.

    The offset follows from the seed alone, so that a grid never lies along an object on purpose. A single pixel as a
    group would cost as many passes as there are pixels, and say little.

    Args:
        height, width: of the images, in pixels.
        size: side of a cell in pixels; None for `cell_size`.
        seed: of the offset.

    Example:
        >>> grid_groups(4, 4, 2, seed=1)
        tensor([[0, 0, 1, 1],
                [0, 0, 1, 1],
                [2, 2, 3, 3],
                [2, 2, 3, 3]])
    """
    for name, value in (("height", height), ("width", width)):
        check_whole(f"grid_groups.{name}", value, least=1)
    if size is None:
        size = cell_size(height, width)
    check_whole("grid_groups.size", size, least=1, most=min(height, width))
    down, right = torch.randint(size, (2,), generator=generator(seed, 0)).tolist()
    rows, columns = (torch.arange(height) + down) // size, (torch.arange(width) + right) // size
    cells = rows[:, None] * (int(columns[-1]) + 1) + columns[None]
    return torch.unique(cells, return_inverse=True)[1].reshape(height, width)


def leaking_groups(masks: Tensor) -> Tensor:
    """The negative control: what is looked for is itself a group, [N, H, W].

    Whatever the network, a method on these groups gives a map of two values along the edge of the answer, so that it
    scores a correlation of 1. `score_methods` takes it with `cheating=True` alone.

    Args:
        masks: true places, [N, H, W] or [N, 1, H, W].

    Example:
        >>> leaking_groups(torch.tensor([[[0, 1]]]))
        tensor([[[0, 1]]])
    """
    return checked_masks("leaking_groups", masks).long()


def leaks(groups: Tensor, masks: Tensor) -> Tensor:
    """For which images the groups follow the true place: it is, but for a tenth of its area, made of whole groups.

    Args:
        groups: [N, H, W].
        masks: true places, [N, H, W].

    Returns:
        Flags [N].

    Example:
        >>> truth = torch.tensor([[[0, 1, 1, 0]]])
        >>> leaks(truth, truth), leaks(torch.tensor([[[0, 0, 1, 1]]]), truth)
        (tensor([True]), tensor([False]))
    """
    flags = []
    for group, mask in zip(groups.flatten(1), checked_masks("leaks", masks).flatten(1).to(groups.device)):
        inside = torch.bincount(group, weights=mask.double())
        outside = torch.bincount(group) - inside
        wrong = float(torch.minimum(inside, outside).sum())
        flags.append(bool(mask.any()) and not bool(mask.all()) and wrong < LEAK * float(mask.sum()))
    return torch.tensor(flags, device=groups.device)


def checked_groups(groups: Tensor | None, images: Tensor, seed: int) -> Tensor:
    """Groups for a batch [N, C, H, W] as [N, H, W], numbered from 0 without gaps; None draws a grid.

    Raises:
        ShapeError: for groups that are no whole numbers of the size of the images.
    """
    height, width = images.shape[-2:]
    if groups is None:
        groups = grid_groups(height, width, seed=seed)
    fits = isinstance(groups, Tensor) and tuple(groups.shape) in ((height, width), (len(images), height, width))
    if not fits or groups.is_floating_point():
        met = f"{groups.dtype} of shape {list(groups.shape)}" if isinstance(groups, Tensor) else named(groups)
        allowed = f"whole numbers of shape [{height}, {width}] or [{len(images)}, {height}, {width}]"
        raise ShapeError(sentence("attribute.groups", met, allowed, "Take grid_groups(height, width, seed=0)"))
    numbered = torch.unique(groups, return_inverse=True)[1]
    return numbered.expand(len(images), height, width).to(images.device)


def checked_masks(who: str, masks: Tensor) -> Tensor:
    """True places as [N, H, W] of True and False.

    Raises:
        ShapeError: unless they are [N, H, W] or [N, 1, H, W].
    """
    if isinstance(masks, Tensor) and masks.dim() == 4 and masks.shape[1] == 1:
        masks = masks[:, 0]
    if not isinstance(masks, Tensor) or masks.dim() != 3:
        met = f"shape {list(masks.shape)}" if isinstance(masks, Tensor) else named(masks)
        raise ShapeError(sentence(f"{who}.masks", met, "masks [N, H, W] or [N, 1, H, W]"))
    return masks > 0.5
