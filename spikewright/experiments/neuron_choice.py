"""Which neurons stand in the place of activations in a network that is trained as a spiking one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Literal

from ..core import ATan, Neuron, Surrogate, Triangle, detached, subtract, to_zero
from ..core.types import ResetFn
from ..neurons import ATLIF, IF, LIF, LMH, PLIF
from ..neurons.lmh import Unbounded, Within

Reset = Literal["subtract", "to_zero", "subtract_detached", "to_zero_detached"]
_RESETS: dict[str, ResetFn] = {
    "subtract": subtract,
    "to_zero": to_zero,
    "subtract_detached": detached(subtract),
    "to_zero_detached": detached(to_zero),
}


@dataclass(frozen=True, kw_only=True)
class NeuronChoice(ABC):
    """Neurons of one kind for every activation of a network."""

    @abstractmethod
    def build(self) -> Neuron:
        """A fresh neuron layer."""


@dataclass(frozen=True, kw_only=True)
class IFNeurons(NeuronChoice):
    """Integrate-and-fire neurons.

    Args:
        v_threshold: threshold.
        start: potential before the first step, in thresholds.
        spike: surrogate.
        reset: what firing does to the potential; detached ones let no gradient through.
    """

    v_threshold: float = 1.0
    start: float = 0.0
    spike: Surrogate = field(default_factory=ATan)
    reset: Reset = "subtract"

    def build(self) -> Neuron:
        return IF(v_threshold=self.v_threshold, start=self.start, spike=self.spike, reset=_RESETS[self.reset])


@dataclass(frozen=True, kw_only=True)
class LIFNeurons(NeuronChoice):
    """Leaky integrate-and-fire neurons.

    Args:
        tau: membrane time constant in time steps.
        v_threshold: threshold.
        spike: surrogate.
        reset: what firing does to the potential; detached ones let no gradient through.
    """

    tau: float = 2.0
    v_threshold: float = 1.0
    spike: Surrogate = field(default_factory=ATan)
    reset: Reset = "to_zero_detached"

    def build(self) -> Neuron:
        return LIF(tau=self.tau, v_threshold=self.v_threshold, spike=self.spike, reset=_RESETS[self.reset])


@dataclass(frozen=True, kw_only=True)
class PLIFNeurons(NeuronChoice):
    """Leaky integrate-and-fire neurons that learn their leak.

    Args:
        tau: first membrane time constant in time steps.
        v_threshold: threshold.
        spike: surrogate.
        reset: what firing does to the potential; detached ones let no gradient through.
    """

    tau: float = 1.4427
    v_threshold: float = 1.0
    spike: Surrogate = field(default_factory=ATan)
    reset: Reset = "to_zero_detached"

    def build(self) -> Neuron:
        return PLIF(tau=self.tau, v_threshold=self.v_threshold, spike=self.spike, reset=_RESETS[self.reset])


@dataclass(frozen=True, kw_only=True)
class LMHNeurons(NeuronChoice):
    """Multi-hierarchical neurons; with the weights of a QCFS network they take over its thresholds.

    Args:
        v_threshold: threshold where no trained one is taken over.
        bound: whether the learnt factors stay within half of their start values.
        spike: surrogate.
    """

    v_threshold: float = 1.0
    bound: Literal["within_half", "none"] = "within_half"
    spike: Surrogate = field(default_factory=Triangle)

    def build(self) -> Neuron:
        bound = Within() if self.bound == "within_half" else Unbounded()
        return LMH(v_threshold=self.v_threshold, bound=bound, spike=self.spike)


@dataclass(frozen=True, kw_only=True)
class ATLIFNeurons(NeuronChoice):
    """Leaky neurons with a learnt threshold that grows with activity.

    Args:
        decay: share of the potential kept per step.
        v_threshold: first threshold.
    """

    decay: float = 0.9
    v_threshold: float = 1.0

    def build(self) -> Neuron:
        return ATLIF(decay=self.decay, v_threshold=self.v_threshold)


NEURON_CHOICES = {
    choice.__name__.removesuffix("Neurons"): choice
    for choice in (IFNeurons, LIFNeurons, PLIFNeurons, LMHNeurons, ATLIFNeurons)
}
