"""QCFS: train with the quantisation clip-floor-shift activation, then put an IF neuron with its threshold in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ...core.errors import ArgumentError, sentence
from ...neurons.if_ import IF
from ..layers.qcfs import GradientOrder, QCFSActivation, floor_then_clamp
from ..operations import Site, is_qcfs, is_relu
from ..recipe import Recipe
from ..rules import Rule, max_pool_to_average


@dataclass(frozen=True, kw_only=True)
class QCFS(Recipe):
    """Quantisation clip-floor-shift.

    Before training every ReLU becomes a QCFS activation with a threshold of its own, and every max pool an average
    pool. After training each QCFS activation becomes an IF neuron with the trained threshold. No calibration data.

    Args:
        levels: L, the number of steps of the activation; the paper recommends 4 or 8. T need not equal it.
        v_threshold: start value of every trained threshold (the paper's lambda).
        order: where the straight-through gradient passes.
        start: membrane potential before the first step, in units of the threshold.

    Source: Bu et al. 2022, "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural
        Networks", ICLR 2022, arXiv 2303.04347.

    Example:
        >>> import torch
        >>> from spikewright.convert import convert, prepare
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> to_train = prepare(net, QCFS(levels=4))
        >>> convert(to_train, QCFS()).neurons().keys()
        dict_keys(['2'])
    """

    levels: int = 4
    v_threshold: float = 8.0
    order: GradientOrder = floor_then_clamp
    start: float = 0.5

    def __post_init__(self) -> None:
        QCFSActivation(levels=self.levels, v_threshold=self.v_threshold)  # its constructor checks both
        if not -1e6 < self.start < 1e6:
            raise ArgumentError(sentence("QCFS.start", repr(self.start), "a finite number, in units of the threshold"))

    def prepare(self) -> list[Rule]:
        def activation(site: Site) -> QCFSActivation:
            return QCFSActivation(levels=self.levels, v_threshold=self.v_threshold, order=self.order)

        return [Rule("ReLU -> QCFS", is_relu, activation), max_pool_to_average]

    def rules(self, thresholds: Mapping[str, Tensor]) -> list[Rule]:
        return [qcfs_to_if(self.start)]


def qcfs_to_if(start: float) -> Rule:
    """QCFS activation -> IF neuron with its trained threshold."""

    def neuron(site: Site) -> IF:
        if not isinstance(site.module, QCFSActivation):
            raise TypeError(f"{site.name} is no QCFS activation")
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
        return IF(v_threshold=v_threshold, amplitude=v_threshold, start=start)

    return Rule("QCFS -> IF", is_qcfs, neuron)
