"""Images in class folders, decoded only when a batch is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.errors import ArgumentError, DataError, sentence
from .images import check_labels, pick_places, to_float
from .packed import channels_first

SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".ppm", ".webp")
View = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class ResizeCentreCrop:
    """Resize the short side, then cut the centre: the usual view of an ImageNet validation image.

    Args:
        resize: length of the short side after resizing, pixels.
        crop: side of the square that is cut, pixels; at most `resize`.

    Raises:
        ArgumentError: crop below 1 or above resize.

    Source: the evaluation of torchvision's reference networks: Resize(256), bilinear, and CenterCrop(224).
    Example:
        >>> ResizeCentreCrop(8, 6)(Image.new("RGB", (20, 10))).size
        (6, 6)
    """

    resize: int = 256
    crop: int = 224

    def __post_init__(self) -> None:
        if not 1 <= self.crop <= self.resize:
            met = f"crop {self.crop} of resize {self.resize}"
            raise ArgumentError(sentence("ResizeCentreCrop", met, "1 <= crop <= resize"))

    def __call__(self, image: Image.Image) -> Image.Image:
        """The view of one image: crop x crop pixels."""
        width, height = image.size
        short = min(width, height)
        # The long side is cut to whole pixels, not rounded, as in torchvision.
        size = (int(self.resize * width / short), int(self.resize * height / short))
        left, top = (round((side - self.crop) / 2) for side in size)
        resized = image.resize(size, Image.Resampling.BILINEAR) if size != image.size else image
        return resized.crop((left, top, left + self.crop, top + self.crop))


@dataclass(frozen=True, eq=False)
class FolderImages:
    """Labelled image files, decoded by `gather`; float in [0, 1], all of one size after `view`.

    Args:
        paths: the files.
        labels: int64, [N], each a position in `classes`.
        classes: names of the classes.
        view: what brings every image to the same size.
        note: in words, where this copy differs from the official split; empty if it does not.
        threads: threads that decode one batch.

    Raises:
        DataError: no file, or a label outside the classes.
    """

    paths: tuple[Path, ...]
    labels: Tensor
    classes: tuple[str, ...]
    view: View = ResizeCentreCrop()
    note: str = ""
    threads: int = 4

    def __post_init__(self) -> None:
        if not self.paths:
            raise DataError(sentence("FolderImages.paths", "no image", "at least one"))
        check_labels("FolderImages.labels", self.labels, len(self.paths), len(self.classes))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        """One image [C, H, W], float in [0, 1], and its label."""
        x, y = self.gather(torch.tensor([place]))
        return x[0], int(y[0])

    def gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W], float in [0, 1], and labels [N] at the given places.

        Raises:
            DataError: a file is missing or broken, or the view leaves two sizes.
        """
        paths = [self.paths[place] for place in indices.tolist()]
        with ThreadPoolExecutor(self.threads) as pool:
            pixels = list(pool.map(lambda path: read_view(path, self.view), paths))
        sizes = sorted({image.shape for image in pixels})
        if len(sizes) > 1:
            met = f"images of the sizes {sizes}"
            raise DataError(sentence("FolderImages.view", met, "a view that gives one size"))
        return to_float(channels_first(np.stack(pixels))), self.labels[indices]

    def subset(self, indices: int | Sequence[int] | Tensor) -> FolderImages:
        """A smaller dataset: the first `indices` images if it is a number, else the images at these places.

        Raises:
            DataError: no image is left, or a place is outside the dataset.
        """
        places = pick_places("FolderImages.subset", indices, len(self))
        paths = tuple(self.paths[place] for place in places.tolist())
        return replace(self, paths=paths, labels=self.labels[places])


def read_view(path: Path, view: View) -> np.ndarray:
    """Decode one file to RGB and take its view: uint8 [H, W, 3].

    Raises:
        DataError: the file is missing or no whole image.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(view(image.convert("RGB")))
    except (OSError, SyntaxError, ValueError) as error:
        met = f"an image that cannot be decoded ({error})"
        raise DataError(sentence(str(path), met, "a whole image", "Get the file again or remove it")) from error


def list_folder(folder: Path, order: Sequence[str] | None = None) -> tuple[tuple[Path, ...], Tensor, tuple[str, ...]]:
    """The images of a folder that holds one folder per class.

    Args:
        folder: its folders are the classes, the files in them the images.
        order: names of all class folders in the order of the labels; None: the folders found, sorted.

    Returns:
        The files, class by class and sorted by name; their labels, int64 [N]; the names of the class folders.

    Raises:
        DataError: there is no class folder, one is not in `order`, or there is no image.
    """
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    names = tuple(found if order is None else order)
    unknown = sorted(set(found) - set(names))
    if not found or unknown:
        met = f"class folders that are not known, such as {unknown[0]!r}" if unknown else "no class folder"
        raise DataError(sentence(str(folder), met, f"one folder per class, such as {(*names, 'cat')[0]!r}"))
    label = {name: place for place, name in enumerate(names)}
    files = [
        (path, label[name])
        for name in found
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in SUFFIXES
    ]
    if not files:
        raise DataError(sentence(str(folder), "class folders without images", f"files {', '.join(SUFFIXES)}"))
    paths, labels = zip(*files, strict=True)
    return paths, torch.tensor(labels), names


def load_folder(folder: str | Path, view: View = ResizeCentreCrop()) -> FolderImages:
    """Load images of one's own from a folder that holds one folder per class.

    Args:
        folder: its folders are the classes, in sorted order.
        view: what brings every image to the same size.

    Raises:
        DataError: there is no such folder, no class in it, or no image.
    """
    if not isinstance(folder, str | Path):
        raise DataError(sentence("load_folder", type(folder).__name__, "the path of a folder"))
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(sentence("load_folder", f"no folder {folder}", "a folder that holds one folder per class"))
    return FolderImages(*list_folder(folder), view)
