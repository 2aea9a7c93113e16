"""Map: what a method says of every pixel, whether that means anything, and by how much its sum misses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ..core.arguments import named
from ..core.errors import ArgumentError, sentence

Status = Literal["ok", "degenerate", "not applicable"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Map:
    """Attributions of a batch of images.

    Args:
        values: signed, summed over channels, [N, H, W], in the unit of the logits; of methods on groups of pixels every
            pixel has its group's value. NaN where the method is not applicable.
        absolute: sizes summed over channels, [N, H, W].
        status: "ok"; "degenerate" for values that say no more than another method or nothing at all; "not applicable"
            where the method is not defined for the network or the batch.
        reason: why the status is not "ok"; else empty.
        delta: completeness gap [N], the sum of the attributions minus what it should be, in logits; None for methods
            that promise no sum.
        seconds: wall-clock time of the batch.

    Example:
        >>> import torch
        >>> not_applicable(torch.zeros(1, 3, 2, 2), "it has no activations").status
        'not applicable'
    """

    values: Tensor
    absolute: Tensor
    status: Status = "ok"
    reason: str = ""
    delta: Tensor | None = None
    seconds: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether it has values at all."""
        return self.status != "not applicable"


def not_applicable(images: Tensor, reason: str) -> Map:
    """The map of a method that is not defined here: NaN for every pixel of images [N, C, H, W]."""
    nothing = images.new_full((len(images), *images.shape[-2:]), float("nan"))
    return Map(values=nothing, absolute=nothing.clone(), status="not applicable", reason=reason)


def constant(values: Tensor) -> Tensor:
    """Which maps [N, H, W] have one value everywhere, [N].

    Example:
        >>> import torch
        >>> constant(torch.tensor([[[1.0, 1.0]], [[1.0, 2.0]]]))
        tensor([ True, False])
    """
    flat = values.flatten(1)
    return flat.amax(1) == flat.amin(1)


def check_maps(who: str, values: Tensor) -> None:
    """Raise ArgumentError unless it is a batch of maps [N, H, W]."""
    if not isinstance(values, Tensor) or values.dim() != 3 or not values.numel():
        met = f"shape {list(values.shape)}" if isinstance(values, Tensor) else named(values)
        raise ArgumentError(sentence(who, met, "maps [N, H, W]"))
