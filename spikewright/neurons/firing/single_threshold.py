"""SingleThreshold: the integrate-and-fire rule, one spike of one size."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .firing import TIE, Firing, Sign, given


@dataclass(frozen=True, kw_only=True)
class SingleThreshold(Firing):
    """Fires 1 at v >= 1; where it may fire downward, -1 at v <= 0, and with a budget only if 1 was fired before.

    The neuron starts at half its threshold, and rests between 0 and 1.

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301, IF and signed IF neurons as in the authors' code.

    Example:
        >>> import torch
        >>> SingleThreshold().fire(torch.tensor([-0.5, 0.5, 2.0]), Sign.BOTH)
        tensor([-1.,  0.,  1.])
    """

    def fire(self, v: Tensor, sign: Sign, emitted: Tensor | None = None) -> Tensor:
        up = (v >= 1).to(v.dtype)
        if sign is Sign.POSITIVE:
            return up
        down = v <= 0
        if sign is Sign.BUDGETED:
            down &= given(emitted) >= 1 - TIE
        return up - down.to(v.dtype)

    def start(self, sign: Sign) -> float:
        return 0.5

    @property
    def reach(self) -> float:
        return 1.0

    def steps(self, timesteps: int, sign: Sign) -> tuple[int, int, int]:
        return timesteps, -timesteps if sign is Sign.BOTH else 0, timesteps

    def values(self, sign: Sign) -> tuple[float, ...]:
        return (0.0, 1.0) if sign is Sign.POSITIVE else (-1.0, 0.0, 1.0)
