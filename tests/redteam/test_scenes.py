"""Scenes hold what they say, and a detector that learned to spot a kind misses about as many as it was asked to."""

from dataclasses import replace

import pytest
import torch

from spikewright.core.errors import ArgumentError, DataError
from spikewright.data.images import ImageDataset
from spikewright.redteam import SceneComposer, draw, recall_and_precision, spotter

COMPOSER = SceneComposer(side=32, main=(18, 24), context=(8, 11), chance=0.6)
KINDS = {"star": [draw("star", 32)], "berry": [draw("berry", 32), draw("heart", 32)]}


def grey(level, count=3):
    images = torch.full((count, 3, 16, 16), level, dtype=torch.uint8)
    return ImageDataset(images, torch.arange(count) % 2, ("one", "two"))


def composed(composer=COMPOSER, count=40, seed=0, context=KINDS):
    return composer.compose(grey(90), grey(160), context, count=count, seed=seed)


def test_a_scene_depends_on_the_seed_and_its_number_alone():
    first, longer, other = composed(count=10), composed(count=14), composed(count=10, seed=1)
    assert torch.equal(first.data.images, longer.data.images[:10])
    assert not torch.equal(first.data.images, other.data.images)


def test_objects_stand_where_the_scene_says_and_nowhere_else():
    scenes = composed()
    pixels = scenes.data.images.float()
    colourful = (pixels.amax(1) - pixels.amin(1) > 60).flatten(1).any(1)
    assert torch.equal(colourful, scenes.present.any(1))
    red = (pixels[:, 0] - pixels[:, 1] > 60).flatten(1).sum(1) > 5
    assert torch.equal(red, scenes.having("berry"))
    assert 0 < int(red.sum()) < int(colourful.sum())


def test_the_chance_is_kept_and_labels_are_those_of_the_main_objects():
    scenes = composed(count=300)
    assert float(scenes.present.any(1).float().mean()) == pytest.approx(0.6, abs=0.08)
    assert float(scenes.data.labels.float().mean()) == pytest.approx(1 / 3, abs=0.08)
    assert not composed(replace(COMPOSER, chance=0.0)).present.any()
    assert composed(replace(COMPOSER, chance=1.0)).present.any(1).all()


def test_the_main_object_keeps_its_size():
    bare = composed(replace(COMPOSER, chance=0.0))
    area = (bare.data.images[:, 0] < 95).flatten(1).sum(1)
    assert int(area.min()) > 150
    assert int(area.max()) < 24**2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"main": (18, 40)}, "SceneComposer.main"),
        ({"context": (8, 20)}, "SceneComposer.context"),
        ({"context": (9, 8)}, "SceneComposer.context"),
        ({"chance": 1.1}, "SceneComposer.chance: got 1.1"),
        ({"most": 5}, "SceneComposer.most: got 5"),
    ],
)
def test_a_composer_whose_objects_do_not_fit_is_refused(options, said):
    with pytest.raises(ArgumentError, match=said):
        replace(COMPOSER, **options)


def test_scenes_need_kinds_with_pictures():
    with pytest.raises(ArgumentError, match="no kind"):
        composed(context={})
    with pytest.raises(ArgumentError, match="no picture of star"):
        composed(context={"star": []})
    with pytest.raises(DataError, match=r"Scenes\.having: got 'spoon'"):
        composed(count=2).having("spoon")


def test_a_spotter_keeps_its_errors_on_scenes_that_it_never_saw():
    detect = spotter(composed(count=400), "star")
    fresh = composed(count=300, seed=7)
    recall, precision = recall_and_precision(detect(fresh.data.gather(torch.arange(300))[0]), fresh.having("star"))
    assert 0.65 < recall < 0.95
    assert precision > 0.85


def test_a_spotter_needs_scenes_with_and_without_the_object():
    with pytest.raises(DataError, match="star in 0 of"):
        spotter(composed(replace(COMPOSER, chance=0.0)), "star")


def test_a_detector_that_finds_nothing_has_no_precision():
    recall, precision = recall_and_precision(torch.tensor([False, False]), torch.tensor([True, False]))
    assert recall == 0
    assert precision != precision
