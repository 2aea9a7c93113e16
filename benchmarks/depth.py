"""Peak memory of one evaluation against depth: COS rehearses layer by layer, so it must not grow with their number.

python benchmarks/depth.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from run import HERE, say, store

CASE = "depth"
DEPTHS = (4, 8, 16, 32, 64)
RECIPES = ("QCFS", "COS")
SIZE = {"images": 20, "channels": 32, "pixels": 32, "timesteps": 4}


def measure(depth: int, recipe: str, images: int, channels: int, pixels: int, timesteps: int) -> dict[str, int]:
    """Memory of this process before and at most during an evaluation, and of one layer's activations in all steps."""
    import torch
    from process import peak_memory
    from torch import nn

    from spikewright.coding import repeat
    from spikewright.convert import COS, QCFS, convert, prepare

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    method = {"QCFS": QCFS(levels=4), "COS": COS(levels=4)}[recipe]
    model = convert(prepare(net, method), method).model.eval()
    x = torch.rand(images, 3, pixels, pixels)
    with torch.inference_mode():
        model(repeat(x[:1, :, :8, :8], model.phases.steps(timesteps)))  # libraries take their own memory first
        before = peak_memory()
        model(repeat(x, model.phases.steps(timesteps)))
    return {"before": before, "peak": peak_memory(), "activation": 4 * timesteps * images * channels * pixels**2}


def compare() -> dict[str, Any]:
    """Measure every depth with every recipe, each in a process of its own; return the result as stored."""
    runs = []
    for depth in DEPTHS:
        for recipe in RECIPES:
            say(f"{depth} layers, {recipe}")
            request = json.dumps({"depth": depth, "recipe": recipe, **SIZE})
            command = [sys.executable, __file__, "--one", request]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs.append({"depth": depth, "recipe": recipe, **json.loads(done.stdout.strip().splitlines()[-1])})
    from spikewright.report.environment import environment  # not before: a child's peak begins at what its parent holds

    return {
        "case": CASE,
        "what": "Memory against depth",
        **SIZE,
        "environment": environment(("torch", "numpy", "spikewright"), source=Path(__file__)),
        "runs": runs,
    }


def main() -> int:
    """Run the benchmark, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", metavar="JSON", help="measure one depth in this process, and print it")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(**json.loads(options.one))))
        return 0
    result = compare()
    store(result, options.results / CASE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())
