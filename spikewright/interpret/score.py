"""score_methods(): attribution methods on images whose answer is known to be due to a known place."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from ..core.arguments import check_switch, named
from ..core.errors import ArgumentError, ShapeError, sentence
from .attribute import attribute, checked_method
from .baselines import BASELINES, baseline_map
from .groups import checked_groups, checked_masks, leaks
from .map import Map
from .method import Method
from .methods import METHODS, Occlusion
from .metrics import METRICS
from .scores import ORACLE, AttributionScores, Scored


def score_methods(
    classifier: nn.Module,
    images: Tensor,
    masks: Tensor,
    targets: Tensor,
    methods: Iterable[Method | str] | None = None,
    seed: int = 0,
    *,
    baseline: float | Tensor = 0.0,
    groups: Tensor | None = None,
    cheating: bool = False,
    rows: int = 512,
) -> AttributionScores:
    """Score methods, and with them an edge detector and other maps that know nothing of the network.

    Args:
        classifier, images, targets, seed, baseline, rows: as for `attribute`.
        masks: the true places, [N, H, W] or [N, 1, H, W].
        methods: methods or names of them; None for all.
        groups: pixels that are changed together, as for `attribute`; None for a grid at a random offset.
        cheating: take groups that follow the true places all the same, as a negative control; every table says so.

    Raises:
        ArgumentError: if groups follow the true places and `cheating` is not said, or two methods are the same.
        ShapeError: if a tensor has another shape.
    """
    chosen = [checked_method(one) for one in _listed(methods)]
    check_switch("score_methods.cheating", cheating)
    places = _places(masks, images)
    if groups is not None and not cheating:
        _check_honest(checked_groups(groups, images, seed), places)
    named_maps: list[tuple[str, Map]] = []
    for method in chosen:
        found = attribute(
            classifier, images, targets, method, baseline=baseline, seed=seed, groups=groups, rows=rows
        )  # fmt: skip
        named_maps.append((method.label, found))
    named_maps += [(name, baseline_map(name, images, seed)) for name in BASELINES]
    oracle = attribute(classifier, images, targets, oracle_occlusion(places), baseline=baseline, seed=seed, rows=rows)
    named_maps.append((ORACLE, oracle))
    scored = tuple(_scored(name, found, places) for name, found in named_maps)
    return AttributionScores(rows=scored, images=len(images), seed=seed, cheating=cheating)


def oracle_occlusion(masks: Tensor) -> Occlusion:
    """Occlusion by a window as large as the true places are on average, half a window from one to the next.

    Args:
        masks: [N, H, W].

    Example:
        >>> import torch
        >>> oracle_occlusion(torch.tensor([[[0, 1, 1], [0, 1, 1], [0, 0, 0]]])).window
        2
    """
    sides = [
        max(int(flags.sum()) for flags in (mask.any(0), mask.any(1)))
        for mask in checked_masks("oracle_occlusion", masks)
    ]
    window = max(1, round(sum(sides) / max(len(sides), 1)))
    window = min(window, *masks.shape[-2:])
    return Occlusion(window=window, stride=max(1, window // 2))


def _listed(methods: Iterable[Method | str] | None) -> list[Method | str]:
    if methods is None:
        return list(METHODS)
    if isinstance(methods, str | Method) or not isinstance(methods, Iterable):
        allowed = "a list of methods or of their names"
        raise ArgumentError(sentence("score_methods.methods", named(methods), allowed))
    return list(methods)


def _places(masks: Tensor, images: Tensor) -> Tensor:
    places = checked_masks("score_methods", masks)
    if tuple(places.shape) != (len(images), *images.shape[-2:]):
        met, allowed = f"masks {list(places.shape)} for images {list(images.shape)}", "one of their size for each"
        raise ShapeError(sentence("score_methods.masks", met, allowed))
    area = places.flatten(1).double().mean(1)
    if bool(((area == 0) | (area == 1)).any()):
        raise ArgumentError(sentence("score_methods.masks", "an empty or a full mask", "a place in the image"))
    return places.to(images.device)


def _check_honest(groups: Tensor, places: Tensor) -> None:
    count = int(leaks(groups, places).sum())
    if count:
        met = f"groups that follow the true place in {count} of {len(places)} images"
        todo = "Such groups score a correlation of 1 by construction; as a negative control say cheating=True"
        raise ArgumentError(sentence("score_methods.groups", met, "groups that know nothing of it", todo))


def _scored(name: str, found: Map, places: Tensor) -> Scored:
    if not found.usable:
        return Scored(name=name, found=found)
    values, absolute = found.values, found.absolute
    numbers = {metric: function(values, absolute, places) for metric, function in METRICS.items()}
    return Scored(name=name, found=found, numbers={metric: each.cpu() for metric, each in numbers.items()})
