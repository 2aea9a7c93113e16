"""Description: what the JSON beside a weights file says: checksum, pixel scaling, source, licence, accuracy, graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from ...core.errors import CheckpointError, DataError, sentence
from ...data.root import VARIABLE, data_root
from ..normalize import Normalize
from .operations import Operation, read_operations

FOLDER = "weights"
"""Where they lie below the folder of the data sets: `<name>.json` and the file that it names."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """A network that others have trained.

    Args:
        name: its name.
        file: name of the weights file beside the description.
        sha256: checksum of that file.
        scale: what a pixel of 0..255 is multiplied with, before mean and std.
        mean, std: one number per channel.
        source: where the weights come from.
        licence: what is stated of it.
        accuracy: images -> share of them that the stored weights classify correctly, as measured by who stored them.
        graph: the network as a list of operations; empty where a model of this package is meant.
        data: the whole JSON.
    """

    name: str
    file: str
    sha256: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    licence: str
    accuracy: Mapping[str, float]
    graph: tuple[Operation, ...]
    data: Mapping[str, Any]

    def normalize(self) -> Normalize:
        """The pixel scaling for images in [0, 1]: (255 scale x - mean) / std, with 255 scale inside mean and std."""
        mean, std = self.in_unit_pixels
        return Normalize(mean, std)

    @property
    def in_unit_pixels(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std for pixels in [0, 1]."""
        whole = 255 * self.scale
        return tuple(m / whole for m in self.mean), tuple(s / whole for s in self.std)


def folder_of(root: Path | None = None) -> Path:
    """The folder `weights` below the folder of the data sets.

    Raises:
        DataError: if the folder of the data sets was named and does not exist.
    """
    return data_root(root) / FOLDER


def described(root: Path | None = None) -> list[str]:
    """Names of the networks that the user has; none if there is no such folder."""
    try:
        return sorted(path.stem for path in folder_of(root).glob("*.json"))
    except DataError:
        return []


def describe(name: str, root: Path | None = None) -> Description:
    """The description of a network.

    Args:
        name: its name, one of `described()`.
        root: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.

    Raises:
        DataError: if the folder of the data sets was named and does not exist.
        CheckpointError: if there is no such network, or its description is broken.
    """
    folder, names = folder_of(root), described(root)
    if name not in names:
        met = f"{name!r}, of which {folder} knows nothing" if folder.is_dir() else f"{name!r}, and no folder {folder}"
        allowed = f"one of {', '.join(names)}" if names else f"{name}.json in that folder"
        todo = f"Name the folder that holds {FOLDER}/ with --data or {VARIABLE}"
        raise CheckpointError(sentence("pretrained", met, allowed, todo))
    path = folder / f"{name}.json"
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(sentence(f"description {path}", f"no readable JSON ({error})", "an object")) from error
    description = read_description(data, f"description {path}")
    if description.name != name:
        raise CheckpointError(sentence(f"description {path}", f"the name {description.name!r}", repr(name)))
    return description


def read_description(data: Any, who: str) -> Description:
    """Check a description.

    Args:
        data: from JSON.
        who: what to call it in an error.

    Raises:
        CheckpointError: names the first field that is missing or not as it should be.
    """
    if not isinstance(data, Mapping):
        raise CheckpointError(sentence(who, f"{type(data).__name__}", "an object"))
    texts = {name: _text(data, name, who) for name in ("name", "file", "sha256", "source", "licence")}
    if Path(texts["file"]).name != texts["file"]:
        raise CheckpointError(sentence(f"{who}, file", repr(texts["file"]), "the name of a file beside it"))
    return Description(
        **texts,
        **_scaling(data.get("normalise"), f"{who}, normalise"),
        accuracy=_accuracy(data.get("measured")),
        graph=read_operations(data["graph"], who) if "graph" in data else (),
        data=data,
    )


def _text(data: Mapping[str, Any], name: str, who: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise CheckpointError(sentence(f"{who}, {name}", repr(value), "text"))
    return value


def _scaling(given: Any, who: str) -> dict[str, Any]:
    found = given if isinstance(given, Mapping) else {}
    scale, mean, std = found.get("scale"), _numbers(found.get("mean")), _numbers(found.get("std"))
    if not _is_number(scale) or scale <= 0 or len(mean) != len(std) or not std or min(std) <= 0:
        allowed = "scale above 0, and mean and std (above 0) with one number per channel"
        raise CheckpointError(sentence(who, repr(given), allowed))
    return {"scale": float(scale), "mean": mean, "std": std}


def _numbers(given: Any) -> tuple[float, ...]:
    """A list of numbers as floats; empty if it is anything else."""
    right = isinstance(given, list) and all(map(_is_number, given))
    return tuple(map(float, given)) if right else ()


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _accuracy(measured: Any) -> dict[str, float]:
    rows = measured.items() if isinstance(measured, Mapping) else ()
    return {
        str(images): row["top1"] for images, row in rows if isinstance(row, Mapping) and _is_number(row.get("top1"))
    }
