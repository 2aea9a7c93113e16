"""launched(): what the environment says, and what is refused before any work is done."""

from __future__ import annotations

import pytest
import torch

from spikewright.core.errors import ArgumentError, ProcessError
from spikewright.train.launch import launched, processes_here, refuse_lone_tasks

from ..conftest import Group


def test_one_process_without_torchrun() -> None:
    with launched("cpu") as fabric:
        assert (fabric.world_size, fabric.global_rank, fabric.device) == (1, 0, torch.device("cpu"))


def test_tasks_of_a_job_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch script that asked for four tasks and starts one process in one of them."""
    for name, value in {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "training"}.items():
        monkeypatch.setenv(name, value)
    with launched("cpu") as fabric:
        assert fabric.world_size == 1


def test_a_group(group: Group) -> None:
    assert group(lambda fabric: (fabric.world_size, fabric.global_rank)) == [(2, 0), (2, 1)]


def test_half_precision_on_the_cpu_is_refused() -> None:
    match = r"precision: got 16-mixed on the CPU; expected a GPU for it\. Take bf16-mixed"
    with pytest.raises(ArgumentError, match=match), launched("cpu", "16-mixed"):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    match = "device: got cuda without a GPU that torch can use; expected a GPU. Take cpu or auto"
    with pytest.raises(ArgumentError, match=match), launched("cuda"):
        pass


def test_numbers_of_processes() -> None:
    assert processes_here({"LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "12"}, 4) == (4, 12)
    with pytest.raises(ProcessError, match=r"3 processes on this machine, 8 in all; expected as many on each machine"):
        processes_here({"LOCAL_WORLD_SIZE": "3", "WORLD_SIZE": "8"}, None)
    with pytest.raises(ProcessError, match=r"2 processes on a machine with 1 GPU; expected a GPU for each.* --device"):
        processes_here({"LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}, 1)


def test_tasks_that_do_not_know_of_each_other_are_refused() -> None:
    refuse_lone_tasks({})
    refuse_lone_tasks({"SLURM_STEP_NUM_TASKS": "1"})
    with pytest.raises(ProcessError, match=r"srun: got 8 tasks without torchrun.*docs/many_devices.md"):
        refuse_lone_tasks({"SLURM_STEP_NUM_TASKS": "8"})
