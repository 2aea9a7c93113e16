"""Converted ResNet-20 and VGG-16 on a GPU: torch as it is, the compiled plan, and the plan in bfloat16.

python benchmarks/dense_gpu.py

Needs no data: ResNet-20 has the weights of this package and is judged on its sample images; VGG-16 has untrained
weights and is timed only, unless SPIKEWRIGHT_DATA has trained ones. `--device cpu --tiny` tries the script out.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from run import HERE, say, store
from torch import Tensor, nn

from spikewright.coding import repeat
from spikewright.convert import OPI, QCFS, ErrorOptimal, convert, per_channel
from spikewright.core.errors import SpikewrightError
from spikewright.core.spiking import Spiking
from spikewright.data import load_dataset
from spikewright.experiments.network import load_network
from spikewright.models import MODELS
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime.dense import DenseNetwork
from spikewright.runtime.prepare import prepared

CASE = "dense-gpu"
NETWORKS = ("resnet20", "vgg16")
TIMESTEPS = 4
PLANS = {"plan": torch.float32, "plan, bfloat16": torch.bfloat16}
WAYS = ("source", "torch", "torch, channels last", *PLANS)


def compare(
    device: torch.device, names: list[str], batches: tuple[int, ...], rounds: int, seconds: float, tiny: bool
) -> dict[str, Any]:
    """Convert, compare and time both networks; return the result as stored."""
    torch.backends.cudnn.benchmark = True
    begin, runs, about, plans, left_out = time.monotonic(), [], [], {}, []
    ways: dict[str, dict[str, Any]] = {}
    chunk = batches[-1]  # judged in batches that are timed too, so that nothing is compiled twice
    for name in names:
        say(f"{name}, T = {TIMESTEPS}: converting and judging")
        source, model, trained = _converted(name)
        ways[name] = _ways(source.to(device), model.to(device), _images(8).to(device))
        about.append({"network": name, "trained": trained, **_judged(ways[name], device, chunk, 1 if tiny else 3)})
    for batch in batches:
        for name in names:
            if time.monotonic() - begin > seconds:
                left_out.append(f"{name}, batches of {batch}: out of time")
                continue
            say(f"{name}, batches of {batch}")
            found, failed = _timed(ways[name], _images(batch).to(device), rounds)
            runs += [{"network": name, "timesteps": TIMESTEPS, "batch": batch, **run} for run in found]
            left_out += [f"{name}, batches of {batch}: {line}" for line in failed]
    for name in names:
        try:
            plan = ways[name]["plan"].explain(repeat(_images(chunk).to(device), TIMESTEPS))
            plans[name] = {"caption": plan.caption, "rows": [list(row) for row in plan.rows]}
        except RuntimeError as error:
            left_out.append(f"{name}, plan: {error}")
    return {
        "case": CASE,
        "what": f"Converted networks in one batch of all time steps, batches of {', '.join(map(str, batches))}",
        "device": _about(device),
        "rounds": rounds,
        "seed": 0,
        "load_before_and_after": [],
        "environment": environment(("torch", "triton", "numpy", "spikewright"), source=Path(__file__)),
        "networks": about,
        "runs": runs,
        "plans": plans,
        "left_out": left_out,
    }


def _converted(name: str) -> tuple[nn.Module, Spiking, bool]:
    """Source, converted network, and whether its weights are trained."""
    if name == "resnet20":
        conversion = convert(load_network("cifar10_resnet20_qcfs_l4").model.eval(), QCFS())
        return conversion.source.eval(), conversion.model.eval(), True
    try:
        network, trained = load_network("cifar10_vgg16_bn").model, True
    except SpikewrightError:
        torch.manual_seed(0)
        network, trained = MODELS["vgg16"](10), False
    conversion = convert(network.eval(), OPI(threshold=ErrorOptimal(timesteps=4, groups=per_channel)), _calibration())
    return conversion.source.eval(), conversion.model.eval(), trained


def _images(count: int, first: int = 0) -> Tensor:
    """Sample images of this package from the one numbered `first` on."""
    images, _ = load_dataset("cifar10", None, "sample").gather(torch.arange(first, first + count))
    return images


def _calibration() -> Tensor:
    images, _ = load_dataset("cifar10", None, "calibration").gather(torch.arange(32))
    return images


def _ways(source: nn.Module, model: Spiking, example: Tensor) -> dict[str, Any]:
    device = example.device
    ways: dict[str, Any] = {"source": source, "torch": model}
    ways["torch, channels last"] = copy.deepcopy(model).to(memory_format=torch.channels_last)
    for way, kind in PLANS.items():
        ways[way] = DenseNetwork(model, *prepared(model, repeat(example, TIMESTEPS)), device, kind)
    return ways


def _call(way: str, run: Any, images: Tensor) -> Callable[[], Tensor]:
    if way == "torch, channels last":
        images = images.contiguous(memory_format=torch.channels_last)
    return partial(run, images if way == "source" else repeat(images, TIMESTEPS))


@torch.inference_mode()
def _judged(ways: dict[str, Any], device: torch.device, chunk: int, chunks: int) -> dict[str, Any]:
    """How far the outputs of every way are from torch's, and how often they are right."""
    images, found = chunk * chunks, {}
    _, labels = load_dataset("cifar10", None, "sample").gather(torch.arange(images))
    labels, answers = labels.to(device), {}
    for way, run in ways.items():
        try:
            outs = [_call(way, run, _images(chunk, chunk * i).to(device))() for i in range(chunks)]
        except RuntimeError as error:
            found[way] = {"failed": str(error).split("\n")[0]}
            continue
        answers[way] = torch.cat([out if way == "source" else out.mean(0) for out in outs])
        found[way] = {"accuracy": float((answers[way].argmax(-1) == labels).float().mean())}
    for way in answers.keys() - {"source"}:
        gap, same = answers[way] - answers["torch"], answers[way].argmax(-1) == answers["torch"].argmax(-1)
        found[way] |= {"largest_difference": float(gap.abs().max()), "same_answer": float(same.float().mean())}
    found["largest_output"] = float(answers["torch"].abs().max())
    return {"images": images, "judged": found}


