"""A small network that removes noise: image in, image out, at half resolution in between; activation as parameter."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from .normalize import Normalize
from .resnet import CIFAR_MEAN, CIFAR_STD, Activation


class Denoiser(nn.Module):
    """Convolutions down to half the resolution and up again, beside two shortcuts; the noise is what it subtracts.

    Args:
        width: channels at full resolution; twice as many at half.
        depth: convolutions at half resolution.
        activation: makes one activation module, called once per site.
        mean, std: pixel scaling per channel, for pixels in [0, 1].

    Source: Zhang et al. 2017, "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising", IEEE
        TIP 26(7), the residual output; Ronneberger et al. 2015, "U-Net", MICCAI 2015, the shortcut between resolutions.
        Differs: one change of resolution, no batch norm, sums in place of concatenation.
    """

    def __init__(
        self, width: int, depth: int, activation: Activation, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        if width < 1 or depth < 0:
            met = f"width {width!r}, depth {depth!r}"
            raise ArgumentError(sentence("Denoiser", met, "a width of at least 1 and a depth of at least 0"))
        channels, half = len(mean), 2 * width
        self.normalize = Normalize(mean, std)
        self.head = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), activation())
        self.down = nn.Sequential(nn.Conv2d(width, half, 3, stride=2, padding=1), activation())
        parts = [part for _ in range(depth) for part in (nn.Conv2d(half, half, 3, padding=1), activation())]
        self.body = nn.Sequential(*parts)
        self.up = nn.Sequential(nn.Conv2d(half, 4 * width, 3, padding=1), nn.PixelShuffle(2), activation())
        self.tail = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(self.tail.weight)  # training begins with the image as it is

    def forward(self, x: Tensor) -> Tensor:
        """Noisy images of even height and width, [N, C, H, W] -> images of the same shape."""
        full = self.head(self.normalize(x))
        return x - self.tail(full + self.up(self.body(self.down(full))))


def denoiser(
    activation: Activation = nn.ReLU,
    *,
    width: int = 16,
    depth: int = 3,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> Denoiser:
    """A small denoiser, by default of 52 thousand parameters, 6 activation sites.

    Source: Zhang et al. 2017, IEEE TIP 26(7).
    """
    return Denoiser(width, depth, activation, mean, std)
