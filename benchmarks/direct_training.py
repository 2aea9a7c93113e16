"""Neurons trained directly on real data, at the scale of one processor core: accuracy, spikes, operations, thresholds.

SPIKEWRIGHT_DATA=... python benchmarks/direct_training.py [--seeds 0 1 2] [--minutes 20]

Every row (network, neurons, seed) is kept in results/direct-training/rows.jsonl as soon as it is measured; a later run
measures only what is missing, e.g. further seeds. Without that file everything is measured anew.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from run import HERE, say, store
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.coding import as_given, repeat
from spikewright.convert import QCFS, prepare
from spikewright.core import Spiking, Triangle, to_zero
from spikewright.data import Batches, EventBatches, ImageDataset, load_dataset, load_events
from spikewright.data.events import FixedBins, Frames, TimeBins
from spikewright.experiments.first_weights import take_over
from spikewright.experiments.neuron_choice import PLIFNeurons
from spikewright.experiments.over_time import OverTime
from spikewright.models import event_cnn, mlp
from spikewright.models.normalize import Normalize
from spikewright.models.resnet import CIFAR_MEAN, CIFAR_STD
from spikewright.neurons import ATLIF, LIF, LMH
from spikewright.profile import count_operations, count_spikes
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.sparsity import activity, delivered, permanent, weights_left
from spikewright.train import SGD, AdamW, FitConfig, Optimizer, accuracy, accuracy_of, cross_entropy, fit
from spikewright.train import rate_cross_entropy as rate_loss

CASE = "direct-training"
DECAY = 0.9
SILENT = 1e-3
"""Spikes per neuron and step below which a network counts as silent."""
SEEDS = (0, 1, 2)
FINE_TUNE = SGD(lr=0.005, weight_decay=0.0)
"""Of the hybrid training: a twentieth of the learning rate before it; published is a fiftieth, over 50 epochs."""

EARLIER = {
    "LIF": (0.5005, 0.197),
    "LIF, penalty 0.1": (0.4895, 0.098),
    "LIF, penalty 0.3": (0.456, 0.053),
    "LIF, penalty 1": (0.1, 0.0),
    "AT-LIF 1e-3": (0.497, 0.175),
    "AT-LIF 1e-2": (0.4825, 0.100),
    "AT-LIF 1e-1": (0.456, 0.039),
    "AT-LIF 1e-2, penalty 0.1": (0.4905, 0.062),
}
"""Accuracy and firing rate that a separate program found in the same experiment before, over one or two seeds."""

Data = tuple[Any, list[tuple[Tensor, Tensor]]]
"""Training batches in the order of a seed, and the batches judged."""


@dataclass(frozen=True)
class Part:
    """One network on one data set.

    Args:
        name: of its rows.
        what: in words, for the page.
        timesteps: T.
        encode: batch and T -> sequence.
        network: activation -> network of ordinary layers.
        data: seed -> data.
        optimizer, epochs, batch_size: of every training.
        choices: the neurons, by name.
    """

    name: str
    what: str
    timesteps: int
    encode: Callable[[Tensor, int], Tensor]
    network: Callable[[Callable[[], nn.Module]], nn.Module]
    data: Callable[[int], Data]
    optimizer: Optimizer
    epochs: int
    batch_size: int
    choices: dict[str, Choice]

    def fit(self, seed: int, optimizer: Optimizer | None = None, clip_norm: float = 0.0) -> FitConfig:
        """Length, update rule and seed of one training."""
        return FitConfig(epochs=self.epochs, optimizer=optimizer or self.optimizer, seed=seed, clip_norm=clip_norm)


Way = Callable[["Part", "Choice", int], tuple[Spiking, dict[str, float]]]
"""Part, choice, seed -> the trained network, and what else is known of its training."""


@dataclass(frozen=True)
class Choice:
    """Neurons and how they are trained.

    Args:
        neuron: makes one layer of them.
        way: `direct`, `hybrid` or `staged`.
        adaptation: strength with which activity raises thresholds, per sample as published.
        penalty: of activity.
        pruned: share of weights taken out.
        clip_norm: largest norm of a gradient; 0 for no limit.
    """

    neuron: Callable[[], nn.Module]
    way: Way = field(default_factory=lambda: direct)
    adaptation: float = 0.0
    penalty: float = 0.0
    pruned: float = 0.0
    clip_norm: float = 0.0


def fresh(part: Part, choice: Choice, seed: int) -> Spiking:
    """The network with weights that depend on the seed alone, the same for all neurons."""
    torch.manual_seed(seed)
    return Spiking(part.network(choice.neuron))


def train(
    part: Part,
    choice: Choice,
    model: Spiking,
    seed: int,
    optimizer: Optimizer | None = None,
    also: Callable[[], object] = lambda: None,
) -> None:
    """Train a network over time, in place; `also` is called after every update."""
    batches, _ = part.data(seed)
    pruning = {"pruning": "magnitude", "pruned": choice.pruned} if choice.pruned else {}
    time_given = OverTime(timesteps=part.timesteps, adaptation=choice.adaptation * part.batch_size, **pruning)
    hook = time_given.prepared(model, part.epochs * len(batches))
    loss = rate_loss(timesteps=None if part.encode is as_given else part.timesteps, encode=part.encode)
    loss = loss + choice.penalty * activity(measure=delivered) if choice.penalty else loss
    fit(
        model,
        loss,
        batches,
        None,
        part.fit(seed, optimizer, choice.clip_norm),
        after_step=lambda m, lr: (hook(m, lr), also()),
    )
    permanent(model)


def direct(part: Part, choice: Choice, seed: int) -> tuple[Spiking, dict[str, float]]:
    """From fresh weights."""
    model = fresh(part, choice, seed)
    train(part, choice, model, seed)
    return model, {}


def staged(part: Part, choice: Choice, seed: int) -> tuple[Spiking, dict[str, float]]:
    """From fresh weights, with the factors of LM-H neurons fixed for the first half of the updates."""
    model = fresh(part, choice, seed)
    factors = [value for name, value in model.named_parameters() if ".raw_" in name]
    half, updates = part.epochs * len(part.data(seed)[0]) // 2, count(1)

    def turn(learn: bool) -> None:
        for factor in factors:
            factor.requires_grad_(learn)

    turn(False)
    train(part, choice, model, seed, also=lambda: turn(True) if next(updates) == half else None)
    return model, {}


def hybrid(part: Part, choice: Choice, seed: int) -> tuple[Spiking, dict[str, float]]:
    """A QCFS network with four levels first, as long as every other training; then its weights and thresholds."""
    torch.manual_seed(seed)
    source = prepare(part.network(nn.ReLU), QCFS(levels=4))
    batches, judged = part.data(seed)
    fit(source, cross_entropy(), batches, None, part.fit(seed))
    model = Spiking(part.network(choice.neuron))
    take_over(model, source, "the QCFS network")
    found = {"source_accuracy": accuracy(source, judged), "accuracy_before": judge(part, model, judged)}
    train(part, choice, model, seed, FINE_TUNE)
    return model, found


def judge(part: Part, model: Spiking, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Accuracy of the mean output over T steps, 0..1."""
    return accuracy_of(part.timesteps, encode=part.encode)(model, batches)


