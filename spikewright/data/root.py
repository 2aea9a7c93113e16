"""Where datasets lie on this machine, and the error when one is not there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import DataError, sentence
from .spec import DatasetSpec

VARIABLE = "SPIKEWRIGHT_DATA"
DEFAULT = "~/.cache/spikewright"


def data_root(root: Path | str | None = None) -> Path:
    """The folder that holds datasets: `root`, else the variable SPIKEWRIGHT_DATA, else ~/.cache/spikewright.

    Raises:
        DataError: a folder was named, by argument or variable, and does not exist.

    Example:
        >>> data_root(".") == Path(".")
        True
    """
    named, by = (root, "the data folder") if root is not None else (os.environ.get(VARIABLE), VARIABLE)
    if not named:
        return Path(DEFAULT).expanduser()
    path = Path(named).expanduser()
    if not path.is_dir():
        raise DataError(sentence(by, repr(str(path)), "a folder that exists", "Create it or name another"))
    return path


def missing(spec: DatasetSpec, split: str, root: Path, wanted: Sequence[str]) -> DataError:
    """The error that says which files of a dataset were looked for, where, and how to get them.

    Args:
        spec: the dataset.
        split: the split that was asked for.
        root: the folder that was searched.
        wanted: alternatives, each in words or as a path below `root`.
    """
    todo = f"Name the folder that holds them with --data or {VARIABLE}"
    if spec.files:
        todo += f", or where there is a network call spikewright.data.fetch.fetch_dataset (from {spec.source})"
    met = f"nothing of {' and nothing of '.join(wanted)}"
    return DataError(sentence(f"dataset {spec.name}, split {split}", f"{met} in {root}", "one of them", todo))


def check_split(spec: DatasetSpec, split: str) -> None:
    """Refuse a split that the dataset does not have.

    Raises:
        DataError: names the splits that there are.
    """
    if split not in spec.splits:
        raise DataError(sentence(f"dataset {spec.name}", f"split {split!r}", " or ".join(spec.splits)))


def size_note(spec: DatasetSpec, split: str, n: int) -> str:
    """The note of a copy that is smaller or larger than the official split; empty if it is not.

    Args:
        spec: the dataset.
        split: the split that was asked for.
        n: how many images or recordings of it there are.

    Example:
        >>> spec = DatasetSpec(name="toy", kind="images", shape=(1, 2, 2), classes=("a",), splits={"test": 9})
        >>> size_note(spec, "test", 8)
        'toy test: 8 of the 9 official images'
    """
    official = spec.splits[split]
    noun = "images" if spec.kind == "images" else "recordings"
    return "" if n == official else f"{spec.name} {split}: {n} of the {official} official {noun}"
