"""Square: the schedule, squares and windows by hand, and a margin that never falls, for images of any shape."""

import math

import pytest
import torch

from spikewright.attack import L2, Classifier, Linf, RandomNoise, Square, margin, perturb, run_attack
from spikewright.attack.oracle import Oracle
from spikewright.attack.searches.square import HALVINGS, first_stripes, painted_share, painted_square, side_of
from spikewright.attack.searches.square_l2 import bump, first_tiles, moved_window, two_bumps
from spikewright.attack.searches.windows import index_of, mask_of, random_corners
from spikewright.coding import as_given
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.core.seed import generator
from tests.attack.conftest import small_network

NORMS = pytest.mark.parametrize("budget", [Linf(eps=0.06), L2(eps=0.4)], ids=["Linf", "L2"])


def followed(search, budget, x, y, view):
    """All inputs a search asks about, and the margins there."""
    oracle, asked, values = Oracle(view, budget, x, y), [], []
    logits = oracle.logits

    def noted(z):
        answers = logits(z)
        asked.append(z.clone())
        values.append(margin(answers, y))
        return answers

    oracle.logits = noted
    last = search.search(oracle, generator(3))
    assert oracle.backwards == 0
    return last, asked, torch.stack(values)


def test_the_schedule():
    shares = [painted_share(query, 0.8) for query in (0, 10, 11, 50, 51, 201, 501, 1001, 2001, 4001, 6001, 8001, 9999)]
    assert shares == [0.8 / 2**n for n in (0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9)]
    assert painted_share(30, 0.8, (5, 20)) == 0.2


def test_the_schedule_is_that_of_the_authors_code():
    theirs = pytest.importorskip("pyautoattack.square").SquareAttack(None, eps=0.1, p_init=0.8, resc_schedule=False)
    assert all(painted_share(query, 0.8) == theirs.p_selection(query) for query in range(0, 10_000, 7))


def test_bumps_are_those_of_the_authors_code():
    theirs = pytest.importorskip("pyautoattack.square").SquareAttack(None, eps=0.1, norm="L2", device="cpu")
    for height, width in ((1, 1), (1, 3), (3, 5), (4, 7), (7, 7)):
        torch.testing.assert_close(bump(height, width), theirs.eta_rectangles(height, width))
    for side in (2, 3, 6, 9):
        theirs_now = theirs.eta(side)  # or its transpose, by chance
        assert any(torch.allclose(two_bumps(side), one, atol=1e-6) for one in (theirs_now, theirs_now.T))


def test_sides():
    assert [side_of(share, 32, 32) for share in (0.8, 0.2, 0.0015625, 1e-9)] == [29, 14, 1, 1]
    assert side_of(1.0, 3, 40) == 3


def test_windows_reach_every_place():
    x = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    corners = torch.tensor([2, 0]), torch.tensor([3, 1])
    inside = mask_of(corners, 2, x)
    assert inside.shape == (2, 1, 4, 5)
    assert torch.equal(x[index_of(corners, 2, x)][0], x[0, :, 2:4, 3:5])
    assert torch.equal(x[index_of(corners, 2, x)][1], x[1, :, 0:2, 1:3])
    assert inside.flatten(1).sum(1).tolist() == [4, 4]
    assert inside[0, 0, 2:4, 3:5].all()
    rows, columns = random_corners(torch.zeros(500, 1, 4, 5), 2, generator(0))
    assert (set(rows.tolist()), set(columns.tolist())) == ({0, 1, 2}, {0, 1, 2, 3})


def test_stripes_and_squares_in_linf():
    x, budget = torch.full((40, 3, 8, 8), 0.5), Linf(eps=0.1)
    stripes = first_stripes(x, 0.1, generator(0))
    assert torch.equal(stripes, stripes[:, :, :1].expand_as(x))
    torch.testing.assert_close((stripes - x).abs(), torch.full_like(x, 0.1))
    z = budget.project(painted_square(stripes, x, 0.1, 0.25, generator(1)), x)
    torch.testing.assert_close((z - x).abs(), torch.full_like(x, 0.1))  # every value stays at an end
    changed = (z != stripes).flatten(1).sum(1)
    assert (changed <= 3 * 16).all()
    assert changed.max() > 16
    assert len({tuple(row) for row in (z != stripes).any(1).flatten(1).tolist()}) > 30  # each sample has its own


def test_tiles_and_windows_in_l2():
    x = torch.full((30, 3, 11, 13), 0.5)
    z = first_tiles(x, 0.3, generator(0))
    full = torch.full((30,), 0.3)
    torch.testing.assert_close((z - x).flatten(1).norm(dim=1), full)
    moved = moved_window(z, x, 0.3, 0.1, generator(1))
    torch.testing.assert_close((moved - x).flatten(1).norm(dim=1), full)
    emptied = (moved == x).all(1).flatten(1).sum(1)
    assert (emptied > 0).double().mean() > 0.7  # unless both windows overlap
    same = torch.isclose(moved, z, atol=1e-6).all(1).flatten(1).sum(1)
    assert (same >= 11 * 13 - 2 * 25).all()  # all but two windows of side 5 is as before


