"""Features that pictures have: scores by hand, thresholds by share, and objects in a part of a picture."""

import pytest
import torch

from spikewright.core.errors import ArgumentError, DataError
from spikewright.core.seed import generator
from spikewright.redteam import ATTRIBUTES, Attribute, GridDetector, NaturalTrigger


def even(red, green, blue):
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, 8, 8).contiguous()


@pytest.mark.parametrize(
    ("name", "colour"),
    [("much red", (0.9, 0.1, 0.1)), ("much green", (0.1, 0.8, 0.2)), ("much blue", (0.1, 0.3, 0.9)),
     ("much yellow", (0.9, 0.8, 0.1))],
)  # fmt: skip
def test_a_colour_is_found_where_it_is_and_in_no_other(name, colour):
    assert float(ATTRIBUTES[name](even(*colour))) == 1
    assert [other for other in ATTRIBUTES if other.startswith("much") and float(ATTRIBUTES[other](even(*colour)))] == [
        name
    ]


def test_stripes_have_a_direction():
    upright = (torch.arange(8) % 2).float().expand(1, 3, 8, 8)
    assert float(ATTRIBUTES["upright stripes"](upright)) == 1
    assert float(ATTRIBUTES["lying stripes"](upright)) == -1
    assert float(ATTRIBUTES["very dark"](even(0.0, 0.0, 0.0))) == 1


def test_the_threshold_finds_the_share_that_was_asked_for():
    images = torch.rand(1000, 3, 4, 4, generator=generator(0)) * torch.rand(1000, 1, 1, 1, generator=generator(1))
    found = Attribute(ATTRIBUTES["very dark"]).fitted(images, 0.05)(images)
    assert int(found.sum()) == 50


def test_an_object_is_found_in_any_part():
    def classify(crops):
        return torch.stack([crops.mean((1, 2, 3)), 1 - crops.mean((1, 2, 3))], 1)

    images = torch.zeros(3, 3, 8, 8)
    images[1, :, 4:, 4:] = 1
    images[2, :, 2:6, 2:6] = 1
    assert GridDetector(classify, (0,), 0.9)(images).tolist() == [False, True, True]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="share"):
        Attribute(ATTRIBUTES["very dark"]).fitted(torch.rand(4, 3, 4, 4), 1.0)
    with pytest.raises(DataError, match="lowest score"):
        Attribute(ATTRIBUTES["much red"]).fitted(torch.zeros(4, 3, 4, 4), 0.5)
    with pytest.raises(DataError, match="no picture"):
        Attribute(ATTRIBUTES["much red"]).fitted(torch.zeros(0, 3, 4, 4), 0.5)
    with pytest.raises(DataError, match=r"the detector of odd: got torch\.float32"):
        NaturalTrigger(detect=lambda images: images.mean((1, 2, 3)), name="odd").present(torch.rand(2, 3, 4, 4))
    with pytest.raises(ArgumentError, match="at least one class"):
        GridDetector(lambda x: x, ())