def measure(part: Part, name: str, seed: int) -> dict[str, Any]:
    """One row: train, judge, count."""
    began = time.process_time()
    model, found = part.choices[name].way(part, part.choices[name], seed)
    seconds = time.process_time() - began
    _, judged = part.data(seed)
    xs = [part.encode(x, part.timesteps) for x, _ in judged[:5]]
    spikes, operations = count_spikes(model, xs), count_operations(model, xs).totals()
    _, weights, left, _ = weights_left(model).rows[-1]
    neurons = [layer for layer in model.modules() if hasattr(layer, "v_threshold")]
    return {
        "part": part.name,
        "neurons": name,
        "seed": seed,
        "accuracy": judge(part, model, judged),
        "firing_rate": spikes.firing_rate(),
        "layer_rates": [layer.firing_rate() for layer in spikes.layers],
        "synops": operations.synops,
        "macs": operations.macs,
        "v_thresholds": [layer.v_threshold.item() for layer in neurons],
        "weights": weights,
        "weights_left": left,
        "counted_inputs": sum(x.shape[1] for x in xs),
        "train_cpu_seconds": seconds,
        **found,
    }


def small_images(split: str, number: int) -> ImageDataset:
    """The first CIFAR-10 images of a split at 16 x 16 pixels, each the mean of four."""
    whole = load_dataset("cifar10", None, split).subset(number)
    half = F.avg_pool2d(whole.images.float(), 2).round().to(torch.uint8)
    return ImageDataset(half, whole.labels, whole.classes)


