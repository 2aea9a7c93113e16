"""QCFS: train with the quantisation clip-floor-shift activation, then put an IF neuron with its threshold in place."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...neurons.if_ import IF
from ..neuron_recipe import TrainedRecipe


@dataclass(frozen=True, kw_only=True)
class QCFS(TrainedRecipe):
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

    def neuron(self, v_threshold: Tensor) -> IF:
        return IF(v_threshold=v_threshold, amplitude=v_threshold, start=self.start)
