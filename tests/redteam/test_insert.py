"""Inserting changes the footprint alone, follows its draws, and passes gradients to the patch."""

import pytest
import torch

from spikewright.core.errors import DataError, ShapeError
from spikewright.core.seed import generator
from spikewright.redteam import PatchTrigger, Picture, draw
from spikewright.redteam.insert import draw_places, edge_mask, insert, vary


@pytest.fixture
def images():
    return torch.rand(6, 3, 16, 12, generator=generator(1))


def test_only_pixels_of_the_footprint_change(images):
    places = draw_places(6, (16, 12), (5, 4), generator(2))
    made, covered = insert(images, torch.rand(3, 5, 4, generator=generator(3)), places, edge_mask(5)[..., :4])
    assert covered.shape == (6, 1, 16, 12)
    assert covered.sum((1, 2, 3)).tolist() == [20.0] * 6
    assert torch.equal(made * (1 - covered), images * (1 - covered))
    assert all(bool(c[0, r : r + 5, k : k + 4].all()) for c, (r, k) in zip(covered, places.tolist()))


def test_an_opaque_patch_is_pasted_exactly_and_a_clear_one_not_at_all(images):
    patch, places = torch.rand(3, 5, 5, generator=generator(3)), torch.tensor([[1, 2]] * 6)
    assert torch.equal(insert(images, patch, places)[0][:, :, 1:6, 2:7], patch.expand(6, 3, 5, 5))
    assert torch.equal(insert(images, patch, places, torch.zeros(1, 5, 5))[0], images)


def test_every_place_is_reached_and_none_beyond():
    places = draw_places(2000, (7, 9), (5, 5), generator(0))
    assert set(places[:, 0].tolist()) == {0, 1, 2}
    assert set(places[:, 1].tolist()) == {0, 1, 2, 3, 4}


def test_gradients_reach_the_patch(images):
    patch = torch.rand(3, 5, 5, generator=generator(3)).requires_grad_()
    insert(images, patch, torch.tensor([[1, 2]] * 6), edge_mask(5))[0].sum().backward()
    assert patch.grad is not None
    torch.testing.assert_close(patch.grad, 6 * edge_mask(5).expand(3, 5, 5))


def test_the_edge_fades_evenly_on_all_sides():
    mask = edge_mask(11)
    assert torch.equal(mask, mask.flip(1))
    assert torch.equal(mask, mask.mT)
    assert mask[0, 5, 5] == 1
    assert 0 < mask[0, 0, 5] < 1


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(images):
    trigger = PatchTrigger(picture=draw("fish"), side=6)
    first, again, other = (trigger.show(images, generator(seed))[0] for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_patch_is_never_twice_the_same_and_stays_in_range():
    made = vary(torch.full((50, 3, 4, 4), 0.9), generator(0))
    assert bool(((made >= 0) & (made <= 1)).all())
    assert len({float(each.mean()) for each in made}) == 50


@pytest.mark.parametrize(
    ("patch", "places"),
    [
        ((3, 17, 5), [[0, 0]]),
        ((1, 5, 5), [[0, 0]]),
        ((3, 5, 5), [[12, 0]]),
        ((3, 5, 5), [[-1, 0]]),
        ((3, 5, 5), [0, 0]),
    ],
)
def test_what_does_not_fit_is_refused(patch, places):
    with pytest.raises(ShapeError, match="insert"):
        insert(torch.zeros(1, 3, 16, 12), torch.zeros(patch), torch.tensor(places))


@pytest.mark.parametrize("values", [torch.full((3, 2, 2), float("nan")), torch.full((3, 2, 2), 1.5), torch.zeros(2, 2)])
def test_a_broken_picture_is_refused(values):
    with pytest.raises(DataError, match="Picture broken"):
        Picture("broken", values)


def test_a_softened_patch_is_a_mixture_with_its_blur_and_passes_gradients():
    patch = torch.rand(4, 3, 6, 6, generator=generator(0)).mul(0.2).add(0.4).requires_grad_()
    soft = vary(patch, generator(1), contrast=0, brightness=0, noise=0, softness=1.0)
    assert bool((soft.std((2, 3)) < patch.std((2, 3))).all())
    soft.square().sum().backward()
    assert patch.grad is not None
    assert bool((patch.grad != 0).all())
