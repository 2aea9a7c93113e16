"""Random changes of a training batch: crop, flip, Cutout, and their composition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..core.arguments import named
from ..core.errors import ArgumentError, ShapeError, sentence
from .autoaugment import AutoAugment as AutoAugment
from .images import image_shape


class Augmentation(Protocol):
    """A frozen value that changes a batch at random, all randomness coming from the generator."""

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change images [N, C, H, W] in [0, 1]; the shape stays."""
        ...


@runtime_checkable
class PartAugmentation(Protocol):
    """An augmentation that knows what it draws for a whole batch, of which several processes hold parts."""

    def part(self, x: Tensor, generator: torch.Generator, shard: slice, whole: int) -> Tensor:
        """Change some images of a batch as they would be in the whole batch; draws for all of them.

        Args:
            x: the images, [N, C, H, W] in [0, 1].
            generator: that of the whole batch.
            shard: their places in the whole batch.
            whole: images in the whole batch.
        """
        ...


WHOLE = slice(None)


@dataclass(frozen=True)
class RandomCrop:
    """Pad with black, then cut a window of the old size at a random place, one for each image.

    Args:
        padding: pixels added on every side, >= 1.

    Raises:
        ArgumentError: padding below 1.

    Source: He et al. 2016, Deep Residual Learning, section 4.2.
    Example:
        >>> x = torch.ones(2, 3, 8, 8)
        >>> RandomCrop(padding=2)(x, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 8, 8])
    """

    padding: int = 4

    def __post_init__(self) -> None:
        if self.padding < 1:
            raise ArgumentError(sentence("RandomCrop.padding", str(self.padding), "a whole number above 0"))

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change images [N, C, H, W] in [0, 1]; the shape stays."""
        return self.part(x, generator, WHOLE, len(x))

    def part(self, x: Tensor, generator: torch.Generator, shard: slice, whole: int) -> Tensor:
        """Change the images of one process as they would be in the whole batch, see `PartAugmentation`."""
        n, _, h, w = image_shape("RandomCrop", x)
        p = self.padding
        top, left = torch.randint(0, 2 * p + 1, (2, whole), generator=generator)[:, shard].to(x.device)
        windows = pad(x, (p, p, p, p)).unfold(2, h, 1).unfold(3, w, 1)  # [N, C, 2p+1, 2p+1, H, W], a view
        return windows[torch.arange(n, device=x.device), :, top, left].contiguous()


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirror each image left to right with probability p.

    Args:
        p: probability, 0..1.

    Raises:
        ArgumentError: p outside 0..1.

    Example:
        >>> HorizontalFlip(p=1.0)(torch.tensor([[[[1.0, 2.0]]]]), torch.Generator())
        tensor([[[[2., 1.]]]])
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ArgumentError(sentence("HorizontalFlip.p", str(self.p), "a probability 0..1"))

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change images [N, C, H, W] in [0, 1]; the shape stays."""
        return self.part(x, generator, WHOLE, len(x))

    def part(self, x: Tensor, generator: torch.Generator, shard: slice, whole: int) -> Tensor:
        """Change the images of one process as they would be in the whole batch, see `PartAugmentation`."""
        image_shape("HorizontalFlip", x)
        turn = (torch.rand(whole, generator=generator)[shard] < self.p).to(x.device)
        return torch.where(turn[:, None, None, None], x.flip(-1), x)


