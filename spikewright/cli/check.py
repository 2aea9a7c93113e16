"""spikewright check MODEL: every operation of a network, whether it converts, and what to do if not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console

from ..convert.check import check
from ..convert.recipe import Recipe
from ..convert.recipes import OPI
from ..core.config import parse
from ..experiments.network import load_network
from ..experiments.registries import REGISTRIES


@dataclass(frozen=True, kw_only=True)
class CheckRun:
    """What is checked.

    Args:
        model: embedded network, one that others trained (see `spikewright list`), weights file, run folder, or
            file.py:function.
        recipe: the conversion method.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        image: shape of one image, e.g. 3,32,32; only a network that decides on shapes needs it.
    """

    model: str
    recipe: Recipe = field(default_factory=OPI)
    data: Path | None = None
    image: tuple[int, ...] = ()


def main(argv: Sequence[str]) -> int:
    """Print the table; exit status 1 if something is not handled."""
    if argv and not argv[0].startswith("-"):
        argv = ["--model", *argv]
    config = parse(CheckRun, argv, REGISTRIES, prog="spikewright check MODEL")
    example = torch.zeros(1, *config.image) if config.image else None
    result = check(load_network(config.model, config.data).model, config.recipe, example=example)
    console = Console()
    console.print(result.table().to_rich())
    if result.convertible:
        after = " once prepare() has changed it and it is trained" if result.to_be_trained else ""
        print(f"{config.model} converts with {result.recipe}{after}.")
        return 0
    count = len(result.unhandled)
    why = f"nothing becomes a neuron. {result.no_neurons}"
    if count:
        why = f"{count} operation{'s are' if count > 1 else ' is'} not handled"
    print(f"{config.model} does not convert with {result.recipe}: {why}.")
    return 1
