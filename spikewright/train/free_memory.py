"""free_memory(device): how many bytes a program can still take, on a GPU or, under the limits of its group, here."""

from __future__ import annotations

import os
from pathlib import Path

import torch

SYSTEM = Path("/")


def free_memory(device: torch.device, system: Path = SYSTEM) -> int | None:
    """Bytes that are free on a device; None where the system does not say.

    Args:
        device: a GPU, or the CPU for the machine's memory.
        system: where the system's own files begin.

    Example:
        >>> (free_memory(torch.device("cpu")) or 1) > 0
        True
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    known = [size for size in (_of_machine(system), _of_group(system)) if size is not None]
    return max(0, min(known)) if known else None


def _of_machine(system: Path) -> int | None:
    """Memory that Linux can give without swapping; elsewhere all of the machine's."""
    for line in _lines(system / "proc/meminfo"):
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _of_group(system: Path) -> int | None:
    """What the control group of a container or a SLURM job has left; None without a limit."""
    for folder, limit, used in (
        ("sys/fs/cgroup", "memory.max", "memory.current"),
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        numbers = [_lines(system / folder / name)[:1] for name in (limit, used)]
        if all(number and number[0].isdigit() for number in numbers):
            return int(numbers[0][0]) - int(numbers[1][0])
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
