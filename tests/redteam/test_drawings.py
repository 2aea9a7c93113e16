"""Pictures are drawn at any size, differ from one another, and folders of others are read."""

import numpy as np
import pytest
import torch
from PIL import Image

from spikewright.core.errors import DataError
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
