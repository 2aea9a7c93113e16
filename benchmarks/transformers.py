"""A transformer without training, here and by SpikingJelly's STA recipe: same network, same images, same run.

python benchmarks/transformers.py
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from run import HERE, ProcessError, ask, say, store

CASE = "transformers"
SHOWN = (1, 2, 4, 8, 16)
THEIRS = ("exact-1", "one-1", *(f"half-{t}" for t in SHOWN))
"""The STA recipe's default, which makes no spikes; and with spike encoders, converted for each T, its thresholds scaled
by 1, the default, and by 0.5, as in SpikingJelly's example. Scaled by 1, they are those of half the T scaled by 0.5."""
OURS = ("all-differential", "all-harmony")
MOST_APART = 1e-4
"""Largest difference between logits of the network and of its copy that still counts as rounding."""


def compare(network: str, images: int, calibration: int, counted: int, shown: tuple[int, ...]) -> dict[str, Any]:
    """Check that both sides have the same network, convert, judge and count; return the result as it is stored."""
    load = [list(os.getloadavg())]
    with tempfile.TemporaryDirectory() as folder:
        inputs = ask("describe", folder=folder, network=network, argv=sys.argv, images=images, calibration=calibration)
        shared: dict[str, Any] = {"folder": folder, "made_of": inputs["network"]["made_of"]}
        check = ask("equal", side="spikingjelly_sta", images=min(images, 50), **shared)
        if check["largest_difference"] > MOST_APART:
            raise ProcessError(f"benchmark: the copy's logits differ by {check['largest_difference']:.1g}")
        rows = []
        for side, way, conversions in (
            ("source", "forward", ("none",)),
            ("spikingjelly_sta", "multi-step", THEIRS),
            ("spikewright", "default", OURS),
        ):
            for conversion in conversions:
                of_one = conversion.rpartition("-")[2]  # made for one number of steps
                timesteps = int(of_one) if of_one.isdigit() else 1 if side == "source" else max(shown)
                if timesteps in (*shown, 1):
                    say(f"{side}: {conversion}")
                    rows.append(_one(side, way, conversion, timesteps, images, counted, inputs["rows"], shared))
    load.append(list(os.getloadavg()))
    return {
        "case": CASE,
        "what": f"A transformer without training: {images:,} CIFAR-10 test images, calibrated on {calibration:,}",
        **inputs,
        "device": {"kind": "cpu", "threads": [1], "load_before_and_after": load},
        "seed": 0,
        "timesteps": max(shown),
        "shown": list(shown),
        "check": check,
        "judged": images,
        "runs": rows,
    }


def _one(
    side: str, way: str, conversion: str, timesteps: int, images: int, counted: int, rows: int, shared: dict[str, Any]
) -> dict[str, Any]:
    """One conversion, judged and counted, each in a process of its own."""
    one = {"side": side, "conversion": conversion, **shared}
    cost = ask("convert", **one)
    measured = ask(
        "measure",
        way=way,
        images=images,
        batch_size=min(20, images),
        warm_up=1,
        timesteps=timesteps,
        rows=rows,
        threads=[1],
        **one,
    )
    (run,) = measured.pop("runs")
    spikes = {} if side == "source" else ask("count", images=counted, timesteps=timesteps, **one)
    row = {"side": side, "conversion": conversion, "timesteps": timesteps, "convert_seconds": cost["seconds"]}
    return {**row, **measured, **run, **spikes, "judged": images}


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few images at T = 2; nothing is stored")
    parser.add_argument("--network", default="cifar10_vit_gelu", help="name or file of a vision transformer")
    parser.add_argument("--images", type=int, default=1000, help="how many of the embedded test images are judged")
    parser.add_argument(
        "--calibration", type=int, default=500, help="how many of the embedded training images calibrate"
    )
    parser.add_argument("--timesteps", type=int, default=max(SHOWN), help="the largest T")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    images, calibration, counted = (10, 20, 2) if options.quick else (options.images, options.calibration, 20)
    shown = tuple(t for t in SHOWN if t <= (2 if options.quick else options.timesteps))
    try:
        result = compare(options.network, images, calibration, counted, shown)
    except ProcessError as failed:
        print(failed, file=sys.stderr)
        return 1
    import tables
    import transformers_page

    if options.quick:
        print(transformers_page.comparison(result).to_markdown())
        return 0
    store(result, options.results / CASE)
    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())
