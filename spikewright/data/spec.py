"""What a dataset is: shape, classes, splits, files with checksums, licence and citation."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from ..core.errors import ArgumentError, sentence

DIGEST_LENGTH = {"md5": 32, "sha256": 64}


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a dataset on the network, with the checksum that its copy must have.

    Args:
        url: where the file lies; http, https or file.
        size: length in bytes, or None where the source does not state it.
        sha256: checksum in lower-case hexadecimal digits; preferred where known.
        md5: the older checksum that many sources publish; used where there is no sha256.

    Raises:
        ArgumentError: there is no checksum, a malformed one, or a url without a file name.

    Example:
        >>> RemoteFile(url="https://example.org/a/train.gz", md5="0" * 32).name
        'train.gz'
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ArgumentError(sentence("RemoteFile.url", repr(self.url), "an address that ends in a file name"))
        if self.sha256 is None and self.md5 is None:
            todo = "A file without a checksum cannot be trusted"
            raise ArgumentError(sentence(f"RemoteFile {self.name}", "no checksum", "a sha256 or an md5", todo))
        for kind, digest in (("sha256", self.sha256), ("md5", self.md5)):
            if digest is not None and not _is_digest(digest, DIGEST_LENGTH[kind]):
                allowed = f"{DIGEST_LENGTH[kind]} lower-case hexadecimal digits"
                raise ArgumentError(sentence(f"RemoteFile {self.name}.{kind}", repr(digest), allowed))

    @property
    def name(self) -> str:
        """The file name at the end of the url."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def checksum(self) -> tuple[str, str]:
        """The algorithm and the digest to verify: sha256 where there is one, otherwise md5."""
        return ("sha256", self.sha256) if self.sha256 is not None else ("md5", self.md5 or "")


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """Everything about a dataset that is known before a file is opened.

    Args:
        name: name in the registry and on the command line.
        kind: "images" for [C, H, W] in [0, 1], "events" for lists of events.
        shape: shape of one sample without time and batch.
        classes: names of the classes; their position is the label.
        splits: official number of samples of each split; 0 where it depends on the copy.
        evaluation_split: the split that accuracy is reported on.
        mean: mean of each channel over the training split, in [0, 1]; empty if not stated.
        std: standard deviation of each channel over the training split; empty if not stated.
        files: the official files with their checksums; empty if the data must be made or asked for.
        licence: licence of the data, or the sentence that none is stated.
        citation: who to cite.
        source: the page of the authors.

    Raises:
        ArgumentError: no class, a class twice, no evaluation split, or mean and std that do not fit the
            channels.

    Example:
        >>> spec = DatasetSpec(
        ...     name="toy", kind="images", shape=(1, 8, 8), classes=("a", "b"), splits={"test": 4}
        ... )
        >>> spec.classes.index("b")
        1
    """

    name: str
    kind: Literal["images", "events"]
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    evaluation_split: str = "test"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    files: tuple[RemoteFile, ...] = field(default=())
    licence: str = "none stated"
    citation: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        who = f"DatasetSpec {self.name}"
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ArgumentError(sentence(f"{who}.classes", f"{self.classes!r}", "at least one name, each once"))
        if self.evaluation_split not in self.splits:
            met = f"no {self.evaluation_split!r} in {list(self.splits)}"
            raise ArgumentError(sentence(f"{who}.splits", met, "the evaluation split among them"))
        for label, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != self.shape[0]:
                allowed = f"{self.shape[0]}, one per channel, or none"
                raise ArgumentError(sentence(f"{who}.{label}", f"{len(values)} numbers", allowed))


def _is_digest(text: str, length: int) -> bool:
    return len(text) == length and set(text) <= set(string.hexdigits.lower())
