"""Neuron: a pure step and its first state, run over time by an unroll."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from itertools import repeat
from numbers import Real

import torch
from torch import Tensor

from .arguments import named
from .dynamics import Dynamics
from .errors import ArgumentError, ShapeError, sentence
from .one import is_one
from .params import hold
from .reset import subtract
from .stateful import Stateful
from .surrogate import ATan
from .temporal import check_sequence, check_window
from .types import ResetFn, SpikeFn, State, Unroll
from .unroll import bptt


class Neuron(Stateful):
    """Abstract neuron layer. A final class gives `init_state` and `step`; it keeps no state between calls.

    Args:
        amplitude: what one spike delivers to the next layer, number or tensor broadcastable to [N, *F]; None for a
            class that has it as a property.
        spike: spike function, e.g. `ATan()`.
        reset: reset function, e.g. `subtract`.
        learn: names of constants to train.
    """

    levels: tuple[float, ...] | None = (0.0, 1.0)
    """The values of one step's unit spikes; None for a neuron whose output is not spikes (a read-out)."""

    per_channel: tuple[str, ...] = ()
    """The constants that hold a value per channel, [C]; the others broadcast to [N, *F]."""

    learnable: tuple[str, ...] = ("amplitude", "v_threshold")
    """The constants that `learn` may name."""

    graded: bool = False
    """Whether one spike can deliver other shares of the amplitude than whole ones; it then counts as one spike."""

    follows_spike: bool = True
    """Whether `spike` decides how its spikes are differentiated; another surrogate then gives another gradient."""

    amplitude: Tensor
    unroll: Unroll

    def __init__(
        self,
        *,
        amplitude: float | Tensor | None = 1.0,
        spike: SpikeFn | None = None,
        reset: ResetFn = subtract,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        if isinstance(learn, str) or not isinstance(learn, Collection) or not set(learn) <= set(self.learnable):
            allowed = f"a tuple of names among {', '.join(self.learnable)}"
            raise ArgumentError(sentence(f"{type(self).__name__}.learn", repr(learn), allowed))
        for name, value, example in (("spike", spike or ATan(), "ATan()"), ("reset", reset, "subtract")):
            if not callable(value) or isinstance(value, type):
                raise ArgumentError(sentence(f"{type(self).__name__}.{name}", named(value), f"a function: {example}"))
        self.spike = ATan() if spike is None else spike
        self.reset = reset
        self.learn = learn
        self.unroll = bptt
        if amplitude is not None:
            self.hold("amplitude", amplitude)

    def hold(self, name: str, value: float | Tensor, *, above: float | None = None) -> None:
        """Keep a constant as buffer, or as parameter if `learn` names it; it must be finite, and above `above`."""
        self._check_constant(name, value, above)
        hold(self, name, value, learn=name in self.learn)

    def _check_constant(self, name: str, value: float | Tensor, above: float | None) -> None:
        who = f"{type(self).__name__}.{name}"
        if not isinstance(value, Tensor | Real):
            raise ArgumentError(sentence(who, named(value), "a number or a tensor"))
        tensor = torch.as_tensor(value, dtype=torch.float64) if not isinstance(value, Tensor) else value.detach()
        if tensor.numel() == 0 or not torch.isfinite(tensor).all():
            raise ArgumentError(sentence(who, repr(value), "finite numbers"))
        if above is not None and not (tensor > above).all():
            raise ArgumentError(sentence(who, f"{float(tensor.min()):g}", f"numbers above {above:g}"))

    @abstractmethod
    def init_state(self, x: Tensor) -> State:
        """State before the first step, for an input like x [N, *F], on its device and in its dtype."""

    @abstractmethod
    def step(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        """One time step: state and input [N, *F] -> new state and unit spikes [N, *F]."""

    def dynamics(self) -> Dynamics | None:
        """What the neuron computes, for engines other than torch; None where only its `step` can say."""
        return None

    def membrane(self, state: State) -> Tensor:
        """Membrane potential of a state in units of the threshold, [N, *F]."""
        return state.v / self.v_threshold

    def first_state(self, xs: Tensor) -> State:
        """State before the first step of a sequence [T, N, *F]; a neuron with a `window` may look at its beginning."""
        return self.init_state(xs[0])

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Input [T, N, *F] -> amplitude times spikes, [T, N, *F].

        Raises:
            ShapeError: if xs is no floating-point [T, N, ...], or a carried state has another shape.
        """
        check_sequence(xs, type(self).__name__)
        if not callable(self.unroll) or isinstance(self.unroll, type):
            who, allowed = f"{type(self).__name__}.unroll", "an unroll, e.g. fused, or sliced(2) where one is made"
            raise ArgumentError(sentence(who, named(self.unroll), allowed))
        state = self.begin(lambda: self._fresh(xs), repeat(xs[0]))
        state, spikes = self.unroll(self, state, xs)
        self.end(state)
        held = self._buffers.get("amplitude")  # a property is another tensor at every call
        return spikes if held is not None and is_one(held) else spikes * self.amplitude.to(xs.dtype)

    def _fresh(self, xs: Tensor) -> State:
        check_window(xs, self.window, type(self).__name__)
        self._check_shapes(xs[0])
        return self.first_state(xs)

    def _check_shapes(self, x: Tensor) -> None:
        for name, value in (*self.named_buffers(recurse=False), *self.named_parameters(recurse=False)):
            sizes = () if name in self.per_channel else value.shape[::-1]
            if len(sizes) > x.dim() or any(size not in (1, own) for size, own in zip(sizes, x.shape[::-1])):
                met = f"shape {list(value.shape)} for an input of {list(x.shape)}"
                allowed = (
                    "a number, or a tensor that broadcasts to the input [N, *F], e.g. [C, 1, 1] for a value per channel"
                )
                raise ShapeError(sentence(f"{type(self).__name__}.{name}", met, allowed))

    def extra_repr(self) -> str:
        """The constants, as `print(model)` shows them."""
        own = {**dict(self.named_buffers(recurse=False)), **dict(self.named_parameters(recurse=False))}
        return ", ".join(
            f"{name}={value.item():.4g}" if value.numel() == 1 else f"{name}={list(value.shape)}"
            for name, value in own.items()
        )
