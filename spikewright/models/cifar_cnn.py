"""cifar_cnn: a small convolutional network for images of 32x32 pixels, trained within minutes on a CPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from .normalize import Normalize
from .resnet import CIFAR_MEAN, CIFAR_STD, Activation
from .vgg import Pool, average_pool


def cifar_cnn(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    widths: Sequence[int] = (16, 32, 64),
    pool: Pool = average_pool,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> nn.Sequential:
    """Convolutions of 3x3 with batch norm and activation, then one linear layer: 33,946 parameters.

    The first one has stride 2, behind the others stands a pool, so that 4x4 places are left with three of them.

    Args:
        classes: number of outputs.
        activation: makes one activation module, called once per convolution.
        widths: maps of each convolution, up to five.
        pool: makes one pooling module that halves height and width.
        mean, std: pixel scaling per channel, for pixels in [0, 1].

    Example:
        >>> cifar_cnn(2, widths=(4, 8))[-1]
        Linear(in_features=512, out_features=2, bias=True)
    """
    inputs, side, layers = len(mean), 32, []
    for outputs in widths:
        stride = 1 if layers else 2
        layers += [nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), activation()]
        layers += [pool()] if stride == 1 else []
        inputs, side = outputs, side // 2
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        normalize=Normalize(mean, std),
        features=nn.Sequential(*layers),
        flatten=nn.Flatten(),
        classifier=nn.Linear(inputs * side * side, classes),
    )
    return nn.Sequential(parts)
