"""Trainings that are killed at random moments, again and again, and gone on with: do they end with the same bits?

python benchmarks/kill_and_resume.py

One process: `kill -9` at moments drawn at random from all the time that the training takes; each run is gone on with
until it is killed again or comes to its end. Two processes (`torchrun`): one of them, drawn at random, is killed; it
is measured how long the rest takes to end by itself, and the run is gone on with. A training process is forked from
this one, so that all of its life is training and not the import of libraries; those of a group are started anew.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from run import HERE, say, store

CASE = "kill-and-resume"
SEED, KILLS, GROUPS = 42, 100, 2
LIMIT = 300.0
"""Seconds after which a process that should have ended counts as hanging."""
TRAINED = "model.safetensors"


def train(place: Path, epochs: int) -> None:
    """Train a small network on the 500 training images of the package, or go on with what lies in the folder."""
    import torch
    from torch import nn

    from spikewright.convert import QCFS, prepare
    from spikewright.core.seed import seed_all
    from spikewright.data import Batches, cifar10, cifar_augment
    from spikewright.train import SGD, FitConfig, cross_entropy, fit, launched, save_model

    torch.set_num_threads(1)
    with launched("cpu") as fabric:
        rank, world_size = fabric.global_rank, fabric.world_size
        (place / f"process.{rank}").write_text(str(os.getpid()))
        seed_all(SEED)
        layers = (nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(4))
        model = prepare(nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.1), nn.Linear(128, 10)), QCFS(levels=4))
        seed_all(SEED + rank)
        shares = {"rank": rank, "world_size": world_size}
        images = cifar10.load(split="calibration")
        batches = Batches(images, 20, seed=SEED, augment=cifar_augment(), drop_last=True, **shares)
        config = FitConfig(
            epochs=epochs, optimizer=SGD(lr=0.05), warmup_epochs=0.5, ema_decay=0.9, seed=SEED, checkpoint_steps=3
        )
        fit(model, cross_entropy(), batches, Batches(images, 100, **shares), config, folder=place, fabric=fabric)
        if fabric.is_global_zero:
            save_model(place / TRAINED, model, {})


def found_in(place: Path) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """All tensors that a finished run left, weights and state of the training, and its history without the times."""
    from spikewright.models.checkpoint import load

    tensors, description = load(place / "checkpoint.safetensors")
    rows = [{name: row[name] for name in row if name != "seconds"} for row in description["progress"]["history"]]
    return tensors | {f"trained.{name}": value for name, value in load(place / TRAINED)[0].items()}, rows


def equal(place: Path, other: Path) -> bool:
    """Whether two runs ended with the same bits."""
    (tensors, rows), (others, other_rows) = found_in(place), found_in(other)
    return rows == other_rows and tensors.keys() == others.keys() and all(tensors[n].equal(others[n]) for n in tensors)


def forked(place: Path, epochs: int, seconds: float | None) -> bool:
    """Train in a new process; whether it came to its end before it was killed.

    Args:
        place: folder of the run.
        epochs: length of the training.
        seconds: when it is killed; None to let it come to its end.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            train(place, epochs)
            status = 0
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # of one that has ended already nothing is left to be killed
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and status:
        raise RuntimeError(f"a training failed by itself, with status {os.WEXITSTATUS(status)}")
    return not status


def alone(folder: Path, kills: int, epochs: int, draw: random.Random) -> dict[str, Any]:
    """Kill trainings of one process until there were enough kills, each run until it comes to its end."""
    for name in ("convert", "data", "train"):
        importlib.import_module(f"spikewright.{name}")  # here, so that forked processes train from their first moment
    whole = folder / "whole"
    whole.mkdir(parents=True)
    forked(whole, 1, None)  # libraries find their files once
    (whole / "checkpoint.safetensors").unlink()
    start = time.perf_counter()
    forked(whole, epochs, None)
    lasts = time.perf_counter() - start
    runs: list[dict[str, Any]] = []
    while sum(len(run["killed_after"]) for run in runs) < kills:
        place, killed = folder / f"run-{len(runs)}", []
        place.mkdir()
        torn = 0
        while True:
            moment = draw.uniform(0, lasts / 3)
            if forked(place, epochs, moment):
                break
            killed.append(moment)
            torn += bool(list(place.glob(".*.partial")))
            for path in place.glob(".*.partial"):
                path.unlink()
        runs.append({"killed_after": killed, "torn_files": torn, "identical": equal(place, whole)})
        say(f"run {len(runs)}: killed {len(killed)} times, {'the same' if runs[-1]['identical'] else 'OTHER'} bits")
    return {"epochs": epochs, "seconds_undisturbed": lasts, "runs": runs}


