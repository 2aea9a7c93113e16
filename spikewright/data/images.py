"""ImageDataset: labelled images in memory, as bytes until a batch is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ..core.errors import DataError, ShapeError, sentence


class ImageSource(Protocol):
    """Anything that batches can be drawn from: a length, class names, and `gather`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; their position is the label."""
        ...

    def __len__(self) -> int: ...

    def gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W], float in [0, 1], and labels [N], int64, at the given places."""
        ...


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images held in memory as uint8, given out as float in [0, 1].

    Args:
        images: uint8, [N, C, H, W].
        labels: int64, [N], each a position in `classes`.
        classes: names of the classes.
        note: in words, where this copy differs from the official split; empty if it does not.
        index: int64, [N]: place of each image in the official split, or None where that is 0..N-1.

    Raises:
        DataError: no image, a wrong shape or dtype, or a label outside the classes.

    Example:
        >>> images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
        >>> data = ImageDataset(images, torch.tensor([0, 1]), ("cat", "dog"))
        >>> len(data), data[1][1], data.subset(1).labels.tolist()
        (2, 1, [0])
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    note: str = ""
    index: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("images", "labels"):
            if not isinstance(getattr(self, name), Tensor):
                met, todo = type(getattr(self, name)).__name__, "Convert it, e.g. torch.as_tensor(array)"
                raise DataError(sentence(f"ImageDataset.{name}", met, "a tensor", todo))
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            met = f"{self.images.dtype} of shape {list(self.images.shape)}"
            raise DataError(sentence("ImageDataset.images", met, "torch.uint8 of shape [N, C, H, W]"))
        n = len(self.images)
        if n == 0:
            raise DataError(sentence("ImageDataset.images", "no image", "at least one"))
        check_labels("ImageDataset.labels", self.labels, n, len(self.classes))
        if self.index is not None and (self.index.shape != (n,) or self.index.dtype != torch.int64):
            met = f"{self.index.dtype} of shape {list(self.index.shape)}"
            raise DataError(sentence("ImageDataset.index", met, f"torch.int64 of shape [{n}]"))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        """One image [C, H, W], float in [0, 1], and its label."""
        return to_float(self.images[place]), int(self.labels[place])

    def gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W], float in [0, 1], and labels [N] at the given places."""
        return to_float(self.images[indices]), self.labels[indices]

    def subset(self, indices: int | Sequence[int] | Tensor) -> ImageDataset:
        """A smaller dataset: the first `indices` images if it is a number, else the images at these places.

        Raises:
            DataError: no image is left, or a place is outside the dataset.
        """
        places = pick_places("ImageDataset.subset", indices, len(self))
        index = places if self.index is None else self.index[places]
        return replace(self, images=self.images[places], labels=self.labels[places], index=index)


def to_float(images: Tensor) -> Tensor:
    """Bytes 0..255 as float32 in [0, 1].

    Example:
        >>> to_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
        tensor([0.0000, 0.2000, 1.0000])
    """
    return images.to(torch.float32).div_(255)


def pick_places(who: str, indices: int | Sequence[int] | Tensor, n: int, noun: str = "images") -> Tensor:
    """Places in a dataset of n images (or what `noun` says), int64: the first `indices` of them, or those listed.

    Raises:
        DataError: no place, or one outside 0..n-1.

    Example:
        >>> pick_places("x", 2, 5).tolist(), pick_places("x", [4, 0], 5).tolist()
        ([0, 1], [4, 0])
    """
    if isinstance(indices, int):
        if not 1 <= indices <= n:
            raise DataError(sentence(who, f"the first {indices} {noun}", f"1..{n} {noun}"))
        return torch.arange(indices)
    places = torch.as_tensor(indices, dtype=torch.int64)
    if places.numel() == 0:
        raise DataError(sentence(who, "no place", "at least one"))
    low, high = int(places.min()), int(places.max())
    if low < 0 or high >= n:
        raise DataError(sentence(who, f"places {low}..{high}", f"places in 0..{n - 1}"))
    return places


def check_labels(who: str, labels: Tensor, n: int, classes: int, noun: str = "image") -> None:
    """Refuse labels that are not int64 [n] within 0..classes-1, of n images or what `noun` says.

    Raises:
        DataError: names the wrong shape or dtype, or the first label out of range and where it is.
    """
    if not isinstance(labels, Tensor):
        allowed = f"a tensor, torch.int64 of shape [{n}], one label per {noun}"
        raise DataError(sentence(who, type(labels).__name__, allowed, "Make one: torch.tensor(labels)"))
    if labels.dtype != torch.int64 or labels.shape != (n,):
        met = f"{labels.dtype} of shape {list(labels.shape)}"
        raise DataError(sentence(who, met, f"torch.int64 of shape [{n}], one label per {noun}"))
    wrong = ((labels < 0) | (labels >= classes)).nonzero().flatten()
    if len(wrong):
        place = int(wrong[0])
        met = f"label {int(labels[place])} at {noun} {place} ({len(wrong)} labels out of range)"
        raise DataError(sentence(who, met, f"0..{classes - 1}", "The file may be broken or of another dataset"))


def image_shape(who: str, x: Tensor) -> tuple[int, int, int, int]:
    """Shape of a batch of images [N, C, H, W].

    Raises:
        ShapeError: x is no float tensor of four axes.
    """
    if x.ndim != 4 or not x.is_floating_point():
        met = f"{x.dtype} of shape {list(x.shape)}"
        raise ShapeError(sentence(who, met, "float images of shape [N, C, H, W]"))
    n, c, h, w = x.shape
    return n, c, h, w
