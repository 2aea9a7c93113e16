"""MaxPoolGate: a max pool over spikes, which lets through the input that has received most so far."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...core.dynamics import MaxPool, max_pool
from ...core.errors import ArgumentError, sentence
from ...core.stateful import Stateful
from ...core.temporal import check_sequence

POOLS = (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
)


class MaxPoolGateState(NamedTuple):
    """State of a max pool gate."""

    total: Tensor  # sum of each input so far, [N, C, *in], at least in float32
    winner: Tensor  # flat place of each window's winner, -1 before the first step, [N, C, *out], whole numbers


def max_pool_gate_step(state: MaxPoolGateState, x: Tensor, *, pool: nn.Module) -> tuple[MaxPoolGateState, Tensor]:
    """Advance the gates by one time step: add up, compare, let through.

    Of each window the input with the largest sum up to and including this step wins; while the last winner is among
    the largest, it stays. The output is the winner's input of this step.

    Over T steps the outputs add up to at least the largest sum of the window. They exceed it, each time another input
    takes over, by what that input was behind one step before, which is no more than the difference of the two inputs
    of this step. For spikes of one size (0 or s) nobody can be behind and overtake in one step: the mean output then
    **equals** the max pool of the mean inputs, for every T. For other inputs the excess of the mean is at most (number
    of takeovers) * (largest difference between two inputs of a window) / T.

    Args:
        state: sums and winners before the step.
        x: input, [N, C, *in].
        pool: a max pool that returns values and indices, whose geometry the windows have.

    Returns:
        The new state, and the output, [N, C, *out].

    Source: Rueckauer et al. 2017, "Conversion of continuous-valued deep networks to efficient event-driven networks
        for image classification", Frontiers in Neuroscience 11:682, section on spiking max-pooling layers.
        Differs: the estimate of a rate is the plain sum, and the last winner stays in a tie, which makes it exact.

    Example:
        >>> pool = nn.MaxPool1d(2, return_indices=True)
        >>> start = MaxPoolGateState(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0]]]))
        >>> state, out = max_pool_gate_step(start, torch.tensor([[[0.0, 1.0]]]), pool=pool)
        >>> out, state.winner
        (tensor([[[0.]]]), tensor([[[0]]]))
    """
    total = state.total + x
    largest, winner = pool(total)
    stays = (state.winner >= 0).logical_and_(_at(total, state.winner.clamp(min=0)) >= largest)
    winner = torch.where(stays, state.winner, winner)
    return MaxPoolGateState(total, winner), _at(x, winner)


def _at(x: Tensor, places: Tensor) -> Tensor:
    return x.flatten(2).gather(2, places.flatten(2)).view(places.shape)


class MaxPoolGate(Stateful):
    """A max pool inside a spiking network: each window lets the input through that has received most so far.

    Exact for spikes of one size; `max_pool_gate_step` says what it does and how far it is off for other inputs.

    Args:
        pool: `nn.MaxPool1d`, `2d`, `3d`, or an adaptive one; its geometry is taken.

    Example:
        >>> gate = MaxPoolGate(nn.MaxPool1d(2))
        >>> gate.over_time(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]).view(3, 1, 1, 2)).flatten()
        tensor([1., 0., 1.])
    """

    fires = False

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        if type(pool) not in POOLS:
            raise ArgumentError(sentence("MaxPoolGate.pool", type(pool).__name__, "a max pool of torch.nn"))
        self.pool = copy.deepcopy(pool)
        self.pool.return_indices = True  # pyright: ignore[reportArgumentType]

    def dynamics(self) -> MaxPool | None:
        """What the gates compute, for engines other than torch; None where only torch has their windows."""
        return max_pool(self.pool, gate=True)

    def init_state(self, x: Tensor) -> MaxPoolGateState:
        """State before the first step, for an input like x [N, C, *in]."""
        total = torch.zeros_like(x, dtype=torch.promote_types(x.dtype, torch.float32))
        return MaxPoolGateState(total, torch.full_like(self.pool(total)[1], -1))

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Input [T, N, C, *in] -> output [T, N, C, *out].

        Raises:
            ShapeError: if xs is no floating-point [T, N, ...], or a carried state has another shape.
        """
        state = self._begin(xs)
        out = []
        for x in xs:
            state, passed = max_pool_gate_step(state, x, pool=self.pool)
            out.append(passed)
        self.end(state)
        return torch.stack(out)

    def chosen(self, xs: Tensor) -> Tensor:
        """The flat place in its window's input of what each output is, [T, N, C, *out]; changes no carried state."""
        state, places = self._begin(xs), []
        for x in xs:
            state, _ = max_pool_gate_step(state, x, pool=self.pool)
            places.append(state.winner)
        return torch.stack(places)

    def _begin(self, xs: Tensor) -> MaxPoolGateState:
        check_sequence(xs, type(self).__name__)
        wide = xs[0].to(torch.promote_types(xs.dtype, torch.float32))
        return self.begin(lambda: self.init_state(xs[0]), [wide])
