"""Stateful: a temporal layer with a state, which carry_state carries from call to call."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

from .carry import Carry, check_state
from .temporal import Temporal
from .types import State


class Stateful(Temporal):
    """A temporal layer whose state at the start of a call is fresh, or inside `carry_state` the one it ended with."""

    def __init__(self) -> None:
        super().__init__()
        self.carry: Carry | None = None

    def begin(self, fresh: Callable[[], State], like: Iterable[Tensor]) -> State:
        """The carried state, or a fresh one.

        Args:
            fresh: makes the state before the first step.
            like: the tensors of this call that the parts of a carried state must fit in shape and dtype.

        Raises:
            ShapeError: if the carried state has another shape or dtype.
        """
        if self.carry is None or self.carry.state is None:
            return fresh()
        check_state(self.carry.state, like, type(self).__name__)
        return self.carry.state

    def end(self, state: State) -> None:
        """Keep the state after the last step, if it is carried."""
        if self.carry is not None:
            self.carry.keep(state)

    def __getstate__(self) -> dict:
        """What a copy or pickle takes along: no state that is being carried, no call in progress."""
        return {**super().__getstate__(), "carry": None, "timesteps": None}
