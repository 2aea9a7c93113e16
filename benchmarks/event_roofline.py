"""How close layers on events come to what a core can add: additions and bytes a second, layer by layer; one thread.

SPIKEWRIGHT_DATA=... python benchmarks/event_roofline.py
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from event_networks import CASES as NETWORKS
from event_networks import RECIPES, WEIGHTS, Case
from run import HERE, say, store

from spikewright.coding import repeat
from spikewright.convert import convert
from spikewright.core.compiled import compiled
from spikewright.data import load_dataset
from spikewright.data.batches import Batches
from spikewright.experiments.network import load_network
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime import EventNetwork, compile, vector
from spikewright.runtime.layer import Layer

CASE = "event-roofline"
WIDTH = 64
SIZES = (16, 256, 2048, 16384)
"""KiB of weights whose rows are added in random order: first cache, second cache, third cache, beyond a share of it."""
SHOWN = (("cifar10_resnet20", "OPI"), ("cifar10_vgg16_bn", "OPI"), ("cifar10_vgg16_bn", "HMT"))
IMAGES = 8


@compiled
def add_rows(weights, rows, values, count, far, acc, times):  # pragma: no cover - compiled
    """The loop of the runtime that adds rows of 32 bits into 64 sums, and nothing else."""
    for _ in range(times):
        vector.gather64(weights, rows, values, count, far, acc)


@compiled
def add_bytes(weights, rows, values, count, far, acc, times):  # pragma: no cover - compiled
    """The same for rows of 8 bits, 256 at a time."""
    for _ in range(times):
        for begin in range(0, count, 256):
            vector.byte_gather64(weights, rows + 4 * begin, min(256, count - begin), far, acc)


LOOPS = {"events": (add_rows, np.dtype(np.float32)), "events, 8 bits": (add_bytes, np.dtype(np.int8))}


def peaks(rounds: int) -> list[dict[str, Any]]:
    """Additions a second for each kind and amount of weights: the most of some rounds."""
    found = []
    for way, (loop, kind) in LOOPS.items():
        for size in SIZES:
            weights = np.ones((size * 1024 // (WIDTH * kind.itemsize), WIDTH), kind)
            count = 8192
            rows = np.random.default_rng(0).integers(0, len(weights), count + vector.AHEAD + 16).astype(np.int32)
            acc, values, best = np.zeros(WIDTH, np.float32), np.zeros(count + 16, np.float32), 0.0
            far = int(weights.nbytes > 256 * 1024)
            places = [array.ctypes.data for array in (weights, rows, values)]
            times = 40
            for _ in range(rounds + 1):
                begin = time.perf_counter()
                loop(*places, count, far, acc.ctypes.data, times)
                best = max(best, times * count * WIDTH / (time.perf_counter() - begin))
            found.append({"way": way, "kib": size, "additions_per_second": best})
    return found


def compare(rounds: int) -> dict[str, Any]:
    """Measure what the core can do and what the layers do; return the result as stored."""
    torch.set_num_threads(1)
    say("what the core can add")
    result: dict[str, Any] = {
        "case": CASE,
        "what": f"Layers on events in whole networks, {IMAGES} CIFAR-10 test images at a time, one thread",
        "rounds": rounds,
        "seed": 0,
        "load_before_and_after": [],
        "environment": environment(("torch", "numpy", "numba", "spikewright"), source=Path(__file__)),
        "peaks": peaks(rounds),
    }
    cases = [case for case in NETWORKS if (case.network, case.recipe) in SHOWN and case.timesteps in (1, 8)]
    return result | {"layers": [row for case in cases for row in _layers(case, rounds)]}


@torch.no_grad()
def _layers(case: Case, rounds: int) -> list[dict[str, Any]]:
    calibration = Batches(load_dataset("cifar10", None, "train").subset(500), 100)
    model = convert(load_network(case.network).model.eval(), RECIPES[case.recipe], calibration).model.eval()
    images, _ = load_dataset("cifar10", None, "test").gather(torch.arange(IMAGES))
    xs, rows = repeat(images, model.phases.steps(case.timesteps)), []
    for way in LOOPS:
        say(f"{case.network}, {case.recipe}, T = {case.timesteps}, {way}")
        network = compile(model, xs, weights=WEIGHTS[way])
        if not isinstance(network, EventNetwork):
            raise TypeError("expected a network on the CPU")
        plans = [network.explain(xs) for _ in range(rounds)]
        about = {**vars(case), "way": way}
        rows += [{**about, **row} for row in _rows(network, plans)]
    return rows


def _rows(network: EventNetwork, plans: list[Table]) -> list[dict[str, Any]]:
    """One entry per layer: what it did on its events, and the least time of all rounds."""
    layers = {operation.name: operation for operation in network.operations if isinstance(operation, Layer)}
    found: list[dict[str, Any]] = []
    names = ("layer", "path", "density", "additions", "dense", "time")
    for i, cells in enumerate(zip(*(plans[0].column(name) for name in names))):
        row = dict(zip(names, cells))
        if row["layer"]:
            seconds = min(float(plan.column("time")[i]) for plan in plans) / IMAGES
            found.append({"layer": row["layer"], "seconds": seconds, "additions": 0, "dense": 0, "on_events": False})
            found[-1] |= _weights(layers.get(str(row["layer"])))
        if row["path"] == "events":
            found[-1]["additions"] += int(row["additions"])
            found[-1]["dense"] += int(row["dense"] or 0)
            found[-1]["on_events"] = True
    return found


def _weights(layer: Layer | None) -> dict[str, Any]:
    """Bytes of a layer's packed weights, and of one of them."""
    packed = [s.packed for source in (layer.sources if layer else []) for s in source._synapses.values() if source.name]
    return {"weight_bytes": sum(w.nbytes for w in packed), "item": packed[0].itemsize if packed else 4}


