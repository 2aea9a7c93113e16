"""Expectation: a function of one or two activities over time, whose mean output is the function of the means."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from ...core.errors import ArgumentError, sentence
from ...core.stateful import Stateful
from ...core.temporal import check_sequence, fold, unfold


class ExpectationState(NamedTuple):
    """State of an expectation layer."""

    t: Tensor  # number of steps so far, []
    x: Tensor  # sum of the first input so far, [N, *F], at least in float32
    y: Tensor  # sum of the second input so far, [N, *G]; [] without one


def expectation(
    state: ExpectationState, sequences: tuple[Tensor, ...], *, function: Callable[..., Tensor]
) -> tuple[ExpectationState, Tensor]:
    """The outputs whose running mean is the function of the inputs' running means.

        m(t) = (x_1 + ... + x_t) / t        out(t) = t * f(m(t)) - (t - 1) * f(m(t - 1))

    The outputs of T steps add up to T * f(m(T)), whatever the inputs are, so the mean output is exactly f(m(T)), for
    every T. A single output can be far outside of f's range, and is a real number, not a count of spikes.

    Args:
        state: before the first of these steps.
        sequences: one or two inputs, [T, N, *F] and [T, N, *G].
        function: element by element, (x) or (x, y), any broadcast.

    Returns:
        The state after the last step, and the outputs, [T, N, *H], in the dtype of the first input.

    Source: Huang et al. 2024, "Towards High-performance Spiking Transformers from ANN to SNN Conversion", ACM MM 2024,
        arXiv 2502.21193, expectation compensation module.
        Differs: one layer for any function of one or two inputs; their neurons with several thresholds are not used.

    Example:
        >>> zero = torch.zeros(())
        >>> start = ExpectationState(zero, torch.zeros(1, 1), zero)
        >>> _, out = expectation(start, (torch.tensor([[[1.0]], [[3.0]]]),), function=torch.square)
        >>> out.flatten()
        tensor([1., 7.])
    """
    timesteps = len(sequences[0])
    begun = (state.x, state.y)[: len(sequences)]
    sums = [torch.stack(list(accumulate(xs, initial=before))) for xs, before in zip(sequences, begun)]
    steps = state.t + torch.arange(timesteps + 1, device=state.t.device)  # t - 1 of every step, and the last t
    means = [fold(s / _beside(steps.clamp(min=1), s)) for s in sums]
    values = unfold(function(*means), timesteps + 1)
    whole = (values * _beside(steps, values)).where(_beside(steps, values) > 0, 0)  # no function is asked for at t = 0
    after = [s[-1] for s in sums]
    y = after[1] if len(after) == 2 else state.y
    return ExpectationState(steps[-1], after[0], y), (whole[1:] - whole[:-1]).to(sequences[0].dtype)


def _beside(steps: Tensor, xs: Tensor) -> Tensor:
    return steps.to(xs.dtype).view(-1, *[1] * (xs.dim() - 1))


class Expectation(Stateful):
    """A function that is not linear inside a spiking network: its mean output is the function of the mean input.

    This is analog work at every step, a few multiply-accumulates for each element, and its output is no spikes.

    Args:
        function: element by element, of one input or of two, e.g. `torch.sigmoid` or `torch.mul`.

    Example:
        >>> Expectation(torch.mul).over_time(torch.tensor([[[1.0]], [[0.0]]]), torch.tensor([[[1.0]], [[1.0]]]))
        tensor([[[1.]],
        <BLANKLINE>
                [[0.]]])
    """

    fires = False

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        if not callable(function):
            raise ArgumentError(sentence("Expectation.function", repr(function), "a function of one or two tensors"))
        self.function = function

    def init_state(self, x: Tensor, y: Tensor | None = None) -> ExpectationState:
        """State before the first step, for inputs like x [N, *F] and y [N, *G]."""
        wide = torch.promote_types(x.dtype, torch.float32)
        none = torch.zeros((), dtype=wide, device=x.device)
        return ExpectationState(
            torch.zeros((), dtype=torch.int64, device=x.device),
            torch.zeros_like(x, dtype=wide),
            none if y is None else torch.zeros_like(y, dtype=wide),
        )

    def over_time(self, *xs: Tensor) -> Tensor:
        """One or two inputs [T, N, ...] -> output [T, N, ...].

        Raises:
            ShapeError: if an input is no floating-point [T, N, ...], or a carried state has another shape.
            ArgumentError: for another number of inputs.
        """
        if not 1 <= len(xs) <= 2:
            raise ArgumentError(sentence("Expectation", f"{len(xs)} inputs", "one or two"))
        for part in xs:
            check_sequence(part, type(self).__name__)
        fresh = self.init_state(*(part[0] for part in xs))
        state = self.begin(lambda: fresh, fresh)
        state, out = expectation(state, xs, function=self.function)
        self.end(state)
        return out

    def extra_repr(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))
