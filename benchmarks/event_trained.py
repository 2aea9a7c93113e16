"""Networks trained for few spikes, on events: beside torch, SpikingJelly, and an ordinary network of the same shape.

SPIKEWRIGHT_DATA=... .venv-bench/bin/python benchmarks/event_trained.py [--minutes 60]

Both networks are trained first, which goes on where an earlier run was stopped.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from calibration import timed
from direct_training import at_lif, lif
from run import HERE, say, store
from torch import Tensor, nn

from spikewright.coding import repeat
from spikewright.core import Neuron, Spiking
from spikewright.data import load_dataset
from spikewright.data.augment import cifar_augment
from spikewright.data.batches import Batches
from spikewright.experiments.over_time import OverTime
from spikewright.models.normalize import Normalize
from spikewright.models.resnet import CIFAR_MEAN, CIFAR_STD
from spikewright.profile import count_operations, count_spikes
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime import compile
from spikewright.train import SGD, FitConfig, accuracy_over_time, fit

CASE = "event-trained"
TIMESTEPS, SEED, BATCH = 4, 0, 50
WIDTHS = (32, 32, "pool", 64, 64, "pool", 128, 128, "pool")
NEURONS: dict[str, tuple[Callable[[], Neuron], float]] = {"LIF": (lif, 0.0), "AT-LIF": (at_lif, 1e-1 * BATCH)}
"""Neurons, and the strength with which activity raises their thresholds."""


def network(activation: Callable[[], nn.Module]) -> nn.Sequential:
    """Six convolutions with batch norm and activations, average pools between them."""
    layers: list[nn.Module] = [Normalize(CIFAR_MEAN, CIFAR_STD)]
    channels = 3
    for width in WIDTHS:
        if isinstance(width, str):
            layers.append(nn.AvgPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), activation()]
            channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 16, 10))


def trained(name: str, images: int, epochs: int, folder: Path, minutes: float) -> Spiking:
    """The network of one kind of neurons, trained on the first images of CIFAR-10."""
    neuron, adaptation = NEURONS[name]
    torch.manual_seed(SEED)
    model = Spiking(network(neuron)).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    data = Batches(load_dataset("cifar10", None, "train").subset(images), BATCH, seed=SEED, augment=cifar_augment())
    time_given = OverTime(timesteps=TIMESTEPS, adaptation=adaptation)
    hook = time_given.prepared(model, epochs * len(data))
    config = FitConfig(epochs=epochs, optimizer=SGD(lr=0.1, weight_decay=5e-4 if not adaptation else 0.0), seed=SEED)

    def log(**numbers: float) -> None:
        say(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in numbers.items()))

    fit(
        model, time_given.loss_of(), data, None, config, folder=folder / name, log=log, after_step=hook, minutes=minutes
    )
    return model.eval()


def measured(name: str, model: Spiking, images: int, batches: tuple[int, ...], rounds: int, threads: tuple[int, ...]):
    """Judge, count and time one network."""
    torch.set_num_threads(1)
    judged = Batches(load_dataset("cifar10", None, "test").subset(images), 100)
    first = torch.cat([x for x, _ in judged])[: max(batches)]
    events = compile(model, repeat(first[:8], TIMESTEPS))
    peer = spikingjelly(model)
    with torch.no_grad():
        xs = repeat(first, TIMESTEPS)
        away = {
            "events": float((events(xs).mean(0) - model(xs).mean(0)).abs().max()),
            "SpikingJelly": float((peer(first) - model(xs).mean(0)).abs().max()),
        }
    about = {
        "neurons": name,
        "accuracy": accuracy_over_time(events, judged, TIMESTEPS).accuracy[-1],
        "firing_rate": count_spikes(model, [xs]).firing_rate(),
        "synops": count_operations(model, [xs]).totals().synops,
        "logits_away": away,
    }
    return [{**about, **run} for few in threads for run in times(model, events, peer, first, batches, rounds, few)]


def times(model: Spiking, events: Any, peer: Any, first: Tensor, batches: tuple[int, ...], rounds: int, threads: int):
    """Every way in turn, round after round."""
    from side_onnx import session

    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    source = network(nn.ReLU).eval()
    onnx = session(source, first, threads)
    events.choose(repeat(first[:8], TIMESTEPS))
    source = source.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    runs = []
    for batch in batches:
        plain = first[:batch].contiguous()
        x = plain.contiguous(memory_format=torch.channels_last)
        ways: dict[str, Callable[[], object]] = {
            "ANN": partial(source, x),
            "ANN, ONNX Runtime": partial(onnx, plain),
            "torch": partial(model, repeat(x, TIMESTEPS)),
            "events": partial(events, repeat(x, TIMESTEPS)),
            "SpikingJelly": partial(peer, plain),
        }
        for number in range(rounds + 1):  # the first one warms up
            for way, run in ways.items():
                with torch.inference_mode():
                    spent = timed(run)
                runs += [{"threads": threads, "batch": batch, "way": way, **spent}] if number else []
    return runs


def spikingjelly(model: Spiking) -> Callable[[Tensor], Tensor]:
    """The same network with SpikingJelly's multi-step neurons: images -> mean output."""
    from spikingjelly.activation_based import functional, layer, neuron

    parts, amplitude = [], torch.ones(())
    for part in copy.deepcopy(model.module):  # pyright: ignore[reportGeneralTypeIssues]
        if isinstance(part, Neuron):
            threshold, kept = part.v_threshold.item(), part.decay.item()
            amplitude = part.amplitude.detach()
            node = neuron.LIFNode(1 / (1 - kept), False, threshold, 0.0, detach_reset=True, step_mode="m")
            parts.append(node)
            continue
        if isinstance(part, nn.Conv2d | nn.Linear):  # its spikes are 0 and 1: what they deliver goes into the weights
            part.weight.data *= amplitude
            amplitude = torch.ones(())
        parts.append(layer.SeqToANNContainer(part))
    twin = nn.Sequential(*parts).eval()

    def run(x: Tensor) -> Tensor:
        functional.reset_net(twin)
        return twin(repeat(x, TIMESTEPS)).mean(0)

    return run


