"""Groups of processes that know each other, as `torchrun` starts them, for tests of what they share."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

Group = Callable[..., list[Any]]


def variables(rank: int, processes: int, port: int) -> dict[str, str]:
    """What `torchrun` tells each process through the environment."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    names = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test", "GROUP_RANK": "0"}
    return {name: str(number) for name, number in numbers.items()} | names


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def member(run: Callable[..., Any], rank: int, processes: int, port: int, result: Path, launch: bool) -> None:
    """One process of a group; what it returns, or the text of its error, goes into a file."""
    from spikewright.train.launch import launched

    os.environ |= variables(rank, processes, port)
    torch.set_num_threads(1)
    status = 0
    try:
        if launch:
            with launched("cpu", patience=timedelta(seconds=60)) as fabric:
                found = run(fabric)
        else:
            found = run()
    except BaseException as error:
        traceback.print_exc()
        found, status = f"{type(error).__name__}: {error}", 1
    with suppress(Exception):
        torch.save(found, result)
    sys.stdout.flush()
    os._exit(status)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    """group(run, processes=2): call `run(fabric)` in so many processes; what each returns, or the text of its error.

    With `launch=False` it is called as `run()`, to launch for itself. With `wait=False` the processes are returned.
    """
    started: list[multiprocessing.process.BaseProcess] = []
    number = iter(range(100))

    def start(run: Callable[..., Any], processes: int = 2, *, launch: bool = True, wait: bool = True) -> list[Any]:
        port, folder = free_port(), tmp_path / f"group-{next(number)}"
        folder.mkdir()
        context = multiprocessing.get_context("fork")
        here = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks where other threads run, which do nothing
            for rank in range(processes):
                given = (run, rank, processes, port, folder / str(rank), launch)
                here.append(context.Process(target=member, args=given))
                here[-1].start()
        started.extend(here)
        if not wait:
            return here
        for process in here:
            process.join(120)
            assert process.exitcode is not None, "the group hangs"
        return [torch.load(folder / str(rank), weights_only=False) for rank in range(processes)]

    yield start
    for process in started:
        if process.is_alive():
            process.kill()
        process.join(10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's name must be the same in every process: several of them share the tests by name."""
    named = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if named:
        raise pytest.UsageError(f"{named[0]}: the name holds an address; give ids=[...]")
