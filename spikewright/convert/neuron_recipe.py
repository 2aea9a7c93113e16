"""NeuronRecipe: one neuron in place of every activation; its threshold and its start are independent values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

from torch import Tensor

from ..core.errors import ArgumentError, sentence
from ..core.neuron import Neuron
from .beyond_relu import beyond_relu, leaky_relu_statistics
from .layers import TRAINED
from .layers.qcfs import GradientOrder, QCFSActivation, floor_then_clamp
from .max_pools import max_pool_to_average, max_pool_to_gate
from .operations import Site, is_clipped_relu, is_qcfs, is_relu
from .recipe import Recipe
from .rules import Rule
from .statistics import At, Statistic, at, check_statistic


@dataclass(frozen=True, kw_only=True)
class NeuronRecipe(Recipe):
    """A method that puts one neuron in the place of every ReLU and of every activation with a trained threshold.

    With measured thresholds it also takes leaky ReLUs, max pools, sigmoids and products, see `beyond_relu`, unless it
    rehearses: what is put there goes on from step to step.

    Args:
        threshold: statistic of a ReLU's output that becomes its threshold; None for a method that takes trained
            thresholds alone and refuses a ReLU. A QCFS activation or clipped ReLU always keeps its trained threshold.
        start: membrane potential before the first step, in units of the threshold. `convert(starts=...)` gives
            single sites another one, and `fit_starts` finds one for each from data.
    """

    threshold: Statistic | None = None
    start: float = 0.5

    def __post_init__(self) -> None:
        if self.threshold is not None:
            check_statistic(self.threshold, f"{type(self).__name__}.threshold")
        if not isinstance(self.start, Real) or not -1e6 < self.start < 1e6:
            who = f"{type(self).__name__}.start"
            raise ArgumentError(sentence(who, repr(self.start), "a finite number, in units of the threshold"))

    @abstractmethod
    def neuron(self, v_threshold: Tensor) -> Neuron:
        """The neuron with a threshold, broadcastable to [N, *F], which is also what one of its spikes delivers."""

    def statistics(self) -> tuple[At, ...]:
        return () if self.threshold is None else (*at(is_relu, self.threshold), *leaky_relu_statistics(self.threshold))

    def rules(self, thresholds: Mapping[str, Tensor]) -> list[Rule]:
        one = self.neuron(_ONE)
        name = type(one).__name__
        trained = [
            Rule(f"{kind} -> {name}", matches, lambda site: self.neuron(trained_threshold(site)))
            for kind, matches in (("QCFS", is_qcfs), ("clipped ReLU", is_clipped_relu))
        ]
        measured = Rule(f"ReLU -> {name}", is_relu, lambda site: self.neuron(thresholds[site.name]))
        if self.threshold is None:
            return trained
        return [measured, *trained, *([] if one.rehearsal else beyond_relu(thresholds, self.start))]


@dataclass(frozen=True, kw_only=True)
class TrainedRecipe(NeuronRecipe):
    """A method whose source is trained with the QCFS activation, and converts without data.

    Args:
        levels: L, the number of steps of the activation; 4 or 8 are usual. T need not equal it.
        v_threshold: start value of every trained threshold (lambda).
        order: where the straight-through gradient passes.
        threshold: None, as the thresholds are trained; a statistic also takes a plain ReLU network.
        start: membrane potential before the first step, in units of the threshold.
        keep_max_pools: train with the max pools of the source, which convert to gates; else every one becomes an
            average pool before training, as published. A network trained by others forgets less with them.
    """

    levels: int = 4
    v_threshold: float = 8.0
    order: GradientOrder = floor_then_clamp
    keep_max_pools: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        QCFSActivation(levels=self.levels, v_threshold=self.v_threshold)  # its constructor checks both
        who = f"{type(self).__name__}.keep_max_pools"
        if not isinstance(self.keep_max_pools, bool):
            raise ArgumentError(sentence(who, repr(self.keep_max_pools), "True or False"))
        if self.keep_max_pools and self.neuron(_ONE).rehearsal:
            raise ArgumentError(sentence(who, "True", "False", "A gate would go on from the rehearsal into the run"))

    def prepare(self) -> list[Rule]:
        def activation(site: Site) -> QCFSActivation:
            return QCFSActivation(levels=self.levels, v_threshold=self.v_threshold, order=self.order)

        return [Rule("ReLU -> QCFS", is_relu, activation), *([] if self.keep_max_pools else [max_pool_to_average])]

    def rules(self, thresholds: Mapping[str, Tensor]) -> list[Rule]:
        rules = super().rules(thresholds)
        return [*rules, max_pool_to_gate] if self.keep_max_pools and max_pool_to_gate not in rules else rules


_ONE = Tensor([1.0])


def trained_threshold(site: Site) -> Tensor:
    """The threshold that training gave a QCFS activation or a clipped ReLU.

    Raises:
        ArgumentError: if it is not above 0.
    """
    if not isinstance(site.module, TRAINED):
        raise TypeError(f"{site.name} trains no threshold")
    v_threshold = site.module.v_threshold.detach()
    if not v_threshold > 0:
        raise ArgumentError(
            sentence(
                f"{site.name}.v_threshold",
                f"{float(v_threshold):g} after training",
                "a threshold above 0",
                "Train with a higher start value (4 or 8) or a lower learning rate",
            )
        )
    return v_threshold
