"""VGG-11 and VGG-16 with batch norm, and the VGG-16 usual on CIFAR-10; activation and pooling as parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from .normalize import Normalize
from .resnet import CIFAR_MEAN, CIFAR_STD, Activation

Pool = Callable[[], nn.Module]


def average_pool() -> nn.Module:
    """2x2 average pooling: the one that stays exact when spikes pass it."""
    return nn.AvgPool2d(2)


def max_pool() -> nn.Module:
    """2x2 max pooling, as Simonyan and Zisserman have it."""
    return nn.MaxPool2d(2)


class VGG(nn.Module):
    """Five stages of 3x3 convolutions with pooling after each, then three linear layers, on images in [0, 1].

    Args:
        stages: maps of each convolution, one sequence per stage.
        classes: number of classes.
        activation: makes one activation module, called once per activation site.
        pool: makes one pooling module that halves height and width, called once per stage.
        size: height and width of the images in pixels, a multiple of 2 ** stages.
        hidden: width of the two hidden linear layers.
        dropout: probability of dropout after each activation.
        mean, std: pixel scaling per channel, for pixels in [0, 1].

    Source: Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
        ICLR 2015, arXiv 1409.1556, table 1; batch norm, initialisation and classifier as in the code of Bu et
        al. 2022 (QCFS), arXiv 2303.04347. Differs: average instead of max pooling by default.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[int]],
        classes: int,
        activation: Activation,
        *,
        pool: Pool,
        size: int,
        hidden: int,
        dropout: float,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        shrink = 2 ** len(stages)
        if size < shrink or size % shrink:
            raise ArgumentError(sentence("VGG.size", repr(size), f"a multiple of {shrink} pixels"))
        self.normalize = Normalize(mean, std)
        inputs, layers = len(mean), []
        for widths in stages:
            for outputs in widths:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)]
                layers += [activation(), nn.Dropout(dropout)]
                inputs = outputs
            layers.append(pool())
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs * (size // shrink) ** 2, hidden),
            activation(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            activation(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1], [N, C, H, W] -> logits [N, K]."""
        return self.classifier(self.features(self.normalize(x)))


def vgg11(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    pool: Pool = average_pool,
    size: int = 32,
    hidden: int = 4096,
    dropout: float = 0.0,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> VGG:
    """VGG-11: 28.1 M parameters for 32x32 images and 10 classes, 10 activation sites.

    Source: Simonyan and Zisserman 2015, ICLR 2015, table 1, column A.
    """
    stages = ((64,), (128,), (256, 256), (512, 512), (512, 512))
    return VGG(stages, classes, activation, pool=pool, size=size, hidden=hidden, dropout=dropout, mean=mean, std=std)


STAGES_16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    pool: Pool = average_pool,
    size: int = 32,
    hidden: int = 4096,
    dropout: float = 0.0,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> VGG:
    """VGG-16: 33.6 M parameters for 32x32 images and 10 classes, 15 activation sites.

    For ImageNet: `vgg16(1000, size=224, mean=IMAGENET_MEAN, std=IMAGENET_STD)`.

    Source: Simonyan and Zisserman 2015, ICLR 2015, table 1, column D.
    """
    return VGG(STAGES_16, classes, activation, pool=pool, size=size, hidden=hidden, dropout=dropout, mean=mean, std=std)


def vgg16_slim(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    pool: Pool = max_pool,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> nn.Sequential:
    """VGG-16 as it is usual on CIFAR-10, with one hidden layer of 512: 15.0 M parameters, 14 activation sites.

    Batch norm after every layer but the last; dropout of 0.3 after the first activation, of 0.4 after the others inside
    a stage, of 0.5 before the linear layers. Images of 32x32 pixels.

    Source: Simonyan and Zisserman 2015, ICLR 2015, table 1, column D; pooling, dropout and classifier as in Zagoruyko
        2015, "92.45% on CIFAR-10 in Torch", torch.ch/blog.
    """
    inputs, layers = len(mean), []
    for widths in STAGES_16:
        for place, outputs in enumerate(widths, start=1):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), activation()]
            layers.append(nn.Dropout(0.4 if len(layers) > 3 else 0.3) if place < len(widths) else pool())
            inputs = outputs
    hidden = [nn.Dropout(0.5), nn.Linear(inputs, 512), nn.BatchNorm1d(512), activation()]
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        normalize=Normalize(mean, std),
        features=nn.Sequential(*layers),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(*hidden, nn.Dropout(0.5), nn.Linear(512, classes)),
    )
    return nn.Sequential(parts)