def group(place: Path, epochs: int, draw: random.Random | None) -> dict[str, Any]:
    """Train in two processes under torchrun; with a source of numbers, kill one of them at a random moment."""
    place.mkdir(exist_ok=True)
    for path in place.glob("process.*"):
        path.unlink()
    job = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__, "--one", str(place)]
    command = [sys.executable, "-m", *job, "--epochs", str(epochs)]
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as process:
        found: dict[str, Any] = {}
        if draw is not None:
            _wait_for(place / "checkpoint.safetensors", process)
            time.sleep(draw.uniform(0, 1))
            victim = draw.randrange(2)
            os.kill(int((place / f"process.{victim}").read_text()), signal.SIGKILL)
            found["killed"] = victim
        start = time.perf_counter()
        try:
            _, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            return found | {"hangs": True}
        lines = [line for line in errors.splitlines() if "another of the 2 processes has ended" in line]
        said = {"seconds_to_end": time.perf_counter() - start, "status": process.returncode, "said": lines[-1:]}
        return found | said if draw is not None else {"status": process.returncode}


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("a training ended, or hung, before its first checkpoint")
        time.sleep(0.005)


def groups(folder: Path, count: int, epochs: int, draw: random.Random) -> list[dict[str, Any]]:
    """Kill one of two processes, so many times, each in a run of its own that is gone on with afterwards."""
    folder.mkdir()
    group(folder / "whole", epochs, None)
    found = []
    for number in range(count):
        say(f"group {number + 1} of {count}")
        place = folder / f"run-{number}"
        killed = group(place, epochs, draw)
        ended = (place / TRAINED).exists()
        killed["resumed_status"] = group(place, epochs, None)["status"]
        found.append(killed | {"ended_before": ended, "identical": equal(place, folder / "whole")})
    return found


def measure(kills: int, count: int, epochs: int) -> dict[str, Any]:
    """All of it; the result as stored."""
    from spikewright.report.environment import environment

    draw = random.Random(SEED)
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as place:
        many = groups(Path(place) / "groups", count, epochs, draw)
        one = alone(Path(place) / "alone", kills, epochs, draw)
    return {
        "case": CASE if kills else f"{CASE}-groups",
        "what": "Trainings that are killed" if kills else "Trainings of two processes of which one is killed",
        "seed": SEED,
        "environment": environment(
            ("torch", "numpy", "lightning-fabric", "safetensors", "spikewright"), source=Path(__file__)
        ),
        "load_before_and_after": [list(before), list(os.getloadavg())],
        "alone": one,
        "groups": many,
    }


def comparison(result: dict[str, Any]) -> Any:
    """One row for each kind of run: kills, runs, how many ended with the same bits, and how soon the others ended."""
    from spikewright.report.table import Column, Table

    runs, many = result["alone"]["runs"], result["groups"]
    killed = [len(run["killed_after"]) for run in runs]
    rows: list[tuple[Any, ...]] = []
    if runs:
        rows.append(("1", sum(killed), len(runs), max(killed), sum(run["identical"] for run in runs), None))
    if many:
        slowest = max(run.get("seconds_to_end", float("inf")) for run in many)
        rows.append(("2, one of them killed", len(many), len(many), 1, sum(run["identical"] for run in many), slowest))
    columns = (
        Column("processes"),
        Column("kills"),
        Column("runs"),
        Column("most kills of a run"),
        Column("runs with the same bits", note="weights, average, optimiser, random state and history"),
        Column("end of the others", "s", 1, "from the kill until the whole job has ended; the slowest"),
    )
    return Table("Killed and gone on with", columns, tuple(rows))


def main() -> int:
    """Run the benchmark, store its result and bring the pages up to date; fail if a run ended with other bits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", type=Path, metavar="FOLDER", help="train in this process, and stop")
    parser.add_argument("--kills", type=int, default=KILLS, help="of trainings in one process")
    parser.add_argument("--groups", type=int, default=GROUPS, help="groups of two processes of which one is killed")
    parser.add_argument("--epochs", type=int, default=6, help="length of each training")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    if options.one:
        train(options.one, options.epochs)
        return 0
    result = measure(options.kills, options.groups, options.epochs)
    store(result, options.results / result["case"])
    print(json.dumps(comparison(result).rows))
    runs = [*result["alone"]["runs"], *result["groups"]]
    if not all(run["identical"] for run in runs):
        return 1
    import tables

    return tables.main([]) if options.results == HERE / "results" else 0


if __name__ == "__main__":
    sys.exit(main())
