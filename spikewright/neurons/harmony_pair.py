"""HarmonyPair: two H-MT neurons, one for each sign of the input, that may tell each other what they fired."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.arguments import named
from ..core.errors import ArgumentError, sentence
from ..core.neuron import Neuron
from .firing.firing import Sign, straight_through
from .firing.harmony import Harmony

_TWO = Harmony(thresholds=2)


class HarmonyPairState(NamedTuple):
    """State of pairs of H-MT neurons, in units of the smallest threshold."""

    v: Tensor  # membrane potential of the half that is given the input, [N, *F]
    w: Tensor  # membrane potential of the half that is given minus the input, [N, *F]


def harmony_pair_step(
    state: HarmonyPairState, x: Tensor, *, firing: Harmony, v_threshold: Tensor, communication: bool
) -> tuple[HarmonyPairState, Tensor]:
    """Advance pairs of H-MT neurons by one time step: both charge, fire and reset, then they exchange what they fired.

        v' = v + x / v_threshold    p = fire(v')    v'' = v' - p + n        s = p - n
        w' = w - x / v_threshold    n = fire(w')    w'' = w' - n + p        (+ n and + p with communication only)

    With communication v + w stays 1, at most one half fires in a step, and the pair equals one neuron with
    `Harmony` and `Sign.BOTH`. Without, each half only ever fires and nothing is taken back.

    Args:
        state: membrane potentials before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        firing: the firing function of each half.
        v_threshold: smallest threshold, above 0, broadcastable to x.
        communication: whether they exchange what they fired.

    Returns:
        The new state, and the output in units of the threshold, [N, *F].

    Source: Zhang et al. 2026, "Generalized Threshold Optimization with Harmony Multi-Threshold Neurons for Accurate
        ANN-to-SNN Conversion", AAAI 2026, section "Harmony multi-threshold neuron", eq. 21.

    Example:
        >>> half, one = torch.tensor([0.5]), torch.tensor([1.0])
        >>> state, s = harmony_pair_step(
        ...     HarmonyPairState(half, half),
        ...     -4 * one,
        ...     firing=Harmony(thresholds=1),
        ...     v_threshold=one,
        ...     communication=True,
        ... )
        >>> s, state.v, state.w
        (tensor([-1.]), tensor([-2.5000]), tensor([3.5000]))
    """
    current = x / v_threshold
    v, w = state.v + current, state.w - current
    up, down = _fired(v, firing), _fired(w, firing)
    told = (down, up) if communication else (0, 0)
    return HarmonyPairState(v - up + told[0], w - down + told[1]), up - down


def _fired(v: Tensor, firing: Harmony) -> Tensor:
    with torch.no_grad():
        fired = firing.fire(v, Sign.POSITIVE)
    return straight_through(fired, v, 0.0, firing.reach) if v.requires_grad else fired


class HarmonyPair(Neuron):
    """A pair of H-MT neurons for activations of both signs, as published: the reference of `Harmony` with `Sign.BOTH`.

    NIR cannot say it: its neurons fire one kind of spike.

    Args:
        firing: the firing function of each half.
        v_threshold: smallest threshold, above 0, number or tensor broadcastable to [N, *F].
        communication: whether each half is told what the other fired.
        amplitude, learn: see `Neuron`; "amplitude" can be learnt.

    Example:
        >>> xs = torch.tensor([4.0, 2.0, -3.0, 6.0, -2.0, -6.0]).view(6, 1, 1)
        >>> made = dict(firing=Harmony(thresholds=3), v_threshold=1.0)
        >>> HarmonyPair(**made).over_time(xs).sum(), HarmonyPair(communication=False, **made).over_time(xs).sum()
        (tensor(1.), tensor(9.))
    """

    graded = True
    follows_spike = False
    v_threshold: Tensor
    learnable = ("amplitude",)
    levels = _TWO.values(Sign.BOTH)

    def __init__(
        self,
        *,
        firing: Harmony = _TWO,
        v_threshold: float | Tensor = 0.25,
        communication: bool = True,
        amplitude: float | Tensor = 1.0,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, learn=learn)
        if not isinstance(firing, Harmony):
            raise ArgumentError(sentence("HarmonyPair.firing", named(firing), "Harmony(thresholds=...)"))
        self.firing, self.communication = firing, communication
        self.levels = firing.values(Sign.BOTH)
        self.hold("v_threshold", v_threshold, above=0)

    def init_state(self, x: Tensor) -> HarmonyPairState:
        return HarmonyPairState(torch.full_like(x, 0.5), torch.full_like(x, 0.5))

    def membrane(self, state: HarmonyPairState) -> Tensor:
        return state.v

    def step(self, state: HarmonyPairState, x: Tensor) -> tuple[HarmonyPairState, Tensor]:
        v_threshold = self.v_threshold.to(x.dtype)
        return harmony_pair_step(
            state, x, firing=self.firing, v_threshold=v_threshold, communication=self.communication
        )
