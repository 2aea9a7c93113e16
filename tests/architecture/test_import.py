"""Importing the package is quiet: no GPU wakes, no heavy library loads, nothing else changes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, logging, os, pathlib, pkgutil, random, signal, sys, threading, warnings
import numpy, torch
{already}

def state():
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "files": sorted(map(str, pathlib.Path().rglob("*"))),
        "python random": str(random.getstate()),
        "numpy random": str(numpy.random.get_state()),
        "torch random": torch.get_rng_state().numpy().tobytes().hex(),
        "dtype": str(torch.get_default_dtype()),
        "device": str(torch.get_default_device()),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "running": threading.active_count(),
        "log handlers": len(logging.getLogger().handlers),
        "log level": logging.getLogger().level,
        "interrupt": str(signal.getsignal(signal.SIGINT)),
        "search path": list(sys.path),
        "hook": str(sys.excepthook),
    }

before, filters = state(), list(warnings.filters)
{statements}
after = state()
print(json.dumps({
    "changed": [name for name in before if before[name] != after[name]],
    "filters lost": [str(f) for f in filters if f not in warnings.filters],
    "cuda": torch.cuda.is_initialized(),
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
}))
"""
HEAVY = {
    "matplotlib",
    "kornia",
    "kornia_rs",
    "lightning",
    "lightning_fabric",
    "lightning_utilities",
    "numba",
    "h5py",
}
ALL_MODULES = """
import importlib, spikewright
for module in pkgutil.walk_packages(spikewright.__path__, "spikewright."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name != "triton":  # comes with torch for GPUs only
                raise
"""


def probe(statements: str, folder: Path, already: str = "") -> dict:
    """Run statements in a fresh interpreter and tell what they changed beyond what was there already."""
    code = PROBE.replace("{already}", already).replace("{statements}", statements)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def test_import_is_quiet_and_light(tmp_path: Path) -> None:
    found = probe("import spikewright", tmp_path)
    assert found["changed"] == []
    assert found["filters lost"] == []
    assert found["cuda"] is False
    assert not HEAVY & set(found["loaded"])


@pytest.mark.parametrize("verb", ["train", "convert", "evaluate", "redteam", "robust", "interpret"])
def test_a_verb_of_the_command_line_is_light(verb: str, tmp_path: Path) -> None:
    found = probe(f"import spikewright.cli.{verb}", tmp_path)
    assert not {"lightning_fabric", "matplotlib", "captum"} & set(found["loaded"])


def test_every_module_can_be_imported_without_side_effects(tmp_path: Path) -> None:
    found = probe(ALL_MODULES, tmp_path, already="import lightning_fabric, matplotlib.pyplot, rich.console")
    assert found["changed"] == []
    assert found["cuda"] is False


def test_the_probe_notices_changes(tmp_path: Path) -> None:
    found = probe("import torch, os, matplotlib; torch.manual_seed(1); torch.set_grad_enabled(False)", tmp_path)
    assert found["changed"] == ["torch random", "gradients"]
    assert "matplotlib" in found["loaded"]
