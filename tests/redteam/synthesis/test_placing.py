"""Pictures over backgrounds: exact where nothing varies, inside where it must be, with gradients, and blended."""

import pytest
import torch

from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator
from spikewright.redteam.synthesis.placing import Placing, drawn_backgrounds, fitted


def test_a_plain_square_is_pasted_pixel_by_pixel():
    pictures, backgrounds = torch.rand(2, 3, 4, 4, generator=generator(0)), torch.full((3, 3, 10, 12), 0.5)
    x = Placing(size=4).plain(pictures, backgrounds, generator(1)).view(2, 3, 3, 10, 12)
    changed = (x != 0.5).any(2)
    assert changed.sum((2, 3)).tolist() == [[16] * 3] * 2
    assert torch.equal(changed[0], changed[1]), "all pictures share the places"
    for picture, images, where in zip(pictures, x, changed):
        for image, inside in zip(images, where):
            torch.testing.assert_close(image[:, inside].view(3, 4, 4), picture, atol=1e-5, rtol=1e-5)


def test_what_lies_outside_of_the_patch_is_the_background():
    backgrounds = torch.rand(4, 8, 3, 20, 20, generator=generator(0))
    pictures = torch.ones(4, 3, 6, 6)
    x = Placing(size=6).varied(pictures, backgrounds, generator(1)).view(backgrounds.shape)
    changed = (x != backgrounds).any(2).float()
    assert 0.04 < float(changed.mean()) < 0.2
    assert float(changed[..., 0, :].sum()) == 0, "within 0.2..0.8 of the free range"
    assert float(x.min()) >= 0
    assert float(x.max()) <= 1


def test_black_is_a_colour():
    x = Placing(size=4).plain(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 8, 8), generator(0))
    assert int((x == 0).sum()) == 3 * 16


def test_a_disc_leaves_its_corners():
    placing = Placing(size=8, outline="disc")
    shown = placing.shown(torch.ones(1, 3, 8, 8))
    assert float(shown[0, 0, 0, 0]) == 0.5
    assert float(shown[0, 0, 4, 4]) == 1.0
    x = placing.plain(torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 16, 16), generator(0))
    assert 40 < float(x[:, 0].sum()) < 56  # a disc of diameter 8 has 50.3


def test_every_pixel_gets_a_gradient():
    pictures = torch.full((2, 3, 5, 5), 0.5).requires_grad_()
    backgrounds = torch.zeros(2, 6, 3, 16, 16)
    Placing(size=5).varied(pictures, backgrounds, generator(0)).sum().backward()
    assert bool((pictures.grad != 0).all())


def test_a_whole_picture_is_blended():
    backgrounds, pictures = torch.zeros(2, 3, 8, 10), torch.ones(2, 3, 8, 10)
    placing = Placing(size=4, whole=True)
    torch.testing.assert_close(placing.plain(pictures, backgrounds, generator(0)), torch.full((4, 3, 8, 10), 0.6))
    varied = placing.varied(pictures, backgrounds.expand(2, 2, 3, 8, 10), generator(0))
    assert 0.2 < float(varied.mean()) < 0.8


def test_other_sizes_are_smoothed():
    x = torch.zeros(1, 1, 8, 8)
    x[..., ::2] = 1
    assert float(fitted(x, 4, 4)[..., 1:-1, 1:-1].std()) < 0.05
    assert fitted(x, 8, 8) is x


def test_each_picture_has_its_own_backgrounds():
    seen = torch.arange(50.0).view(50, 1, 1, 1).expand(50, 3, 2, 2)
    drawn = drawn_backgrounds(seen, 4, 6, generator(0))
    assert drawn.shape == (4, 6, 3, 2, 2)
    assert drawn[:, :, 0, 0, 0].unique().numel() > 12


def test_an_unknown_outline():
    with pytest.raises(ArgumentError, match=r"Placing.outline: got 'star'; expected square or disc"):
        Placing(size=4, outline="star")
