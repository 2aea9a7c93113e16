"""decay(tau): the share of a potential that is kept per step, from a time constant in steps."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from ..core.arguments import named
from ..core.errors import ArgumentError, sentence


def decay(tau: float | Tensor, who: str) -> float | Tensor:
    """exp(-1/tau), the exact step of a leak of time constant tau; the input of the step is added as it is.

    How other conventions map on `v' = decay * v + x` (rest at 0, dt = length of a step):

    * NIR, tau dv/dt = (v_leak - v) + r I, with v_leak = 0 and I constant during a step:
      tau_nir = tau * dt and r = 1 / (1 - decay), because the exact step weights r I with 1 - decay. NIR's
      reset sets v to v_reset, here `to_zero`; it has no reset by subtraction.
    * Euler step with scaled input, v' = v + (x - v) / tau_e (SpikingJelly `LIFNode`, `decay_input=True`):
      decay = 1 - 1/tau_e, that is tau = -1 / ln(1 - 1/tau_e), and the weights before it divided by tau_e.
    * Euler step with plain input (`decay_input=False`): the same tau, weights as they are. snnTorch's `beta`
      is decay itself, and its input is plain.
    * Norse's `LIFBoxCell`: the Euler step with scaled input, tau_e = 1 / (dt * tau_mem_inv).

    Args:
        tau: time constant above 0, in time steps; number or tensor.
        who: class and argument, for the error.

    Returns:
        A number for a number, a tensor for a tensor.

    Raises:
        ArgumentError: if tau is not finite or not above 0.

    Example:
        >>> decay(1 / math.log(2), "LIF.tau")  # SpikingJelly's tau of 2.0
        0.5
    """
    if not isinstance(tau, Tensor | Real):
        raise ArgumentError(sentence(who, named(tau), "a number or a tensor (time steps)"))
    values = tau.detach() if isinstance(tau, Tensor) else torch.tensor(float(tau))
    if not (values.numel() and torch.isfinite(values).all() and (values > 0).all()):
        allowed = "finite numbers above 0 (time steps)"
        raise ArgumentError(sentence(who, repr(tau), allowed, "For no leak use IF"))
    return torch.exp(-1 / values) if isinstance(tau, Tensor) else math.exp(-1 / tau)
