"""How many spikes a neuron's output holds: the output in units of its amplitude, signs dropped."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from ..core.temporal import Temporal
from .events import Events, bits_of, per_bit, per_output

WHOLE = 0.01
"""How far, relative to itself, a count may be from a whole number: half precision needs this much."""


def hands_on(module: nn.Module) -> bool:
    """Whether a temporal layer hands on, at every place, one of the values it gets: `chosen(xs)` says which."""
    return isinstance(module, Temporal) and hasattr(module, "chosen")


def spikes_of(neuron: nn.Module, out: Tensor, who: str, events: Events = per_output) -> Tensor:
    """Number of spikes at each place of a neuron's output; a graded spike counts as one, or as its binary spikes.

    Example:
        >>> from spikewright.neurons import SignedMemoryIF
        >>> spikes_of(SignedMemoryIF(slope=0.25), torch.tensor([-1.0, 0.0, -0.25]), "neuron")
        tensor([1., 0., 1.])
    """
    bits = bits_of(neuron, out) if events is per_bit else None
    if bits is not None:
        return bits.to(torch.promote_types(out.dtype, torch.float32))
    if getattr(neuron, "graded", False):
        return (out != 0).to(torch.promote_types(out.dtype, torch.float32))
    amplitude: Tensor = neuron.amplitude  # pyright: ignore[reportAssignmentType]
    return spikes_in(out, amplitude, who)


def spikes_in(out: Tensor, amplitude: Tensor, who: str) -> Tensor:
    """Number of spikes at each place of an output: |out / amplitude|.

    A signed spike counts as one, a neuron that fires three units in one step as three.

    Args:
        out: output of a neuron, [..., *F].
        amplitude: what one spike delivers, broadcastable to out.
        who: the neuron's name, for errors.

    Returns:
        Whole numbers, [..., *F], in float32 or float64.

    Raises:
        ArgumentError: if the amplitude is zero somewhere, or the output no whole multiple of it.

    Example:
        >>> spikes_in(torch.tensor([0.0, -0.5, 1.5]), torch.tensor(0.5), "neuron")
        tensor([0., 1., 3.])
    """
    wide = torch.promote_types(out.dtype, torch.float32)
    unit = amplitude.to(out.dtype).to(wide)
    if not unit.all():
        raise ArgumentError(
            sentence(
                f"{who}.amplitude",
                "0",
                "a number other than 0, the worth of one spike",
                "Remove neurons that deliver nothing, or silence them with a mask",
            )
        )
    exact = (out.to(wide) / unit).abs_()
    counts = exact.round()
    off = ~((exact - counts).abs_() <= WHOLE * counts.clamp(min=1))
    if off.any():
        raise ArgumentError(
            sentence(
                who,
                f"an output of {float(exact[off][0]):g} amplitudes",
                "whole multiples of the amplitude, which can be counted as spikes",
                "Give a neuron with graded output the smallest spike as its amplitude, or levels = None",
            )
        )
    return counts
