"""GradedUnit: a function of one or two activities under differential coding, exact at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ...core.dynamics import MaxPool, max_pool
from ...core.errors import ArgumentError, sentence
from ...core.probe import Probed
from ...core.stateful import Stateful
from ...core.temporal import check_sequence, fold, unfold


class GradedUnitState(NamedTuple):
    """State of a graded unit."""

    t: Tensor  # number of steps so far, []
    x: Tensor  # estimate of the first input, [N, *F], at least in float32
    y: Tensor  # estimate of the second input, [N, *G]; [] without one
    out: Tensor  # estimate of the output, [N, *H]; [] before the first step


def graded_unit(
    state: GradedUnitState, sequences: tuple[Tensor, ...], *, function: Callable[..., Tensor]
) -> tuple[GradedUnitState, Tensor]:
    """The corrections that make the receiver's estimate the function of the estimates that arrive.

        r(t) = r(t - 1) + x_t / t        out(t) = t * (f(r(t)) - f(r(t - 1))),    f(r(0)) taken as 0

    The receiver's estimate, the sum of out(t) / t, is exactly f(r(t)) at every step.

    Args:
        state: before the first of these steps.
        sequences: what arrives, without its constant part: one or two inputs, [T, N, *F] and [T, N, *G].
        function: (x) or (x, y) with the batch as the first axis; a product of two activities is one of (x, y).

    Returns:
        The state after the last step, and the outputs, [T, N, *H], in the dtype of the first input.

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301, graded units.
        Differs: a product is computed from its two estimates, where the authors add up three products of corrections;
        the results are equal.

    Example:
        >>> zero = torch.zeros(())
        >>> start = GradedUnitState(zero, torch.zeros(1, 1), zero, zero)
        >>> _, out = graded_unit(start, (torch.tensor([[[3.0]], [[-2.0]]]),), function=torch.square)
        >>> out.flatten()  # 3^2, then 2 * (2^2 - 3^2)
        tensor([  9., -10.])
    """
    timesteps = len(sequences[0])
    steps = state.t + torch.arange(1, timesteps + 1, device=state.t.device)
    begun = (state.x, state.y)[: len(sequences)]
    estimates = []
    for xs, before in zip(sequences, begun):
        changes = xs.to(before.dtype) / _beside(steps, xs)
        changes[0] += before
        estimates.append(changes.cumsum(0))
    values = unfold(function(*(fold(r) for r in estimates)), timesteps)
    before = torch.cat([(state.out + torch.zeros_like(values[0])).unsqueeze(0), values[:-1]])
    out = (values - before) * _beside(steps, values)
    y = estimates[1][-1] if len(estimates) == 2 else state.y
    return GradedUnitState(steps[-1], estimates[0][-1], y, values[-1]), out.to(sequences[0].dtype)


def _beside(steps: Tensor, xs: Tensor) -> Tensor:
    return steps.to(torch.promote_types(xs.dtype, torch.float32)).view(-1, *[1] * (xs.dim() - 1))


class GradedUnit(Stateful, Probed):
    """A function that is not linear inside a network under differential coding; exact, and not made of spikes.

    Args:
        function: of one input or of two, e.g. `torch.softmax` over the last axis, or `torch.matmul`.

    Example:
        >>> unit = GradedUnit(torch.mul)
        >>> unit.over_time(torch.tensor([[[2.0]], [[0.0]]]), torch.tensor([[[3.0]], [[2.0]]])).flatten()
        tensor([6., 4.])
    """

    fires = False
    sends_corrections = True

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        if not callable(function):
            raise ArgumentError(sentence("GradedUnit.function", repr(function), "a function of one or two tensors"))
        self.function = function

    def shaped(self, *xs: Tensor) -> Tensor:
        return unfold(self.function(*(fold(x) for x in xs)), len(xs[0]))

    def init_state(self, x: Tensor, y: Tensor | None = None) -> GradedUnitState:
        """State before the first step, for inputs like x [N, *F] and y [N, *G] without a constant part."""
        wide = torch.promote_types(x.dtype, torch.float32)
        none = torch.zeros((), dtype=wide, device=x.device)
        return GradedUnitState(
            torch.zeros((), dtype=torch.int64, device=x.device),
            torch.zeros_like(x, dtype=wide),
            none if y is None else torch.zeros_like(y, dtype=wide),
            none,
        )

    def over_time(self, *xs: Tensor) -> Tensor:
        """One or two inputs [T, N, ...] -> output [T, N, ...].

        Raises:
            ShapeError: if an input is no floating-point [T, N, ...], or a carried state has another shape.
            ArgumentError: for another number of inputs.
        """
        if not 1 <= len(xs) <= 2:
            raise ArgumentError(sentence("GradedUnit", f"{len(xs)} inputs", "one or two"))
        for part in xs:
            check_sequence(part, type(self).__name__)
        silent = self.silent(*xs)
        if silent is not None:
            return silent
        constants = self.constant_parts(*xs)
        fresh = self.init_state(*(part[0] for part in xs))
        fresh = fresh._replace(
            **{name: getattr(fresh, name) + constant for name, constant in zip(("x", "y"), constants)}
        )
        state = self.begin(lambda: fresh, fresh[:3])  # of the output there is no example before the function has run
        arrived = tuple(part - constant for part, constant in zip(xs, constants))
        state, out = graded_unit(state, arrived, function=self.function)
        self.end(state)
        return out

    def dynamics(self) -> MaxPool | None:
        """What the unit computes, for engines other than torch; None where only its function can say."""
        return max_pool(self.function, gate=False)

    def extra_repr(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))
