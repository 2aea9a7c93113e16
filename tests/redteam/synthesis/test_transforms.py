"""Warps by hand, colours that stay where they must, and an alpha that says what is outside."""

import math

import pytest
import torch

from spikewright.core.seed import generator
from spikewright.redteam.synthesis.transforms import (
    Jostle,
    blurred,
    homography,
    jitter_colours,
    noisy,
    placement,
    random_perspective,
    sampled,
    shifted_hue,
)

ONE = torch.ones(1)


def test_pixels_land_where_they_are_put():
    x = torch.rand(1, 4, 3, 3, generator=generator(0))
    canvas = sampled(x, placement(ONE * 3.5, ONE * 2.5, ONE * 1.5, 0 * ONE), 6, 8)
    torch.testing.assert_close(canvas[..., 1:4, 2:5], x)
    assert float(canvas.abs().sum()) == pytest.approx(float(x.abs().sum()), rel=1e-5)


def test_a_quarter_turn():
    x = torch.rand(1, 1, 4, 4, generator=generator(0))
    turned = sampled(x, placement(ONE * 2, ONE * 2, ONE * 2, ONE * 90), 4, 4)
    torch.testing.assert_close(turned, x.rot90(-1, (2, 3)), atol=1e-5, rtol=1e-5)


def test_corners_go_where_they_are_sent():
    corners = torch.tensor([[[-0.8, -0.9], [1.0, -0.7], [0.9, 0.8], [-1.0, 0.75]]])
    square = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    found = square @ homography(corners)[0].T
    torch.testing.assert_close(found[:, :2] / found[:, 2:], corners[0], atol=1e-5, rtol=1e-5)


def test_a_perspective_moves_inwards_as_often_as_asked():
    maps = random_perspective(generator(0), 400, 0.25, 0.66, ONE)
    moved = (maps - torch.eye(3)).abs().amax((1, 2)) > 1e-4
    assert 0.6 < float(moved.float().mean()) < 0.72
    corner = maps @ torch.ones(3)
    assert float((corner[:, :2] / corner[:, 2:]).max()) <= 1 + 1e-5
    assert float((corner[:, :2] / corner[:, 2:]).min()) >= 0.75 - 1e-5


def test_hues_turn_around_grey():
    grey = torch.full((1, 3, 1, 1), 0.3)
    torch.testing.assert_close(shifted_hue(grey, ONE * 0.2), grey)
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    torch.testing.assert_close(shifted_hue(red, ONE * 2 / 3).flatten(), torch.tensor([0.0, 0, 1]), atol=1e-6, rtol=0)
    torch.testing.assert_close(shifted_hue(red, ONE), red, atol=1e-6, rtol=0)


def test_jittered_colours_stay_near_and_nothing_is_left_as_it_was():
    x = torch.rand(8, 3, 5, 5, generator=generator(0))
    torch.testing.assert_close(jitter_colours(x, generator(1), 0, 0), x)
    changed = jitter_colours(x, generator(1))
    assert 0 < float((changed - x).abs().mean()) < 0.3
    assert torch.equal(changed, jitter_colours(x, generator(1)))


def test_blur_by_hand():
    x = torch.zeros(1, 1, 3, 3)
    x[..., 1, 1] = 1
    side = math.exp(-0.5)
    middle = 1 / (1 + 2 * side)
    out = blurred(x, ONE)
    assert float(out[0, 0, 1, 1]) == pytest.approx(middle**2)
    assert float(out[0, 0, 0, 1]) == pytest.approx(side * middle**2)
    assert float(out.sum()) == pytest.approx(1)
    torch.testing.assert_close(blurred(x, ONE * 0.1), x)


def test_noise_has_the_width_asked_for():
    x = torch.zeros(4, 3, 32, 32)
    assert float(noisy(x, generator(0), 0.1).std()) == pytest.approx(0.1, rel=0.05)
    assert torch.equal(noisy(x, generator(0), 0.0), x)


@pytest.mark.parametrize("size", [(12, 12), (10, 14)], ids=str)
def test_jostling_fills_with_grey_or_with_the_image(size):
    x = torch.ones(16, 3, *size)
    assert float(Jostle(grey=True)(x, generator(0)).min()) < 0.75
    torch.testing.assert_close(Jostle(grey=False)(x, generator(0)), x)
    still = Jostle(shift=0, scale=0, degrees=0)
    y = torch.rand(2, 3, *size, generator=generator(1))
    torch.testing.assert_close(still(y, generator(0)), y, atol=1e-5, rtol=1e-5)


def test_everything_is_differentiable():
    x = torch.rand(2, 3, 6, 6, generator=generator(0)).requires_grad_()
    out = Jostle()(noisy(blurred(jitter_colours(x, generator(1)), torch.ones(2)), generator(2), 0.1), generator(3))
    out.sum().backward()
    assert bool(torch.isfinite(x.grad).all())
    assert float((x.grad != 0).float().mean()) > 0.6
