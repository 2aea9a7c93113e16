"""What a run ran on: versions, processor, source commit, date, command."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from spikewright.report.paths import shorten


def environment(versions_of: Sequence[str] = (), *, source: Path | None = None) -> dict[str, Any]:
    """Describe the machine and the program, without names of people, machines or private folders.

    Seeds and devices are known to the caller, who adds them.

    Args:
        versions_of: names of distributions whose versions are recorded; None where one is not installed.
        source: a file of the project; the commit is recorded if git tracks it. This package's own by default.

    Returns:
        date (UTC), command, python, platform (system, machine, C library), cpu, cores, cores_usable, versions, and
        commit with dirty (None where the project does not lie in a git checkout).

    Example:
        >>> environment(["numpy", "no-such-thing"])["versions"]["no-such-thing"] is None
        True
    """
    commit, dirty = _commit(Path(__file__) if source is None else source)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(sys.argv),
        "python": platform.python_version(),
        "platform": " ".join(word for word in (platform.system(), platform.machine(), *platform.libc_ver()) if word),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "versions": {name: _version(name) for name in versions_of},
        "commit": commit,
        "dirty": dirty,
    }


def _command(argv: Sequence[str]) -> list[str]:
    return [Path(argv[0]).name, *(shorten(word) for word in argv[1:])] if argv else []


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        named = _output(["sysctl", "-n", "machdep.cpu.brand_string"])
        if named:
            return named
    return platform.processor() or platform.machine()


def _commit(source: Path) -> tuple[str | None, bool | None]:
    git = ["git", "-C", str(source.parent)]
    # An installed copy may lie inside somebody else's checkout: only a tracked file counts.
    if _output([*git, "ls-files", "--error-unmatch", "--", source.name]) is None:
        return None, None
    commit = _output([*git, "rev-parse", "HEAD"])
    changes = _output([*git, "status", "--porcelain", "--untracked-files=no"])
    return commit, None if commit is None or changes is None else bool(changes)


def _output(command: Sequence[str]) -> str | None:
    # Variables such as GIT_DIR, set while a hook runs, would point git at another repository.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    variables["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, env=variables, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
