"""Accuracy after few steps, here and in SpikingJelly, of one network that others trained: same images, same run.

python benchmarks/few_steps.py
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from run import HERE, ProcessError, ask, say, store

CASE = "few-steps"
SHOWN = (1, 2, 4, 8, 16, 32)
TIMESTEPS = max(SHOWN)
THEIRS = ("layer-zero", "channel-half", "balanced-4", "balanced-10")
"""SpikingJelly's rate-coding recipe as it is by default, and with a threshold per channel and half of it as start; its
local threshold balancing with 4 and 10 passes over the calibration images."""
OURS = ("channel-half", *(f"fitted-{t}" for t in SHOWN), "calibrated", "differential", "harmony")
"""The same thresholds and starts; those with the least error at each T, the starts fitted to it; COS with those;
differential coding with multi-threshold and with harmony neurons."""


def compare(network: str, images: int, calibration: int, batch_size: int, counted: int) -> dict[str, Any]:
    """Convert, judge and count on both sides in turn; return the result as it is stored."""
    load = [list(os.getloadavg())]
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"images": images, "calibration": calibration}
        inputs = ask("describe", folder=folder, network=network, argv=sys.argv, others=True, **sizes)
        shared: dict[str, Any] = {"folder": folder, "made_of": inputs["network"]["made_of"]}
        rows = []
        for side, way, conversions in (("spikingjelly", "chunks", THEIRS), ("spikewright", "default", OURS)):
            for conversion in conversions:
                say(f"{side}: {conversion}")
                one = {"side": side, "conversion": conversion, **shared}
                # a conversion for a number of steps is judged up to it
                timesteps = int(conversion.split("-")[1]) if conversion.startswith("fitted") else TIMESTEPS
                cost = ask("convert", **one)
                measured = ask(
                    "measure",
                    way=way,
                    images=images,
                    batch_size=batch_size,
                    warm_up=min(4, timesteps),
                    timesteps=timesteps,
                    rows=inputs["rows"],
                    threads=[1],
                    **one,
                )
                spikes = ask("count", images=counted, timesteps=timesteps, **one)
                (run,) = measured.pop("runs")
                row = {"side": side, "way": way, "conversion": conversion, "timesteps": timesteps}
                rows.append({**row, "convert_seconds": cost["seconds"], **measured, **run, **spikes, "judged": images})
        say("source network")
        source = ask(
            "measure",
            side="source",
            way="forward",
            conversion="none",
            batch_size=batch_size,
            images=images,
            warm_up=1,
            timesteps=1,
            rows=inputs["rows"],
            threads=[1],
            **shared,
        )
    load.append(list(os.getloadavg()))
    return {
        "case": CASE,
        "what": f"Few steps: {images:,} CIFAR-10 test images, calibrated on {calibration:,} training images",
        **inputs,
        "device": {"kind": "cpu", "threads": [1], "load_before_and_after": load},
        "seed": 0,
        "timesteps": TIMESTEPS,
        "source_correct": source["runs"][0]["correct"][-1],
        "judged": images,
        "runs": rows,
    }


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few images; nothing is stored")
    parser.add_argument("--network", default="cifar10_resnet20", help="name of a network that others trained")
    parser.add_argument("--images", type=int, default=1000, help="how many test images are judged")
    parser.add_argument("--calibration", type=int, default=1000, help="how many training images calibrate")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    images, calibration, counted = (20, 100, 4) if options.quick else (options.images, options.calibration, 100)
    try:
        result = compare(options.network, images, calibration, min(100, images), counted)
    except ProcessError as failed:
        print(failed, file=sys.stderr)
        return 1
    import tables

    if options.quick:
        print(tables.few_steps(result).to_markdown())
        return 0
    store(result, options.results / CASE)
    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())
