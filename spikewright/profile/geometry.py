"""Exact fan-out of convolutions: how many outputs each input position reaches, borders and strides included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def convolved(
    size: int, kernel: int, *, stride: int, padding: tuple[int, int], dilation: int, mode: str = "zeros"
) -> NDArray[np.int64]:
    """How many outputs of a convolution each input of one axis reaches through each tap.

    Output o and tap k read input o * stride - padding + k * dilation; taps that fall on zero padding read nothing.
    Padding that repeats inputs gives those inputs more outputs.

    Args:
        size: inputs along the axis.
        kernel, stride, dilation: as in the convolution.
        padding: before and after.
        mode: "zeros", "reflect", "replicate" or "circular".

    Returns:
        Counts [inputs, taps]; their sum is the number of taps that read an input.

    Example:
        >>> convolved(4, 3, stride=2, padding=(1, 1), dilation=1).sum(1)
        array([1, 2, 1, 1])
    """
    positions = np.arange(size)
    if mode in _PAD_MODES:
        positions = np.pad(positions, padding, mode=_PAD_MODES[mode])  # pyright: ignore[reportCallIssue, reportArgumentType]
    else:
        positions = np.pad(positions, padding, constant_values=-1)
    outputs = (len(positions) - dilation * (kernel - 1) - 1) // stride + 1
    read = positions[np.arange(outputs)[:, None] * stride + np.arange(kernel)[None, :] * dilation]
    return np.stack([np.bincount(tap[tap >= 0], minlength=size) for tap in read.T], axis=1).astype(np.int64)


def transposed(size: int, kernel: int, *, stride: int, padding: int, dilation: int, outputs: int) -> NDArray[np.int64]:
    """How many outputs of a transposed convolution each input of one axis reaches through each tap, [inputs, taps].

    Input i and tap k write output i * stride - padding + k * dilation, where that exists.

    Example:
        >>> transposed(2, 3, stride=2, padding=1, dilation=1, outputs=3).sum(1)
        array([2, 2])
    """
    written = np.arange(size)[:, None] * stride - padding + np.arange(kernel)[None, :] * dilation
    return ((written >= 0) & (written < outputs)).astype(np.int64)


@dataclass(frozen=True)
class FanOut:
    """Fan-out of a convolution: a map per axis, and the outputs per input channel through each tap.

    Args:
        axes: outputs reached per input position and tap, one array [inputs, taps] per spatial axis.
        reached: output channels that each input channel feeds through each tap, [C, *K]: its weights other than zero.
        dense: multiply-accumulates of one sample with padding taps counted as if they read an input, and zeros too.
        weights: number of weights.
    """

    axes: tuple[NDArray[np.int64], ...]
    reached: Tensor
    dense: int
    weights: int

    @property
    def exact(self) -> int:
        """Multiply-accumulates of one sample with padding taps and weights of zero left out."""
        return int(self._map(self.reached).sum())

    def operations(self, counts: Tensor) -> Tensor:
        """Synaptic operations of each row: spikes [R, C, *S] -> [R], whole numbers in int64."""
        if bool((self.reached == self.reached.flatten()[0]).all()):  # channels add up before they are looked at
            each, one = counts.sum(1, keepdim=True, dtype=torch.int64), self._map(self.reached[:1])
        else:
            each, one = counts.to(torch.int64), self._map(self.reached)
        return (each * one.to(counts.device)).flatten(1).sum(1)

    def _map(self, reached: Tensor) -> Tensor:
        """Outputs that one spike reaches, [C, *S]."""
        for axis in self.axes:  # the taps of the axis go, its inputs come last
            reached = torch.tensordot(reached, torch.from_numpy(axis), dims=([1], [1]))  # pyright: ignore[reportArgumentType]
        return reached


def on_each_axis(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """A setting given once for all axes, or once for each."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * axes if len(values) == 1 else values
