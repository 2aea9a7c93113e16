"""estimate_memory(): what a training step holds in memory, layer by layer, found by running a few samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ..coding.encode import repeat
from ..core.arguments import check_module, check_whole, named
from ..core.errors import ArgumentError, sentence
from ..core.input_error import readable_input
from ..core.warn import warn
from ..report.numbers import format_column
from ..report.table import Column, Table
from .free_memory import free_memory
from .optim import SGD, Optimizer

Forward = Callable[[nn.Module, Tensor], Any]
"""(model, samples [N, ...]) -> anything that hangs on the model's output; runs the model."""

OUTSIDE = "(between the layers)"
"""Where tensors are saved that no layer saves: functions in the model, the loss."""
FEW, MORE = 2, 4
"""Samples of the two runs. Bytes grow by the same amount with each sample; one alone is too few for batch norms."""


def saved_bytes(model: nn.Module, forward: Forward, x: Tensor) -> dict[str, int]:
    """Bytes that autograd keeps for the backward pass, by the layer whose operations were the first to save them.

    Each piece of memory counts once and as a whole, however many operations save it or a view of it; parameters and
    buffers, which are there anyway, do not count. Tensors that a function of one's own keeps past
    `save_for_backward` are not seen.

    Args:
        model: the network, in the mode in which it is trained.
        forward: runs it.
        x: samples [N, ...].

    Example:
        >>> x = torch.zeros(3, 2)
        >>> saved_bytes(nn.Sequential(nn.Linear(2, 4), nn.ReLU()), lambda model, x: model(x), x)
        {'0': 24, '1': 48}
    """
    known = {_place(tensor) for tensor in (*model.parameters(), *model.buffers())}
    inside: list[str] = [OUTSIDE]
    kept: list[Tensor] = []  # or memory that was let go of would be taken for new memory at the same place
    found: dict[str, int] = {}

    def save(tensor: Tensor) -> Tensor:
        if _place(tensor) not in known:
            known.add(_place(tensor))
            kept.append(tensor)
            found[inside[-1]] = found.get(inside[-1], 0) + tensor.untyped_storage().nbytes()
        return tensor

    with _told(model, inside), saved_tensors_hooks(save, lambda tensor: tensor), torch.enable_grad():
        held = forward(model, x)
    del held
    return found


