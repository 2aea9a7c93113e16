"""Spiking networks on CIFAR-10 trained against attacks: as published, for a GPU, and small ones, for a CPU."""

from __future__ import annotations

from dataclasses import replace

from ..attack import BPTR, FGSM, PGD, RFGSM, GradientRule, Linf, Search
from ..core import Triangle
from ..data.augment import Cutout, HorizontalFlip, RandomCrop
from ..robust import Attacked, Mixture, Retraction
from ..train.fit import FitConfig
from ..train.optim import SGD
from .hardening import RAT, SGR, Adversarial, Hardening, Watch
from .network import Network
from .neuron_choice import IFNeurons
from .over_time import OverTime
from .training import TrainRun

NEURONS = IFNeurons(spike=Triangle(), reset="to_zero")
"""Those of the group that has published RAT and SGR: no leak, hard reset, triangle of width 1."""


def _attacked(search: Search, eps: float, rule: GradientRule | None = None) -> Attacked:
    return Attacked(search=search, budget=Linf(eps=eps), rule=rule)


TWO_STEPS = PGD(steps=2, relative_step=0.5)


def _published(name: str, hardening: Hardening, *, architecture: str = "vgg11", decay: float = 0.0) -> TrainRun:
    return TrainRun(
        name=name,
        network=Network(architecture=architecture, neurons=NEURONS),
        over_time=OverTime(timesteps=8, pack_spikes=True),
        hardening=hardening,
        augment=(RandomCrop(padding=4), HorizontalFlip(), Cutout(size=16)),
        batch_size=64,
        fit=FitConfig(epochs=200, optimizer=SGD(lr=0.1, weight_decay=decay)),
    )


def cifar10_vgg11_at() -> TrainRun:
    """VGG-11, T = 8, trained on two steps of PGD at 2/255: 200 epochs.

    Published for CIFAR-100 at 8/255, clean / FGSM / PGD-7: 69.14 / 17.21 / 8.63 (a summary; unconfirmed).

    Source: Ding et al. 2022, NeurIPS 2022, github.com/putshua/SNN-RAT, d73f105, its "l2" setting.
    """
    return _published("cifar10_vgg11_at", Adversarial(examples=_attacked(TWO_STEPS, 2 / 255)), decay=5e-4)


def cifar10_vgg11_rat() -> TrainRun:
    """VGG-11, T = 8, single-step attacks at 2/255 and weights drawn towards orthonormal rows: 200 epochs.

    Published at 8/255, clean / FGSM / PGD-7 / BIM: 91.41 / 45.00 / 22.95 / 20.80 (a summary in MPD-SGR, AAAI 2026).

    Source: Ding et al. 2022, NeurIPS 2022.
    """
    return _published("cifar10_vgg11_rat", RAT(retraction=Retraction(beta=0.004)))


def cifar10_wrn16_rat() -> TrainRun:
    """WRN-16-4 with convex combinations, T = 8, FGSM at 2/255 and weights drawn towards orthonormal rows: 200 epochs.

    Published: 91.86 % clean, the best epoch on the test split (the authors' log).

    Source: Ding et al. 2022, NeurIPS 2022, the logged run.
    """
    hardening = RAT(examples=_attacked(FGSM(), 2 / 255), retraction=Retraction(beta=0.004))
    return _published("cifar10_wrn16_rat", hardening, architecture="wide_resnet16_convex")


def cifar10_vgg11_sgr() -> TrainRun:
    """VGG-11, T = 8, a penalty on the input gradient: 200 epochs at batches of 32.

    Published at 8/255, clean / FGSM / PGD-7 / BIM: 91.04 / 31.72 / 8.55 / 7.28 (a summary in MPD-SGR, AAAI 2026; its
    weight of the penalty is not known).

    Source: Liu et al. 2024, ICML 2024, arXiv 2405.20355.
    """
    run = _published("cifar10_vgg11_sgr", SGR(gradient_sparsity=0.001), decay=5e-4)
    return replace(run, batch_size=32, augment=(RandomCrop(padding=4), HorizontalFlip()))


def cifar10_vgg11_sgr_at() -> TrainRun:
    """As `cifar10_vgg11_sgr`, on two steps of PGD at 2/255.

    Published at 8/255, clean / FGSM / PGD-7 / BIM: 88.26 / 44.28 / 28.63 / 27.03 (a summary in MPD-SGR, AAAI 2026).

    Source: Liu et al. 2024, ICML 2024, arXiv 2405.20355.
    """
    hardening = SGR(gradient_sparsity=0.001, examples=_attacked(TWO_STEPS, 2 / 255))
    return replace(cifar10_vgg11_sgr(), name="cifar10_vgg11_sgr_at", hardening=hardening)


EPS = 4 / 255
"""What the small networks are trained against."""
SPARSITY = 0.005
"""Weight of their penalty on the input gradient."""


def _small(name: str, hardening: Hardening) -> TrainRun:
    watch = Watch(images=200, attack=_attacked(PGD(steps=10), 8 / 255))
    return TrainRun(
        name=name,
        network=Network(architecture="cifar_cnn", neurons=NEURONS),
        over_time=OverTime(timesteps=4),
        hardening=replace(hardening, watch=watch),
        images=10_200,
        augment=(HorizontalFlip(),),
        batch_size=64,
        fit=FitConfig(epochs=5, optimizer=SGD(lr=0.05, weight_decay=0.0)),
        device="cpu",
        threads=1,
    )


def cifar10_cnn_clean() -> TrainRun:
    """A small network, T = 4, on 10,000 clean images, 5 epochs: minutes on one core. The one to compare with.

    Source: Ding et al. 2022, NeurIPS 2022, the network without a defence, at a small scale.
    """
    return _small("cifar10_cnn_clean", Hardening())


def cifar10_cnn_at() -> TrainRun:
    """As `cifar10_cnn_clean`, on two steps of PGD at 4/255.

    Source: Madry et al. 2018, ICLR 2018, arXiv 1706.06083, at a small scale.
    """
    return _small("cifar10_cnn_at", Adversarial(examples=_attacked(TWO_STEPS, EPS)))


def cifar10_cnn_rat() -> TrainRun:
    """As `cifar10_cnn_clean`, on single-step attacks at 4/255, weights drawn towards orthonormal rows.

    Source: Ding et al. 2022, NeurIPS 2022, at a small scale.
    """
    parts = tuple(_attacked(search, EPS, BPTR()) for search in (FGSM(), RFGSM()))
    return _small("cifar10_cnn_rat", RAT(examples=Mixture(parts=parts)))


def cifar10_cnn_sgr() -> TrainRun:
    """As `cifar10_cnn_clean`, with a penalty on the input gradient.

    Source: Liu et al. 2024, ICML 2024, arXiv 2405.20355, at a small scale.
    """
    return _small("cifar10_cnn_sgr", SGR(gradient_sparsity=SPARSITY))


def cifar10_cnn_sgr_at() -> TrainRun:
    """As `cifar10_cnn_at`, with a penalty on the input gradient.

    Source: Liu et al. 2024, ICML 2024, arXiv 2405.20355, at a small scale.
    """
    return _small("cifar10_cnn_sgr_at", SGR(gradient_sparsity=SPARSITY, examples=_attacked(TWO_STEPS, EPS)))
