"""The published training of QCFS on CIFAR-10, 300 epochs: for a machine with an accelerator."""

from __future__ import annotations

from dataclasses import replace

from ..convert.recipes.qcfs import QCFS
from ..data.augment import Cutout, HorizontalFlip, RandomCrop
from ..data.autoaugment import AutoAugment
from ..train.fit import FitConfig
from ..train.optim import SGD
from .network import Network
from .training import TrainRun

MEAN_COLOUR = (0.4914, 0.4822, 0.4465)
"""The authors cut after the pixel scaling, where a hole of zeros has the mean colour."""


def cifar10_vgg16_qcfs() -> TrainRun:
    """VGG-16, L = 4. Published: 95.52 %, SNN 93.96 % at T = 4 and 95.40 % at T = 16.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347, table 1.
    """
    return TrainRun(
        name="cifar10_vgg16_qcfs",
        network=Network(architecture="vgg16", prepare=QCFS(levels=4)),
        augment=(RandomCrop(padding=4), HorizontalFlip(), AutoAugment(), Cutout(size=16, fill=MEAN_COLOUR)),
        batch_size=128,
        fit=FitConfig(epochs=300, optimizer=SGD(lr=0.1, weight_decay=5e-4)),
    )


def cifar10_resnet18_qcfs() -> TrainRun:
    """ResNet-18, L = 4. Published: 96.04 %, SNN 90.43 % at T = 4 and 95.92 % at T = 16.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347, table 1.
    """
    run = cifar10_vgg16_qcfs()
    return replace(run, name="cifar10_resnet18_qcfs", network=replace(run.network, architecture="resnet18"))


def cifar10_resnet20_qcfs() -> TrainRun:
    """ResNet-20, L = 4. Published: 91.77 %, SNN 83.75 % at T = 4 and 91.62 % at T = 16.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347, table 1.
    """
    run = cifar10_vgg16_qcfs()
    return replace(run, name="cifar10_resnet20_qcfs", network=replace(run.network, architecture="resnet20"))
