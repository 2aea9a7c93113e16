"""What a search trains: pictures as pixels, as Fourier coefficients, or as small networks of coordinates (CPPN)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Root of the covariance of colours in natural images: independent coordinates -> red, green, blue."""


class PixelImage(nn.Module):
    """Pictures sigmoid(theta), each pixel on its own.

    Args:
        count: number of pictures.
        height, width: of a picture.
        generator: of the start, theta ~ N(0, std^2).
        std: of the start.

    Example:
        >>> PixelImage(2, 4, 5, torch.Generator()).forward().shape
        torch.Size([2, 3, 4, 5])
    """

    def __init__(self, count: int, height: int, width: int, generator: torch.Generator, std: float = 0.3) -> None:
        super().__init__()
        self.theta = nn.Parameter(std * torch.randn(count, 3, height, width, generator=generator))

    def forward(self) -> Tensor:
        """The pictures, [C, 3, h, w] in 0..1."""
        return self.theta.sigmoid()


def frequencies(height: int, width: int) -> Tensor:
    """Length of the frequency of every coefficient of a real two-dimensional transform, [h, w//2 + 1], per pixel.

    Example:
        >>> frequencies(2, 4)
        tensor([[0.0000, 0.2500, 0.5000],
                [0.5000, 0.5590, 0.7071]])
    """
    return torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])


def decorrelated(x: Tensor) -> Tensor:
    """Independent colour coordinates [C, 3, h, w] -> red, green and blue, correlated as in natural images."""
    root = torch.tensor(COLOURS, dtype=x.dtype, device=x.device)
    return torch.einsum("ij,njhw->nihw", root / root.norm(dim=0).max(), x)


def fourier_picture(spectrum: Tensor, height: int, width: int) -> Tensor:
    """Pictures of coefficients: each scaled by 1/frequency, transformed back, its colours correlated, squashed.

    Args:
        spectrum: real and imaginary parts, [C, 3, h, w//2 + 1, 2].
        height, width: of a picture, odd or even.

    Returns:
        [C, 3, h, w] in 0..1; 0.5 for a spectrum of zeros.

    Source: Olah, Mordvintsev and Schubert 2017, "Feature Visualization", Distill, section "Preconditioning and
        parameterization"; constants of their code lucid.
        Differs: an odd width has (w + 1)/2 columns of coefficients, all of which count.

    Example:
        >>> fourier_picture(torch.zeros(1, 3, 3, 2, 2), 3, 3).unique()
        tensor([0.5000])
    """
    floor = 1 / max(height, width)
    scale = 1 / frequencies(height, width).clamp(min=floor).to(spectrum)
    planes = torch.fft.irfft2(torch.view_as_complex(spectrum) * scale, s=(height, width), norm="ortho") / 4
    return decorrelated(planes).sigmoid()


class FourierImage(nn.Module):
    """Pictures as coefficients of a real Fourier transform, see `fourier_picture`; coarse shapes move as fast as fine.

    Args:
        count: number of pictures.
        height, width: of a picture, odd or even.
        generator: of the start, coefficients ~ N(0, std^2).
        std: of the start.
    """

    def __init__(self, count: int, height: int, width: int, generator: torch.Generator, std: float = 0.01) -> None:
        super().__init__()
        self.height, self.width = height, width
        shape = (count, 3, height, width // 2 + 1, 2)
        self.spectrum = nn.Parameter(std * torch.randn(shape, generator=generator))

    def forward(self) -> Tensor:
        """The pictures, [C, 3, h, w] in 0..1."""
        return fourier_picture(self.spectrum, self.height, self.width)


class CPPN(nn.Module):
    """Pictures as functions of the place: a small network maps the coordinates of a pixel to its colour.

    All pictures of a batch have networks of their own. The last layer begins at zero, so that all begin grey, 0.5.

    Args:
        count: number of pictures.
        height, width: of a picture.
        generator: of the weights.
        layers: linear maps, at least 2; the activation stands between them and doubles the channels.
        channels: of each.

    Source: Mordvintsev, Pezzotti, Schubert and Olah 2018, "Differentiable Image Parameterizations", Distill; widths and
        activation [atan(z)/0.67, atan(z)^2/0.6] of their code.

    Example:
        >>> image = CPPN(2, 4, 4, torch.Generator())
        >>> image.at(8, 6).shape, image().unique()
        (torch.Size([2, 3, 8, 6]), tensor([0.5000], grad_fn=...))
    """

    def __init__(
        self,
        count: int,
        height: int,
        width: int,
        generator: torch.Generator,
        layers: int = 8,
        channels: int = 24,
    ) -> None:
        super().__init__()
        self.height, self.width = height, width
        inputs = [2, *[2 * channels] * (layers - 1)]
        outputs = [*[channels] * (layers - 1), 3]
        drawn = [
            torch.randn(count, out, into, generator=generator) / math.sqrt(into) for into, out in zip(inputs, outputs)
        ]
        self.weights = nn.ParameterList([*drawn[:-1], torch.zeros_like(drawn[-1])])
        self.biases = nn.ParameterList(torch.zeros(count, out, 1) for out in outputs)

    def at(self, height: int, width: int) -> Tensor:
        """The pictures at another resolution, [C, 3, height, width] in 0..1."""
        like = self.weights[0]
        y, x = (math.sqrt(3) * _centres(length).to(like) for length in (height, width))
        places = torch.stack((x[None].expand(height, width), y[:, None].expand(height, width))).flatten(1)
        z = places.expand(len(like), 2, height * width)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            if number:
                bent = z.atan()
                z = torch.cat((bent / 0.67, bent.square() / 0.6), 1)
            z = torch.baddbmm(bias, weight, z)
        return z.sigmoid().unflatten(2, (height, width))

    def forward(self) -> Tensor:
        """The pictures, [C, 3, h, w] in 0..1."""
        return self.at(self.height, self.width)


def _centres(length: int) -> Tensor:
    """Places of pixels' centres on -1..1, so that another resolution shows the same picture."""
    return (torch.arange(length) + 0.5) / length * 2 - 1
