"""The CIFAR binary format: label bytes, then 3,072 pixel bytes, record after record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError, sentence

PIXELS = 3 * 32 * 32


def read_binary(paths: Sequence[Path], label_bytes: int, label_place: int) -> tuple[Tensor, Tensor]:
    """Read CIFAR binary files; nothing is ever unpickled.

    Args:
        paths: the files, in the order in which their images follow each other.
        label_bytes: label bytes before each image: 1 in CIFAR-10, 2 (coarse, fine) in CIFAR-100.
        label_place: which of them is the label.

    Returns:
        Images, uint8 [N, 3, 32, 32], and labels, int64 [N].

    Raises:
        DataError: a file is empty or not a whole number of records.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
    """
    record = label_bytes + PIXELS
    parts = []
    for path in paths:
        content = np.fromfile(path, np.uint8)
        if len(content) == 0 or len(content) % record:
            met, todo = f"{len(content)} bytes", "The file is truncated or of another format: get it again"
            raise DataError(sentence(str(path), met, f"a whole number of records of {record} bytes", todo))
        parts.append(content.reshape(-1, record))
    records = np.concatenate(parts)
    images = np.ascontiguousarray(records[:, label_bytes:]).reshape(-1, 3, 32, 32)
    return torch.from_numpy(images), torch.from_numpy(records[:, label_place].astype(np.int64))