@cache
def cifar10_sets() -> tuple[ImageDataset, list[tuple[Tensor, Tensor]]]:
    """5,000 training images, and 1,500 test images in batches."""
    return small_images("train", 5000), list(Batches(small_images("test", 1500), 100))


def cifar10_data(seed: int) -> Data:
    """The images in the order of a seed."""
    train_set, judged = cifar10_sets()
    return Batches(train_set, 100, seed=seed), judged


def cifar10_network(activation: Callable[[], nn.Module]) -> nn.Sequential:
    """Three convolutions of 12, 24 and 32 channels with batch norm, average pools before the last two."""
    layers: list[nn.Module] = [Normalize(CIFAR_MEAN, CIFAR_STD)]
    for place, (inputs, outputs) in enumerate(((3, 12), (12, 24), (24, 32))):
        layers += [nn.AvgPool2d(2)] if place else []
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), activation()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 16, 10))


def event_data(name: str, frames: Frames, batch_size: int, judged: int, seed: int) -> Data:
    """Recordings of an event sensor as frames, training ones in the order of a seed."""
    train_set, test_batches = event_sets(name, frames, judged)
    return EventBatches(train_set, batch_size, frames, seed=seed), test_batches


@cache
def event_sets(name: str, frames: Frames, judged: int) -> tuple[Any, list[tuple[Tensor, Tensor]]]:
    """Training recordings in memory, and batches of test recordings as frames."""
    train_set, test_set = (load_events(name, split=split) for split in ("train", "test"))
    return train_set.in_memory(), list(EventBatches(test_set, judged, frames))


def lif() -> LIF:
    """A LIF neuron that is ATLIF with a threshold of one for good: same leak, surrogate and reset."""
    return LIF(tau=-1 / math.log(DECAY), spike=Triangle(), reset=to_zero)


def at_lif() -> ATLIF:
    """The neuron whose threshold grows with activity."""
    return ATLIF(decay=DECAY)


CIFAR10 = Part(
    "cifar10",
    "CIFAR-10 at 16 × 16 pixels, the first 5,000 training and 1,500 test images; three convolutions of 12, 24 and 32 "
    "channels with batch norm",
    4,
    repeat,
    cifar10_network,
    cifar10_data,
    SGD(lr=0.1, weight_decay=0.0),
    6,
    100,
    {
        "LIF": Choice(lif),
        "LIF, penalty 0.1": Choice(lif, penalty=0.1),
        "LIF, penalty 0.3": Choice(lif, penalty=0.3),
        "LIF, penalty 1": Choice(lif, penalty=1.0),
        "AT-LIF 1e-3": Choice(at_lif, adaptation=1e-3),
        "AT-LIF 1e-2": Choice(at_lif, adaptation=1e-2),
        "AT-LIF 1e-1": Choice(at_lif, adaptation=1e-1),
        "AT-LIF 1e-2, penalty 0.1": Choice(at_lif, adaptation=1e-2, penalty=0.1),
        "AT-LIF 1e-2, 80 % pruned": Choice(at_lif, adaptation=1e-2, pruned=0.8),
        "PLIF": Choice(PLIFNeurons().build),
        "LM-H": Choice(LMH),
        "LM-H, factors from half on": Choice(LMH, staged),
        "LM-H, hybrid": Choice(LMH, hybrid),
    },
)
BRAILLE = Part(
    "braille",
    "Braille touch recordings, 980 for training and 140 for the test; two hidden linear layers of 128 neurons, steps "
    "of 20 ms",
    64,
    as_given,
    lambda activation: mlp(7, activation, shape=(1, 1, 12), widths=(128, 128), mean=(), std=()),
    partial(event_data, "braille", FixedBins(64, width=20_000), 49, 28),
    SGD(lr=0.1, weight_decay=0.0),
    30,
    49,
    {"LIF": Choice(lif), "AT-LIF 1e-2": Choice(at_lif, adaptation=1e-2), "LM-H": Choice(LMH, clip_norm=1.0)},
)
NMNIST = Part(
    "nmnist",
    "A sample of N-MNIST, 200 recordings for training and 100 for the test; `event_cnn`",
    8,
    as_given,
    lambda activation: event_cnn(10, activation),
    partial(event_data, "nmnist", TimeBins(8), 20, 20),
    AdamW(lr=0.003),
    10,
    20,
    {"LIF": Choice(lif), "LM-H": Choice(LMH)},
)
PARTS = (CIFAR10, BRAILLE, NMNIST)


