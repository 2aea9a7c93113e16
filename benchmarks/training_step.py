"""A training step of one network of LIF neurons, T steps long: ours beside SpikingJelly and snnTorch.

Time and peak memory, each side in a process of its own, the sides in turn:

python benchmarks/training_step.py [--device cuda]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from spikewright.report.table import Column, Table

CASE = "training-step"
WIDTHS = (64, 64, "pool", 128, 128, "pool", 256, 256, "pool")
SHAPE, CLASSES = (3, 32, 32), 10
DECAY = 0.5
SIDES = (
    "spikewright", "spikewright channels last", "spikewright packed", "spikingjelly", "spikingjelly channels last",
    "snntorch",
)  # fmt: skip
GPU_SIDES = ("spikewright", "spikewright packed", "spikewright bptt", "spikingjelly", "spikingjelly triton")


def layers(neuron: Callable[[], nn.Module], wrap: Callable[[nn.Module], nn.Module]) -> nn.Sequential:
    """The same network for every side: convolutions with batch norm and neurons, average pools, one linear layer."""
    parts, channels = [], SHAPE[0]
    for width in WIDTHS:
        if isinstance(width, str):
            parts.append(wrap(nn.AvgPool2d(2)))
        else:
            parts += [wrap(nn.Conv2d(channels, width, 3, padding=1, bias=False)), wrap(nn.BatchNorm2d(width)), neuron()]
            channels = width
    parts += [wrap(nn.AdaptiveAvgPool2d(1)), wrap(nn.Flatten()), wrap(nn.Linear(channels, CLASSES))]
    return nn.Sequential(*parts)


def spikewright_side(side: str) -> Callable[[Tensor], Tensor]:
    """xs [T, N, C, H, W] -> mean output [N, K]."""
    from spikewright.core import ATan, Spiking, detached, fused, packed_spikes, to_zero
    from spikewright.neurons import LIF

    tau = -1 / torch.log(torch.tensor(DECAY)).item()
    model = Spiking(layers(lambda: LIF(tau=tau, spike=ATan(), reset=detached(to_zero)), lambda part: part))
    if "bptt" not in side:
        for part in model.modules():
            if isinstance(part, LIF):
                part.unroll = fused
    return Step(model, lambda xs: model(xs).mean(0), packed_spikes if "packed" in side else None)


def spikingjelly_side(side: str) -> Step:
    """The same network with SpikingJelly's multi-step neurons, which start anew with every batch."""
    from spikingjelly.activation_based import functional, neuron, surrogate

    def make() -> nn.Module:
        # decay_input=False: v' = (1 - 1/tau) v + x
        node = neuron.LIFNode(1 / (1 - DECAY), False, 1.0, 0.0, surrogate.ATan(), detach_reset=True, step_mode="m")
        if "triton" in side:
            node.backend = "triton"
        return node

    model = layers(make, Folded)

    def run(xs: Tensor) -> Tensor:
        functional.reset_net(model)
        return model(xs).mean(0)

    return Step(model, run, None)


def snntorch_side(side: str) -> Step:
    """The same network with snnTorch's neurons, step after step, as its tutorials run them."""
    import snntorch
    from snntorch import surrogate, utils

    def make() -> nn.Module:
        return snntorch.Leaky(DECAY, 1.0, surrogate.atan(), init_hidden=True, reset_mechanism="zero", reset_delay=False)

    model = layers(make, lambda part: part)

    def run(xs: Tensor) -> Tensor:
        utils.reset(model)
        return torch.stack([model(x) for x in xs]).mean(0)

    return Step(model, run, None)


