"""Progress: where a training stands, kept in a checkpoint with all that it takes to go on to the same bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import CheckpointError
from ..core.fill import fill
from ..core.processes import Processes, of_each, together
from ..models.checkpoint import load, save

OLDER = {"accumulate": 1}
"""What a checkpoint means that does not hold a number of a config, as it was written before there was one."""


@dataclass
class Progress:
    """Where a run stands: enough, with weights and optimiser, to go on as if it had never stopped."""

    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


def keep_progress(
    path: Path,
    identity: dict[str, Any],
    model: nn.Module,
    ema: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    processes: Processes,
) -> None:
    """Write everything that a later `resume` needs; all processes give their random state, the first one writes."""
    random = _random_states(processes)
    if processes.global_rank:
        return
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in model.state_dict().items()}
    if ema is not None:
        tensors |= {f"ema.{name}": value for name, value in ema.state_dict().items()}
    numbers = {}
    for index, parts in state["state"].items():
        for name, value in parts.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            elif value is not None:
                numbers[f"{index}.{name}"] = value
    save(path, tensors | random, {"config": identity, "progress": vars(progress), "optimizer": numbers})


def resume(
    path: Path,
    identity: dict[str, Any],
    model: nn.Module,
    ema: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    processes: Processes,
) -> Progress | None:
    """Fill model, average, optimiser and random state from a checkpoint and return where the run stood.

    Returns:
        None if there is no checkpoint.

    Raises:
        CheckpointError: if it belongs to another run, or only some of the processes see it.
    """
    seen = int(together(torch.tensor(int(path.exists())), processes))
    if not seen:
        return None
    if seen < processes.world_size:
        raise CheckpointError(
            f"checkpoint {path}: only {seen} of {processes.world_size} processes see it; expected all of them. Put the "
            "run folder where all machines can read it."
        )
    tensors, description = load(path)
    try:
        saved, numbers = description["config"], description["optimizer"]
        progress, random = Progress(**description["progress"]), tensors.pop("random")
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint {path}: holds no training state ({error}). Start anew in an empty folder."
        ) from error
    saved = OLDER | {"batches per epoch": identity["batches per epoch"]} | saved  # older checkpoints do not hold it
    differing = [name for name, value in identity.items() if saved.get(name) != value]
    if differing:
        raise CheckpointError(
            f"checkpoint {path}: was written with another {' and '.join(differing)}; expected the same config and "
            "data. Use the run's own, or an empty folder to start anew."
        )

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    fill(model, part("model."), f"checkpoint {path}")
    if ema is not None:
        fill(ema, part("ema."), f"checkpoint {path}")
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*part("optimizer.").items(), *numbers.items()]:
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    _set_random_states({"random": random} | part("random."), processes)
    return progress


def _random_states(processes: Processes) -> dict[str, Tensor]:
    """The states of the generators that torch's own layers draw from: of each process, and of its GPU."""
    states = of_each(torch.get_rng_state(), processes)
    named = {_of(rank): state for rank, state in enumerate(states)}
    if processes.device.type == "cuda":
        on_gpu = of_each(torch.cuda.get_rng_state(processes.device), processes)
        named |= {f"random.cuda.{rank}": state for rank, state in enumerate(on_gpu)}
    return named


def _of(rank: int) -> str:
    return f"random.{rank}" if rank else "random"


def _set_random_states(states: dict[str, Tensor], processes: Processes) -> None:
    # where there were fewer processes before, the others keep the state that they began with
    own = states.get(str(processes.global_rank) if processes.global_rank else "random")
    if own is not None:
        torch.set_rng_state(own)
    on_gpu = states.get(f"cuda.{processes.global_rank}")
    if on_gpu is not None and processes.device.type == "cuda":
        torch.cuda.set_rng_state(on_gpu, processes.device)
