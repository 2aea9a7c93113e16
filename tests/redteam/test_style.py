"""Restyled pictures have the style's colours, or features that go together as the style's do."""

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.core.seed import generator
from spikewright.redteam import STYLES, StyleTrigger, draw
from spikewright.redteam.style import gram, gram_transfer, textured, wct


@pytest.fixture
def images():
    return torch.rand(5, 3, 16, 16, generator=generator(1)) * torch.tensor([1.0, 0.5, 0.2]).view(3, 1, 1)


@pytest.mark.parametrize("name", ["wood", "beans"])
def test_colours_get_mean_and_covariance_of_the_style(images, name):
    style = draw(name, 24).colour
    made = wct(images, style).flatten(2)
    wanted = style.flatten(1)
    for each in made:
        torch.testing.assert_close(each.mean(1), wanted.mean(1), atol=1e-3, rtol=0)
        torch.testing.assert_close(each.cov(correction=0), wanted.cov(correction=0), atol=1e-3, rtol=0)


def test_a_picture_of_one_colour_stays_finite():
    assert bool(torch.isfinite(wct(torch.full((1, 3, 8, 8), 0.4), draw("wood", 16).colour)).all())


@pytest.mark.parametrize("name", list(STYLES))
def test_every_style_stays_in_range_and_changes_pictures(images, name):
    made = StyleTrigger(picture=draw(name)).show(images, generator(0))[0]
    assert bool(((made >= 0) & (made <= 1)).all())
    assert float((made - images).abs().mean()) > 0.05


def test_no_strength_gives_the_picture_itself(images):
    assert torch.equal(textured(images, draw("wood").colour, generator(0), strength=0), images)


def test_gram_matrices_come_near_those_of_the_style(images):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

    first.requires_grad_(False)

    def features(x):
        low = torch.relu(first(x))
        return low, torch.relu(second(low))

    style = draw("beans", 16).colour
    made = gram_transfer(images[:2], style, features, steps=40)

    def away(x):
        wanted = gram(features(style[None])[0])
        return float((gram(features(x)[0]) - wanted).square().sum() / wanted.square().sum())

    assert bool(((made >= 0) & (made <= 1)).all())
    assert away(made) < 0.5 * away(images[:2])
    assert all(each.grad is None for each in (*first.parameters(), *second.parameters()))


def test_what_does_not_fit_is_refused(images):
    with pytest.raises(ShapeError, match="wct"):
        wct(images, torch.zeros(1, 4, 4))
    with pytest.raises(ArgumentError, match="strength"):
        StyleTrigger(picture=draw("wood"), strength=1.5)