def test_length_that_is_not_used_is_given_to_the_window():
    x = torch.full((1, 2, 9, 9), 0.5)
    z = moved_window(x, x, 0.25, 0.1, generator(0))
    change = (z - x).square().sum((-2, -1)).sqrt()
    torch.testing.assert_close(change, torch.full((1, 2), 0.25 / math.sqrt(2)))


@NORMS
def test_the_margin_never_falls_and_every_query_is_allowed(budget, images):
    view = Classifier(small_network(), 3)
    y = view(images).argmax(1)
    last, asked, values = followed(Square(queries=60), budget, images, y, view)
    assert len(asked) == 60
    assert all(budget.contains(z, images).all() for z in asked)
    torch.testing.assert_close(margin(view(last), y), values.amax(0))
    assert (values.amax(0) > values[0]).any()
    best = values.cummax(0).values
    kept = [values[0]]
    for value in values[1:]:
        kept.append(torch.maximum(kept[-1], value))
    assert torch.equal(torch.stack(kept), best)


@NORMS
@pytest.mark.parametrize("shape", [(3, 3, 5, 11), (3, 1, 12, 2), (3, 2, 1, 1)])
def test_images_need_not_be_square(budget, shape):
    torch.manual_seed(0)
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(math.prod(shape[1:]), 3))
    x = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    z = perturb(Classifier(flat), Square(queries=20), budget, x, torch.tensor([0, 1, 2]), generator=generator(0))
    assert budget.contains(z, x).all()
    assert (z != x).flatten(1).any(1).all()


def test_frames_of_a_sequence_are_painted_each():
    frames = torch.rand(3, 5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    view = Classifier(small_network(), 3, encode=as_given)
    y = view(frames.movedim(1, 0)).argmax(1)
    z = perturb(view, Square(queries=30), Linf(eps=0.1), frames, y, generator=generator(0))
    assert z.shape == frames.shape
    assert not torch.equal((z - frames)[0], (z - frames)[1])


def smooth_plane(shape):
    """A linear network with weights that change slowly over the image, which nothing within reach fools, and its input."""
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    layer = torch.nn.Linear(noise.numel(), 2)
    layer.weight.data = torch.stack(
        [torch.nn.functional.avg_pool2d(noise, 5, 1, 2).flatten(), torch.zeros(noise.numel())]
    )
    layer.bias.data = torch.tensor([1e3, 0.0])
    view = Classifier(torch.nn.Sequential(torch.nn.Flatten(), layer).double())
    return view, torch.full((20, *shape), 0.5, dtype=torch.float64), torch.zeros(20, dtype=torch.int64)


@pytest.mark.parametrize("budget", [Linf(eps=0.05), L2(eps=1.0)], ids=["Linf", "L2"])
def test_it_gets_farther_than_noise(budget):
    view, x, y = smooth_plane((3, 15, 15))
    risen = {}
    for search in (Square(queries=150), RandomNoise(draws=150, objective=margin)):
        z = perturb(view, search, budget, x, y, generator=generator(0))
        risen[type(search).__name__] = (margin(view(z), y) - margin(view(x), y)).min()
    assert risen["Square"] > 1.5 * risen["RandomNoise"] > 0


@pytest.mark.parametrize("budget", [Linf(eps=0.05), L2(eps=1.0)], ids=["Linf", "L2"])
def test_it_gets_as_far_as_the_authors_code(budget):
    library = pytest.importorskip("pyautoattack.square")
    view, x, y = smooth_plane((3, 15, 15))
    view, x = view.float(), x.float()
    theirs = library.SquareAttack(
        view, norm=type(budget).__name__, n_queries=150, eps=budget.eps, resc_schedule=False, device="cpu"
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs.init_hyperparam(x)
        _, expected = theirs.attack_single_run(x, y)
    ours = perturb(view, Square(queries=151), budget, x, y, generator=generator(0))
    with torch.no_grad():
        ratio = (margin(view(ours), y) - margin(view(x), y)).mean() / (
            margin(view(expected), y) - margin(view(x), y)
        ).mean()
    assert 0.95 < float(ratio) < 1.2  # theirs paints all samples alike, and never the last row and column


def test_it_stops_when_it_is_done(network):
    x = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    view = Classifier(network, 3)
    done = run_attack(view, Square(queries=5000), Linf(eps=1.0), [(x, view(x).argmax(1))])
    assert done.robust_accuracy == 0
    assert done.forwards < 1000
    assert done.backwards == 0


def test_what_it_cannot_do(network):
    flat = torch.nn.Linear(9, 3)
    with pytest.raises(
        ShapeError, match=r"Square: got inputs of shape \[2, 9\]; expected images \[N, ..., C, H, W\]. A"
    ):
        perturb(Classifier(flat), Square(), Linf(), torch.zeros(2, 9), torch.tensor([0, 1]), generator=generator(0))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Square(queries=0), r"Square.queries: got 0"),
        (lambda: Square(share=0.0), r"Square.share: got 0.0; expected a number above 0"),
        (lambda: Square(share=1.1), r"Square.share: got 1.1; expected a share"),
        (lambda: Square(halvings=(10, -1)), r"Square.halvings: got -1; expected a whole number of at least 0"),
    ],
)
def test_wrong_hyper_parameters(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_the_published_halvings():
    assert HALVINGS == (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
