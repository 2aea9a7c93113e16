"""ResNet-20 of neurons on CIFAR-10, trained directly over four time steps, at a length of minutes on a GPU."""

from __future__ import annotations

from dataclasses import replace

from ..train.fit import FitConfig
from ..train.optim import SGD
from .network import Network
from .neuron_choice import ATLIFNeurons, LIFNeurons, LMHNeurons, NeuronChoice, PLIFNeurons
from .over_time import OverTime
from .training import TrainRun


def _run(name: str, neurons: NeuronChoice, **over_time: float) -> TrainRun:
    fit = FitConfig(epochs=12, optimizer=SGD(lr=0.1), warmup_epochs=0.5)
    time = replace(OverTime(timesteps=4), **over_time)
    return TrainRun(name=name, network=Network(neurons=neurons), over_time=time, fit=fit)


def cifar10_resnet20_lif() -> TrainRun:
    """Leaky integrate-and-fire neurons, T = 4: 12 epochs with crop and flip.

    Source: Fang et al. 2021, NeurIPS 2021, arXiv 2102.04159, whose training of deep networks this is at a small scale.
    """
    return _run("cifar10_resnet20_lif", LIFNeurons())


def cifar10_resnet20_plif() -> TrainRun:
    """Neurons that learn their leak, T = 4: 12 epochs with crop and flip.

    Source: Fang et al. 2021, ICCV 2021, arXiv 2007.05785, at a small scale.
    """
    return _run("cifar10_resnet20_plif", PLIFNeurons())


def cifar10_resnet20_lmh() -> TrainRun:
    """Multi-hierarchical neurons from fresh weights, T = 4: 12 epochs with crop and flip.

    Source: Hao et al. 2024, ICLR 2024, OpenReview g52tgL8jy6, direct training at a small scale; no published figure is
        known for this network.
    """
    return _run("cifar10_resnet20_lmh", LMHNeurons())


def cifar10_resnet20_lmh_hybrid() -> TrainRun:
    """Multi-hierarchical neurons from the weights and thresholds of the embedded QCFS network, T = 4: 12 epochs.

    Source: Hao et al. 2024, ICLR 2024, OpenReview g52tgL8jy6, hybrid training (theirs takes 50 epochs at a learning
        rate of 2e-4); no published figure is known for this network.
    """
    run = _run("cifar10_resnet20_lmh_hybrid", LMHNeurons())
    return replace(run, weights="cifar10_resnet20_qcfs_l4", fit=replace(run.fit, optimizer=SGD(lr=0.005)))


def cifar10_resnet20_at_lif() -> TrainRun:
    """Neurons whose thresholds grow with activity, T = 4, at the published strength of 1e-3 per sample: 12 epochs.

    Published: a firing rate of 0.020 (T = 8, accuracy and length of training unknown; unconfirmed).

    Source: Bu, Shi and Yu 2025, NeurIPS 2025, OpenReview zjOXZEXQKZ; a shorter training here.
    """
    return _run("cifar10_resnet20_at_lif", ATLIFNeurons(), adaptation=0.128)


def cifar10_resnet20_at_lif_sparse() -> TrainRun:
    """As `cifar10_resnet20_at_lif`, ten times as strong.

    Source: Bu, Shi and Yu 2025, NeurIPS 2025, OpenReview zjOXZEXQKZ; a shorter training here.
    """
    return _run("cifar10_resnet20_at_lif_sparse", ATLIFNeurons(), adaptation=1.28)


def cifar10_resnet20_at_lif_sparsest() -> TrainRun:
    """As `cifar10_resnet20_at_lif`, a hundred times as strong.

    Source: Bu, Shi and Yu 2025, NeurIPS 2025, OpenReview zjOXZEXQKZ; a shorter training here.
    """
    return _run("cifar10_resnet20_at_lif_sparsest", ATLIFNeurons(), adaptation=12.8)
