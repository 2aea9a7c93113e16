"""CIFAR-10 networks that others have trained, fine-tuned with QCFS activations for a few epochs."""

from __future__ import annotations

from dataclasses import replace

from ..convert.recipes.qcfs import QCFS
from ..train.fit import FitConfig
from ..train.optim import SGD
from .network import Network
from .training import TrainRun


def _run(name: str, pretrained: str, levels: int, epochs: int, lr: float, *, keep_max_pools: bool = False) -> TrainRun:
    return TrainRun(
        name=name,
        network=Network(pretrained=pretrained, prepare=QCFS(levels=levels, keep_max_pools=keep_max_pools)),
        teacher=pretrained,
        fit=FitConfig(epochs=epochs, optimizer=SGD(lr=lr), warmup_epochs=0.1, checkpoint_steps=50),
        device="cpu",
        threads=1,
    )


def pretrained_resnet20_qcfs_l4() -> TrainRun:
    """The public ResNet-20 with L = 4: 3 epochs at a low rate, distilled from itself; thresholds from data.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; Hinton et al. 2015, arXiv 1503.02531.
        Differs: the paper trains from scratch.
    """
    return _run("pretrained_resnet20_qcfs_l4", "cifar10_resnet20", 4, 3, 0.001)


def pretrained_resnet56_qcfs_l8() -> TrainRun:
    """The public ResNet-56 with L = 8: 1 epoch of half the training images at a third of ResNet-20's rate.

    With L = 4 the errors of 55 layers add up, and too much is lost before the training begins.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; Hinton et al. 2015, arXiv 1503.02531.
        Differs: the paper trains from scratch.
    """
    return replace(_run("pretrained_resnet56_qcfs_l8", "cifar10_resnet56", 8, 1, 0.0003), images=25_000)


def pretrained_vgg16_bn_qcfs_l4() -> TrainRun:
    """The public VGG-16-BN with L = 4: 1 epoch of 15,000 training images at ResNet-20's rate; its max pools stay.

    With average pools it forgets everything: after an epoch at ten times that rate 26 % of the training images are
    right.

    Source: Bu et al. 2022, ICLR 2022, arXiv 2303.04347; Hinton et al. 2015, arXiv 1503.02531.
        Differs: the paper trains from scratch, with average pools.
    """
    run = _run("pretrained_vgg16_bn_qcfs_l4", "cifar10_vgg16_bn", 4, 1, 0.001, keep_max_pools=True)
    return replace(run, images=15_000)
