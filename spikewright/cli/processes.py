"""Many processes of one command: the first one speaks, and an error says in which of them it was met."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from ..core.errors import ConfigError, ProcessError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SHARED = ("train", "robust", "convert", "evaluate")
"""Verbs whose work many processes share."""


@contextmanager
def first_speaks(fabric: Fabric) -> Iterator[None]:
    """Within the block nothing but errors is printed by any process but the first."""
    if fabric.is_global_zero:
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), warnings.catch_warnings():  # noqa: PTH123
        warnings.simplefilter("ignore")
        yield


def refuse_lone_verb(verb: str) -> None:
    """Raise ProcessError for many processes of a verb that would do the same work in each."""
    if number_of_processes() > 1 and verb not in SHARED:
        raise ProcessError(
            f"torchrun: got {number_of_processes()} processes of {verb}; expected one, or one of {', '.join(SHARED)}. "
            "Start it without torchrun."
        )


def tell_error(verb: str, error: Exception) -> None:
    """Print an error as one line; one that all processes meet alike is said once, any other with the process."""
    rank = int(os.environ.get("RANK", "0")) if number_of_processes() > 1 else 0
    if rank and isinstance(error, ConfigError):
        return
    where = f", process {rank}" if number_of_processes() > 1 else ""
    print(f"spikewright {verb}{where}: {error}", file=sys.stderr, flush=True)


def number_of_processes() -> int:
    """How many processes `torchrun` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1
