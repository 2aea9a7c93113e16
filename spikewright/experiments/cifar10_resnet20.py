"""ResNet-20 on CIFAR-10 at a length that a laptop can train: plain, clipped, and QCFS from scratch and fine-tuned."""

from __future__ import annotations

from dataclasses import replace

from ..convert.recipe import Recipe
from ..convert.recipes.opi import OPI
from ..convert.recipes.qcfs import QCFS
from ..train.fit import FitConfig
from ..train.optim import SGD
from .network import Network
from .training import TrainRun


def _run(name: str, epochs: int, prepare: Recipe | None) -> TrainRun:
    fit = FitConfig(epochs=epochs, optimizer=SGD(lr=0.1), warmup_epochs=1.0, checkpoint_steps=100)
    return TrainRun(name=name, network=Network(prepare=prepare), fit=fit, device="cpu", threads=1)


def cifar10_resnet20_relu() -> TrainRun:
    """Plain ReLU, the source for OPI and RobustNorm: 16 epochs with crop and flip.

    Published: 92.74 % (OPI's ANN, 300 epochs, unconfirmed).

    Source: Bu et al. 2022, AAAI 2022, arXiv 2202.01440; a shorter training here.
    """
    return _run("cifar10_resnet20_relu", 16, None)


def cifar10_resnet20_qcfs_l4() -> TrainRun:
    """QCFS with L = 4: 12 epochs with crop and flip; thresholds start at 4 (8 needs a longer training).

    Published: 91.77 % (300 epochs with AutoAugment and Cutout).

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347, table 1; a shorter training here.
    """
    return _run("cifar10_resnet20_qcfs_l4", 12, QCFS(levels=4, v_threshold=4.0))


def cifar10_resnet20_qcfs_l8() -> TrainRun:
    """QCFS with L = 8: 5 epochs from the weights and thresholds of the embedded network with L = 4.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; a shorter training here.
    """
    run = _run("cifar10_resnet20_qcfs_l8", 5, QCFS(levels=8, v_threshold=4.0))
    fit = replace(run.fit, optimizer=SGD(lr=0.05), warmup_epochs=0.5)
    return replace(run, weights="cifar10_resnet20_qcfs_l4", fit=fit)


def cifar10_resnet20_clip() -> TrainRun:
    """ReLU clipped at trained bounds, the source that the paper of OPI trains: 16 epochs; bounds start at 4.

    Published: 92.74 % (OPI's ANN, 300 epochs, unconfirmed).

    Source: Ho and Chang 2021, DAC 2021; Bu et al. 2022, AAAI 2022, arXiv 2202.01440; a shorter training here.
    """
    return _run("cifar10_resnet20_clip", 16, OPI(trained_bound=4.0))


def _fine_tune(name: str, levels: int) -> TrainRun:
    run, relu = _run(name, 3, QCFS(levels=levels)), "cifar10_resnet20_relu"
    return replace(run, weights=relu, teacher=relu, fit=replace(run.fit, optimizer=SGD(lr=0.001), warmup_epochs=0.1))


def cifar10_resnet20_qcfs_l4_fine_tune() -> TrainRun:
    """QCFS with L = 4 from the trained ReLU network: 3 epochs at a low rate, distilled from it; thresholds from data.

    At ten times the rate it forgets more in the first epoch than it wins back in the others.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; Hinton et al. 2015, arXiv 1503.02531.
        Differs: the paper trains from scratch.
    """
    return _fine_tune("cifar10_resnet20_qcfs_l4_fine_tune", 4)


def cifar10_resnet20_qcfs_l8_fine_tune() -> TrainRun:
    """QCFS with L = 8 from the trained ReLU network, otherwise as L = 4.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; Hinton et al. 2015, arXiv 1503.02531.
        Differs: the paper trains from scratch.
    """
    return _fine_tune("cifar10_resnet20_qcfs_l8_fine_tune", 8)
