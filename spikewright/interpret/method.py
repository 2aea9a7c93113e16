"""Method: one way to say what each pixel did for a logit, as a frozen value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core.errors import ArgumentError, sentence
from .view import View


@dataclass(frozen=True, eq=False)
class Found:
    """What a method gives.

    Args:
        values: [N, C, H, W], or [N, 1, H, W] where all channels share one value.
        delta: completeness gap [N], or None.
    """

    values: Tensor
    delta: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """An attribution method; `attribute` runs it and judges its map."""

    per_pixel: ClassVar[bool] = True
    """Whether it gives a value of its own to every pixel; its map is then compared with Input x Gradient."""

    def refuses(self, view: View) -> str:
        """Why the method is not defined for this network or batch; empty if it is."""
        return ""

    @abstractmethod
    def run(self, view: View) -> Found:
        """Attributions of the whole batch."""

    @property
    def label(self) -> str:
        """Its name, with the settings that are not the usual ones.

        Example:
            >>> from spikewright.interpret.methods import IntegratedGradients
            >>> IntegratedGradients(steps=16).label
            'IntegratedGradients(steps=16)'
        """
        usual = type(self)()
        others = [
            f"{part.name}={getattr(self, part.name)!r}"
            for part in fields(self)
            if getattr(self, part.name) != getattr(usual, part.name)
        ]
        return type(self).__name__ + (f"({', '.join(others)})" if others else "")


@dataclass(frozen=True, kw_only=True)
class GroupMethod(Method):
    """A method that changes groups of pixels and looks at the logit alone, so that any network will do."""

    per_pixel: ClassVar[bool] = False

    def mask(self, view: View) -> Tensor:
        """The groups as Captum takes them, [N, C, H, W], one piece of memory: `view` fails on expanded ones."""
        return view.groups[:, None].expand(-1, view.images.shape[1], -1, -1).contiguous()


def group_sums(values: Tensor, groups: Tensor) -> Tensor:
    """The values of all groups, each taken once, summed, [N].

    Args:
        values: [N, 1, H, W], the same for all pixels of a group.
        groups: [N, H, W].

    Example:
        >>> group_sums(torch.tensor([[[[3.0, 3.0, 1.0]]]]), torch.tensor([[[0, 0, 1]]]))
        tensor([4.])
    """
    flat, index = values.flatten(1), groups.flatten(1)
    once = flat.new_zeros(len(flat), int(index.max()) + 1).scatter(1, index, flat)
    return once.sum(1)


def spread_baselines(view: View, count: int, noise: float, generator: torch.Generator) -> Tensor:
    """The set of baselines [B, C, H, W]; one alone becomes `count`, each with Gaussian noise and within 0..1."""
    if len(view.baselines) > 1:
        return view.baselines
    base = view.baselines.expand(count, *view.baselines.shape[1:])
    drawn = torch.randn(base.shape, generator=generator).to(base)
    return (base + noise * drawn).clamp(0, 1)


def check_amount(who: str, value: Any, *, zero: bool = False) -> None:
    """Raise ArgumentError unless it is a finite number above 0, or 0 itself where that is allowed."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ArgumentError(sentence(who, repr(value), f"a finite number {'of at least' if zero else 'above'} 0"))
