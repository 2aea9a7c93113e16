"""Random small spiking networks, compiled and not, on random input: how often the two disagree.

python benchmarks/event_fuzzing.py
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from run import HERE, say, store
from torch import Tensor, nn

from spikewright.convert.layers import MaxPoolGate
from spikewright.convert.recipes.cos import CalibratedIF, guarded, published
from spikewright.convert.recipes.srp import MaskedIF, authors_code, paper
from spikewright.core import Spiking, reset
from spikewright.neurons import IF, LIF, PLIF, MultiThresholdIF, SignedIF
from spikewright.neurons.firing import Harmony, MultiThreshold, SingleThreshold
from spikewright.neurons.firing.firing import Sign
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime import EventNetwork, compile
from spikewright.runtime.layer import Layer

CASE = "event-fuzzing"
EQUAL, TIE = "equal", "ties"
TOLERANCE = 1e-4
"""Of the largest output."""


class Net(nn.Module):
    """A random network: convolutions, neurons, pools, shortcuts, and a linear layer at the end of most."""

    def __init__(self, choose: random.Random, timesteps: int) -> None:
        super().__init__()
        self.channels, self.size = choose.choice([1, 2, 3, 5]), [choose.randint(1, 9), choose.randint(1, 9)]
        self.shape = (self.channels, *self.size)
        self.described: list[str] = []
        parts: list[nn.Module] = [neuron(choose, timesteps)]
        channels = self.channels
        for _ in range(choose.randint(1, 3)):
            kind = choose.choice(["conv", "conv", "conv", "block", "pool", "gate"])
            if kind == "conv":
                layer, channels = convolution(choose, channels, self.size)
                parts += [layer, *norm(choose, channels), neuron(choose, timesteps)]
            elif kind == "block":
                parts.append(Block(choose, channels, timesteps))
            elif min(self.size) >= 2:
                self.size = [size // 2 for size in self.size]
                parts.append(nn.AvgPool2d(2) if kind == "pool" else MaxPoolGate(nn.MaxPool2d(2)))
                parts += [neuron(choose, timesteps)] if choose.random() < 0.5 else []
            self.described.append(kind)
        if choose.random() < 0.8:
            parts += [nn.Flatten(), nn.Linear(channels * self.size[0] * self.size[1], choose.choice([1, 10, 17]))]
        self.parts = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.parts(x)


class Block(nn.Module):
    """Two convolutions around which a wire leads."""

    def __init__(self, choose: random.Random, channels: int, timesteps: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.between, self.after = neuron(choose, timesteps), neuron(choose, timesteps)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.second(self.between(self.first(x))) + x)


def neuron(choose: random.Random, timesteps: int) -> nn.Module:
    """A neuron of a random kind with random constants that sequences of so many steps suit."""
    threshold, amplitude = choose.uniform(0.1, 0.8), choose.choice([1.0, 0.5, choose.uniform(0.1, 2.0)])
    kind = choose.choice([IF, IF, IF, LIF, PLIF, SignedIF, MaskedIF, CalibratedIF, MultiThresholdIF])
    if kind is IF:
        how = choose.choice([reset.subtract, reset.subtract, reset.to_zero, reset.none])
        return IF(v_threshold=threshold, amplitude=amplitude, start=choose.choice([0.0, 0.5]), reset=how)
    if kind is SignedIF:
        return SignedIF(v_threshold=threshold, amplitude=amplitude)
    if kind is MaskedIF:
        made = {"rehearsal": choose.randint(0, min(4, timesteps - 1)), "rule": choose.choice([paper, authors_code])}
        return MaskedIF(v_threshold=threshold, amplitude=amplitude, **made)
    if kind is CalibratedIF:
        rounds, rule = choose.choice([0, 1, 1, 4]), choose.choice([guarded, published])
        window = choose.randint(1, min(8, timesteps))
        return CalibratedIF(v_threshold=threshold, amplitude=amplitude, window=window, iterations=rounds, rule=rule)
    if kind is MultiThresholdIF:
        firing = choose.choice([SingleThreshold(), MultiThreshold(), Harmony(thresholds=3)])
        sign, decay = choose.choice(list(Sign)), choose.choice([1.0, 1.0, 0.8])
        return MultiThresholdIF(v_threshold=threshold, amplitude=amplitude, firing=firing, sign=sign, decay=decay)
    return kind(v_threshold=threshold, tau=choose.uniform(1.1, 4.0), amplitude=amplitude)


def convolution(choose: random.Random, channels: int, size: list[int]) -> tuple[nn.Module, int]:
    """A convolution with random geometry that fits the image, and its output channels; changes the size."""
    kernel = [choose.randint(1, min(3, side + 2)) for side in size]
    padding = [choose.randint(0, 1) if k > 1 else 0 for k in kernel]
    padding = [max(p, -(-(k - side) // 2)) for p, k, side in zip(padding, kernel, size)]
    stride = [choose.choice([1, 1, 2]) for _ in size]
    groups = channels if choose.random() < 0.2 else 1
    outputs = channels * choose.randint(1, 3) if groups > 1 else choose.choice([1, 3, 8, 16, 20, 32, 40, 64, 70])
    size[:] = [(side + 2 * p - k) // s + 1 for side, p, k, s in zip(size, padding, kernel, stride)]
    made = nn.Conv2d(
        *(channels, outputs, tuple(kernel)),
        stride=tuple(stride),
        padding=tuple(padding),
        groups=groups,
        bias=choose.random() < 0.7,
    )
    return made, outputs


def norm(choose: random.Random, channels: int) -> list[nn.Module]:
    """A batch norm with statistics, or none."""
    if choose.random() < 0.5:
        return []
    layer = nn.BatchNorm2d(channels)
    nn.init.uniform_(layer.running_mean, -0.3, 0.3)  # pyright: ignore[reportArgumentType]
    nn.init.uniform_(layer.running_var, 0.5, 2.0)  # pyright: ignore[reportArgumentType]
    return [layer]


def outcome(seed: int) -> tuple[str, str]:
    """What became of one network, and what it was made of.

    A network that differs counts as a tie if it agrees once its weights are moved a little: a potential that lay
    within rounding of its threshold then lies elsewhere, an error of the loop stays.
    """
    torch.manual_seed(seed)
    choose = random.Random(seed)
    timesteps, samples = choose.choice([1, 1, 2, 3, 5, 8, 17, 64]), choose.choice([1, 1, 2, 5])
    net = Net(choose, timesteps)
    density = choose.choice([0.0, 0.02, 0.1, 0.3, 0.7, 1.0])
    xs = (torch.rand(timesteps, samples, *net.shape) < density).float()
    if choose.random() < 0.3:
        xs = xs * torch.randn_like(xs)
    limit = choose.choice([None, 1.0, 1.0, 0.0])
    about = f"seed {seed}: {'-'.join(net.described)}, T = {timesteps}, N = {samples}, density {density}, limit {limit}"
    if same(net, xs, limit):
        return EQUAL, about
    for attempt in range(2):
        with torch.no_grad():
            for weights in net.parameters():
                weights.mul_(1 + 1e-3 * (attempt + 1) * torch.randn_like(weights))
        if not same(net, xs, limit):
            return "differs", about
    return TIE, about


def same(net: nn.Module, xs: Tensor, limit: float | None) -> bool:
    """Whether the compiled network gives what torch gives."""
    model = Spiking(net).eval()
    network = compile(model, xs)
    if limit is not None:
        force(network, limit)
    with torch.no_grad():
        expected, found = model(xs), network(xs)
    if found.shape != expected.shape:
        return False
    return bool((found - expected).abs().max() <= TOLERANCE * expected.abs().max().clamp(min=1))


def force(network: EventNetwork, limit: float) -> None:
    """Let all layers run on events (1), or none (0)."""
    for operation in network.operations:
        for source in operation.sources if isinstance(operation, Layer) else ():
            source.density_limit = limit


def fuzz(networks: int, seed: int) -> dict[str, Any]:
    """Compare so many networks; return the result as stored."""
    torch.set_num_threads(1)
    found, begin = {EQUAL: 0, TIE: 0, "differs": 0}, time.perf_counter()
    others: list[str] = []
    for number in range(networks):
        kind, about = outcome(seed + number)
        found[kind] += 1
        if kind != EQUAL:
            others.append(f"{kind}: {about}")
        if (number + 1) % 500 == 0:
            say(f"{number + 1} networks, {found}, {time.perf_counter() - begin:.0f} s")
    return {
        "case": CASE,
        "what": f"{networks:,} random networks, seeds {seed} to {seed + networks - 1}",
        "networks": networks,
        "seed": seed,
        "tolerance": TOLERANCE,
        "environment": environment(("torch", "numpy", "numba", "spikewright"), source=Path(__file__)),
        "found": found,
        "others": others,
        "runs": [],
    }


def table(result: dict[str, Any]) -> Table:
    """How many agreed."""
    columns = (
        Column("networks"),
        Column("equal", note=f"outputs of all steps within {TOLERANCE:g} of the largest"),
        Column("ties", note="differ, and agree after a change of the weights by 0.1 %: a potential within rounding"),
        Column("differ"),
    )
    found = result["found"]
    rows = ((result["networks"], found[EQUAL], found[TIE], found["differs"]),)
    return Table("Random networks on events", columns, rows, result["what"])


def main() -> int:
    """Run as the command line asks, store the result and bring the pages up to date; 1 if a network differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="50 networks; nothing is stored")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    result = fuzz(50 if options.quick else options.networks, options.seed)
    print(table(result).to_markdown())
    for line in result["others"]:
        print(line)
    if not options.quick:
        store(result, options.results / CASE)
        import tables

        tables.main([])
    return int(result["found"]["differs"] > 0)


if __name__ == "__main__":
    sys.exit(main())
