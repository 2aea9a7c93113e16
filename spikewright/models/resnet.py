"""ResNet-20/56 (CIFAR, 16-32-64 maps) and ResNet-18/34 (64-512 maps, CIFAR or ImageNet stem); free activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from .normalize import Normalize

Activation = Callable[[], nn.Module]
Shortcut = Callable[[int, int, int], nn.Module]
"""(input maps, output maps, stride) -> what carries a block's input to its sum."""


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, "same" padding at stride 1, then batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Option B of He et al.: a 1x1 convolution with batch norm where shapes change, else the input as it is."""
    same = stride == 1 and inputs == outputs
    return nn.Identity() if same else conv_norm(inputs, outputs, 1, stride)


def zero_padded(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Option A of He et al.: every `stride`-th pixel and maps of zeros where shapes change, else the input as it is."""
    same = stride == 1 and inputs == outputs
    return nn.Identity() if same else ZeroPadded(outputs - inputs, stride)


class ZeroPadded(nn.Module):
    """A shortcut without weights: every `stride`-th pixel, and `more` maps of zeros, half before and half after."""

    def __init__(self, more: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = more // 2, more - more // 2, stride

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C + more, H/stride, W/stride]."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


class BasicBlock(nn.Module):
    """conv-norm-act-conv-norm plus shortcut, then act; each activation is a module of its own."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, activation: Activation, shortcut: Shortcut = projection
    ) -> None:
        super().__init__()
        self.first = conv_norm(inputs, outputs, 3, stride)
        self.act1 = activation()
        self.second = conv_norm(outputs, outputs, 3)
        self.shortcut = shortcut(inputs, outputs, stride)
        self.act2 = activation()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, outputs, H/stride, W/stride]."""
        return self.act2(self.second(self.act1(self.first(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """Residual network of basic blocks on images in [0, 1].

    Args:
        blocks: number of blocks per stage.
        widths: maps per stage; the stride is 1 in the first stage and 2 at the start of the others.
        classes: number of classes.
        activation: makes one activation module, called once per activation site.
        stem: layers from the scaled image to the first stage.
        mean, std: pixel scaling per channel, for pixels in [0, 1].
        shortcut: makes what carries a block's input to its sum, called once per block.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", CVPR 2016.
        Differs: where shapes change, ResNet-20 and -56 have a 1x1 convolution with batch norm, as in QCFS's code;
        `shortcut=zero_padded` is theirs.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        widths: Sequence[int],
        classes: int,
        activation: Activation,
        stem: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        shortcut: Shortcut = projection,
    ) -> None:
        super().__init__()
        self.normalize = Normalize(mean, std)
        self.stem = stem
        inputs, stages = widths[0], []
        for stage, (count, outputs) in enumerate(zip(blocks, widths)):
            for block in range(count):
                stride = 2 if stage and not block else 1
                stages.append(BasicBlock(inputs, outputs, stride, activation, shortcut))
                inputs = outputs
        self.blocks = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1], [N, C, H, W] -> logits [N, K]."""
        return self.classifier(self.flatten(self.pool(self.blocks(self.stem(self.normalize(x))))))


def cifar_stem(channels: int, width: int, activation: Activation) -> nn.Module:
    """3x3 convolution at full resolution, norm, activation."""
    return nn.Sequential(*conv_norm(channels, width, 3), activation())


def imagenet_stem(channels: int, width: int, activation: Activation) -> nn.Module:
    """7x7 convolution of stride 2, norm, activation, 3x3 average pool of stride 2 (He et al. use a max pool there)."""
    return nn.Sequential(*conv_norm(channels, width, 7, 2), activation(), nn.AvgPool2d(3, 2, 1))


CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def resnet20(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    shortcut: Shortcut = projection,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> ResNet:
    """ResNet-20 for 32x32 images: 0.27 M parameters, 19 activation sites.

    Source: He et al. 2016, CVPR 2016, section 4.2.
    """
    stem = cifar_stem(len(mean), 16, activation)
    return ResNet((3, 3, 3), (16, 32, 64), classes, activation, stem, mean, std, shortcut)


def resnet56(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    shortcut: Shortcut = projection,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> ResNet:
    """ResNet-56 for 32x32 images: 0.86 M parameters, 55 activation sites.

    Source: He et al. 2016, CVPR 2016, section 4.2.
    """
    stem = cifar_stem(len(mean), 16, activation)
    return ResNet((9, 9, 9), (16, 32, 64), classes, activation, stem, mean, std, shortcut)


def resnet18(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    stem: Callable[[int, int, Activation], nn.Module] = cifar_stem,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> ResNet:
    """ResNet-18: 11.2 M parameters, 17 activation sites; `stem=imagenet_stem` for 224x224 images.

    Source: He et al. 2016, CVPR 2016, table 1.
    """
    return ResNet((2, 2, 2, 2), (64, 128, 256, 512), classes, activation, stem(len(mean), 64, activation), mean, std)


def resnet34(
    classes: int = 1000,
    activation: Activation = nn.ReLU,
    *,
    stem: Callable[[int, int, Activation], nn.Module] = imagenet_stem,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> ResNet:
    """ResNet-34: 21.8 M parameters, 33 activation sites; `stem=cifar_stem` for 32x32 images or QCFS's published stem.

    Source: He et al. 2016, CVPR 2016, table 1.
    """
    return ResNet((3, 4, 6, 3), (64, 128, 256, 512), classes, activation, stem(len(mean), 64, activation), mean, std)