OTHERS = ("torch", "SpikingJelly", "ANN", "ANN, ONNX Runtime")


def table(result: dict[str, Any]) -> Table:
    """One row per network, batch and number of threads."""
    rows = []
    keys = dict.fromkeys((run["neurons"], run["threads"], run["batch"]) for run in result["runs"])
    for key in keys:
        own = [run for run in result["runs"] if (run["neurons"], run["threads"], run["batch"]) == key]
        spent = {way: [run["seconds"] / key[2] for run in own if run["way"] == way] for way in ("events", *OTHERS)}
        ratios = [median(a / b for a, b in zip(spent[other], spent["events"])) for other in OTHERS]
        about = own[0]
        rows.append(
            (*key, about["accuracy"], about["firing_rate"], about["synops"] / 1e6, median(spent["events"]), *ratios)
        )
    columns = (
        Column("neurons"),
        Column("threads"),
        Column("batch"),
        Column("accuracy", "%", 1),
        Column("firing rate", "", 4, "Spikes per neuron and step."),
        Column("synops", "M", 2, "Millions of accumulations that spikes cause, per image."),
        Column("time", "s", None, "Per image on events, median of the rounds."),
        Column("torch", "×", 2, "Time of the same network in torch's operations over that on events."),
        Column("SpikingJelly", "×", 2, "The same in SpikingJelly's multi-step mode."),
        Column("ANN", "×", 2, "Of an ordinary network with ReLU, of the same shape, in torch."),
        Column("ANN, ONNX Runtime", "×", 2, "The same; above 1 the spiking network answers sooner."),
    )
    return Table("Networks trained for few spikes", columns, tuple(rows))


def main() -> int:
    """Train what is missing, measure, store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60, help="of training for each network, until it is stopped")
    parser.add_argument("--images", type=int, default=8_000, help="training images")
    parser.add_argument("--judged", type=int, default=1_000, help="test images")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64], help="images at a time")
    parser.add_argument("--folder", type=Path, default=Path("runs") / CASE, help="where the trainings are kept")
    parser.add_argument("--train", action="store_true", help="only train")
    parser.add_argument("--neurons", nargs="+", choices=tuple(NEURONS), default=list(NEURONS))
    options = parser.parse_args()
    models = {
        name: trained(name, options.images, options.epochs, options.folder, options.minutes) for name in options.neurons
    }
    if options.train:
        return 0
    before = os.getloadavg()
    sizes = tuple(options.batches), options.rounds, tuple(options.threads)
    runs = [run for name, model in models.items() for run in measured(name, model, options.judged, *sizes)]
    result = {
        "case": CASE,
        "what": f"Six convolutions of 32 to 128 maps, T = {TIMESTEPS}, trained directly for {options.epochs} epochs on "
        f"{options.images} CIFAR-10 images, judged on {options.judged} test images",
        "seed": SEED,
        "rounds": options.rounds,
        "environment": environment(
            ("torch", "numpy", "numba", "onnxruntime", "spikingjelly", "spikewright"), source=Path(__file__)
        ),
        "load_before_and_after": [before, os.getloadavg()],
        "runs": runs,
    }
    print(table(result).to_markdown())
    store(result, HERE / "results" / CASE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())
