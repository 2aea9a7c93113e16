"""DN: dynamic neuron, whose potential follows a second-order system and feels its own spikes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.neuron import Neuron
from ..core.reset import to_zero
from ..core.types import ResetFn, SpikeFn


class DNState(NamedTuple):
    """State of dynamic neurons."""

    i_syn: Tensor  # synaptic current, [N, *F]
    v: Tensor  # membrane potential, [N, *F]
    u: Tensor  # resistance item, [N, *F]


def dn_step(
    state: DNState,
    x: Tensor,
    *,
    decay_syn: Tensor,
    v_to_u: Tensor,
    u_to_u: Tensor,
    v_reset: Tensor,
    u_jump: Tensor,
    v_threshold: Tensor,
    spike: SpikeFn,
    reset: ResetFn,
) -> tuple[DNState, Tensor]:
    """Advance dynamic neurons by one time step: charge, fire, reset.

        i' = decay_syn * i + x
        v' = v + (v^2 - v - u + i')        u' = u + (v_to_u * v + u_to_u * u)        both from v and u before the step
        s = [v' >= v_threshold]            v'' = reset(v', s, v_threshold) + v_reset * s        u'' = u' + u_jump * s

    Args:
        state: current, potential and resistance item before the step, [N, *F].
        x: input of this step, [N, *F].
        decay_syn: share of the current kept per step, 0..1.
        v_to_u, u_to_u: how the resistance item follows potential and itself.
        v_reset: potential after a spike.
        u_jump: what a spike adds to the resistance item.
        v_threshold: threshold above 0.
        spike: spike function.
        reset: reset function; `to_zero` as published.

    Returns:
        The state after the reset, and the spikes, 0 or 1, [N, *F].

    Source: Zhang et al. 2022, "Multi-Sacle Dynamic Coding Improved Spiking Actor Network for Reinforcement Learning",
        AAAI 2022; constants of Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv
        2505.24161, from its authors' code.
        Differs: the text of the latter subtracts u_to_u * u, its code adds it; here it is added, and a negative
            `u_to_u` is the text.

    Example:
        >>> from spikewright.core import Rectangle
        >>> zero, one = torch.zeros(1), torch.ones(1)
        >>> state, s = dn_step(DNState(zero, zero, zero), one, decay_syn=one / 2, v_to_u=-one, u_to_u=one,
        ...                    v_reset=one / 4, u_jump=one, v_threshold=one / 2, spike=Rectangle(), reset=to_zero)
        >>> s, state.v, state.u
        (tensor([1.]), tensor([0.2500]), tensor([1.]))
    """
    i_syn = decay_syn * state.i_syn + x
    v = state.v + (state.v.square() - state.v - state.u + i_syn)
    u = state.u + (v_to_u * state.v + u_to_u * state.u)
    s = spike(v - v_threshold)
    return DNState(i_syn, reset(v, s, v_threshold) + v_reset * s, u + u_jump * s), s


class DN(Neuron):
    """Dynamic neuron.

    Args:
        decay_syn: share of the synaptic current kept per step.
        v_to_u, u_to_u, v_reset, u_jump: see `dn_step`. With the published `u_to_u` above 0 the resistance item grows
            from step to step: made for few steps, 5 as published.
        v_threshold: threshold above 0.
        amplitude, spike, reset, learn: see `Neuron`; "amplitude" can be learnt.

    Example:
        >>> DN().over_time(torch.full((4, 1, 1), 0.4)).flatten()
        tensor([0., 1., 1., 1.])
    """

    decay_syn: Tensor
    v_to_u: Tensor
    u_to_u: Tensor
    v_reset: Tensor
    u_jump: Tensor
    v_threshold: Tensor
    learnable = ("amplitude",)

    def __init__(
        self,
        *,
        decay_syn: float | Tensor = 0.5,
        v_to_u: float | Tensor = -0.172,
        u_to_u: float | Tensor = 0.529,
        v_reset: float | Tensor = 0.021,
        u_jump: float | Tensor = 0.132,
        v_threshold: float | Tensor = 0.5,
        amplitude: float | Tensor = 1.0,
        spike: SpikeFn | None = None,
        reset: ResetFn = to_zero,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, spike=spike, reset=reset, learn=learn)
        for name, value in (
            ("decay_syn", decay_syn), ("v_to_u", v_to_u), ("u_to_u", u_to_u), ("v_reset", v_reset), ("u_jump", u_jump),
        ):  # fmt: skip
            self.hold(name, value)
        self.hold("v_threshold", v_threshold, above=0)

    def init_state(self, x: Tensor) -> DNState:
        return DNState(torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x))

    def step(self, state: DNState, x: Tensor) -> tuple[DNState, Tensor]:
        names = ("decay_syn", "v_to_u", "u_to_u", "v_reset", "u_jump", "v_threshold")
        constants = {name: getattr(self, name).to(x.dtype) for name in names}
        return dn_step(state, x, spike=self.spike, reset=self.reset, **constants)
