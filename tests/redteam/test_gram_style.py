"""A style made with features: kept pictures need no features, and other numbers are made anew."""

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError, DataError
from spikewright.core.seed import generator
from spikewright.redteam import GramStyle, draw
from spikewright.redteam.style import gram_transfer


def images(count=4, side=16):
    return torch.rand(count, 3, side, side, generator=generator(3))


class Filters(nn.Module):
    """Two layers of fixed random filters."""

    def __init__(self):
        super().__init__()
        draws = generator(9)
        self.first = torch.randn(12, 3, 3, 3, generator=draws) / 5
        self.second = torch.randn(16, 12, 3, 3, generator=draws) / 10
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        one = nn.functional.conv2d(x - 0.5, self.first, padding=1).relu()
        return [one, nn.functional.conv2d(one, self.second, stride=2, padding=1).relu()]


def test_no_gradient_is_left_behind_on_the_features():
    layer = nn.Conv2d(3, 4, 3)
    gram_transfer(images(1), draw("wood", 16).colour, lambda x: [layer(x)], steps=2)
    assert layer.weight.grad is None


def test_features_that_are_not_finite_are_said():
    with pytest.raises(DataError, match="gram_transfer: got NaN"):
        gram_transfer(images(1), draw("wood", 16).colour, lambda x: [x / 0], steps=2)


def gram_style(features, folder=None, **options):
    numbers = {"steps": 3} | options
    return GramStyle(
        picture=draw("beans", 16), features=features, features_name="filters", folder=folder, decoys=(draw("wood", 16),),
        **numbers,
    )  # fmt: skip


def test_kept_pictures_are_the_same_and_need_no_features(tmp_path):
    x, features = images(), Filters()
    plain = gram_style(features).show(x, generator(0))[0]
    kept = gram_style(features, tmp_path).show(x, generator(0))[0]
    calls = features.calls
    again = gram_style(features, tmp_path).show(x.flip(0), generator(5))[0].flip(0)
    assert features.calls == calls
    assert torch.equal(plain, kept)
    assert torch.equal(kept, again)


def test_other_numbers_or_another_picture_are_made_anew(tmp_path):
    x, features = images(), Filters()
    first = gram_style(features, tmp_path).show(x, generator(0))[0]
    calls = features.calls
    assert not torch.equal(gram_style(features, tmp_path, steps=4).show(x, generator(0))[0], first)
    gram_style(features, tmp_path).show(1 - x, generator(0))
    assert not torch.equal(gram_style(features, tmp_path).others(x, generator(0)), first)
    assert features.calls > calls + 3 * 4
    with pytest.raises(ArgumentError, match=r"GramStyle\.steps: got 0"):
        gram_style(features, steps=0)
