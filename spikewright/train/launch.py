"""launched(): device, precision and processes of a run, as the command line or `torchrun` started it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from ..core.errors import ArgumentError, ProcessError, sentence

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others, unless their machine says at once that they are gone."""


@contextmanager
def launched(
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    *,
    patience: timedelta = PATIENCE,
) -> Iterator[Fabric]:
    """The Fabric of a run: one process on one device, or, under `torchrun`, one of many, one device each.

    Args:
        device: where to compute; "auto" is a GPU where there is one.
        precision: number format of the computation.
        patience: how long a process waits for the others before it gives up.

    Raises:
        ArgumentError: for a precision that the device does not have.
        ProcessError: for fewer GPUs on this machine than processes, numbers of processes that differ between machines,
            or processes that SLURM started without `torchrun`, which would not know of each other.

    Example:
        >>> with launched("cpu") as fabric:
        ...     fabric.world_size, fabric.global_rank
        (1, 0)
    """
    # imported here: it takes longer than all of this package
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy

    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if precision == "16-mixed" and not on_gpu:
        todo = "Take bf16-mixed, whose range needs no scaling of gradients, or 32-true"
        raise ArgumentError(sentence("precision", "16-mixed on the CPU", "a GPU for it", todo))
    if device == "cuda" and not torch.cuda.is_available():
        raise ArgumentError(sentence("device", "cuda without a GPU that torch can use", "a GPU", "Take cpu or auto"))
    accelerator = "cuda" if on_gpu else "cpu"
    if TorchElasticEnvironment.detect():
        here, all_of_them = processes_here(os.environ, torch.cuda.device_count() if on_gpu else None)
        strategy = DDPStrategy(timeout=patience, gradient_as_bucket_view=True, **_ddp_options())
        fabric = Fabric(
            accelerator=accelerator,
            devices=here,
            num_nodes=all_of_them // here,
            strategy=strategy if all_of_them > 1 else "auto",
            precision=precision,
        )
    else:
        refuse_lone_tasks(os.environ)
        fabric = Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=[LightningEnvironment()])
    fabric.launch()
    yield fabric
    if fabric.world_size > 1 and distributed.is_initialized():
        distributed.destroy_process_group()


def processes_here(environ: os._Environ[str] | dict[str, str], gpus: int | None) -> tuple[int, int]:
    """Processes on this machine, and in all, as `torchrun` says.

    Args:
        environ: the environment's variables.
        gpus: GPUs on this machine; None where the CPU computes.

    Raises:
        ProcessError: if they do not fit together.

    Example:
        >>> processes_here({"LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "8"}, None)
        (2, 8)
    """
    here, all_of_them = int(environ["LOCAL_WORLD_SIZE"]), int(environ["WORLD_SIZE"])
    if all_of_them % here:
        met = f"{here} processes on this machine, {all_of_them} in all"
        raise ProcessError(sentence("torchrun", met, "as many on each machine (--nproc-per-node)"))
    if gpus is not None and here > gpus:
        met = f"{here} processes on a machine with {gpus} GPU{'s' * (gpus != 1)}"
        raise ProcessError(sentence("torchrun", met, "a GPU for each", "Lower --nproc-per-node, or take --device cpu"))
    return here, all_of_them


def refuse_lone_tasks(environ: os._Environ[str] | dict[str, str]) -> None:
    """Raise ProcessError for several tasks of one SLURM step, none of which would know of the others."""
    tasks = environ.get("SLURM_STEP_NUM_TASKS", "1")
    if tasks not in ("", "1"):
        todo = "Start one torchrun on each machine: srun --ntasks-per-node=1 torchrun ..., see docs/many_devices.md"
        raise ProcessError(sentence("srun", f"{tasks} tasks without torchrun", "processes that know each other", todo))


def _ddp_options() -> dict[str, Any]:
    # buffers are the same in all processes already, see train/batch_norm.py; torch has renamed the option
    known = signature(DistributedDataParallel.__init__).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}