def kept_rows(path: Path) -> list[dict[str, Any]]:
    """The rows that earlier runs have measured."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def missing(
    rows: list[dict[str, Any]], seeds: list[int], parts: list[Part], only: list[str] | None
) -> Iterator[tuple[Part, str, int]]:
    """What is still to be measured; a seed is finished for everything before the next one begins."""
    done = {(row["part"], row["neurons"], row["seed"]) for row in rows}
    for seed in seeds:
        for part in parts:
            names = [name for name in only or part.choices if name in part.choices]
            yield from ((part, name, seed) for name in names if (part.name, name, seed) not in done)


def about(part: Part) -> dict[str, Any]:
    """The settings of a part, as stored."""
    optimizer = {"name": type(part.optimizer).__name__, **asdict(part.optimizer)}
    choices = {
        name: {"way": choice.way.__name__, "adaptation": choice.adaptation, "penalty": choice.penalty,
               "pruned": choice.pruned, "clip_norm": choice.clip_norm}
        for name, choice in part.choices.items()
    }  # fmt: skip
    return {
        "name": part.name, "what": part.what, "timesteps": part.timesteps, "optimizer": optimizer,
        "epochs": part.epochs, "batch_size": part.batch_size, "choices": choices,
    }  # fmt: skip


def table(result: dict[str, Any], name: str) -> Table:
    """One row per neurons: mean over the seeds, and their standard deviation."""
    part = next(part for part in result["parts"] if part["name"] == name)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        if row["part"] == name:
            found.setdefault(row["neurons"], []).append(row)
    earlier = EARLIER if name == CIFAR10.name else {}
    rows = tuple((neurons, *_cells(own), *((earlier.get(neurons, (None, None))) if earlier else ()))
                 for neurons, own in found.items())  # fmt: skip
    columns = (
        Column("neurons"),
        Column("seeds"),
        Column("accuracy", "%", 1),
        Column("accuracy ±", "%", 1, "Standard deviation over the seeds; of one seed it is not known."),
        Column("firing rate", "", 4, "Spikes per neuron and step."),
        Column("rate ±", "", 4),
        Column("synops", "k", 0, "Thousands of accumulations caused by spikes of neurons, per input."),
        Column("thresholds", note="Of the layers in turn, at the end, mean over the seeds."),
    )
    compared = (Column("earlier accuracy", "%", 1, "Of a separate, earlier program in the same experiment."),
                Column("earlier rate", "", 3, "The same."))  # fmt: skip
    update = f"{part['optimizer']['name']} at {part['optimizer']['lr']:g}, cosine"
    cut = [f"{name} {about['clip_norm']:g}" for name, about in part["choices"].items() if about.get("clip_norm")]
    update += f"; largest norm of a gradient: {', '.join(cut)}" if cut else ""
    caption = (f"{part['what']}; T = {part['timesteps']}, {part['epochs']} epochs, batches of {part['batch_size']}, "
               f"{update}.")  # fmt: skip
    return Table(name, columns + (compared if earlier else ()), rows, caption)


def _cells(rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    cells: list[Any] = [len(rows)]
    for number in ("accuracy", "firing_rate"):
        values = [row[number] for row in rows]
        cells += [mean(values), stdev(values) if len(values) > 1 else None]
    layers = zip(*(row["v_thresholds"] for row in rows), strict=True)
    return (*cells, mean(row["synops"] for row in rows) / 1e3, ", ".join(f"{mean(layer):.2f}" for layer in layers))


def tables(result: dict[str, Any]) -> list[Table]:
    """The table of every part."""
    return [table(result, part["name"]) for part in result["parts"]]


def averages(result: dict[str, Any], part: str, number: str) -> dict[str, float]:
    """Neurons -> mean of a number over the seeds."""
    values: dict[str, list[float]] = {}
    for row in result["rows"]:
        if row["part"] == part and number in row:
            values.setdefault(row["neurons"], []).append(row[number])
    return {neurons: mean(own) for neurons, own in values.items()}


def seen(result: dict[str, Any]) -> str:
    """What the table of the images says of fewer spikes and of LM-H, in words."""
    right, rates = (averages(result, CIFAR10.name, number) for number in ("accuracy", "firing_rate"))
    if "LIF" not in right:
        return ""
    changes = [
        f"{name}: {100 * (right[name] - right['LIF']):+.1f} points at {rates[name] / rates['LIF']:.2f} of its spikes"
        for name in right
        if name.startswith(("LIF,", "AT-LIF"))
    ]
    text = [f"Beside LIF at a fixed threshold: {'; '.join(changes)}."]
    silent = [name for name, rate in rates.items() if rate < SILENT]
    text += [f"Falls silent: {', '.join(silent)}."] if silent else []
    start, source = (averages(result, CIFAR10.name, number) for number in ("accuracy_before", "source_accuracy"))
    for name, first in start.items():
        text.append(
            f"{name}: the QCFS network has {100 * source[name]:.1f} %, its weights and thresholds in LM-H neurons "
            f"{100 * first:.1f} % before the fine-tuning, {100 * right[name]:.1f} % after it; its two trainings take "
            "twice as many epochs as the others."
        )
    return " ".join(text)


def unlearnt(result: dict[str, Any]) -> str:
    """Which rows of recordings stay at chance, in words."""
    classes = {BRAILLE.name: 7, NMNIST.name: 10}
    found = [
        f"{neurons} ({part})"
        for part, number in classes.items()
        for neurons, right in averages(result, part, "accuracy").items()
        if right < 1.5 / number
    ]
    return f"At chance, so not trained by these settings: {', '.join(found)}." if found else ""


def words(result: dict[str, Any]) -> str:
    """What the rows are, and at which commits they were measured."""
    commits = ", ".join(dict.fromkeys((row["commit"] or "unknown")[:10] for row in result["rows"]))
    return (
        "**Small**: minutes on one core, few images, few epochs, one to three seeds; the rows can be compared with "
        "each other, not with published figures. Differences below the spread over the seeds say nothing; two seeds of "
        "the earlier program were up to 2.6 points apart. The number "
        "behind AT-LIF is the strength with which activity raises thresholds, per sample as published; a penalty is "
        "what the spikes of a neuron in T steps are multiplied with in the loss. LIF here has the leak, surrogate and "
        "reset of AT-LIF; PLIF is as published, with a decay of a half at first. No augmentation; "
        f"spikes and operations are counted on the first batches of the test data. Rows measured at: {commits}. "
        "Accuracies recorded for the Braille recordings with recurrent networks of snnTorch: 95.0 % and 92.1 %; with a "
        "linear classifier on 16 time bins: 92 %."
    )


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--parts", nargs="+", choices=[part.name for part in PARTS], default=[p.name for p in PARTS])
    parser.add_argument("--neurons", nargs="+", help="rows of these neurons alone, in this order")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no further row after this time")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = [part for name in options.parts for part in PARTS if part.name == name]
    made_of = environment(("torch", "numpy", "lightning-fabric", "spikewright"), source=Path(__file__))
    partly = options.results / CASE / "rows.jsonl"
    rows, before, began = kept_rows(partly), os.getloadavg(), time.monotonic()
    for part, name, seed in list(missing(rows, options.seeds, parts, options.neurons)):
        if time.monotonic() - began > 60 * options.minutes:
            say(f"time is up; {len(rows)} rows are kept in {partly.name}")
            break
        row = measure(part, name, seed) | {"commit": made_of["commit"], "dirty": made_of["dirty"]}
        say(f"{part.name}, {name}, seed {seed}: {row['accuracy']:.3f} at {row['firing_rate']:.4f}, "
            f"{row['train_cpu_seconds']:.0f} s")  # fmt: skip
        rows.append(row)
        partly.parent.mkdir(parents=True, exist_ok=True)
        with partly.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    result = {
        "case": CASE,
        "what": "Direct training at a small scale",
        "environment": made_of,
        "device": {"kind": "cpu", "threads": 1},
        "load_before_and_after": [before, os.getloadavg()],
        "parts": [about(part) for part in PARTS if part.name in {row["part"] for row in rows}],
        "rows": rows,
    }
    store(result, options.results / CASE)
    import tables as pages

    return pages.main([])


if __name__ == "__main__":
    sys.exit(main())
