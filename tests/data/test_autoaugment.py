"""AutoAugment: its operations equal Pillow's, its policy is applied image by image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.data import cifar10
from spikewright.data.autoaugment import CIFAR10_POLICY, AutoAugment, apply_part
from spikewright.data.pixel_operations import OPERATIONS


def enhanced(kind) -> Callable[[Image.Image, int, int], Image.Image]:
    strengths = np.linspace(0.0, 0.9, 10)
    return lambda image, k, sign: kind(image).enhance(1 + strengths[k] * sign)


def affine(matrix: Callable[[Image.Image, int, int], tuple], resample=Image.Resampling.NEAREST):
    kind = Image.Transform.AFFINE
    return lambda image, k, sign: image.transform(
        image.size, kind, matrix(image, k, sign), resample, fillcolor=(128, 128, 128)
    )


def rotated_over_grey(image: Image.Image, k: int, sign: int) -> Image.Image:
    turned = image.convert("RGBA").rotate(np.linspace(0, 30, 10)[k])
    grey = Image.new("RGBA", turned.size, (128,) * 4)
    return Image.composite(turned, grey, turned).convert("RGB")


SHEAR, SHIFT = np.linspace(0, 0.3, 10), np.linspace(0, 150 / 331, 10)
BITS, THRESHOLD = np.round(np.linspace(8, 4, 10)).astype(int), np.linspace(256, 0, 10)

# What the authors' code does to one image, with the strength tables it has.
PILLOW: dict[str, Callable[[Image.Image, int, int], Image.Image]] = {
    "invert": lambda image, k, sign: ImageOps.invert(image),
    "posterize": lambda image, k, sign: ImageOps.posterize(image, int(BITS[k])),
    "solarize": lambda image, k, sign: ImageOps.solarize(image, THRESHOLD[k]),
    "autocontrast": lambda image, k, sign: ImageOps.autocontrast(image),
    "equalize": lambda image, k, sign: ImageOps.equalize(image),
    "brightness": enhanced(ImageEnhance.Brightness),
    "color": enhanced(ImageEnhance.Color),
    "contrast": enhanced(ImageEnhance.Contrast),
    "sharpness": enhanced(ImageEnhance.Sharpness),
    "translate_x": affine(lambda image, k, sign: (1, 0, SHIFT[k] * image.size[0] * sign, 0, 1, 0)),
    "translate_y": affine(lambda image, k, sign: (1, 0, 0, 0, 1, SHIFT[k] * image.size[1] * sign)),
    "shear_y": affine(lambda image, k, sign: (1, 0, 0, SHEAR[k] * sign, 1, 0), Image.Resampling.BICUBIC),
    "rotate": rotated_over_grey,
}


def real_and_odd_images() -> torch.Tensor:
    """Real images, noise, single-coloured ones, and ones with two values: [16, 3, 32, 32]."""
    real = cifar10.load(split="calibration").images[:10]
    noise = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    flat = torch.tensor([0, 77, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 32, 32)
    two = torch.full((1, 3, 32, 32), 9, dtype=torch.uint8)
    two[:, :, :16] = 200
    return torch.cat([real, noise, flat, two])


def test_the_table_of_operations_is_complete():
    assert set(OPERATIONS) == set(PILLOW) == {name for sub in CIFAR10_POLICY for _, name, _ in sub}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_equals_pillow_at_every_strength(name):
    images = real_and_odd_images()
    strength = torch.arange(len(images)) % 10
    for turn in range(10):
        k = (strength + turn) % 10
        sign = torch.where((torch.arange(len(images)) + turn) % 3 == 0, -1, 1)
        out = OPERATIONS[name](images, k, sign)
        pixels = images.permute(0, 2, 3, 1).numpy()
        each = zip(pixels, k.tolist(), sign.tolist(), strict=True)
        expected = np.stack([np.asarray(PILLOW[name](Image.fromarray(p), s, d)) for p, s, d in each])
        assert torch.equal(out, torch.from_numpy(expected).permute(0, 3, 1, 2))


def test_operations_do_not_need_square_images():
    images = torch.randint(0, 256, (3, 3, 5, 9), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    k, sign = torch.tensor([9, 4, 1]), torch.tensor([1, -1, 1])
    for name, operation in OPERATIONS.items():
        pixels = images.permute(0, 2, 3, 1).numpy()
        each = zip(pixels, k.tolist(), sign.tolist(), strict=True)
        expected = np.stack([np.asarray(PILLOW[name](Image.fromarray(p), s, d)) for p, s, d in each])
        assert torch.equal(operation(images, k, sign), torch.from_numpy(expected).permute(0, 3, 1, 2)), name


def test_the_policy_has_25_pairs_of_probability_operation_and_strength():
    assert len(CIFAR10_POLICY) == 25
    for pair in CIFAR10_POLICY:
        assert len(pair) == 2
        for probability, _, strength in pair:
            assert 0 <= probability <= 1
            assert 0 <= strength <= 9


def test_a_part_is_applied_to_each_image_by_its_own_gate():
    images = torch.tensor([10, 20, 30], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    chosen = [(0.5, "invert", 0), (0.5, "invert", 0), (0.5, "solarize", 9)]
    out = apply_part(images, chosen, [0.49, 0.5, 0.0], torch.ones(3, dtype=torch.int64))
    assert out[:, 0, 0, 0].tolist() == [245, 20, 225]
    assert images[:, 0, 0, 0].tolist() == [10, 20, 30]


def test_images_of_one_batch_get_sub_policies_of_their_own():
    x = cifar10.load(split="calibration").gather(torch.zeros(64, dtype=torch.int64))[0]
    out = AutoAugment()(x, torch.Generator().manual_seed(0))
    assert len({image.numpy().tobytes() for image in out}) > 20


def test_the_result_is_that_of_the_drawn_sub_policies():
    x = cifar10.load(split="calibration").gather(torch.arange(40))[0]
    out = AutoAugment()(x, torch.Generator().manual_seed(7))
    generator = torch.Generator().manual_seed(7)
    which = torch.randint(0, 25, (40,), generator=generator).tolist()
    gates = torch.rand(40, 2, generator=generator).tolist()
    signs = (torch.randint(0, 2, (40, 2), generator=generator) * 2 - 1).tolist()
    for place, image in enumerate((x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()):
        drawn = Image.fromarray(image)
        for (probability, name, k), gate, sign in zip(CIFAR10_POLICY[which[place]], gates[place], signs[place]):
            drawn = PILLOW[name](drawn, k, sign) if gate < probability else drawn
        assert np.array_equal((out[place] * 255).round().permute(1, 2, 0).numpy(), np.asarray(drawn))


def test_what_it_cannot_work_on_is_refused():
    generator = torch.Generator()
    with pytest.raises(ArgumentError, match=r"AutoAugment.policy: got 'svhn'; expected cifar10"):
        AutoAugment("svhn")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ShapeError, match=r"images of 1 channels; expected RGB"):
        AutoAugment()(torch.zeros(2, 1, 8, 8), generator)
    with pytest.raises(DataError, match=r"pixels in -1..2; expected pixels in \[0, 1\]. Scale the pixels in the model"):
        AutoAugment()(torch.tensor([-1.0, 2.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4), generator)
