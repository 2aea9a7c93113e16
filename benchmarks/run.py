"""Speed and memory of one evaluation, here and in SpikingJelly, side by side: make bench.

Each measurement is a process of its own, and the sides take turns, so that neither memory nor a change of the machine's
pace is shared. This file imports nothing heavy: a child's peak memory starts at what its parent holds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CASE = "evaluation"
TIMESTEPS = 32
SIDES = (
    ("spikewright", "default"),
    ("spikingjelly", "chunks"),
    ("spikingjelly", "multi-step"),
    ("spikingjelly", "single-step"),
)


@dataclass(frozen=True)
class Setting:
    """One row of the comparison.

    Args:
        conversion: see RECIPES of a side.
        batch_size: images per batch.
        images: images judged in the timed part.
        warm_up: time steps of the first batch that are run before; all where all steps are run at once.
    """

    conversion: str
    batch_size: int
    images: int
    warm_up: int


FULL = (
    Setting("channel-half", 1, 8, 32),
    Setting("channel-half", 20, 40, 32),
    Setting("channel-half", 100, 100, 8),
    Setting("layer-zero", 20, 40, 32),
)
QUICK = (Setting("channel-half", 4, 4, 2), Setting("layer-zero", 2, 2, 2))


class ProcessError(Exception):
    """A process of the benchmark ended with an error."""


def ask(action: str, folder: str, **request: Any) -> dict[str, Any]:
    """Let a new process do something, and return its answer."""
    command = [sys.executable, str(HERE / "process.py"), json.dumps({"action": action, "folder": folder, **request})]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # bytecode is written by the first processes: compiling sources would count as memory held after the imports
    variables |= {"PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
    variables |= {"OMP_NUM_THREADS": str(max(request.get("threads", [1])))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ProcessError(f"benchmark: {action} failed: {reason}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(
    network: str, settings: tuple[Setting, ...], threads: list[int], timesteps: int, rounds: int, calibration: int
) -> dict[str, Any]:
    """Convert, check and measure everything; return the result as it is stored."""
    conversions = sorted({setting.conversion for setting in settings})
    most = max(setting.images for setting in settings)
    load = [list(os.getloadavg())]
    with tempfile.TemporaryDirectory() as folder:
        inputs = ask("describe", folder=folder, network=network, images=most, calibration=calibration, argv=sys.argv)
        shared: dict[str, Any] = {"folder": folder, "made_of": inputs["network"]["made_of"]}
        converted = []
        for side in ("spikewright", "spikingjelly"):
            for conversion in conversions:
                say(f"convert on the side of {side}: {conversion}")
                answer = ask("convert", side=side, conversion=conversion, **shared)
                converted.append({"side": side, "conversion": conversion, **answer})
        say("check that both run the same network")
        check = ask("check", conversion="channel-half", images=min(most, 20), timesteps=timesteps, **shared)
        runs = []
        for number in range(rounds):
            for setting in settings:
                reference = (("source", "forward"),) if setting.conversion == "channel-half" else ()
                for side, way in SIDES + reference:
                    say(f"round {number + 1} of {rounds}: batches of {setting.batch_size}, {side}, {way}")
                    steps = {"timesteps": timesteps, "threads": threads, "rows": inputs["rows"]}
                    answer = ask("measure", side=side, way=way, **asdict(setting), **steps, **shared)
                    runs.append({"round": number + 1, "side": side, "way": way, **asdict(setting), **answer})
    load.append(list(os.getloadavg()))
    return {
        "case": CASE,
        "what": f"Judging CIFAR-10 images at every number of time steps up to T = {timesteps}",
        **inputs,
        "device": {"kind": "cpu", "threads": threads, "load_before_and_after": load},
        "seed": 0,
        "timesteps": timesteps,
        "rounds": rounds,
        "conversions": converted,
        "check": check,
        "runs": runs,
    }


def result_name(result: dict[str, Any]) -> str:
    """<machine>-<date>-<commit>.json of a result."""
    environment = result["environment"]
    machine = re.sub(r"[^a-z0-9]+", "-", f"{environment['cpu']} {environment['cores']} cores".lower()).strip("-")
    commit = (environment["commit"] or "no-commit")[:10] + ("-dirty" if environment["dirty"] else "")
    return f"{machine}-{environment['date'][:10]}-{commit}.json"


def store(result: dict[str, Any], folder: Path) -> Path:
    """Write a result into a folder, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / result_name(result)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def say(text: str) -> None:
    """Progress, on the terminal."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Run the benchmark as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few images at T = 4, once; nothing is stored")
    parser.add_argument("--network", default="cifar10_resnet20_relu", help="name or file of a ReLU network")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair is measured")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    if busy > 0.5 and not options.quick:
        say(f"the machine is busy (load {busy:.1f}): for times that can be trusted, run this on an idle one")
    try:
        if options.quick:
            result = compare(options.network, QUICK, threads=[1], timesteps=4, rounds=1, calibration=50)
        else:
            threads = sorted({1, min(2, os.cpu_count() or 1)})
            result = compare(options.network, FULL, threads, TIMESTEPS, options.rounds, calibration=200)
    except ProcessError as failed:
        print(failed, file=sys.stderr)
        return 1
    if options.quick:
        with tempfile.TemporaryDirectory() as folder:
            return show(result, Path(folder))
    return show(result, options.results / CASE) or write_pages()


def show(result: dict[str, Any], folder: Path) -> int:
    """Store a result and print its tables."""
    path = store(result, folder)
    return subprocess.run([sys.executable, str(HERE / "tables.py"), "--show", str(path)], check=False).returncode


def write_pages() -> int:
    """Bring benchmarks/tables and docs/benchmarks.md up to date."""
    return subprocess.run([sys.executable, str(HERE / "tables.py")], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
