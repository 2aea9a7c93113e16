"""Crop, flip, Cutout: every window possible, every image its own, nothing else changed."""

from __future__ import annotations

import pytest
import torch

from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.data.augment import AutoAugment, Compose, Cutout, HorizontalFlip, RandomCrop, cifar_augment


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_crop_is_a_window_of_the_padded_image_and_every_window_occurs():
    image = torch.arange(1.0, 13.0).view(1, 3, 4)  # 3x4 pixels, none of them 0
    x = image.expand(400, 1, 3, 4)
    out = RandomCrop(padding=1)(x, seeded())
    padded = torch.zeros(5, 6)
    padded[1:4, 1:5] = image[0]
    windows = {tuple(padded[r : r + 3, c : c + 4].flatten().tolist()) for r in range(3) for c in range(3)}
    assert {tuple(crop.flatten().tolist()) for crop in out} == windows


def test_all_channels_of_a_crop_move_together():
    x = torch.rand(5, 1, 8, 8, generator=seeded()).expand(5, 3, 8, 8)
    out = RandomCrop(2)(x, seeded(1))
    assert torch.equal(out[:, 0], out[:, 2])
    assert out.is_contiguous()


def test_flip_mirrors_some_images_and_leaves_the_others():
    x = torch.arange(4.0).view(1, 1, 2, 2).expand(1000, 1, 2, 2)
    out = HorizontalFlip(0.3)(x, seeded())
    flipped = (out == torch.tensor([[1.0, 0.0], [3.0, 2.0]])).all(dim=(1, 2, 3))
    kept = (out == x).all(dim=(1, 2, 3))
    assert bool((flipped ^ kept).all())
    assert abs(int(flipped.sum()) - 300) < 4 * (1000 * 0.3 * 0.7) ** 0.5  # four standard deviations
    assert torch.equal(HorizontalFlip(0.0)(x, seeded()), x)


def test_a_cutout_hole_is_where_the_drawn_centre_says():
    out = Cutout(size=4, fill=(0.25,))(torch.ones(50, 2, 6, 8), seeded(3))
    again = seeded(3)
    rows, columns = (torch.randint(0, side, (50, 1, 1), generator=again).flatten().tolist() for side in (6, 8))
    expected = torch.ones(50, 2, 6, 8)
    for place, (row, column) in enumerate(zip(rows, columns, strict=True)):
        expected[place, :, max(row - 2, 0) : row + 2, max(column - 2, 0) : column + 2] = 0.25
    assert torch.equal(out, expected)


def test_holes_add_up_and_fill_can_differ_by_channel():
    out = Cutout(size=2, holes=3, fill=(0.0, 0.5))(torch.ones(200, 2, 8, 8), seeded())
    assert torch.equal(out[:, 0] == 0, out[:, 1] == 0.5)
    area = (out[:, 0] == 0).sum((1, 2))
    assert int(area.max()) == 12
    assert int(area.min()) >= 1


def test_compose_runs_in_order_from_one_generator():
    x = torch.rand(6, 3, 8, 8, generator=seeded())
    crop, cut = RandomCrop(2), Cutout(4)
    generator = seeded(5)
    assert torch.equal(Compose((crop, cut))(x, seeded(5)), cut(crop(x, generator), generator))
    assert Compose(())(x, seeded()) is x


def test_the_recipe_of_cifar():
    names = [type(step).__name__ for step in cifar_augment().steps]
    assert names == ["RandomCrop", "HorizontalFlip"]
    full = cifar_augment(autoaugment=AutoAugment(), cutout=Cutout(16))
    assert [type(step).__name__ for step in full.steps] == [*names, "AutoAugment", "Cutout"]
    assert full == cifar_augment(autoaugment=AutoAugment("cifar10"), cutout=Cutout(16))


ALL = [RandomCrop(2), HorizontalFlip(), Cutout(4), AutoAugment(), cifar_augment(autoaugment=AutoAugment())]


@pytest.mark.parametrize("augment", ALL, ids=lambda augment: type(augment).__name__)
def test_every_augmentation_keeps_shape_range_input_and_global_generator(augment):
    x = torch.rand(16, 3, 32, 32, generator=seeded()).mul(255).round().div(255)
    copy, state = x.clone(), torch.get_rng_state()
    out = augment(x, seeded(1))
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert 0 <= float(out.min()) <= float(out.max()) <= 1
    assert torch.equal(x, copy)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(augment(x, seeded(1)), out)
    assert not torch.equal(augment(x, seeded(2)), out)
    assert augment(x[:0], seeded()).shape == (0, 3, 32, 32)


@pytest.mark.parametrize("augment", ALL, ids=lambda augment: type(augment).__name__)
def test_every_augmentation_refuses_what_is_no_batch(augment):
    with pytest.raises(ShapeError, match=r"expected float images of shape \[N, C, H, W\]"):
        augment(torch.zeros(3, 32, 32), seeded())


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RandomCrop(0), "RandomCrop.padding: got 0"),
        (lambda: HorizontalFlip(1.5), r"HorizontalFlip.p: got 1.5; expected a probability 0..1"),
        (lambda: HorizontalFlip(float("nan")), "HorizontalFlip.p"),
        (lambda: Cutout(0), "Cutout.size: got 0"),
        (lambda: Cutout(4, 0), "Cutout.holes: got 0"),
        (lambda: Cutout(fill=()), r"Cutout.fill: got \(\); expected pixel values in \[0, 1\]"),
        (lambda: Cutout(fill=(128.0,)), "Cutout.fill"),
    ],
)
def test_impossible_arguments_are_refused(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_fill_must_fit_the_channels():
    with pytest.raises(ShapeError, match=r"Cutout.fill: got 3 values for 1 channels; expected 1 or 1"):
        Cutout(4, fill=(0.1, 0.2, 0.3))(torch.zeros(2, 1, 8, 8), seeded())
