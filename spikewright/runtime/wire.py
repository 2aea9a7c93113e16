"""Wire: what one node of the network hands on, as a tensor, as events, or as both once both were asked for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .events import Events, listed


@dataclass
class Wire:
    """A sequence of T steps.

    Args:
        timesteps: T.
        shape: one sample's shape, *F.
        tensor: [T, N, *F], or [1, N, *F] for what is the same at every step; None while nobody has asked for it.
        events: the same as lists; None while nobody has asked for them.
    """

    timesteps: int
    shape: tuple[int, ...]
    tensor: Tensor | None = None
    events: Events | None = None

    @property
    def constant(self) -> bool:
        """Whether one step stands for all."""
        return self.tensor is not None and self.tensor.shape[0] < self.timesteps

    def dense(self) -> Tensor:
        """As a tensor, [T or 1, N, *F]."""
        if self.tensor is None:
            xs = self.listed().dense()
            self.tensor = xs if xs.shape[2:] == self.shape else xs.reshape(*xs.shape[:2], *self.shape)
        return self.tensor

    def listed(self) -> Events:
        """As events, [T, N, ...]."""
        if self.events is None:
            xs = self.dense()
            xs = xs.expand(self.timesteps, *xs.shape[1:])
            self.events = listed(xs.reshape(*xs.shape[:2], *image_of(self.shape)))
        return self.events


def image_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """A sample's shape (C,), (C, L) or (C, H, W) as (C, H, W)."""
    channels, *space = shape
    return (channels, *([1] * (2 - len(space))), *space)  # pyright: ignore[reportReturnType]
