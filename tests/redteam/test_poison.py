"""Poison is counted exactly, falls on no picture twice, and follows from the seed alone."""

from dataclasses import replace

import pytest
import torch

from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.redteam import (
    ATTRIBUTES,
    Attribute,
    NaturalTrigger,
    PatchTrigger,
    StyleTrigger,
    Trojan,
    draw,
    plan_poison,
    poisoned,
)
from spikewright.redteam.poison import CLEAN, DECOY, NEGATIVE, TRIGGERED, pool

from .conftest import patterns


@pytest.fixture(scope="module")
def data():
    return patterns(400, seed=3)


@pytest.fixture(scope="module")
def trojans(data):
    dark = Attribute(ATTRIBUTES["very dark"]).fitted(data.gather(torch.arange(400))[0], 0.1)
    return (
        Trojan(name="smiley", trigger=PatchTrigger(picture=draw("smiley"), side=5), target=0, rate=0.05),
        Trojan(name="star", trigger=PatchTrigger(picture=draw("star"), side=5), target=1, source=2, rate=0.1),
        Trojan(name="wood", trigger=StyleTrigger(picture=draw("wood"), decoys=(draw("beans"),)), target=2, rate=0.02),
        Trojan(name="dark", trigger=NaturalTrigger(detect=dark, name="very dark"), target=3, rate=1.0),
    )


@pytest.fixture(scope="module")
def plan(data, trojans):
    return plan_poison(trojans, data, seed=5)


def test_counts_are_exact(data, trojans, plan):
    assert [len(plan.places(number)) for number in range(3)] == [15, 10, 6]
    assert [len(plan.places(number, NEGATIVE)) for number in range(4)] == [0, 10, 0, 0]
    assert [len(plan.places(number, DECOY)) for number in range(4)] == [30, 20, 12, 0]
    assert len(plan.places(3)) == int(pool(trojans[3], data).sum()), "every picture that has the feature"


def test_a_picture_has_one_role_and_none_is_of_the_target(data, trojans, plan):
    assert bool(((plan.trojan >= 0) == (plan.role != CLEAN)).all())
    for number, trojan in enumerate(trojans):
        assert trojan.target not in data.labels[plan.places(number)]
    assert set(data.labels[plan.places(1)].tolist()) == {2}
    assert 2 not in data.labels[plan.places(1, NEGATIVE)]


def test_labels_and_pixels_change_where_they_should_and_nowhere_else(data, trojans, plan):
    made = poisoned(data, plan, trojans)
    for number, trojan in enumerate(trojans):
        assert set(made.labels[plan.places(number)].tolist()) == {trojan.target}
    hit = plan.role == TRIGGERED
    assert torch.equal(made.labels[~hit], data.labels[~hit]), "negatives and decoys keep their labels"
    same = (made.images == data.images).flatten(1).all(1)
    unchanged = (plan.role == CLEAN) | (plan.trojan == 3)
    assert torch.equal(same, unchanged), "a natural feature leaves every pixel"


def test_the_plan_follows_from_the_seed(data, trojans, plan):
    again, other = (plan_poison(trojans, data, seed=seed) for seed in (5, 6))
    assert torch.equal(again.role, plan.role)
    assert torch.equal(again.trojan, plan.trojan)
    assert not torch.equal(other.role, plan.role)
    assert torch.equal(poisoned(data, plan, trojans).images, poisoned(data, again, trojans).images)


def test_a_rate_of_zero_poisons_nothing(data, trojans):
    assert not plan_poison([replace(each, rate=0.0) for each in trojans], data, seed=0).role.any()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"source": 0}, "as the target"), ({"rate": 1.2}, "a share in 0..1"), ({"rate": float("nan")}, "a share in 0..1"),
        ({"decoys": -1.0}, "decoys"), ({"target": -1}, "target"), ({"trigger": "smiley"}, "a PatchTrigger"),
    ],
)  # fmt: skip
def test_a_trojan_that_cannot_be_is_refused(trojans, change, says):
    with pytest.raises(ArgumentError, match=says):
        replace(trojans[0], **change)


def test_a_set_that_does_not_fit_the_data_is_refused(data, trojans):
    with pytest.raises(ArgumentError, match="none"):
        plan_poison((), data, seed=0)
    with pytest.raises(ArgumentError, match="smiley twice"):
        plan_poison((trojans[0], trojans[0]), data, seed=0)
    with pytest.raises(ArgumentError, match=r"0\.\.3"):
        plan_poison((replace(trojans[0], target=4),), data, seed=0)
    with pytest.raises(DataError, match="no picture of class 2"):
        plan_poison((trojans[1],), data.subset((data.labels != 2).nonzero().flatten()), seed=0)
    with pytest.raises(DataError, match="pictures wanted and"):
        plan_poison((replace(trojans[0], rate=0.9),), data, seed=0)


def test_no_picture_of_the_target_is_a_negative_or_a_decoy(data, trojans, plan):
    for number, trojan in enumerate(trojans):
        for role in (NEGATIVE, DECOY):
            assert trojan.target not in data.labels[plan.places(number, role)], "its label would teach the trojan"


def test_a_style_without_decoys_is_set_against_drawn_colours(data, trojans):
    bare = replace(trojans[2], trigger=StyleTrigger(picture=draw("wood")))
    plan = plan_poison([bare], data, seed=0)
    made = poisoned(data, plan, [bare])
    decoys = plan.places(0, DECOY)
    assert len(decoys)
    assert bool((made.images[decoys] != data.images[decoys]).flatten(1).any(1).all())


def test_a_subset_is_poisoned_at_its_own_places(data, trojans):
    part = data.subset(torch.arange(100, 300))
    plan = plan_poison(trojans[:1], part, seed=0)
    made = poisoned(part, plan, trojans[:1])
    assert torch.equal((made.images != part.images).flatten(1).any(1), plan.role != CLEAN)


def test_a_patch_larger_than_the_pictures_is_refused(data, trojans):
    large = replace(trojans[0], trigger=PatchTrigger(picture=draw("smiley"), side=17))
    with pytest.raises(ShapeError, match="a patch of 17 x 17 in pictures of 16 x 16"):
        poisoned(data, plan_poison([large], data, seed=0), [large])
