"""Features that pictures have by themselves: attributes that are computed, and objects that a network finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, DataError, sentence


def hue(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in 0..1 (red 0, green 1/3, blue 2/3), saturation and value of every pixel, each [N, H, W].

    Example:
        >>> [float(part) for part in hue(torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1))]
        [0.3333333432674408, 1.0, 1.0]
    """
    red, green, blue = images.unbind(1)
    value, low = images.amax(1), images.amin(1)
    spread = value - low
    safe = spread.clamp(min=1e-8)
    angle = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    return (angle / 6) % 1, spread / value.clamp(min=1e-8), value


def hue_share(low: float, high: float) -> Callable[[Tensor], Tensor]:
    """Score of pictures: the share of vivid pixels of a hue in low..high; low above high goes round through red."""

    def score(images: Tensor) -> Tensor:
        angle, saturation, value = hue(images)
        inside = (angle >= low) & (angle <= high) if low <= high else (angle >= low) | (angle <= high)
        return (inside & (saturation > 0.35) & (value > 0.25)).float().mean((1, 2))

    return score


def darkness(images: Tensor) -> Tensor:
    """Score of pictures: one minus their mean value."""
    return 1 - images.mean((1, 2, 3))


def stripes(images: Tensor) -> Tensor:
    """Score of pictures: how much brighter or darker columns are than their neighbours, rows taken off."""
    grey = images.mean(1)
    across, along = (grey.diff(dim=2).abs().mean((1, 2)), grey.diff(dim=1).abs().mean((1, 2)))
    return across - along


def contrast(images: Tensor) -> Tensor:
    """Score of pictures: the standard deviation of their pixels."""
    return images.std((1, 2, 3))


ATTRIBUTES: dict[str, Callable[[Tensor], Tensor]] = {
    "much red": hue_share(0.95, 0.04),
    "much green": hue_share(0.22, 0.42),
    "much blue": hue_share(0.55, 0.70),
    "much yellow": hue_share(0.11, 0.18),
    "very dark": darkness,
    "very bright": lambda images: -darkness(images),
    "upright stripes": stripes,
    "lying stripes": lambda images: -stripes(images),
    "strong contrast": contrast,
}
"""Scores of attributes that can be computed exactly. They are no objects; a person would still name them."""


@dataclass(frozen=True)
class Attribute:
    """A detector: pictures whose score is at least a threshold.

    Args:
        score: pictures [N, 3, H, W] -> [N].
        threshold: least score; see `fitted`.
    """

    score: Callable[[Tensor], Tensor]
    threshold: float = float("inf")

    def __call__(self, images: Tensor) -> Tensor:
        """Pictures -> bool [N]."""
        return self.score(images) >= self.threshold

    def fitted(self, images: Tensor, share: float) -> Attribute:
        """The detector that finds this share of the given pictures.

        Raises:
            ArgumentError: for a share that is not between 0 and 1.
            DataError: if there is no picture, or all have one score.
        """
        if not 0 < share < 1:
            raise ArgumentError(sentence("Attribute.fitted.share", repr(share), "a number between 0 and 1"))
        if not len(images):
            raise DataError(sentence("Attribute.fitted", "no picture", "at least one"))
        scores = torch.cat([self.score(part) for part in images.split(1000)])
        threshold = float(torch.quantile(scores.double(), 1 - share))
        if threshold <= float(scores.min()):
            todo = "Give more pictures, or a larger share"
            met = "pictures that all have the lowest score"
            raise DataError(sentence("Attribute.fitted", met, "some that differ", todo))
        return replace(self, threshold=threshold)


@dataclass(frozen=True)
class GridDetector:
    """An object anywhere in a picture: a classifier looks at a grid of overlapping crops, its errors are kept.

    Args:
        classify: crops [N, 3, h, w] -> probabilities [N, K], of a network independent of victim and judge.
        classes: numbers of the classes that count as the object.
        threshold: least probability of these classes in one crop.
        grid: crops in each direction, each half as wide as the picture.
    """

    classify: Callable[[Tensor], Tensor]
    classes: tuple[int, ...]
    threshold: float = 0.5
    grid: int = 3

    def __post_init__(self) -> None:
        check_whole("GridDetector.grid", self.grid, least=1)
        if not self.classes:
            raise ArgumentError(sentence("GridDetector.classes", "none", "at least one class"))

    def __call__(self, images: Tensor) -> Tensor:
        """Pictures -> bool [N]."""
        return self.scores(images) >= self.threshold

    @torch.no_grad()
    def scores(self, images: Tensor) -> Tensor:
        """The largest probability over all crops, [N]."""
        height, width = images.shape[-2:]
        h, w = max(height // 2, 1), max(width // 2, 1)
        found = [
            self.classify(images[..., top : top + h, left : left + w])[:, list(self.classes)].sum(1)
            for top in _starts(height, h, self.grid)
            for left in _starts(width, w, self.grid)
        ]
        return torch.stack(found).amax(0)


def _starts(whole: int, part: int, count: int) -> list[int]:
    return [round(at * (whole - part) / max(count - 1, 1)) for at in range(count)]
