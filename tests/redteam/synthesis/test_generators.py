"""Generators: components that explain, classes that count, a decoder that learns, files that give the same pictures."""

import pytest
import torch

from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.core.seed import generator
from spikewright.redteam.synthesis import ConvDecoder, PCAGenerator
from spikewright.redteam.synthesis.decoder import pyramid_distance
from spikewright.redteam.synthesis.generators import natural_crops, principal
from tests.redteam.synthesis.conftest import drawn


def test_components_are_those_of_the_covariance():
    for rows, columns in ((30, 6), (6, 30)):
        x = torch.randn(rows, columns, generator=generator(0), dtype=torch.float64)
        x = x - x.mean(0)
        directions, lengths = principal(x, 3)
        _, values, vectors = torch.linalg.svd(x, full_matrices=False)
        torch.testing.assert_close(lengths, values[:3] / rows**0.5)
        torch.testing.assert_close((directions * vectors[:3]).sum(1).abs(), torch.ones(3, dtype=torch.float64))


def test_pictures_are_like_those_it_was_fitted_to():
    x, _ = drawn(200, generator(0))
    made = PCAGenerator.fit(x, latents=64)
    pictures = made(torch.randn(400, 64, generator=generator(1))).detach()
    assert pictures.shape == (400, 3, 16, 16)
    assert (pictures.mean((0, 2, 3)) - x.mean((0, 2, 3))).abs().max() < 0.05
    assert (pictures.std() - x.std()).abs() < 0.05
    assert PCAGenerator.fit(x[:5], latents=64).latents == 4


def test_a_class_vector_moves_the_picture_to_its_class():
    x, y = torch.rand(60, 3, 4, 4, generator=generator(0)) * 0.2, torch.arange(60) % 3
    x[y == 2] += 0.7
    made = PCAGenerator.fit(x, latents=8, labels=y)
    means = made(torch.zeros(3, 8), torch.eye(3)).mean((1, 2, 3)).detach()
    assert float(means[2]) > 0.7
    assert float(means[:2].max()) < 0.3
    with pytest.raises(ShapeError, match=r"PCAGenerator: got no class vectors; expected \[2, 3\]"):
        made(torch.zeros(2, 8))


def test_crops_are_cut_from_the_pictures():
    x = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 3, 12, 10) * 0.5
    crops = natural_crops(x, 40, 6, 6, generator(0), least=4)
    assert crops.shape == (40, 3, 6, 6)
    assert {round(value, 4) for value in crops.unique().tolist()} == {0.0, 0.5}
    assert natural_crops(x, 3, 12, 10, generator(0)).shape == (3, 3, 12, 10)


def test_a_decoder_learns_and_its_samples_are_like_what_it_learnt():
    x, y = drawn(64, generator(0))
    losses = []
    made = ConvDecoder.train_on(
        x, latents=16, width=32, steps=60, batch=32, labels=y, see=lambda _, loss: losses.append(loss)
    )
    assert sum(losses[-6:]) < 0.8 * sum(losses[:6])
    classes = torch.eye(4)[torch.arange(64) % 4]
    pictures = made(torch.randn(64, 16, generator=generator(1)), classes).detach()
    assert pictures.shape == x.shape
    assert (pictures.mean() - x.mean()).abs() < 0.1
    assert made.block(torch.zeros(2, 16), classes[:2]).shape == (2, 16, 8, 8)


@pytest.mark.parametrize("kind", ["pca", "decoder"])
def test_a_file_gives_the_same_pictures(tmp_path, kind):
    x, y = drawn(40, generator(0))
    if kind == "pca":
        made = PCAGenerator.fit(x, latents=6, labels=y)
    else:
        made = ConvDecoder.train_on(x, latents=6, width=8, steps=2)
    made.write(tmp_path / "generator.safetensors")
    again = type(made).read(tmp_path / "generator.safetensors")
    z, c = torch.randn(3, 6, generator=generator(1)), torch.eye(4)[:3] if made.classes else None
    assert torch.equal(made(z, c), again(z, c))
    other = ConvDecoder if kind == "pca" else PCAGenerator
    with pytest.raises(DataError, match=rf"{other.__name__}.read: got .* expected a file of {other.__name__}"):
        other.read(tmp_path / "generator.safetensors")


def test_a_pyramid_weighs_every_octave():
    coarse, fine = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    coarse[..., :4] = 1
    fine[..., ::2] = 1
    zero = torch.zeros(1, 1, 8, 8)
    assert float(pyramid_distance(coarse, zero)) == pytest.approx(0.5)
    assert float(pyramid_distance(fine, zero)) == pytest.approx(1.0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match=r"ConvDecoder.side: got 24; expected a power of 2"):
        ConvDecoder(side=24)
    with pytest.raises(ShapeError, match=r"PCAGenerator.fit: got labels of shape \[3\]"):
        PCAGenerator.fit(torch.rand(4, 3, 4, 4), labels=torch.zeros(3, dtype=torch.long))
