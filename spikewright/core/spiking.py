"""Spiking: the shell that folds time into the batch around an ordinary module."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .arguments import check_module
from .errors import ShapeError
from .input_error import readable_input
from .layout import on_host
from .phases import Phases
from .probe import ProbeMemory, probed
from .stateful import Stateful
from .temporal import Temporal, check_finite, check_sequence, fold, told, unfold

_TIME_FIRST = (
    "Give it a sequence [T, N, ...], time first, of the channels, size and dtype that the network was made for; of "
    "images [N, ...] that is repeat(images, T)"
)


class Timed(nn.Module, ABC):
    """A network on sequences, [T, N, ...] in and out, that says which of its steps count: what judges take."""

    @property
    @abstractmethod
    def phases(self) -> Phases:
        """The steps that the network needs besides those that count; none for most."""


def check_rehearsal(timesteps: int, rehearsal: int, who: str) -> None:
    """Raise ShapeError if a sequence that begins anew ends with its rehearsal."""
    if timesteps <= rehearsal:
        raise ShapeError(
            f"{who}: got {timesteps} time steps, all of them rehearsal; expected more than {rehearsal}, whose "
            "output does not count. Give model.phases.steps(T) steps, and take the output from "
            "model.phases.rehearsal on."
        )


class Spiking(Timed):
    """Runs a module of ordinary layers and neurons on sequences: [T, N, ...] in, [T, N, ...] out.

    Ordinary layers see [T*N, ...] and know nothing of time; the temporal layers inside are told T for the length of
    one call. Nothing is kept between calls, so batch size and T may change from call to call. One shell must not
    run in two threads at once.

    Args:
        module: any module; all its temporal layers take part.

    Example:
        >>> import torch
        >>> from spikewright.neurons import IF
        >>> model = Spiking(nn.Sequential(nn.Flatten(), IF()))
        >>> model(torch.full((4, 1, 1, 1), 0.5)).flatten()
        tensor([0., 1., 0., 1.])
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        check_module(module, "Spiking.module")
        if any(isinstance(part, Spiking) for part in module.modules()):
            raise ShapeError(
                "Spiking: got a module that holds a Spiking shell; expected one shell, outermost. Unwrap the inner one."
            )
        self.module = module
        self._memory = ProbeMemory()

    @property
    def phases(self) -> Phases:
        """The steps that the network needs besides those that count; none for most."""
        layers = [part for part in self.module.modules() if isinstance(part, Temporal)]
        window = max((layer.window for layer in layers), default=0)
        holding = sum(layer.window > 0 for layer in layers)
        return Phases(max((layer.rehearsal for layer in layers), default=0), window, holding)

    def _run(self, xs: Tensor) -> Tensor:
        with probed(self.module, xs, self._memory), told(self.module, xs.shape[0]):
            return self.module(fold(xs))

    def _goes_on(self) -> bool:
        carries = (part.carry for part in self.module.modules() if isinstance(part, Stateful))
        return any(carry is not None and carry.state is not None for carry in carries)

    def _check_rehearsal(self, timesteps: int) -> None:
        carried = any(getattr(part, "carry", None) is not None for part in self.module.modules())
        if not carried:
            check_rehearsal(timesteps, self.phases.rehearsal, "Spiking")

    def forward(self, xs: Tensor) -> Tensor:
        """Input [T, N, ...] -> output [T, N, ...].

        Raises:
            ShapeError: if xs is no floating-point [T, N, ...] or the module returns no tensor of T*N rows.
            DataError: if xs holds NaN or infinite values; on a GPU a carried sequence is looked at in its first call.

        A network with `phases` is given `phases.steps(T)` steps; its first `phases.rehearsal` outputs do not count.
        """
        check_sequence(xs, "Spiking")
        if on_host(xs) or not self._goes_on():  # a device is waited for once, at the beginning of a sequence
            check_finite(xs, "Spiking")
        timesteps = xs.shape[0]
        if torch.compiler.is_compiling():
            out = self._run(xs)
        else:
            self._check_rehearsal(timesteps)
            with readable_input("Spiking", xs, _TIME_FIRST):
                out = self._run(xs)
        if not isinstance(out, Tensor) or out.shape[:1] != (timesteps * xs.shape[1],):
            met = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ShapeError(
                f"Spiking: the module returned {met}; expected a tensor whose first axis holds "
                f"{timesteps} time steps of {xs.shape[1]} samples. Keep the first axis as it is inside the module."
            )
        return unfold(out, timesteps)
