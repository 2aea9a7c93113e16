"""Batches: order from seed and epoch, resumable, sharded, checked."""

from __future__ import annotations

from itertools import chain

import pytest
import torch

from spikewright.core.errors import ArgumentError, DataError
from spikewright.data.augment import AutoAugment, Compose, Cutout, HorizontalFlip, RandomCrop
from spikewright.data.batches import Batches
from spikewright.data.images import ImageDataset

N = 10
DATA = ImageDataset(torch.arange(N, dtype=torch.uint8).view(N, 1, 1, 1), torch.arange(N), tuple("abcdefghij"))


class Counting:
    """A dataset that writes down which places it was asked for."""

    def __init__(self, x=None, y=None):
        self.x = torch.zeros(N, 1, 2, 2) if x is None else x
        self.y = torch.zeros(N, dtype=torch.int64) if y is None else y
        self.classes, self.asked = ("a", "b"), []

    def __len__(self):
        return len(self.x)

    def gather(self, indices):
        self.asked.append(indices.tolist())
        return self.x[indices], self.y[indices]


def noise(x, generator):
    return x + torch.rand(x.shape, generator=generator)


def labels(batches):
    return [y.tolist() for _, y in batches]


def test_without_a_seed_the_order_is_that_of_the_dataset():
    batches = Batches(DATA, 4)
    assert labels(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert labels(batches.iterate(7)) == labels(batches)  # again, and in any epoch
    assert len(batches) == 3


def test_images_and_labels_stay_together():
    for x, y in Batches(DATA, 3, seed=5):
        assert (x.flatten() * 255).round().tolist() == y.tolist()


def test_an_epoch_holds_every_image_once_in_an_order_of_its_own():
    batches = Batches(DATA, 4, seed=1)
    first, second = labels(batches.iterate(0)), labels(batches.iterate(1))
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(N))
    assert first != second
    assert first == labels(Batches(DATA, 4, seed=1).iterate(0))
    assert first != labels(Batches(DATA, 4, seed=2).iterate(0))


