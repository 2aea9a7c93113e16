"""event_cnn: a small convolutional network for frames of events; activation as parameter."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from ..core.errors import ArgumentError, sentence
from .normalize import Normalize
from .resnet import Activation
from .vgg import Pool, average_pool


def event_cnn(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    shape: Sequence[int] = (2, 34, 34),
    widths: Sequence[int] = (16, 32),
    hidden: int = 128,
    pool: Pool = average_pool,
    mean: Sequence[float] = (0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0),
) -> nn.Sequential:
    """Convolutions of 3x3, each with batch norm, activation and pooling, then two linear layers.

    By default for N-MNIST: 0.27 M parameters, 3 activation sites. Counts of events are taken as they are unless `mean`
    and `std` scale them.

    Args:
        classes: number of outputs.
        activation: makes one activation module, called once per site: a neuron for a spiking network.
        shape: channels, height and width of a frame.
        widths: channels of each convolution.
        hidden: units of the hidden linear layer.
        pool: makes one pooling module that halves height and width, called once per convolution.
        mean, std: scaling per channel.

    Raises:
        ArgumentError: the frames are too small to be halved so often, or have another number of channels than mean.

    Source: the form of Fang et al. 2021, "Incorporating Learnable Membrane Time Constant to Enhance Learning of Spiking
        Neural Networks", ICCV 2021, table 1, network for N-MNIST.
        Differs: fewer channels, average pooling, no dropout, no voting layer.
    Example:
        >>> event_cnn(2, shape=(2, 8, 8), widths=(4,), hidden=5)[-1]
        Linear(in_features=5, out_features=2, bias=True)
    """
    if len(shape) != 3 or shape[0] != len(mean) or min(shape[1:]) < 2 ** len(widths):
        allowed = f"({len(mean)}, H, W) with sides of at least {2 ** len(widths)}, one channel per number in mean"
        raise ArgumentError(sentence("event_cnn.shape", repr(tuple(shape)), allowed))
    inputs, (height, width), layers = shape[0], shape[1:], []
    for outputs in widths:
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), activation(), pool()]
        inputs, height, width = outputs, height // 2, width // 2
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        normalize=Normalize(mean, std),
        features=nn.Sequential(*layers),
        flatten=nn.Flatten(),
        hidden=nn.Linear(inputs * height * width, hidden),
        activation=activation(),
        head=nn.Linear(hidden, classes),
    )
    return nn.Sequential(parts)
