"""Temporal: a layer that needs the time axis, inside a network whose other layers never see time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from .errors import DataError, ShapeError, sentence


def fold(xs: Tensor) -> Tensor:
    """[T, N, ...] -> [T*N, ...]: time goes into the batch, time-major."""
    return xs.reshape(-1, *xs.shape[2:])


def unfold(x: Tensor, timesteps: int) -> Tensor:
    """[T*N, ...] -> [T, N, ...]: the inverse of `fold`."""
    return x.reshape(timesteps, -1, *x.shape[1:])


class Temporal(nn.Module, ABC):
    """A layer over whole sequences: `over_time` maps [T, N, ...] to [T, N, ...].

    Inside a `Spiking` shell it is called like any layer, on time folded into the batch, [T*N, ...]; the shell tells
    it T for the length of one call.
    """

    fires: bool = True
    """Whether it is a layer of neurons or holds one; False for what only hands on or computes with what it gets."""

    sends_corrections: bool = False
    """Whether what it gives corrects what the receiver knows already: nothing where nothing has changed."""

    moves_only: bool = False
    """Whether it only moves values along time, so that spikes go where their values go, at no cost."""

    costs_unknown: bool = False
    """Whether counts of operations cannot say what it costs."""

    rehearsal: int = 0
    """Leading steps after which the layer starts anew; what it gives until then does not count."""

    window: int = 0
    """Steps of a sequence's beginning that the layer must see at once: it replays them before its first output."""

    replays: int = 0
    """How often it replays them."""

    def __init__(self) -> None:
        super().__init__()
        self.timesteps: int | None = None

    @abstractmethod
    def over_time(self, *xs: Tensor) -> Tensor:
        """One or more sequences [T, N, ...] -> one sequence [T, N, ...]."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Folded sequences [T*N, ...] -> folded sequence [T*N, ...].

        Raises:
            ShapeError: outside a `Spiking` shell, or if the first axis is not a multiple of T.
        """
        if self.timesteps is None:
            raise ShapeError(
                f"{type(self).__name__}: called outside a Spiking shell, so the number of time steps is unknown; "
                "wrap the network, Spiking(network), and call it on [T, N, ...], "
                "or call over_time(xs) on this layer alone. One shell must not run in two threads at once."
            )
        for x in inputs:
            if x.shape[0] % self.timesteps:
                raise ShapeError(
                    f"{type(self).__name__}: got {x.shape[0]} rows for {self.timesteps} time steps; expected a "
                    "multiple of it. A layer before this one changes the first axis, which holds time and batch."
                )
        return fold(self.over_time(*(unfold(x, self.timesteps) for x in inputs)))


def check_sequence(xs: Tensor, who: str) -> None:
    """Raise ShapeError unless xs is a floating-point [T, N, ...] with T >= 1 and N >= 1."""
    if not isinstance(xs, Tensor):
        raise ShapeError(f"{who}: got {type(xs).__name__}; expected a tensor [T, N, ...], time first.")
    if xs.dim() < 3 or 0 in xs.shape[:2]:
        raise ShapeError(
            f"{who}: got shape {list(xs.shape)}; expected [T, N, ...], time first, T >= 1 and N >= 1. "
            "Repeat a static batch over time with spikewright.coding.repeat(x, timesteps)."
        )
    if not torch.is_floating_point(xs):
        raise ShapeError(
            f"{who}: got dtype {xs.dtype}; expected a floating-point dtype. Convert the input, e.g. x.float() / 255."
        )


def check_window(xs: Tensor, window: int, who: str) -> None:
    """Raise ShapeError if a sequence is shorter than what a layer must see of its beginning."""
    if xs.shape[0] < window:
        raise ShapeError(
            f"{who}: got a sequence that begins with {xs.shape[0]} time steps; expected at least {window}, which it "
            "replays before its first output. Give model.phases.steps(T) steps; where states are carried, in the "
            "first call."
        )


def told(module: nn.Module, timesteps: int) -> AbstractContextManager[None]:
    """Within the block every temporal layer of a module knows the number of time steps."""
    return all_told([part for part in module.modules() if isinstance(part, Temporal)], timesteps)


@contextmanager
def all_told(layers: Iterable[Temporal], timesteps: int) -> Iterator[None]:
    """Within the block these temporal layers know the number of time steps."""
    try:
        for layer in layers:
            layer.timesteps = timesteps
        yield
    finally:
        for layer in layers:
            layer.timesteps = None


def check_finite(xs: Tensor, who: str) -> None:
    """Raise DataError if a sequence [T, N, ...] holds NaN or infinite values, from which neurons never recover.

    Nothing is checked where no value can be looked at: in compiled or traced code, under `torch.func.vmap`, for meta
    tensors, and while a CUDA graph is captured.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        return
    if not xs.numel() or (xs.is_cuda and torch.cuda.is_current_stream_capturing()):
        return
    one_step = xs[:1] if xs.stride(0) == 0 else xs  # a repeated image is looked at once
    try:
        finite = bool(torch.stack(one_step.detach().aminmax()).isfinite().all())
    except RuntimeError:  # what torch raises for the value of a tensor that has none
        return
    if not finite:
        todo = "A neuron that meets them never fires again; check the images and their scaling"
        raise DataError(sentence(who, "NaN or infinite values", "finite values", todo))