@torch.inference_mode()
def _timed(ways: dict[str, Any], images: Tensor, rounds: int) -> tuple[list[dict[str, Any]], list[str]]:
    """The ways in turn, `rounds` times; and what failed."""
    calls, failed, runs = {}, [], []
    for way, run in ways.items():
        calls[way] = _call(way, run, images)
        try:
            for _ in range(3):  # chooses algorithms, compiles, records
                calls[way]()
            _wait(images.device)
        except RuntimeError as error:
            failed.append(f"{way}: {str(error).splitlines()[0]}")
            del calls[way]
    repeats = max(1, 256 // len(images)) if images.device.type == "cuda" else 1
    for _ in range(rounds):
        for way, call in calls.items():
            runs.append({"way": way, "seconds": _seconds(call, images.device, min(repeats, 30))})
    return runs, failed


def _seconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Seconds of one call by the clock, the device waited for at the end."""
    _wait(device)
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    _wait(device)
    return (time.perf_counter() - begin) / repeats


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _about(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"kind": device.type}
    settings = {
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "tf32_products": torch.backends.cuda.matmul.allow_tf32,
    }
    return {"kind": "cuda", "name": torch.cuda.get_device_name(device), "cuda": torch.version.cuda, **settings}


def table(result: dict[str, Any]) -> Table:
    """One row per network and batch: images a second, and how many times faster than torch."""
    rows = []
    for key in dict.fromkeys((run["network"], run["timesteps"], run["batch"]) for run in result["runs"]):
        own = [run for run in result["runs"] if (run["network"], run["timesteps"], run["batch"]) == key]
        times = {way: [run["seconds"] for run in own if run["way"] == way] for way in WAYS}
        for way in WAYS:
            if times[way]:
                ratio = median(a / b for a, b in zip(times["torch"], times[way]))
                seconds = median(times[way])
                rows.append((*key, way, seconds, key[2] / seconds, ratio))
    columns = (
        *(Column("network"), Column("T", "steps"), Column("batch"), Column("way")),
        Column("time", "s", None, "per call, median of the rounds"),
        Column("images a second", "", 0),
        Column("torch", "×", 2, "time of the spiking network in torch over this one"),
    )
    return Table("Dense on a device", columns, tuple(rows))


def judged(result: dict[str, Any]) -> Table:
    """One row per network and way: accuracy, and how close it is to torch."""
    rows = []
    for about in result["networks"]:
        for way in WAYS:
            found = about["judged"].get(way, {})
            right = found.get("accuracy") if about["trained"] else None
            rows.append((about["network"], way, right, found.get("same_answer"), found.get("largest_difference")))
    columns = (
        *(Column("network"), Column("way")),
        Column("accuracy", "%", 1, "on sample images of this package; none for untrained weights"),
        Column("same answer", "%", 1, "as the spiking network in torch"),
        Column("largest difference", "", None, "of a logit to that of the spiking network in torch"),
    )
    return Table("Equal to torch", columns, tuple(rows))


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu to try the script out")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64, 256], help="images at a time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=45.0, help="no further batch size begins after that time")
    parser.add_argument("--tiny", action="store_true", help="batches of 1 and 4, one round; nothing is stored")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("dense_gpu: there is no CUDA device; --device cpu --tiny tries the script out", file=sys.stderr)
        return 1
    before = os.getloadavg()
    batches, rounds = ((1, 4), 1) if options.tiny else (tuple(options.batches), options.rounds)
    result = compare(torch.device(options.device), options.networks, batches, rounds, options.seconds, options.tiny)
    result["load_before_and_after"] = [before, os.getloadavg()]
    print(table(result).to_markdown())
    print(judged(result).to_markdown())
    for line in result["left_out"]:
        print(f"left out: {line}")
    if options.tiny:
        return 0
    print(store(result, options.results / CASE))
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())
