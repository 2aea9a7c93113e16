"""A small vision transformer with GELU on CIFAR-10, the source for training-free conversion of Transformers."""

from __future__ import annotations

from ..train.fit import FitConfig
from ..train.optim import AdamW
from .network import Network
from .training import TrainRun


def cifar10_vit_gelu() -> TrainRun:
    """Class token, layer norm, softmax attention, GELU: 12 epochs with crop and flip, 0.5 M parameters.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", ICLR 2021, arXiv 2010.11929; far smaller and far
        shorter here.
    """
    fit = FitConfig(epochs=12, optimizer=AdamW(lr=1e-3, weight_decay=0.05), warmup_epochs=1.0, checkpoint_steps=100)
    return TrainRun(name="cifar10_vit_gelu", network=Network(architecture="vit_gelu"), fit=fit, device="cpu", threads=1)