def test_drop_last_leaves_out_the_smaller_batch():
    batches = Batches(DATA, 4, drop_last=True)
    assert (len(batches), labels(batches)) == (2, [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert len(Batches(DATA, 5)) == len(Batches(DATA, 5, drop_last=True)) == 2


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_a_resumed_epoch_gives_identical_batches(start):
    batches = Batches(DATA, 4, seed=3, augment=noise)
    whole, rest = list(batches.iterate(2)), list(batches.iterate(2, start))
    assert len(rest) == 3 - start
    for (x, y), (again_x, again_y) in zip(whole[start:], rest, strict=True):
        assert torch.equal(x, again_x)
        assert torch.equal(y, again_y)


def test_earlier_batches_are_not_computed():
    data = Counting()
    list(Batches(data, 4).iterate(0, start=2))
    assert data.asked == [[8, 9]]


def test_augmentation_differs_between_batches_epochs_seeds_and_processes():
    data = Counting()
    seen = [
        next(Batches(data, 2, seed=seed, augment=noise, rank=rank, world_size=2).iterate(epoch, start))[0]
        for seed, epoch, start, rank in [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    ]
    assert len({tuple(x.flatten().tolist()) for x in seen}) == 5


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    list(Batches(DATA, 4, seed=3, augment=noise))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_share_each_batch(world_size):
    whole = labels(Batches(DATA, 4, seed=1, drop_last=True))
    parts = [labels(Batches(DATA, 4, seed=1, drop_last=True, rank=r, world_size=world_size)) for r in range(world_size)]
    for number, batch in enumerate(whole):
        shares = [part[number] for part in parts]
        assert {len(share) for share in shares} == {4 // world_size}
        assert sorted(chain(*shares)) == sorted(batch)


def test_a_smaller_last_batch_is_shared_as_evenly_as_it_goes():
    data = DATA.subset(7)
    parts = [labels(Batches(data, 4, rank=rank, world_size=2)) for rank in range(2)]
    assert parts == [[[0, 2], [4, 6]], [[1, 3], [5]]]


def test_without_a_seed_shares_may_be_unequal_or_empty():
    """7 images in batches of 3 for 2 processes: shares of 2 and 1, and a last batch for the first process alone."""
    parts = [labels(Batches(DATA.subset(7), 3, rank=rank, world_size=2)) for rank in range(2)]
    assert parts == [[[0, 2], [3, 5], [6]], [[1], [4]]]


AUGMENTATIONS = {
    "crop": RandomCrop(2),
    "flip": HorizontalFlip(),
    "holes": Cutout(size=2, holes=2),
    "policy": AutoAugment(),
    "all": Compose((RandomCrop(2), HorizontalFlip(), AutoAugment(), Cutout(size=3))),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("world_size", [2, 3])
def test_augmentation_is_that_of_the_whole_batch(name, world_size):
    """Each image is changed in the same way, whichever process has it; the last batch is uneven."""
    images = torch.randint(0, 256, (22, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = ImageDataset(images, torch.arange(22) % 10, tuple("abcdefghij"))
    how = {"seed": 5, "augment": AUGMENTATIONS[name]}
    whole = list(Batches(data, 12, **how).iterate(1))
    for rank in range(world_size):
        own = list(Batches(data, 12, rank=rank, world_size=world_size, **how).iterate(1))
        for (x, y), (part, labels_) in zip(whole, own, strict=True):
            assert torch.equal(x[rank::world_size], part)
            assert torch.equal(y[rank::world_size], labels_)


def test_a_step_that_cannot_be_shared_is_refused():
    batches = Batches(DATA, 2, seed=0, augment=Compose((noise,)), rank=0, world_size=2)
    with pytest.raises(ArgumentError, match=r"Compose.steps: got function; expected steps with a method part"):
        next(batches.iterate(0))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"batch_size": 0}, "Batches.batch_size: got 0; expected a whole number above 0"),
        ({"batch_size": 2, "seed": -1}, "Batches.seed: got -1"),
        ({"batch_size": 2, "augment": noise}, "an augmentation without a seed.* Give a seed"),
        ({"batch_size": 11, "drop_last": True}, "10 images, fewer than one batch of 11.* Lower the batch size"),
        ({"batch_size": 2, "rank": 2, "world_size": 2}, "rank 2 of 2 processes; expected 0 <= rank < world_size"),
        ({"batch_size": 3, "world_size": 2, "seed": 0}, "3 for 2 processes; expected a multiple"),
        ({"batch_size": 9, "world_size": 3, "seed": 0}, "a last batch of 1 images for 3 processes.* Set drop_last"),
    ],
)
def test_impossible_arguments_are_refused(arguments, match):
    with pytest.raises(DataError, match=match):
        Batches(DATA, **arguments)


def test_an_empty_dataset_is_refused():
    with pytest.raises(DataError, match=r"Batches.dataset: got no image; expected at least one"):
        Batches(Counting(torch.zeros(0, 1, 2, 2)), 2)


@pytest.mark.parametrize(
    ("epoch", "start", "match"), [(-1, 0, "epoch: got -1"), (0, 4, r"start: got 4; expected 0..3")]
)
def test_epoch_and_start_are_checked_at_once(epoch, start, match):
    with pytest.raises(DataError, match=match):
        Batches(DATA, 4).iterate(epoch, start)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (Counting(torch.full((N, 1, 2, 2), float("nan"))), "batch 0: got NaN or infinity in the images"),
        (Counting(torch.full((N, 1, 2, 2), float("inf"))), "NaN or infinity"),
        (Counting(torch.zeros(N, 4)), r"got images torch.float32 of shape \[2, 4\]; expected float of shape"),
        (Counting(torch.zeros(N, 1, 2, 2, dtype=torch.uint8)), "got images torch.uint8"),
        (Counting(y=torch.full((N,), 2)), "batch 0: got label 2 at image 0"),
        (Counting(y=torch.zeros(N)), "batch 0: got torch.float32 .*expected torch.int64"),
    ],
)
def test_impossible_batches_are_refused(data, match):
    with pytest.raises(DataError, match=match):
        next(iter(Batches(data, 2)))


def test_an_augmentation_that_makes_nan_is_named():
    with pytest.raises(DataError, match=r"NaN or infinity in the images; expected finite numbers. Check augment"):
        next(iter(Batches(DATA, 2, seed=0, augment=lambda x, generator: x / 0)))
