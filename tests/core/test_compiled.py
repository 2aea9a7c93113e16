"""compiled: the same results with a cache on disk and without a place for one."""

import os
import subprocess
import sys
from pathlib import Path

LOOP = """
import numpy as np
from spikewright.core.compiled import compiled

@compiled
def total(values):
    found = 0.0
    for value in values:
        found += value
    return found

print(total(np.arange(4.0)))
"""


def run(folder: Path) -> str:
    """Run LOOP from a file in a folder in a fresh interpreter whose user has no home."""
    (folder / "loop.py").write_text(LOOP)
    (folder / "file").touch()
    home = str(folder / "file" / "home")  # can never be made, not even by the superuser
    variables = {"HOME": home, "XDG_CACHE_HOME": home, "NUMBA_CACHE_DIR": ""}
    done = subprocess.run(
        [sys.executable, "loop.py"],
        cwd=folder,
        env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_what_was_compiled_is_kept_beside_the_file(tmp_path: Path) -> None:
    assert run(tmp_path) == "6.0\n"
    assert list((tmp_path / "__pycache__").glob("loop.total-*.nbi"))


def test_without_a_place_to_keep_it_the_loop_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").touch()  # a file where the folder would be
    assert run(tmp_path) == "6.0\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["__pycache__", "file", "loop.py"]


def test_a_change_in_a_loop_that_is_called_is_seen(tmp_path: Path) -> None:
    package = tmp_path / "spikewright_like"
    package.mkdir()
    inner = "from spikewright.core.compiled import compiled\n\n@compiled\ndef inner(x):\n    return x + {}\n"
    (package / "inner.py").write_text(inner.format(1))
    (package / "outer.py").write_text(
        "from spikewright.core.compiled import compiled\nfrom inner import inner\n\n@compiled\ndef outer(x):\n"
        "    return inner(x)\n\nprint(outer(1))\n"
    )

    def outcome() -> str:
        found = subprocess.run(
            [sys.executable, "outer.py"],
            cwd=package,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return found.stdout.strip()

    assert (outcome(), outcome()) == ("2", "2")
    (package / "inner.py").write_text(inner.format(10))
    assert outcome() == "11"
