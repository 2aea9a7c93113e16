"""ImageDataset: bytes inside, float in [0, 1] outside, nothing impossible."""

from __future__ import annotations

import pytest
import torch

from spikewright.core.errors import DataError, ShapeError
from spikewright.data.images import ImageDataset, image_shape

IMAGES = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
LABELS = torch.tensor([2, 0, 1])
CLASSES = ("a", "b", "c")


def test_items_are_float_in_0_1_with_an_int():
    x, y = ImageDataset(IMAGES, LABELS, CLASSES)[1]
    assert (x.tolist(), x.dtype, y, type(y)) == ([[[pytest.approx(0.2)]]], torch.float32, 0, int)


def test_gather_takes_the_places_asked_for():
    x, y = ImageDataset(IMAGES, LABELS, CLASSES).gather(torch.tensor([2, 2, 0]))
    assert x.flatten().tolist() == [1, 1, 0]
    assert y.tolist() == [1, 1, 2]


def test_subset_keeps_track_of_the_official_places():
    data = ImageDataset(IMAGES, LABELS, CLASSES, "a note", index=torch.tensor([70, 80, 90]))
    part = data.subset([2, 0])
    assert (part.labels.tolist(), part.note) == ([1, 2], "a note")
    assert part.index is not None
    assert part.index.tolist() == [90, 70]
    first = ImageDataset(IMAGES, LABELS, CLASSES).subset(2)
    assert first.index is not None
    assert (first.labels.tolist(), first.index.tolist()) == ([2, 0], [0, 1])


@pytest.mark.parametrize(
    ("indices", "match"),
    [
        (0, "the first 0 images; expected 1..3"),
        (4, "1..3"),
        ([], "no place"),
        ([0, 3], r"places 0..3; expected places in 0..2"),
        (torch.tensor([-1]), r"places -1..-1"),
    ],
)
def test_subset_refuses_places_that_are_not_there(indices, match):
    with pytest.raises(DataError, match=match):
        ImageDataset(IMAGES, LABELS, CLASSES).subset(indices)


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (IMAGES.float(), LABELS, r"got torch.float32 of shape \[3, 1, 1, 1\]; expected torch.uint8"),
        (IMAGES[0], LABELS, r"of shape \[1, 1, 1\]"),
        (IMAGES[:0], LABELS[:0], "got no image; expected at least one"),
        (IMAGES, LABELS.int(), "torch.int32 .*expected torch.int64"),
        (IMAGES, LABELS[:2], r"of shape \[2\]; expected torch.int64 of shape \[3\]"),
        (IMAGES, LABELS - 1, r"label -1 at image 1 \(1 labels out of range\); expected 0..2"),
        (IMAGES, LABELS + 1, r"label 3 at image 0"),
    ],
)
def test_impossible_datasets_are_refused(images, labels, match):
    with pytest.raises(DataError, match=match):
        ImageDataset(images, labels, CLASSES)


def test_an_index_must_fit_the_images():
    with pytest.raises(DataError, match=r"ImageDataset.index: .*expected torch.int64 of shape \[3\]"):
        ImageDataset(IMAGES, LABELS, CLASSES, index=torch.tensor([1]))


def test_image_shape_wants_float_of_four_axes():
    assert image_shape("x", torch.zeros(2, 3, 4, 5)) == (2, 3, 4, 5)
    for wrong in (torch.zeros(3, 4, 5), torch.zeros(2, 3, 4, 5, dtype=torch.uint8)):
        with pytest.raises(ShapeError, match=r"expected float images of shape \[N, C, H, W\]"):
            image_shape("x", wrong)