@dataclass(frozen=True)
class Cutout:
    """Cover square holes of each image; a hole's centre is any pixel, so that it may reach over the border.

    Args:
        size: side of a hole in pixels, >= 1.
        holes: holes per image, >= 1.
        fill: value of each channel in a hole; one number serves all channels. The published code covers after
            the pixel scaling, which is the mean colour here, where scaling comes later.

    Raises:
        ArgumentError: size or holes below 1, or fill outside 0..1.
        ShapeError: fill has another number of channels than the images.

    Source: DeVries and Taylor 2017, arXiv:1708.04552; code uoguelph-mlrg/Cutout, util/cutout.py.
    Example:
        >>> x = Cutout(size=4)(torch.ones(1, 1, 4, 4), torch.Generator().manual_seed(0))
        >>> bool(x.min() == 0)
        True
    """

    size: int = 16
    holes: int = 1
    fill: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        for name, value in (("size", self.size), ("holes", self.holes)):
            if value < 1:
                raise ArgumentError(sentence(f"Cutout.{name}", str(value), "a whole number above 0"))
        if not self.fill or not all(0 <= value <= 1 for value in self.fill):
            raise ArgumentError(sentence("Cutout.fill", str(self.fill), "pixel values in [0, 1]"))

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change images [N, C, H, W] in [0, 1]; the shape stays."""
        return self.part(x, generator, WHOLE, len(x))

    def part(self, x: Tensor, generator: torch.Generator, shard: slice, whole: int) -> Tensor:
        """Change the images of one process as they would be in the whole batch, see `PartAugmentation`."""
        _, c, h, w = image_shape("Cutout", x)
        if len(self.fill) not in (1, c):
            raise ShapeError(sentence("Cutout.fill", f"{len(self.fill)} values for {c} channels", f"1 or {c}"))
        rows = self._covered(h, whole, generator)[shard, :, :, None]  # [N, holes, H, 1]
        columns = self._covered(w, whole, generator)[shard, :, None, :]  # [N, holes, 1, W]
        hole = (rows & columns).any(1, keepdim=True).to(x.device)
        fill = torch.tensor(self.fill, dtype=x.dtype, device=x.device).view(1, -1, 1, 1)
        return torch.where(hole, fill, x)

    def _covered(self, length: int, n: int, generator: torch.Generator) -> Tensor:
        """Which places of one axis each hole covers, [N, holes, length]."""
        first = torch.randint(0, length, (n, self.holes, 1), generator=generator) - self.size // 2
        place = torch.arange(length)
        return (place >= first) & (place < first + self.size)


@dataclass(frozen=True)
class Compose:
    """Several augmentations one after another.

    Args:
        steps: the augmentations in their order; none leaves the batch as it is.

    Example:
        >>> flip_twice = Compose((HorizontalFlip(1.0), HorizontalFlip(1.0)))
        >>> flip_twice(torch.tensor([[[[1.0, 2.0]]]]), torch.Generator())
        tensor([[[[1., 2.]]]])
    """

    steps: tuple[Augmentation, ...]

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change images [N, C, H, W] in [0, 1]; the shape stays."""
        for step in self.steps:
            x = step(x, generator)
        return x

    def part(self, x: Tensor, generator: torch.Generator, shard: slice, whole: int) -> Tensor:
        """Change the images of one process as they would be in the whole batch, see `PartAugmentation`.

        Raises:
            ArgumentError: if a step cannot say what it would draw for the whole batch.
        """
        for step in self.steps:
            if not isinstance(step, PartAugmentation):
                allowed = "steps with a method part(x, generator, shard, whole), see PartAugmentation"
                raise ArgumentError(sentence("Compose.steps", named(step), allowed))
            x = step.part(x, generator, shard, whole)
        return x


def cifar_augment(*, autoaugment: AutoAugment | None = None, cutout: Cutout | None = None) -> Compose:
    """The usual augmentation for CIFAR: crop with padding 4, flip, then AutoAugment and Cutout if given.

    Args:
        autoaugment: the policy to apply after the flip; None for none.
        cutout: the holes to cover at last; None for none.

    Source: Bu et al. 2022, Optimal ANN-SNN Conversion; the authors' code (putshua/SNN_conversion_QCFS,
        Preprocess/getdataloader.py) uses both, with one hole of 16 pixels.
    Example:
        >>> len(cifar_augment(cutout=Cutout(8)).steps)
        3
    """
    steps: tuple[Augmentation | None, ...] = (RandomCrop(4), HorizontalFlip(0.5), autoaugment, cutout)
    return Compose(tuple(step for step in steps if step is not None))
