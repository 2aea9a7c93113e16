"""What is trained: Fourier images of any size, CPPNs of any resolution, pixels; grey at the start, distinct by seed."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from spikewright.core.seed import generator
from spikewright.redteam.synthesis.parameters import CPPN, FourierImage, PixelImage, fourier_picture, frequencies

SIZES = pytest.mark.parametrize("size", [(8, 8), (7, 9), (6, 5), (9, 12)], ids=str)


@SIZES
def test_a_fourier_image_has_the_exact_shape_and_every_coefficient_counts(size):
    image = FourierImage(2, *size, generator(0))
    pictures = image()
    assert pictures.shape == (2, 3, *size)
    assert not pictures.is_complex()
    assert 0 < pictures.min() < pictures.max() < 1
    weights = torch.randn(pictures.shape, generator=generator(1))
    (pictures * weights).sum().backward()
    assert bool((image.spectrum.grad.abs().sum(-1) > 0).all())


@SIZES
def test_a_spectrum_of_zeros_is_grey(size):
    picture = fourier_picture(torch.zeros(1, 3, size[0], size[1] // 2 + 1, 2), *size)
    assert torch.equal(picture, torch.full_like(picture, 0.5))


def test_coarse_coefficients_weigh_more():
    """A coefficient of half the frequency moves the picture twice as far."""
    spectrum = torch.zeros(2, 3, 16, 9, 2)
    spectrum[0, 0, 0, 2, 0] = spectrum[1, 0, 0, 4, 0] = 1e-3
    far = (fourier_picture(spectrum, 16, 16) - 0.5).flatten(1).norm(dim=1)
    assert float(far[0] / far[1]) == pytest.approx(2, rel=1e-2)
    assert frequencies(4, 4)[0].tolist() == [0, 0.25, 0.5]


def test_a_cppn_is_grey_at_the_start_and_moves_everywhere_after_a_step():
    image = CPPN(3, 8, 8, generator(0))
    assert torch.equal(image(), torch.full((3, 3, 8, 8), 0.5))
    optimiser = torch.optim.Adam(image.parameters(), lr=5e-3)
    for _ in range(2):
        optimiser.zero_grad()
        (image() * torch.randn(3, 3, 8, 8, generator=generator(1))).sum().backward()
        optimiser.step()
    assert all(bool(weight.grad.abs().sum() > 0) for weight in image.weights)


def test_a_cppn_shows_the_same_picture_at_every_resolution():
    image = CPPN(2, 16, 16, generator(0))
    with torch.no_grad():
        image.weights[-1].copy_(0.3 * torch.randn(image.weights[-1].shape, generator=generator(2)))
        small, large = image(), image.at(32, 32)
    assert small.std() > 0.05
    assert (avg_pool2d(large, 2) - small).abs().mean() < 0.02


@pytest.mark.parametrize("make", [PixelImage, FourierImage])
def test_pictures_and_seeds_differ(make):
    a, b, again = make(2, 6, 6, generator(0))(), make(2, 6, 6, generator(1))(), make(2, 6, 6, generator(0))()
    assert torch.equal(a, again)
    assert not torch.equal(a, b)
    assert not torch.equal(a[0], a[1])