class Folded(nn.Module):
    """A layer on [T, N, ...], with time in the batch."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, xs: Tensor) -> Tensor:
        """Fold, run, unfold."""
        return self.part(xs.flatten(0, 1)).unflatten(0, xs.shape[:2])


class Step:
    """One training step: forward, loss, backward, update."""

    def __init__(self, model: nn.Module, run: Callable[[Tensor], Tensor], keeping: Callable[[], Any] | None) -> None:
        self.model, self.run, self.keeping = model, run, keeping

    def prepare(self, device: str) -> None:
        """Same weights on every side."""
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.model.parameters():
                if parameter.dim() > 1:
                    bound = (6 / parameter[0].numel()) ** 0.5
                    parameter.copy_((2 * torch.rand(parameter.shape, generator=generator) - 1) * bound)
        self.model.to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)

    def __call__(self, xs: Tensor, y: Tensor) -> Tensor:
        """The loss of a batch, whose gradient moves the weights."""
        self.optimizer.zero_grad()
        if self.keeping is None:
            loss = nn.functional.cross_entropy(self.run(xs), y)
        else:
            with self.keeping():
                loss = nn.functional.cross_entropy(self.run(xs), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def measure(side: str, device: str, timesteps: int, batch: int, steps: int, half: bool) -> dict[str, Any]:
    """Seconds of each step after the first, peak memory beyond what was held before, and the losses."""
    library = side.split()[0]
    torch.manual_seed(0)
    step = {"spikewright": spikewright_side, "spikingjelly": spikingjelly_side, "snntorch": snntorch_side}[library](
        side
    )
    step.prepare(device)
    if "channels last" in side:  # what `spikewright train` does by default
        step.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if device == "cpu":
        start_counting(step)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(batch, *SHAPE, generator=generator).to(device)
    y = torch.randint(0, CLASSES, (batch,), generator=generator).to(device)
    xs = x.expand(timesteps, *x.shape)
    seconds, losses = [], []
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    held = memory(device)
    for number in range(steps + 1):
        wait(device)
        start = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=half):
            loss = step(xs, y)
        wait(device)
        seconds += [time.perf_counter() - start] if number else []
        losses.append(float(loss))
    return {"seconds": seconds, "peak": memory(device) - held, "losses": losses}


def alone(request: dict[str, Any]) -> dict[str, Any]:
    """Measured in a process of its own, whose peak memory is that of this side alone."""
    command = [sys.executable, __file__, "--one", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no message"}
    return json.loads(done.stdout.splitlines()[-1])


def here(request: dict[str, Any]) -> dict[str, Any]:
    """Measured in this process: the device counts its memory anew."""
    gc.collect()
    torch.cuda.empty_cache()
    try:
        return measure(**request)
    except Exception as error:
        return {"failed": repr(error)[:300]}


def start_counting(step: Step) -> None:
    """Compile and load everything on a batch of one small image, then count the memory of this process anew."""
    step(torch.rand(2, 1, SHAPE[0], 8, 8), torch.zeros(1, dtype=torch.int64))
    gc.collect()
    with suppress(OSError):  # Linux resets the peak; elsewhere it includes what compiling took
        Path("/proc/self/clear_refs").write_text("5")


def memory(device: str) -> int:
    """Most memory held so far, bytes: of the device, or of this process since `start_counting`."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    from process import peak_memory

    return peak_memory()


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def compare(
    device: str, sides: tuple[str, ...], lengths: tuple[int, ...], batch: int, steps: int, rounds: int, half: bool
) -> dict[str, Any]:
    """Every side at every T, in turn; the result as stored."""
    from spikewright.report.environment import environment

    runs = []
    for number in range(rounds):
        for timesteps in lengths:
            for side in sides:
                request = {
                    "side": side,
                    "device": device,
                    "timesteps": timesteps,
                    "batch": batch,
                    "steps": steps,
                    "half": half,
                }
                runs.append(request | {"round": number} | (here(request) if device == "cuda" else alone(request)))
                last = runs[-1]
                print(f"T={timesteps} {side}: {last.get('failed') or told(last)}", file=sys.stderr, flush=True)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    about = environment(("torch", "numpy", "spikewright", "spikingjelly", "snntorch", "triton"), source=Path(__file__))
    return {
        "case": CASE + ("-gpu" if device == "cuda" else "") + ("-half" if half else ""),
        "what": f"Training step, six convolutions of {WIDTHS[0]} to 256 maps, batch {batch}, {name}",
        "device": name,
        "batch": batch,
        "half": half,
        "environment": about,
        "runs": runs,
    }


def table(result: dict[str, Any]) -> Table:
    """One row per T and side: time and memory of a step, and both beside SpikingJelly's."""
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for run in result["runs"]:
        if "failed" not in run:
            found.setdefault((run["timesteps"], run["side"]), []).append(run)
    rows = []
    for (timesteps, side), runs in found.items():
        peers = [key for key in found if key[0] == timesteps and key[1] in ("spikingjelly", "spikingjelly triton")]
        best = min(peers, key=lambda key: seconds_of(found[key]))
        step, peak = seconds_of(runs), median(run["peak"] for run in runs)
        faster, smaller = seconds_of(found[best]) / step, peak / median(run["peak"] for run in found[best])
        rows.append((timesteps, side, 1e3 * step, peak / 2**20, faster, smaller))
    columns = (
        Column("T"),
        Column("side"),
        Column("step", "ms", 1, "Forward, backward and update, the median step."),
        Column("memory", "MiB", 0, "Most that a step holds beyond model and input."),
        Column("speed-up", "×", 2, "SpikingJelly's time over this one, its fastest backend, channels first."),
        Column("memory share", "", 2, "Memory over SpikingJelly's."),
    )
    return Table("Training step", columns, tuple(rows))


def seconds_of(runs: list[dict[str, Any]]) -> float:
    """The median step of all rounds."""
    return median(second for run in runs for second in run["seconds"])


def told(run: dict[str, Any]) -> str:
    """A run in a few words."""
    step, peak = 1e3 * median(run["seconds"]), run["peak"] / 2**20
    return f"{step:.1f} ms, {peak:.0f} MiB, loss {run['losses'][-1]:.4f}"


def main() -> None:
    """Measure one side, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--timesteps", type=int, nargs="+", default=(4, 8, 16, 32))
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--half", action="store_true", help="automatic mixed precision, bfloat16")
    parser.add_argument("--out", type=Path, default=None, help="file for the result in place of benchmarks/results")
    given = parser.parse_args()
    if given.one is not None:
        torch.set_num_threads(1)
        print(json.dumps(measure(**json.loads(given.one))))
        return
    sides = GPU_SIDES if given.device == "cuda" else SIDES
    batch = given.batch or (128 if given.device == "cuda" else 8)
    before = os.getloadavg()
    result = compare(given.device, sides, tuple(given.timesteps), batch, given.steps, given.rounds, given.half)
    result["load_before_and_after"] = [before, os.getloadavg()]
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        return
    from run import HERE, store

    print(store(result, HERE / "results" / result["case"]))


if __name__ == "__main__":
    main()
