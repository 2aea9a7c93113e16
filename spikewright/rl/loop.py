"""train(): an actor on a task; train_together(): several seeds at once. A stopped run goes on to equal numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..core.arguments import named
from ..core.device import usable
from ..core.errors import ArgumentError, sentence
from .algorithm import Algorithm
from .drive import drive
from .loop_config import LoopConfig
from .training import Training

CHECKPOINT = "checkpoint.safetensors"


def train(
    task: str,
    actor: Callable[[Any], nn.Module],
    algorithm: Algorithm,
    config: LoopConfig,
    *,
    folder: Path | None = None,
    log: Callable[..., None] = lambda **numbers: None,
    minutes: float = float("inf"),
    device: str | torch.device = "cpu",
) -> Training:
    """Train an actor on a task of Gymnasium; a run that finds its checkpoint in `folder` goes on from there.

    On a CUDA device updates are recorded; what is drawn is the same as on the CPU, and a checkpoint goes on anywhere.

    Args:
        task: id of the environment.
        actor: makes the actor for a `Space`.
        algorithm: how it learns.
        config: the numbers of the run.
        folder: where `checkpoint.safetensors` is kept; None to keep none.
        log: called with named numbers at each judgement.
        minutes: stop past this time, with a checkpoint written, to go on later.
        device: where networks and transitions are: cpu or cuda.

    Raises:
        ArgumentError: for a task that is unknown or whose actions have no bounds, an actor that does not fit it, or a
            device that there is not.
        DataError: if the actor gives actions that are not finite, as after a training that diverged.
        CheckpointError: if the folder's checkpoint is that of another run.
    """
    where = usable(device, "train")
    _check_values("train", algorithm, [config])
    path = None if folder is None else Path(folder) / CHECKPOINT
    training = _begun(task, actor, algorithm, config, where, path)
    drive([training], [path], [log], time.monotonic() + 60 * minutes)
    return training


def train_together(
    task: str,
    actor: Callable[[Any], nn.Module],
    algorithm: Algorithm,
    configs: Sequence[LoopConfig],
    *,
    folders: Sequence[Path | None] | None = None,
    log: Callable[..., None] = lambda **numbers: None,
    minutes: float = float("inf"),
    device: str | torch.device = "cpu",
) -> list[Training]:
    """Train several seeds in one process, step by step side by side; each is what `train` alone would make of it.

    On a CUDA device one recorded graph holds the updates of all of them as parallel branches: small networks leave
    most of a GPU idle, so that several take little longer than one.

    Args:
        task, actor, algorithm, minutes, device: as for `train`.
        configs: of each run; they differ in the seed alone.
        folders: of each run, where its checkpoint is kept and found, or None; none by default.
        log: called with `seed` and the named numbers at each judgement.

    Raises:
        ArgumentError: as `train`, and for configs that differ in more than the seed, share one, or have other folders.
        CheckpointError: if a folder's checkpoint is that of another run.
    """
    where = usable(device, "train_together")
    _check_values("train_together", algorithm, configs)
    folders = [None] * len(configs) if folders is None else folders
    _check_together(configs, folders)
    paths = [None if folder is None else Path(folder) / CHECKPOINT for folder in folders]
    trainings = [_begun(task, actor, algorithm, config, where, path) for config, path in zip(configs, paths)]
    logs = [partial(log, seed=config.seed) for config in configs]
    drive(trainings, paths, logs, time.monotonic() + 60 * minutes)
    return trainings


def _check_values(who: str, algorithm: object, configs: Sequence[object]) -> None:
    if not isinstance(algorithm, Algorithm):
        raise ArgumentError(sentence(f"{who}.algorithm", named(algorithm), "an algorithm, e.g. TD3()"))
    for config in configs:
        if not isinstance(config, LoopConfig):
            raise ArgumentError(sentence(f"{who}.config", named(config), "a LoopConfig"))


def _check_together(configs: Sequence[LoopConfig], folders: Sequence[Path | None]) -> None:
    who, kept = "train_together", [folder for folder in folders if folder is not None]
    if not configs or len({config.seed for config in configs}) < len(configs):
        met = f"seeds {', '.join(str(config.seed) for config in configs) or 'of no run'}"
        raise ArgumentError(sentence(f"{who}.configs", met, "one run or more, each with a seed of its own"))
    if any(replace(config, seed=0) != replace(configs[0], seed=0) for config in configs):
        raise ArgumentError(sentence(f"{who}.configs", "different settings", "configs that differ in the seed alone"))
    if len(folders) != len(configs) or len({Path(folder).resolve() for folder in kept}) < len(kept):
        met = f"{len(folders)} folders for {len(configs)} runs: {', '.join(map(str, folders))}"
        raise ArgumentError(sentence(f"{who}.folders", met, "a folder of its own for each run"))


def _begun(
    task: str,
    actor: Callable[[Any], nn.Module],
    algorithm: Algorithm,
    config: LoopConfig,
    device: torch.device,
    path: Path | None,
) -> Training:
    torch.manual_seed(config.seed)
    training = Training(task, actor, algorithm, config, device)
    if path is not None and path.is_file():
        training.restore(path)
    return training
