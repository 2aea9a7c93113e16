"""Coding: how activities travel in time, as running means or as corrections of what the receiver believes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from ..core.neuron import Neuron
from ..neurons.firing import Firing, Sign
from ..neurons.multi_threshold_if import MultiThresholdIF
from .layers.differential_ends import DifferentialInput, DifferentialOutput
from .layers.differential_if import DifferentialIF
from .layers.expectation import Expectation
from .layers.graded_unit import GradedUnit


@dataclass(frozen=True)
class Coding(ABC):
    """What stands for an activity on a wire, and the layers that speak this language.

    Args:
        name: the name in configs and reports.
    """

    name: str

    def __repr__(self) -> str:
        return self.name

    @abstractmethod
    def neuron(self, firing: Firing, sign: Sign, v_threshold: Tensor, ceiling: float | None = None) -> Neuron:
        """A neuron whose output's activity is its input's, as far as its sign and the ceiling allow."""

    @abstractmethod
    def unit(self, function: Callable[..., Tensor]) -> nn.Module:
        """A layer whose output's activity is a function of one or two inputs' activities."""

    @abstractmethod
    def ends(self) -> tuple[nn.Module, nn.Module] | None:
        """What stands behind the network's input and before its output; None for nothing."""


class RateCoding(Coding):
    """A wire's activity is the mean over time of what travels on it."""

    def neuron(self, firing: Firing, sign: Sign, v_threshold: Tensor, ceiling: float | None = None) -> Neuron:
        if ceiling is not None:  # what fires no more than the ceiling at every step has no larger mean
            v_threshold = v_threshold.clamp(max=ceiling / firing.reach)
        return MultiThresholdIF(firing=firing, sign=sign, v_threshold=v_threshold, amplitude=v_threshold)

    def unit(self, function: Callable[..., Tensor]) -> nn.Module:
        return Expectation(function)

    def ends(self) -> None:
        return None


class DifferentialCoding(Coding):
    """A wire's activity is a first estimate plus, at step t, 1/t of what travels on it then.

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301.
    """

    def neuron(self, firing: Firing, sign: Sign, v_threshold: Tensor, ceiling: float | None = None) -> Neuron:
        return DifferentialIF(firing=firing, sign=sign, v_threshold=v_threshold, amplitude=v_threshold, ceiling=ceiling)

    def unit(self, function: Callable[..., Tensor]) -> nn.Module:
        return GradedUnit(function)

    def ends(self) -> tuple[nn.Module, nn.Module]:
        return DifferentialInput(), DifferentialOutput()


rate = RateCoding("rate")
differential = DifferentialCoding("differential")
