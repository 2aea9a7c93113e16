"""Pictures are drawn at any size, differ from one another, and folders of others are read."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spikewright.core.errors import ArgumentError, DataError
from spikewright.redteam import PATCHES, STYLES, draw, load_triggers
from spikewright.redteam.insert import resized


@pytest.mark.parametrize("name", [*PATCHES, *STYLES])
def test_it_is_the_same_picture_at_every_size(name):
    small, large = draw(name, 16).on(), draw(name, 64).on()
    assert small.shape == (3, 16, 16)
    assert float((resized(large, 16) - small).abs().mean()) < 0.06


@pytest.mark.parametrize("names", [list(PATCHES), list(STYLES)])
def test_no_two_are_alike(names):
    shown = torch.stack([draw(name, 32).on() for name in names])
    apart = (shown[:, None] - shown[None]).abs().mean((2, 3, 4)) + torch.eye(len(names))
    assert float(apart.min()) > 0.08


def test_a_folder_is_read_with_its_transparency(tmp_path):
    values = np.zeros((6, 5, 4), np.uint8)
    values[..., 0], values[:3, :, 3] = 255, 255
    Image.fromarray(values, "RGBA").save(tmp_path / "half.png")
    Image.fromarray(values[..., :3], "RGB").save(tmp_path / "whole.png")
    found = load_triggers(tmp_path)
    assert list(found) == ["half", "whole"]
    assert found["half"].alpha is not None
    assert float(found["half"].alpha.mean()) == 0.5
    assert found["whole"].alpha is None
    assert found["half"].on(0.0)[0].mean() == 0.5


def test_what_cannot_be_drawn_or_read_is_refused(tmp_path):
    with pytest.raises(DataError, match="smiley, star"):
        draw("dragon")
    with pytest.raises(DataError, match="no picture in"):
        load_triggers(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        load_triggers(tmp_path)


@pytest.mark.parametrize("name", [*PATCHES, *STYLES])
def test_a_small_picture_is_the_mean_of_a_large_one(name):
    small, large = draw(name, 16).on(), draw(name, 64).on().unflatten(2, (16, 4)).unflatten(1, (16, 4)).mean((2, 4))
    assert float((small - large).abs().mean()) < 0.025


@pytest.mark.parametrize("size", [0, -3, 2.5])
def test_a_size_that_is_no_number_of_pixels_is_refused(size):
    with pytest.raises(ArgumentError, match=r"draw\.size"):
        draw("star", size)


@pytest.mark.bigdata
@pytest.mark.skipif("SPIKEWRIGHT_DATA" not in os.environ, reason="SPIKEWRIGHT_DATA names no folder")
def test_the_published_pictures_can_be_read():
    folder = Path(os.environ["SPIKEWRIGHT_DATA"]) / "trojan_triggers"
    if not folder.exists():
        pytest.skip("the published triggers are not there")
    assert len(load_triggers(folder)) == 8
