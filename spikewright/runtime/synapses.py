"""Synapse: the weights of one convolution or linear layer as the compiled loop takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import layer_kernel as loop
from .events import TAIL, Events
from .vector import WIDTHS

_FLOAT = np.dtype(np.float32)
_STORED = {_FLOAT: loop.FLOAT, np.dtype(np.float16): loop.HALF, np.dtype(np.int8): loop.BYTE}
_LARGEST = 127


@dataclass(frozen=True)
class Geometry:
    """Sizes of a two-dimensional convolution."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def out(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output for an input of these."""
        sizes = zip((height, width), self.kernel, self.stride, self.padding, self.dilation)
        rows, columns = ((size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in sizes)
        return rows, columns


def register_width(outputs: int) -> int:
    """The most sums that fit the registers and that a layer of so many output channels fills."""
    return next((width for width in WIDTHS if outputs > width // 2), WIDTHS[-1])


def rounded(size: int, to: int) -> int:
    """The size rounded up to a multiple."""
    return -(-size // to) * to


def joining(weight: np.ndarray, geometry: Geometry, pixels: int) -> tuple[np.ndarray, Geometry]:
    """The same convolution with a number of neighbouring output pixels as one place, their channels one after another.

    Args:
        weight: [C', C, kernel height, kernel width].
        geometry: its sizes, without groups, and without dilation along the row.
        pixels: how many pixels are one place.

    Returns:
        Weights [pixels * C', C, kernel height, kernel width + (pixels - 1) * stride], zero where a pixel does not see,
        and their sizes.
    """
    (height, width), (down, along) = geometry.kernel, geometry.stride
    wide = width + (pixels - 1) * along
    full = np.zeros((pixels, *weight.shape[:3], wide), weight.dtype)
    for pixel in range(pixels):
        full[pixel, ..., pixel * along : pixel * along + width] = weight
    sizes = replace(geometry, kernel=(height, wide), stride=(down, pixels * along))
    return full.reshape(-1, *full.shape[2:]), sizes


class Synapse:
    """Weights packed for the compiled loop.

    Args:
        weight: [C', C / groups, kernel height, kernel width]; None for a wire that drives each channel by itself.
        geometry: the convolution's sizes; of such a wire, how many pixels are one place.
        amplitude: what an event of each input channel is worth, [C].
        width: sums held in registers.
        stored: float32, float16 or int8, the numbers in which weights of a convolution without groups are kept; of 8
            bits with a scale for each output channel.
    """

    def __init__(
        self,
        weight: np.ndarray | None,
        geometry: Geometry,
        amplitude: np.ndarray,
        width: int,
        stored: np.dtype = _FLOAT,
    ) -> None:
        self.geometry, self.inputs = geometry, len(amplitude)
        self.outputs = self.inputs if weight is None else len(weight)
        self.kind = loop.STRAIGHT if weight is None else (loop.SCATTER if geometry.groups > 1 else loop.GATHER)
        self.scales: np.ndarray | None = None
        if weight is None:
            self.packed = np.ascontiguousarray(amplitude, np.float32)
            self.stored = _FLOAT
            return
        taps = geometry.kernel[0] * geometry.kernel[1]
        wide = weight.astype(np.float64).reshape(self.outputs, -1, taps)
        if self.kind == loop.SCATTER:
            per_group, own = self.outputs // geometry.groups, wide.shape[1]
            grouped = wide.reshape(geometry.groups, per_group, own, taps) * amplitude.reshape(-1, 1, own, 1)
            packed = grouped.transpose(3, 0, 2, 1)  # [taps, groups, inputs of a group, outputs of a group]
            stored = _FLOAT
        else:
            full = np.zeros((rounded(self.outputs, width), self.inputs, taps))
            full[: self.outputs] = wide * amplitude.reshape(1, -1, 1)
            if stored == np.int8:
                scales = np.abs(full).max((1, 2), keepdims=True) / _LARGEST
                full = np.rint(full / np.where(scales > 0, scales, 1))
                self.scales = scales.ravel().astype(np.float32)
            packed = full.reshape(-1, width, self.inputs, taps).transpose(0, 3, 2, 1)  # [blocks, taps, inputs, width]
        self.stored = np.dtype(stored)
        self.packed = np.ascontiguousarray(packed, self.stored)

    def row(self, events: Events) -> list[int]:
        """What the compiled loop must know to run these weights on these events; both must outlive its call."""
        if events.channels.shape[-1] % TAIL:
            raise AssertionError("lists must hold whole groups of entries")
        g, (_, height, width) = self.geometry, events.image
        row = [0] * loop.FIELDS
        row[loop.KIND] = self.kind
        row[loop.COUNTS], row[loop.CHANNELS] = events.counts.ctypes.data, events.channels.ctypes.data
        row[loop.VALUES] = 0 if events.values is None else events.values.ctypes.data
        row[loop.CAPACITY], row[loop.WEIGHTS] = events.channels.shape[-1], self.packed.ctypes.data
        row[loop.HEIGHT], row[loop.WIDTH] = height, width
        row[loop.KERNEL_Y], row[loop.KERNEL_X] = g.kernel
        row[loop.STRIDE_Y], row[loop.STRIDE_X] = g.stride
        row[loop.PAD_Y], row[loop.PAD_X] = g.padding
        row[loop.DILATION_Y], row[loop.DILATION_X] = g.dilation
        row[loop.GROUP_IN], row[loop.GROUP_OUT] = self.inputs // g.groups, self.outputs // g.groups
        row[loop.INPUTS], row[loop.STORED] = self.inputs, _STORED[self.stored]
        row[loop.SCALES] = 0 if self.scales is None else self.scales.ctypes.data
        return row
