"""CIFAR-10 networks that others have trained, fine-tuned with QCFS activations for a few epochs."""

from __future__ import annotations

from ..convert.recipes.qcfs import QCFS
from ..train.fit import FitConfig
from ..train.optim import SGD
from .network import Network
from .training import TrainRun


def _run(name: str, pretrained: str, epochs: int) -> TrainRun:
    return TrainRun(
        name=name,
        network=Network(pretrained=pretrained, prepare=QCFS(levels=4)),
        teacher=pretrained,
        fit=FitConfig(epochs=epochs, optimizer=SGD(lr=0.001), warmup_epochs=0.1, checkpoint_steps=50),
        device="cpu",
        threads=1,
    )


def pretrained_resnet20_qcfs_l4() -> TrainRun:
    """The public ResNet-20 with L = 4: 3 epochs at a low rate, distilled from itself; thresholds from data.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; Hinton et al. 2015, arXiv 1503.02531.
        Differs: the paper trains from scratch.
    """
    return _run("pretrained_resnet20_qcfs_l4", "cifar10_resnet20", 3)


def pretrained_resnet56_qcfs_l4() -> TrainRun:
    """The public ResNet-56 with L = 4: 1 epoch, otherwise as ResNet-20.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; Hinton et al. 2015, arXiv 1503.02531.
        Differs: the paper trains from scratch.
    """
    return _run("pretrained_resnet56_qcfs_l4", "cifar10_resnet56", 1)


def pretrained_vgg16_bn_qcfs_l4() -> TrainRun:
    """The public VGG-16-BN with L = 4 and average pools for its max pools: 1 epoch, otherwise as ResNet-20.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; Hinton et al. 2015, arXiv 1503.02531.
        Differs: the paper trains from scratch.
    """
    return _run("pretrained_vgg16_bn_qcfs_l4", "cifar10_vgg16_bn", 1)
