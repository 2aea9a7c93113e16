"""What one process of a benchmark does: it gets one action as JSON and answers with one line of JSON."""

from __future__ import annotations

import importlib
import inspect
import json
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from inputs import read_batches, read_calibration, read_network, write_inputs, write_pretrained


def peak_memory() -> int:
    """Most memory that this process has held so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def describe(
    folder: str, network: str, images: int, calibration: int, argv: list[str], others: bool = False
) -> dict[str, Any]:
    """Write the inputs of all sides; say what they are and what they run on."""
    from spikewright.report.environment import environment
    from spikewright.train import accuracy_over_time

    inputs = (write_pretrained if others else write_inputs)(network, images, calibration, Path(folder))
    sys.argv = argv
    versions = ("torch", "numpy", "spikewright", "spikingjelly")
    rows = inspect.signature(accuracy_over_time).parameters["rows"].default
    return {**inputs, "rows": rows, "environment": environment(versions, source=Path(__file__))}


def convert(folder: str, side: str, conversion: str, made_of: Mapping[str, Any]) -> dict[str, Any]:
    """Convert on one side and store what the measuring processes restore; the time includes calibration."""
    library, network, images = _side(side), read_network(Path(folder), made_of), read_calibration(Path(folder))
    start = time.perf_counter()
    library.convert_and_store(network, conversion, images, _stored(folder, side, conversion))
    return {"seconds": time.perf_counter() - start}


def check(folder: str, conversion: str, made_of: Mapping[str, Any], images: int, timesteps: int) -> dict[str, Any]:
    """Run both converted networks on the same images, once with their own and once with the same thresholds."""
    from spikewright.coding import repeat

    ours, theirs = _side("spikewright"), _side("spikingjelly")
    network, ((x, _),) = read_network(Path(folder), made_of), read_batches(Path(folder), images, images)
    path = _stored(folder, "spikewright", conversion)
    other = theirs.restore(network, conversion, _stored(folder, "spikingjelly", conversion))
    same = ours.with_thresholds(network, conversion, path, theirs.thresholds(other))
    with torch.inference_mode():
        expected = theirs.outputs(other, "multi-step", x, timesteps, rows=0)
        difference = (same(repeat(x, timesteps)) - expected).abs().max()
        own = ours.restore(network, conversion, path)(repeat(x, timesteps))
        agreeing = (own.sum(0).argmax(1) == expected.sum(0).argmax(1)).sum()
    return {
        "images": images,
        "timesteps": timesteps,
        "largest_output": float(expected.abs().max()),
        "largest_difference_with_same_thresholds": float(difference),
        "same_class_with_own_thresholds": int(agreeing),
    }


def equal(folder: str, side: str, made_of: Mapping[str, Any], images: int) -> dict[str, Any]:
    """How far the logits of a side's own copy of the network are from the network's."""
    network, ((x, _),) = read_network(Path(folder), made_of), read_batches(Path(folder), images, images)
    return {"images": images, "largest_difference": _side(side).largest_difference(network, x)}


def measure(
    folder: str,
    side: str,
    way: str,
    conversion: str,
    made_of: Mapping[str, Any],
    images: int,
    batch_size: int,
    warm_up: int,
    timesteps: int,
    rows: int,
    threads: list[int],
) -> dict[str, Any]:
    """Time and peak memory of judging the first images at T, for each number of threads in turn."""
    library = _side(side)
    after_imports = peak_memory()
    model = library.restore(read_network(Path(folder), made_of), conversion, _stored(folder, side, conversion))
    batches = read_batches(Path(folder), images, batch_size)
    ready = peak_memory()
    # the shapes of the timed part are met before it; where all steps run at once, that takes all of them
    steps = timesteps if way == "multi-step" else min(warm_up, timesteps)
    runs = []
    for number in threads:
        torch.set_num_threads(number)
        library.judge(model, way, batches[:1], steps, rows)
        wall, processor = time.perf_counter(), time.process_time()
        correct = library.judge(model, way, batches, timesteps, rows)
        seconds, busy = time.perf_counter() - wall, time.process_time() - processor
        runs.append(
            {"threads": number, "seconds": seconds, "cpu_seconds": busy, "peak": peak_memory(), "correct": correct}
        )
    return {"after_imports": after_imports, "ready": ready, "runs": runs}


def count(
    folder: str, side: str, conversion: str, made_of: Mapping[str, Any], images: int, timesteps: int
) -> dict[str, Any]:
    """Spikes per image in steps 1..t, for each t, on the first images."""
    library, network = _side(side), read_network(Path(folder), made_of)
    model = library.restore(network, conversion, _stored(folder, side, conversion))
    torch.set_num_threads(1)
    ((x, _),) = read_batches(Path(folder), images, images)
    with torch.inference_mode():
        spikes = {"images": images, "spikes_per_image": [n / images for n in library.spikes(model, x, timesteps)]}
        if hasattr(library, "largest_output"):
            spikes["largest_output"] = library.largest_output(model, x, timesteps)
        return spikes


def _side(name: str) -> ModuleType:
    return importlib.import_module(f"side_{name}")


def _stored(folder: str, side: str, conversion: str) -> Path:
    return Path(folder) / f"{side}-{conversion}.safetensors"


ACTIONS = {
    "describe": describe,
    "convert": convert,
    "check": check,
    "equal": equal,
    "measure": measure,
    "count": count,
}

if __name__ == "__main__":
    torch.manual_seed(0)
    request = json.loads(sys.argv[1])
    print(json.dumps(ACTIONS[request.pop("action")](**request)))