def roof(result: dict[str, Any], way: str, weight_bytes: int) -> float:
    """Additions a second that the core reaches with that amount of weights: those of the next larger size measured."""
    own = [peak for peak in result["peaks"] if peak["way"] == way]
    fitting = [peak for peak in own if peak["kib"] * 1024 >= weight_bytes] or own[-1:]
    return fitting[0]["additions_per_second"]


def peak_table(result: dict[str, Any]) -> Table:
    """What the core can add."""
    rows = [(p["way"], p["kib"] * 1024, p["additions_per_second"] / 1e9) for p in result["peaks"]]
    note = "rows of 64 weights in random order into 64 sums, by the runtime's own loop and nothing else"
    columns = (Column("way"), Column("weights", "B"), Column("additions", "10⁹/s", 1, note))
    return Table("What the core can add", columns, tuple(rows))


def table(result: dict[str, Any]) -> Table:
    """One row per layer on events, those of float32; and a row for each whole network."""
    rows: list[tuple[Any, ...]] = []
    for key in dict.fromkeys((r["network"], r["recipe"], r["timesteps"], r["way"]) for r in result["layers"]):
        own = [r for r in result["layers"] if (r["network"], r["recipe"], r["timesteps"], r["way"]) == key]
        on_events = [r for r in own if r["on_events"] and r["dense"]]
        top = max(p["additions_per_second"] for p in result["peaks"] if p["way"] == key[3])
        if key[3] == "events":
            rows += [(*key, *_cells(r, top, roof(result, key[3], r["weight_bytes"]))) for r in on_events]
        total = {name: sum(r[name] for r in on_events) for name in ("seconds", "additions", "dense", "weight_bytes")}
        rows.append((*key, *_cells({"layer": "all of these", **total, "item": on_events[0]["item"]}, top, None)))
        whole = sum(r["seconds"] for r in own)
        rows.append((*key, "whole network", None, total["additions"], whole, *[None] * 6))
    columns = (
        *(Column("network"), Column("recipe"), Column("T", "steps"), Column("way"), Column("layer")),
        Column("density", "%", 1, "additions over multiplications of a dense layer at every step"),
        Column("additions", "", None, "per image"),
        Column("time", "s", None, "per image, with neurons, lists and what runs dense; least of the rounds"),
        Column("rate", "10⁹/s", 1, "additions a second"),
        Column("of the peak", "%", 0, "rate over the most that the core adds from its first cache"),
        Column("weights", "B"),
        Column("of the roof", "%", 0, "rate over what the core adds with that amount of weights"),
        Column("read", "B", None, "weights read per image, one for each addition"),
        Column("read a second", "10⁹ B/s", 1),
    )
    return Table("Layers under their roof", columns, tuple(rows))


def _cells(row: dict[str, Any], top: float, limit: float | None) -> tuple[Any, ...]:
    rate, read = row["additions"] / row["seconds"], row["additions"] * row["item"]
    density = row["additions"] / row["dense"] if row["dense"] else None
    shares = (rate / 1e9, rate / top, row["weight_bytes"], None if limit is None else rate / limit)
    return (row["layer"], density, row["additions"], row["seconds"], *shares, read, read / row["seconds"] / 1e9)


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one round; nothing is stored")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    before = os.getloadavg()
    result = compare(1 if options.quick else options.rounds)
    result["load_before_and_after"] = [before, os.getloadavg()]
    print(peak_table(result).to_markdown())
    print(table(result).to_markdown())
    if options.quick:
        return 0
    store(result, options.results / CASE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())
