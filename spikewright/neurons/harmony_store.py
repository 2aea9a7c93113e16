"""HarmonyStore: H-MT neuron for a ReLU that keeps its downward spikes in a store until they cannot lead below 0."""

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


class HarmonyStoreState(NamedTuple):
    """State of H-MT neurons with a store, in units of the smallest threshold."""

    v: Tensor  # residual potential, [N, *F]
    store: Tensor  # downward spikes that are not delivered yet, [N, *F]
    total: Tensor  # what was fired so far, up minus down, the stored ones included, [N, *F]


def harmony_store_step(
    state: HarmonyStoreState, x: Tensor, *, firing: Harmony, v_threshold: Tensor
) -> tuple[HarmonyStoreState, Tensor]:
    """Advance H-MT neurons with a store by one time step: charge, fire both ways, store, release.

        v' = v + x / v_threshold    q = fire(v')    v'' = v' - q    total' = total + q
        up, down = max(q, 0), max(-q, 0)
        release = min(store + down, 2^n - 1) where total' >= 0, else 0
        s = up - release            store' = store + down - release

    Args:
        state: before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        firing: the firing function, used for both signs.
        v_threshold: smallest threshold, above 0, broadcastable to x.

    Returns:
        The new state, and the output in units of the threshold, [N, *F].

    Source: Zhang et al. 2026, AAAI 2026, a variant that is in the authors' code only; not described in the paper.
        Differs: where their code leaves the order of store and release open, what is stored in a step may leave in it.

    Example:
        >>> zero, one = torch.tensor([0.0]), torch.tensor([1.0])
        >>> start = HarmonyStoreState(zero, zero, zero)
        >>> state, s = harmony_store_step(start, -2 * one, firing=Harmony(), v_threshold=one)
        >>> s, state.store
        (tensor([0.]), tensor([2.]))
    """
    v = state.v + x / v_threshold
    with torch.no_grad():
        fired = firing.fire(v, Sign.BOTH)
    if v.requires_grad:
        fired = straight_through(fired, v, -firing.reach, firing.reach)
    total = state.total + fired
    waiting = state.store + (-fired).clamp(min=0)
    release = waiting.clamp(max=firing.reach) * (total >= 0)
    return HarmonyStoreState(v - fired, waiting - release, total), fired.clamp(min=0) - release


class HarmonyStore(Neuron):
    """H-MT neuron with a store, for ReLUs: late to take back what it fired; `Sign.BUDGETED` is the better choice.

    NIR cannot say it: its neurons fire one kind of spike.

    Args:
        firing: the firing function, used for both signs.
        v_threshold: smallest threshold, above 0, number or tensor broadcastable to [N, *F].
        amplitude, learn: see `Neuron`; "amplitude" can be learnt.

    Example:
        >>> HarmonyStore(v_threshold=1.0).over_time(torch.tensor([-1.0, 3.0, -1.0]).view(3, 1, 1)).flatten()
        tensor([ 0.,  2., -1.])
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
        amplitude: float | Tensor = 1.0,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, learn=learn)
        if not isinstance(firing, Harmony):
            raise ArgumentError(sentence("HarmonyStore.firing", named(firing), "Harmony(thresholds=...)"))
        self.firing = firing
        self.levels = firing.values(Sign.BOTH)
        self.hold("v_threshold", v_threshold, above=0)

    def init_state(self, x: Tensor) -> HarmonyStoreState:
        return HarmonyStoreState(torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x))

    def membrane(self, state: HarmonyStoreState) -> Tensor:
        return state.v

    def step(self, state: HarmonyStoreState, x: Tensor) -> tuple[HarmonyStoreState, Tensor]:
        return harmony_store_step(state, x, firing=self.firing, v_threshold=self.v_threshold.to(x.dtype))
