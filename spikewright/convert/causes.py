"""Causes: the error of a spiking layer split into what it inherits, clipping, quantisation and unevenness, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CASES = ("should be silent, fires", "fires too often", "fires too seldom", "should fire, is silent")
"""The cases of unevenness by wanted count k and real count N: k = 0 < N, 0 < k < N, 0 < N < k, N = 0 < k.

The last is met in masked neurons only: without a mask the potential that asks for a spike makes one.
"""

OFFSETS = (-3, -2, -1, 0, 1, 2, 3)
"""Offsets that are told apart; the ends hold everything beyond them."""


@dataclass(frozen=True)
class Causes:
    """Parts of a layer's error, each [N, *F] in units of the activation; they add up to mean output minus activation.

    Args:
        inherited: f(z) - a: the mean input z of this layer is not the source's.
        clipping: min(f(z), threshold) - f(z): what no number of spikes can represent.
        quantisation: q - min(f(z), threshold), with q what the neuron gives for the same input spread evenly.
        unevenness: mean output - q: spikes too many or too few, from the order in which the input arrived.
        wanted: k, the count of q.
        spikes: N, the real count.
    """

    inherited: Tensor
    clipping: Tensor
    quantisation: Tensor
    unevenness: Tensor
    wanted: Tensor
    spikes: Tensor

    def cases(self) -> tuple[float, float, float, float]:
        """Share of all neurons and samples in each of `CASES`."""
        k, n = self.wanted, self.spikes
        found = ((k == 0) & (n > 0), (k > 0) & (k < n), (n > 0) & (n < k), (n == 0) & (k > 0))
        return tuple(float(case.float().mean()) for case in found)  # pyright: ignore[reportReturnType]

    def offsets(self) -> tuple[float, ...]:
        """Share of all neurons and samples with each of `OFFSETS`, spikes too many above 0."""
        psi = (self.spikes - self.wanted).clamp(OFFSETS[0], OFFSETS[-1])
        return tuple(float((psi == offset).float().mean()) for offset in OFFSETS)


def causes(
    rate: Tensor, a: Tensor, z: Tensor, f_of_z: Tensor, *, v_threshold: Tensor, start: Tensor, timesteps: int
) -> Causes:
    """Split the error of a layer of integrate-and-fire neurons.

        rate - a = [f(z) - a] + [min(f(z), theta) - f(z)] + [q - min(f(z), theta)] + [rate - q]
        q = theta/T * k,  k = clip(floor(T z/theta + start), 0, T),  N = T rate/theta

    k is what the neuron would count if its input were z at every step.

    Args:
        rate: mean output over T steps, [N, *F].
        a: activation of the source, [N, *F].
        z: mean input over T steps, [N, *F].
        f_of_z: the source's activation function on z, [N, *F].
        v_threshold: theta, broadcastable to [N, *F], which is also what a spike delivers.
        start: potential before the first step in units of the threshold; 1/2 makes k the nearest count.
        timesteps: T.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347, section 3.2, the three errors; the cases of unevenness
        are those of Hao et al. 2023, AAAI 2023, arXiv 2302.02091, the offsets those of Hao et al. 2023, ICLR 2023,
        arXiv 2302.10685.

    Example:
        >>> one = torch.ones(1, 1)
        >>> split = causes(one / 2, one / 4, one / 4, one / 4, v_threshold=one, start=one / 2, timesteps=4)
        >>> split.unevenness.item(), split.offsets()[4]
        (0.25, 1.0)
    """
    wanted = torch.floor(timesteps * z / v_threshold + start).clamp(0, timesteps)
    nearest = wanted * v_threshold / timesteps
    below = torch.minimum(f_of_z, v_threshold.expand_as(f_of_z))
    spikes = torch.round(rate * timesteps / v_threshold)
    return Causes(f_of_z - a, below - f_of_z, nearest - below, rate - nearest, wanted, spikes)
