"""DenseNetwork: a spiking network on a CUDA device, all time steps in one batch, as recorded kernels."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..core.input_error import readable_input
from ..core.spiking import Spiking
from ..core.temporal import check_finite, check_sequence
from ..core.warn import warn
from ..report.table import Table
from .capture import Captured
from .compiled_network import CompiledNetwork, last_uses, one_step_if_repeated
from .dense_explain import dense_explained, dense_row
from .dense_neurons import has_kernel
from .dense_plan import dense_plan

DENSE_WEIGHTS = (torch.float32, torch.float16, torch.bfloat16)
"""Kinds of number in which weights, and what is multiplied with them, can be kept."""

_TIME_FIRST = "Give it sequences [T, N, ...] of the channels and size that it was compiled for"


class DenseNetwork(CompiledNetwork):
    """A spiking network compiled for a CUDA device; called like the `Spiking` model that it was made of.

    Made by `compile`. Every layer runs dense on all time steps in one batch, channels last; what is the same at every
    step runs once. Its kernels are recorded in a CUDA graph for each shape of input, at the first call with it, so that
    a later call costs one launch. Inside `carry_state`, where something has to be kept between calls, they run one by
    one. Results equal the model's up to the rounding of the layers, whose algorithms may differ.

    Args:
        model: the model that it was made of.
        graph: its traced copy.
        shapes: name of every node that makes a tensor -> one sample's shape there.
        device: where it runs; on a CPU, which `compile` does not choose, nothing is recorded.
        weights: dtype of weights and of what is multiplied with them; neurons and all other layers stay in float32.
    """

    def __init__(
        self,
        model: Spiking,
        graph: fx.GraphModule,
        shapes: Mapping[str, tuple[int, ...]],
        device: torch.device,
        weights: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(model, graph, shapes, device)
        self.weights = weights
        found = self._probe()
        self._constants = list(found), list(found.values())
        known = {n: self._shapes[n.name] for n in graph.graph.nodes if n.name in self._shapes}
        self.operations = dense_plan(graph, known, weights)
        self._last_use = last_uses(self.operations, graph)
        self.why_not_recorded = _why_not_recorded(graph, device)
        """Why the kernels are started one by one; empty where they are recorded."""
        self._captured = Captured(self._run, device)

    def __deepcopy__(self, memo: dict) -> DenseNetwork:
        twins = copy.deepcopy((self._source[0], self.graph), memo)
        return DenseNetwork(*twins, self._shapes, self.device, self.weights)

    def forward(self, xs: Tensor) -> Tensor:
        """Input [T, N, ...] -> output [T, N, ...].

        Raises:
            ShapeError: if xs is no float32 [T, N, ...] of the shape and on the device that it was compiled for.
            DataError: if xs holds NaN or infinite values; a carried sequence is looked at in its first call.
            ArgumentError: if xs asks for a gradient.
            ConversionError: if the model's weights or constants have been changed since it was compiled.
        """
        check_sequence(xs, self._who)
        if not self._goes_on():
            check_finite(xs, self._who)
        self._check(xs)
        given = one_step_if_repeated(xs)
        with self._lock, torch.inference_mode(), readable_input(self._who, xs, _TIME_FIRST):
            if self.why_not_recorded or self._carries:
                return self._run(given, len(xs))
            return self._recorded(given, len(xs))

    def _recorded(self, xs: Tensor, timesteps: int) -> Tensor:
        try:
            return self._captured(xs, timesteps)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            out = self._run(xs, timesteps)  # an error of the network itself is raised here
            self.why_not_recorded = str(error).strip().split("\n")[0]
            warn(
                f"{self._who}: its kernels cannot be recorded ({self.why_not_recorded}); they are started one by one. "
                "A layer that asks for values of tensors is the usual cause."
            )
            return out

    def _goes_on(self) -> bool:
        return any(part.carry is not None and part.carry.state is not None for part in self._stateful)

    def _run(
        self, xs: Tensor, timesteps: int, run: Callable[[Any, Mapping[fx.Node, Any]], Any] | None = None
    ) -> Tensor:
        with torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext():
            out = self._run_operations(self.operations, xs, timesteps, run).dense()
        return out.expand(timesteps, *out.shape[1:]).contiguous()

    def explain(self, xs: Tensor) -> Table:
        """Run an input [T, N, ...] and say of every layer how it ran and why, how much work, how long.

        The layers are timed one by one by the device's own clock; the caption has the time of a whole call. Inside
        `carry_state` it goes on from the states there are, and leaves them as they are.

        Raises:
            ShapeError, DataError, ArgumentError, ConversionError: as in `forward`.
        """
        with self._states_restored():
            self(xs)
        given, clock = one_step_if_repeated(xs), _Clock(self.device)
        kernel = self.device.type == "cuda" and has_kernel()
        rows: list[tuple[Any, ...]] = []

        def described(operation: Any, wires: Mapping[fx.Node, Any]) -> Any:
            out = operation.run(wires)
            rows.append(dense_row(operation, [wires[node] for node in operation.inputs], out, kernel))
            return out

        def timed(operation: Any, wires: Mapping[fx.Node, Any]) -> Any:
            clock.tick()
            out = operation.run(wires)
            clock.tick()
            return out

        with self._lock, torch.inference_mode():
            with self._states_restored():
                self._run(given, len(xs), described)
            clock.wait_a_little()
            with self._states_restored():
                self._run(given, len(xs), timed)
            seconds = clock.seconds()
        whole = _Clock(self.device)
        whole.tick()
        with self._states_restored():
            self(xs)
        whole.tick()
        (total,) = whole.seconds()
        words = "recorded" if not self.why_not_recorded else f"not recorded: {self.why_not_recorded}"
        caption = f"{xs.shape[1]} samples, {len(xs)} time steps in one call of {1000 * total:.3g} ms; {words}."
        return dense_explained([(*row, spent) for row, spent in zip(rows, seconds)], caption)


def _why_not_recorded(graph: fx.GraphModule, device: torch.device) -> str:
    if device.type != "cuda":
        return f"there are no CUDA graphs on {device}"
    hooked = [name for name, part in graph.named_modules() if name and _has_hooks(part)]
    return f"{hooked[0]} has a hook, which has to be called" if hooked else ""


def _has_hooks(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks)


class _Clock:
    """Times between ticks, on a CUDA device by its own clock."""

    def __init__(self, device: torch.device) -> None:
        self.device, self._ticks = device, []

    def tick(self) -> None:
        """Note the time."""
        if self.device.type != "cuda":
            self._ticks.append(time.perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        self._ticks.append(event)

    def wait_a_little(self) -> None:
        """Let the device stand still for some milliseconds, so that what follows is queued and runs without gaps."""
        if self.device.type == "cuda":
            with torch.cuda.device(self.device):
                torch.cuda._sleep(_PAUSE)

    def seconds(self) -> list[float]:
        """Seconds between every first and second tick of a pair."""
        pairs = list(zip(self._ticks[::2], self._ticks[1::2]))
        if self.device.type != "cuda":
            return [end - begin for begin, end in pairs]
        torch.cuda.synchronize(self.device)
        return [begin.elapsed_time(end) / 1000 for begin, end in pairs]


_PAUSE = 40_000_000  # cycles
