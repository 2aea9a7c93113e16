"""How well maps point at a place that is known: six numbers per image, with ties shared out rather than broken."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.seed import generator
from .groups import checked_masks
from .map import check_maps


def correlation(values: Tensor, masks: Tensor) -> Tensor:
    """Pearson correlation of map and mask over pixels, [N]; NaN where either is the same everywhere.

    Args:
        values: maps [N, H, W].
        masks: true places [N, H, W].

    Example:
        >>> truth = torch.tensor([[[0, 1], [0, 0]]])
        >>> correlation(-truth.float(), truth)
        tensor([-1.], dtype=torch.float64)
    """
    a, m = _flat("correlation", values, masks)
    m = m.double()
    a = a / a.abs().amax(1, keepdim=True).clamp(min=1e-300)  # maps may be tiny
    flat = (a.amax(1) == a.amin(1)) | (m.amax(1) == m.amin(1))
    a, m = a - a.mean(1, keepdim=True), m - m.mean(1, keepdim=True)
    found = (a * m).sum(1) / (a.norm(dim=1) * m.norm(dim=1))
    return found.clamp(-1, 1).masked_fill(flat, float("nan"))


def l1_distance(values: Tensor, masks: Tensor) -> Tensor:
    """Mean absolute difference of mask and map, divided by its largest size, [N]; of a blank map the mask's area.

    Example:
        >>> l1_distance(torch.zeros(1, 2, 2), torch.tensor([[[0, 1], [0, 0]]]))
        tensor([0.2500], dtype=torch.float64)
    """
    a, m = _flat("l1_distance", values, masks)
    largest = a.abs().amax(1, keepdim=True)
    return (torch.where(largest > 0, a / largest, a) - m.double()).abs().mean(1)


def pointing_game(values: Tensor, masks: Tensor) -> Tensor:
    """Whether the largest value lies in the mask, [N]; of several largest ones, the share that does.

    Source: Zhang et al. 2018, "Top-Down Neural Attention by Excitation Backprop", IJCV 126.

    Example:
        >>> pointing_game(torch.tensor([[[3.0, 3.0], [0.0, 0.0]]]), torch.tensor([[[0, 1], [0, 0]]]))
        tensor([0.5000], dtype=torch.float64)
    """
    a, m = _flat("pointing_game", values, masks)
    top = a == a.amax(1, keepdim=True)
    return (top & m).double().sum(1) / top.double().sum(1)


def overlap(values: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of the mask and as many pixels of the largest values, [N].

    Where several pixels tie for the last places, each counts with its chance of getting one.

    Example:
        >>> overlap(torch.tensor([[[3.0, 2.0], [0.0, 0.0]]]), torch.tensor([[[0, 1], [0, 1]]]))
        tensor([0.3333], dtype=torch.float64)
    """
    a, m = _flat("overlap", values, masks)
    size = m.sum(1, keepdim=True)
    ordered = a.sort(1, descending=True).values
    last = ordered.gather(1, (size - 1).clamp(min=0))
    above, tied = a > last, a == last
    chance = (size - above.sum(1, keepdim=True)).double() / tied.sum(1, keepdim=True)
    shared = ((above & m).double() + (tied & m) * chance).sum(1)
    size = size[:, 0].double()
    return (shared / (2 * size - shared)).masked_fill(size == 0, float("nan"))


def auroc(values: Tensor, masks: Tensor) -> Tensor:
    """The chance that a pixel inside has a larger value than one outside, ties half, [N]; NaN without either kind.

    It needs no threshold and does not change with what keeps the order of values.

    Example:
        >>> auroc(torch.tensor([[[3.0, 2.0], [0.0, 0.0]]]), torch.tensor([[[0, 1], [0, 0]]]))
        tensor([0.6667], dtype=torch.float64)
    """
    a, m = _flat("auroc", values, masks)
    ordered = a.sort(1).values.contiguous()
    below = torch.searchsorted(ordered, a.contiguous()).double()
    upto = torch.searchsorted(ordered, a.contiguous(), right=True).double()
    ranks = (below + upto + 1) / 2
    inside = m.double().sum(1)
    outside = a.shape[1] - inside
    return ((ranks * m).sum(1) - inside * (inside + 1) / 2) / (inside * outside)


METRICS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "correlation": lambda values, absolute, masks: correlation(values, masks),
    "correlation of sizes": lambda values, absolute, masks: correlation(absolute, masks),
    "L1": lambda values, absolute, masks: l1_distance(values, masks),
    "pointing": lambda values, absolute, masks: pointing_game(values, masks),
    "IoU": lambda values, absolute, masks: overlap(values, masks),
    "AUROC": lambda values, absolute, masks: auroc(values, masks),
    "AUROC of sizes": lambda values, absolute, masks: auroc(absolute, masks),
}
"""Name -> function of signed maps, sizes and masks, each [N, H, W], to [N]; of all but L1 more is better."""


def bootstrap(differences: Tensor, *, seed: int = 0, draws: int = 2000) -> tuple[float, float, float]:
    """Mean of paired differences and its 95 % interval, by drawing the pairs again; NaN pairs are left out.

    Args:
        differences: [N].
        seed: of the draws.
        draws: how often.

    Returns:
        Mean, lower and upper end; all NaN without a pair.

    Source: Efron 1979, "Bootstrap Methods", Annals of Statistics 7(1); percentile interval.

    Example:
        >>> bootstrap(torch.full((5,), 0.25))
        (0.25, 0.25, 0.25)
    """
    check_whole("bootstrap.draws", draws, least=1)
    if not isinstance(differences, Tensor) or differences.dim() != 1:
        raise ArgumentError(sentence("bootstrap.differences", "another shape", "differences [N]"))
    pairs = differences.double().cpu()
    pairs = pairs[~pairs.isnan()]
    if not len(pairs):
        return float("nan"), float("nan"), float("nan")
    places = torch.randint(len(pairs), (draws, len(pairs)), generator=generator(seed, 5))
    means = pairs[places].mean(1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return float(pairs.mean()), low, high


def _flat(who: str, values: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Maps [N, H*W] in double precision and masks [N, H*W]."""
    check_maps(f"{who}.values", values)
    masks = checked_masks(who, masks)
    if masks.shape != values.shape:
        met, allowed = f"masks {list(masks.shape)} for maps {list(values.shape)}", "the same shape"
        raise ShapeError(sentence(who, met, allowed))
    return values.detach().double().flatten(1), masks.to(values.device).flatten(1)