@contextmanager
def _told(model: nn.Module, inside: list[str]) -> Iterator[None]:
    """Within the block the name of the layer that is running stands last in a list."""

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: inside.append(name)

    def leave(*_: Any) -> None:
        inside.pop()

    hooks = []
    for name, part in model.named_modules():
        if name:
            hooks.append(part.register_forward_pre_hook(enter(name)))
            hooks.append(part.register_forward_hook(leave, always_call=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _place(tensor: Tensor) -> tuple[torch.device, int]:
    return tensor.device, tensor.untyped_storage().data_ptr()


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


@dataclass(frozen=True)
class LayerMemory:
    """What one layer holds.

    Args:
        name: its path in the network.
        kind: its class.
        parameters: bytes of its own parameters and buffers.
        saved: bytes that are kept for the backward pass.
    """

    name: str
    kind: str
    parameters: int
    saved: int


@dataclass(frozen=True)
class MemoryEstimate:
    """What a training step holds at the end of its forward pass, bytes.

    Results that live within single operations come on top, and what torch itself takes.

    Args:
        samples: samples that are run at once.
        timesteps: time steps of each; None where the network sees no time.
        parameters: parameters and buffers.
        gradients: of the parameters that are trained.
        optimizer: state of the optimiser.
        average: the moving average of the weights.
        layers: what each layer holds, those that hold something.
        free: what the device has left for all of it; None if nobody says.
    """

    samples: int
    timesteps: int | None
    parameters: int
    gradients: int
    optimizer: int
    average: int
    layers: tuple[LayerMemory, ...] = field(repr=False)
    free: int | None = None

    @property
    def saved(self) -> int:
        """Bytes kept for the backward pass."""
        return sum(layer.saved for layer in self.layers)

    @property
    def total(self) -> int:
        """All of it."""
        return self.parameters + self.gradients + self.optimizer + self.average + self.saved

    def table(self) -> Table:
        """One row per layer."""
        columns = (
            Column("layer"),
            Column("kind"),
            Column("parameters", "B", note="with buffers"),
            Column("saved", "B", note="kept for the backward pass; what several layers save counts for the first"),
        )
        rows = tuple((layer.name, layer.kind, layer.parameters, layer.saved) for layer in self.layers)
        return Table("Memory of a training step", columns, rows, caption=self.summary())

    def summary(self) -> str:
        """The parts and the whole in one or two sentences."""
        parts = {
            "parameters": self.parameters,
            "gradients": self.gradients,
            "optimiser": self.optimizer,
            "average of the weights": self.average,
            "saved for the backward pass": self.saved,
        }
        told = ", ".join(f"{name} {_shown(size)}" for name, size in parts.items() if size)
        steps = "" if self.timesteps is None else f" in {self.timesteps} time steps"
        text = f"A training step with {self.samples} samples{steps} holds at least {_shown(self.total)}: {told}."
        return text if self.free is None else f"{text} {_shown(self.free)} are free."

    def warn_if_too_large(self) -> None:
        """Warn if less memory is free than a step holds."""
        if self.free is not None and self.total > self.free:
            warn(
                f"memory: a training step with {self.samples} samples holds at least {_shown(self.total)}; "
                f"{_shown(self.free)} are free. Lower the batch size, run each batch in parts (FitConfig.accumulate), "
                "use fewer time steps, or train in bf16-mixed."
            )


def _shown(size: int) -> str:
    unit, (text,) = format_column([size], "B", 1)
    return f"{text} {unit}"


def estimate_memory(
    model: nn.Module,
    example: Tensor,
    timesteps: int | None = None,
    *,
    samples: int | None = None,
    optimizer: Optimizer | None = None,
    average: bool = False,
    forward: Forward | None = None,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    shares: int = 1,
) -> MemoryEstimate:
    """What a training step will hold in memory; exact for what autograd saves, and found on four samples.

    A copy of the model runs 2 and 4 samples, and what each layer saves is carried on in a straight line. The model,
    its statistics and the random numbers stay as they are.

    Args:
        model: the network as it is trained, on the device on which it is trained.
        example: samples [N, ...], at least one; they are used again and again where more are needed.
        timesteps: T, if the model is a spiking one that takes [T, N, ...]; None for images [N, ...].
        samples: samples that are run at once: of one process, one part of a batch. As many as the example has if not
            given.
        optimizer: whose state is counted; `SGD()` if not given.
        average: whether a moving average of the weights is kept (`FitConfig.ema_decay`).
        forward: runs the model on samples [N, ...], e.g. within the loss; by default the model alone, repeating each
            sample for T steps.
        precision: number format of the computation.
        shares: processes that share the memory of the device.

    Raises:
        ArgumentError: for an argument of the wrong kind, or an example without a sample.
        ShapeError: if the model cannot take the example.

    Example:
        >>> found = estimate_memory(nn.Sequential(nn.Linear(2, 4), nn.ReLU()), torch.zeros(1, 2), samples=100)
        >>> found.parameters, found.gradients, found.optimizer, found.saved
        (48, 48, 48, 2400)
    """
    check_module(model, "estimate_memory.model", "The order is model, example, timesteps")
    if not isinstance(example, Tensor) or not example.dim() or not len(example):
        met = f"shape {list(example.shape)}" if isinstance(example, Tensor) else named(example)
        raise ArgumentError(sentence("estimate_memory.example", met, "samples [N, ...], at least one"))
    if timesteps is not None:
        check_whole("estimate_memory.timesteps", timesteps, least=1)
    samples = len(example) if samples is None else samples
    check_whole("estimate_memory.samples", samples, least=1)
    check_whole("estimate_memory.shares", shares, least=1)
    optimizer = SGD() if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(sentence("estimate_memory.optimizer", named(optimizer), "SGD(...) or AdamW(...)"))
    if forward is None:
        forward = (lambda net, x: net(x)) if timesteps is None else (lambda net, x: net(repeat(x, timesteps)))
    tensors = [*model.parameters(), *model.buffers()]
    device = next((tensor.device for tensor in tensors), example.device)
    few, more = _runs(model, example.to(device), forward, precision)
    trained = [part for part in model.parameters() if part.requires_grad]
    weights = sum(map(_bytes, tensors))
    return MemoryEstimate(
        samples,
        timesteps,
        weights,
        sum(map(_bytes, trained)),
        optimizer_bytes(optimizer, trained),
        weights if average else 0,
        tuple(_layers(model, {name: _carried_on(few.get(name, 0), size, samples) for name, size in more.items()})),
        None if (free := free_memory(device)) is None else free // shares,
    )


def _runs(model: nn.Module, example: Tensor, forward: Forward, precision: str) -> list[dict[str, int]]:
    """What is saved with few samples, and with more."""
    net = copy.deepcopy(model).train()
    kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    mixed = nullcontext() if kind is None else torch.autocast(example.device.type, kind)
    with torch.random.fork_rng([example.device] if example.device.type == "cuda" else []), mixed:
        found = []
        for count in (FEW, MORE):
            x = example[torch.arange(count, device=example.device) % len(example)]
            with readable_input("estimate_memory", x):
                found.append(saved_bytes(net, forward, x))
        return found


def _carried_on(few: int, more: int, samples: int) -> int:
    each = (more - few) / (MORE - FEW)
    return round(few + each * (samples - FEW))


def _layers(model: nn.Module, saved: dict[str, int]) -> Iterator[LayerMemory]:
    counted: set[int] = set()
    for name, part in model.named_modules():
        own = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        new = [tensor for tensor in own if id(tensor) not in counted]
        counted.update(map(id, new))
        size, kept = sum(map(_bytes, new)), saved.get(name, 0)
        if size or kept:
            yield LayerMemory(name or type(model).__name__, type(part).__name__, size, kept)
    if OUTSIDE in saved:
        yield LayerMemory(OUTSIDE, "", 0, saved[OUTSIDE])


def optimizer_bytes(optimizer: Optimizer, parameters: list[nn.Parameter]) -> int:
    """Bytes of the state that an optimiser keeps once it has made an update; computes and keeps nothing.

    Example:
        >>> optimizer_bytes(SGD(momentum=0.0), [nn.Parameter(torch.zeros(3))])
        0
    """
    empty = [nn.Parameter(torch.empty_like(part, device="meta")) for part in parameters]
    for part in empty:
        part.grad = torch.empty_like(part)
    if not empty:
        return 0
    made = optimizer.build(empty)
    made.step()
    state = (value for parts in made.state.values() for value in parts.values())
    return sum(_bytes(value) for value in state if isinstance(value, Tensor))
