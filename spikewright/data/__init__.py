"""Datasets, batches and augmentation: one dataset per file, each with a SPEC and a load()."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from ..core.errors import DataError, sentence
from ..core.registry import pick
from . import braille as braille
from . import cifar10 as cifar10
from . import cifar100 as cifar100
from . import dvs_gesture as dvs_gesture
from . import fashion_mnist as fashion_mnist
from . import imagenet as imagenet
from . import mnist as mnist
from . import nmnist as nmnist
from . import shd as shd
from . import ssc as ssc
from . import synthetic as synthetic
from .augment import AutoAugment as AutoAugment
from .augment import Compose as Compose
from .augment import Cutout as Cutout
from .augment import HorizontalFlip as HorizontalFlip
from .augment import RandomCrop as RandomCrop
from .augment import cifar_augment as cifar_augment
from .batches import Batches as Batches
from .event_batches import EventBatches as EventBatches
from .events import EventDataset as EventDataset
from .events import Events as Events
from .fetch import fetch_dataset as fetch_dataset
from .folder import FolderImages as FolderImages
from .folder import load_folder as load_folder
from .images import ImageDataset as ImageDataset
from .images import ImageSource as ImageSource
from .noise import NoisyPairs as NoisyPairs
from .root import data_root as data_root
from .spec import DatasetSpec as DatasetSpec
from .spec import RemoteFile as RemoteFile

DATASETS: dict[str, ModuleType] = {
    module.SPEC.name: module
    for _, module in sorted(globals().items())
    if isinstance(module, ModuleType) and isinstance(getattr(module, "SPEC", None), DatasetSpec)
}


def load_dataset(name: str, root: Path | None = None, split: str = "train") -> ImageDataset | FolderImages:
    """Load one split of a dataset of images by its name.

    Args:
        name: one of `DATASETS` that holds images, whatever the case.
        root: folder that holds datasets; None: see `data_root`.
        split: one of the splits of its SPEC.

    Raises:
        ConfigError: the name is unknown; lists those that are.
        DataError: it holds events, the split is unknown, files are missing or broken, or a label is out of range.

    Example:
        >>> len(load_dataset("synthetic", split="test"))
        200
    """
    return of_kind(name, "images").load(root, split)


def load_events(name: str, root: Path | None = None, split: str = "train") -> EventDataset:
    """Load one split of a dataset of events by its name; `EventBatches` draws frames from it.

    Args:
        name: one of `DATASETS` that holds events, whatever the case.
        root: folder that holds datasets; None: see `data_root`.
        split: one of the splits of its SPEC.

    Raises:
        ConfigError: the name is unknown; lists those that are.
        DataError: it holds images, the split is unknown, files are missing or broken, or a label is out of range.
    """
    return of_kind(name, "events").load(root, split)


def of_kind(name: str, kind: str) -> ModuleType:
    """The module of a dataset of images or of events, by its name, whatever the case.

    Raises:
        ConfigError: the name is unknown; lists those of that kind.
        DataError: it is of another kind.
    """
    known = {other: of for other, of in DATASETS.items() if of.SPEC.kind == kind}
    # the name of a set of another kind gets an error of its own, any other the names that would do
    exists = isinstance(name, str) and name.casefold() in map(str.casefold, DATASETS)
    module = pick(DATASETS if exists else known, name, "dataset")
    if module.SPEC.kind != kind:
        others = ", ".join(other for other, of in DATASETS.items() if of.SPEC.kind == kind)
        todo = f"It can be loaded with {'load_events' if kind == 'images' else 'load_dataset'}"
        raise DataError(sentence(f"dataset {module.SPEC.name}", module.SPEC.kind, f"{kind}: {others}", todo))
    return module
