"""Wide ResNet-16-4 with norm and activation before each convolution; free activation, two ways to join a block."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from .convex_sum import ConvexSum
from .normalize import Normalize
from .resnet import CIFAR_MEAN, CIFAR_STD, Activation


class Sum(nn.Module):
    """The shortcut plus the branch."""

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """Two activities of the same shape -> one."""
        return shortcut + branch


Join = Callable[[], nn.Module]
"""Makes what joins a block's shortcut and its branch, called once per block."""


class PreActivationBlock(nn.Module):
    """norm-act-conv3x3 twice, joined with the input; where shapes change a 1x1 convolution of the first activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Activation, join: Join) -> None:
        super().__init__()
        same = stride == 1 and inputs == outputs
        self.norm1, self.act1 = nn.BatchNorm2d(inputs), activation()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2, self.act2 = nn.BatchNorm2d(outputs), activation()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.join = join()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, outputs, H/stride, W/stride]."""
        first = self.act1(self.norm1(x))
        branch = self.conv2(self.act2(self.norm2(self.conv1(first))))
        return self.join(x if self.shortcut is None else self.shortcut(first), branch)


class WideResNet(nn.Module):
    """Residual network of pre-activation blocks on images of 32x32 pixels in [0, 1].

    Args:
        blocks: blocks in each of the three stages.
        widen: factor of the widths 16, 32 and 64.
        classes: number of classes.
        activation: makes one activation module, called once per activation site.
        join: makes what joins a block's two ways.
        mean, std: pixel scaling per channel, for pixels in [0, 1].

    Source: Zagoruyko and Komodakis 2016, "Wide Residual Networks", BMVC 2016, arXiv 1605.07146, table 1, no dropout.
    """

    def __init__(
        self,
        blocks: int,
        widen: int,
        classes: int,
        activation: Activation,
        join: Join,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.normalize = Normalize(mean, std)
        self.stem = nn.Conv2d(len(mean), 16, 3, padding=1, bias=False)
        inputs, stages = 16, []
        for stage, outputs in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for block in range(blocks):
                stages.append(PreActivationBlock(inputs, outputs, 2 if stage and not block else 1, activation, join))
                inputs = outputs
        self.blocks = nn.Sequential(*stages)
        self.norm, self.act = nn.BatchNorm2d(inputs), activation()
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.classifier = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1], [N, C, H, W] -> logits [N, K]."""
        features = self.act(self.norm(self.blocks(self.stem(self.normalize(x)))))
        return self.classifier(self.flatten(self.pool(features)))


def wide_resnet16(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    join: Join = Sum,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> WideResNet:
    """WRN-16-4: 2.7 M parameters, 13 activation sites.

    Source: Zagoruyko and Komodakis 2016, "Wide Residual Networks", BMVC 2016, arXiv 1605.07146.
    """
    return WideResNet(2, 4, classes, activation, join, mean, std)


def wide_resnet16_convex(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> WideResNet:
    """WRN-16-4 whose blocks end in a `ConvexSum`.

    Source: Ding et al. 2022, "SNN-RAT", NeurIPS 2022, as in the code, github.com/putshua/SNN-RAT, d73f105.
    """
    return WideResNet(2, 4, classes, activation, ConvexSum, mean, std)
