"""Neurons on a GPU: bytes moved per second by the fused passes, beside a copy of the same tensors, and SpikingJelly.

python benchmarks/neuron_kernels.py
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from spikewright.core import ATan, detached, fused, to_zero
from spikewright.neurons import ATLIF, LIF, LMH, PLIF
from spikewright.report.table import Column, Table

CASE = "neuron-kernels-gpu"
KINDS: dict[str, Callable[[], Any]] = {
    "LIF": lambda: LIF(spike=ATan(), reset=detached(to_zero)),
    "PLIF": lambda: PLIF(spike=ATan(), reset=detached(to_zero)),
    "LMH": LMH,
    "ATLIF": lambda: ATLIF(decay=0.9),
}
FORWARD = {"LIF": 3, "PLIF": 3, "LMH": 4, "ATLIF": 3}
BACKWARD = {"LIF": 3, "PLIF": 4, "LMH": 4, "ATLIF": 3}
"""Sequences read or written once: input, spikes, what is kept; and gradients. PLIF reads its input again."""


def timed(run: Callable[[], object], rounds: int = 5, calls: int = 10) -> float:
    """Median seconds of a call, by the device's clock; many calls at a time, so that it never waits for Python."""
    for _ in range(3):
        run()
    seconds = []
    for _ in range(rounds):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        start.record()
        for _ in range(calls):
            run()
        end.record()
        torch.cuda.synchronize()
        seconds.append(start.elapsed_time(end) / 1e3 / calls)
    return median(seconds)


def spikingjelly_neuron(backend: str) -> nn.Module:
    """The same LIF neuron of SpikingJelly."""
    from spikingjelly.activation_based import neuron, surrogate

    node = neuron.LIFNode(2.0, False, 1.0, 0.0, surrogate.ATan(), detach_reset=True, step_mode="m")
    node.backend = backend
    return node


def one(run: Callable[[Tensor], Tensor], xs: Tensor, gradient: Tensor) -> tuple[float, float]:
    """Seconds of the forward and the backward pass."""
    inputs = xs.detach().requires_grad_()

    def forward() -> Tensor:
        return run(inputs)

    out = forward()

    def backward() -> None:
        torch.autograd.grad(out, inputs, gradient, retain_graph=True)

    return timed(forward), timed(backward)


def compare(values: int, lengths: tuple[int, ...]) -> dict[str, Any]:
    """Every neuron, T and number format; the result as stored."""
    from spikewright.report.environment import environment

    runs = []
    for dtype in (torch.float32, torch.bfloat16):
        for timesteps in lengths:
            shape = (timesteps, 128, values // (timesteps * 128))
            xs = (torch.randn(shape, device="cuda") + 0.3).to(dtype)
            runs += at_length(xs, torch.randn(shape, device="cuda").to(dtype))
    name = torch.cuda.get_device_name()
    versions = ("torch", "numpy", "spikewright", "spikingjelly", "triton")
    return {
        "case": CASE,
        "what": f"Neurons alone, {values:,} values in all, {name}",
        "device": name,
        "environment": environment(versions, source=Path(__file__)),
        "runs": runs,
    }


def at_length(xs: Tensor, gradient: Tensor) -> list[dict[str, Any]]:
    """All ways on one sequence [T, N, F]."""
    target, size = torch.empty_like(xs), xs.numel() * xs.element_size()
    copy = 2 * size / timed(lambda: target.copy_(xs))
    about = {"dtype": str(xs.dtype), "timesteps": len(xs), "values": xs.numel(), "copy": copy}
    runs = [about | {"way": "copy"}]
    for kind, make in KINDS.items():
        neuron = make().cuda()
        state = neuron.init_state(xs[0])
        forward, backward = one(lambda x, neuron=neuron, state=state: fused(neuron, state, x)[1], xs, gradient)
        row = about | {"kind": kind, "way": "fused", "forward": forward, "backward": backward}
        row["share_forward"] = FORWARD[kind] * size / forward / copy
        row["share_backward"] = BACKWARD[kind] * size / backward / copy
        runs.append(row)
    for backend in ("torch", "triton"):
        runs.append(about | {"kind": "LIF", "way": f"spikingjelly {backend}"} | theirs(backend, xs, gradient))
    for row in runs:
        print({key: row[key] for key in row if key not in ("values", "copy")}, file=sys.stderr, flush=True)
    return runs


def theirs(backend: str, xs: Tensor, gradient: Tensor) -> dict[str, Any]:
    """SpikingJelly's times, or why there are none."""
    from spikingjelly.activation_based import functional

    node = spikingjelly_neuron(backend).cuda()

    def run(x: Tensor) -> Tensor:
        functional.reset_net(node)
        return node(x)

    try:
        forward, backward = one(run, xs, gradient)
    except Exception as error:
        return {"failed": repr(error)[:300]}
    return {"forward": forward, "backward": backward}


def table(result: dict[str, Any]) -> Table:
    """One row per number format, T and neuron."""
    rows = tuple(
        (
            run["dtype"].removeprefix("torch."),
            run["timesteps"],
            run["kind"],
            run["way"],
            1e3 * run["forward"],
            1e3 * run["backward"],
            run.get("share_forward"),
            run.get("share_backward"),
        )
        for run in result["runs"]
        if "forward" in run
    )
    columns = (
        Column("numbers"),
        Column("T"),
        Column("neuron"),
        Column("way"),
        Column("forward", "ms", 3),
        Column("backward", "ms", 3),
        Column("of a copy, forward", "%", 0, "Bytes that must be moved per second, over those of a copy."),
        Column("of a copy, backward", "%", 0),
    )
    return Table("Neurons alone", columns, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=2**26, help="neurons times steps")
    parser.add_argument("--timesteps", type=int, nargs="+", default=(4, 16))
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    result = compare(given.values, tuple(given.timesteps))
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
