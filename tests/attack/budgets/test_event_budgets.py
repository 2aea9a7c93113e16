"""Budgets of events: exact for whole numbers, strict, and the nearest allowed frames, compared with trying all."""

from itertools import permutations, product

import pytest
import torch

from spikewright.attack import EventCounts, SpikeFlips, SpikeShifts
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.core.seed import generator

BUDGETS = [SpikeFlips(eps=3), EventCounts(eps=3), SpikeShifts(eps=3, reach=2), SpikeShifts(eps=2, reach=1, high=9.0)]
EVERY = pytest.mark.parametrize("budget", BUDGETS, ids=str)


def frames(budget, *shape, seed=0):
    draw = torch.rand(shape, generator=generator(seed))
    return (draw < 0.4).float() if budget.high == 1 else (3 * draw).floor()


def every_frames(shape, highest):
    size = torch.Size(shape).numel()
    return torch.tensor(list(product(range(highest + 1), repeat=size)), dtype=torch.float32).view(-1, *shape)


@EVERY
def test_what_is_drawn_is_allowed_and_of_every_size(budget):
    x = frames(budget, 200, 6, 1, 2, 2)
    edge, sample = budget.edge(x, generator(1)), budget.sample(x, generator(1))
    for z in (edge, sample):
        assert budget.contains(z, x).all()
        assert torch.equal(budget.project(z, x), z)
    assert (budget.distance(edge, x) == budget.eps).double().mean() > 0.9
    assert set(budget.distance(sample, x).tolist()) == set(range(budget.eps + 1))


@EVERY
def test_a_projection_is_allowed_whatever_it_is_given(budget):
    x = frames(budget, 40, 4, 1, 2, 2)
    far = x + 2 * torch.randn(x.shape, generator=generator(1))
    z = budget.project(far, x)
    assert budget.contains(z, x).all()
    assert (budget.distance(z, x) > 0).double().mean() > 0.9
    assert ((z - far).flatten(1).norm(dim=1) <= (x - far).flatten(1).norm(dim=1)).all()


@pytest.mark.parametrize(
    "budget", [SpikeFlips(eps=1), SpikeFlips(eps=2), EventCounts(eps=1), EventCounts(eps=3, high=2)]
)
@pytest.mark.parametrize("scale", [0.7, 3.0])
def test_a_projection_is_the_nearest_of_all(budget, scale):
    x = frames(budget, 30, 2, 2)
    z = x + scale * torch.randn(x.shape, generator=generator(2))
    everything = every_frames((2, 2), 1 if budget.high == 1 else 5)
    for one, goal in zip(x, z):
        allowed = everything[budget.contains(everything, one.expand_as(everything))]
        best = float((allowed - goal).flatten(1).square().sum(1).min())
        found = budget.project(goal[None], one[None])
        assert float((found - goal).square().sum()) == pytest.approx(best, rel=1e-5)


@EVERY
def test_containing_is_strict(budget):
    x = frames(budget, 1, 6, 1, 2, 2)
    assert budget.contains(x, x).all()
    assert not budget.contains(x + 1e-6, x).any()
    assert not budget.contains(x - 1, x).any()
    assert not budget.contains(1 - x if budget.high == 1 else x + 1, x).any()


def fewest_moves(x, z, reach):
    """Moved events of the matching in order, from the times of all events."""
    moved = 0
    for before, after in zip(x.T.tolist(), z.T.tolist()):
        start = [t for t, many in enumerate(before) for _ in range(int(many))]
        end = [t for t, many in enumerate(after) for _ in range(int(many))]
        if len(start) != len(end) or any(abs(a - b) > reach for a, b in zip(start, end)):
            return None
        moved += sum(a != b for a, b in zip(start, end))
        best = min(max(map(abs, (a - b for a, b in zip(start, other))), default=0) for other in permutations(end))
        assert max(map(abs, (a - b for a, b in zip(start, end))), default=0) == best
    return moved


@pytest.mark.parametrize("reach", [1, 2, 9])
@pytest.mark.parametrize("highest", [1, 2])
def test_shifts_are_counted_event_by_event(reach, highest):
    everything, seen = every_frames((4, 1), highest), 0
    for x in everything[:: 1 + 2 * highest]:
        for eps in (1, 2):
            budget = SpikeShifts(eps=eps, reach=reach, high=highest)
            expected = [fewest_moves(x, z, reach) for z in everything]
            allowed = [moves is not None and moves <= eps for moves in expected]
            assert budget.contains(everything, x.expand_as(everything)).tolist() == allowed
            distances = budget.distance(everything, x.expand_as(everything)).tolist()
            assert all(d == moves for d, moves, ok in zip(distances, expected, allowed) if ok)
            seen += sum(allowed)
    assert seen > 20


def test_shifts_keep_the_number_of_events_of_every_pixel():
    budget = SpikeShifts(eps=20, reach=3)
    x = frames(budget, 20, 8, 2, 3)
    z = budget.edge(x, generator(0))
    assert torch.equal(z.sum(1), x.sum(1))
    assert not torch.equal(z, x)


def test_an_event_cannot_move_where_another_is_or_beyond_the_end():
    x = torch.tensor([1.0, 1.0, 0.0]).view(1, 3, 1)
    gradient = torch.tensor([0.0, 5.0, -1.0]).view(1, 3, 1)
    moves = SpikeShifts(reach=2).moves(x, x, gradient, 9)
    assert not moves.gain.isfinite().any()  # 0 -> 1 would gain 5, but is taken; everything else falls
    counts = SpikeShifts(reach=2, high=2.0).moves(x, x, gradient, 9)
    assert counts.places[0, 0].tolist() == [0, 1]
    assert counts.gain[0].isfinite().sum() == 1


def test_the_best_moves_by_hand():
    x = torch.tensor([[0.0, 1.0, 2.0, 0.0]])
    gradient = torch.tensor([[1.0, 4.0, -3.0, -9.0]])
    flips = SpikeFlips().moves((x > 0).float(), (x > 0).float(), gradient, 9)
    assert [(p, b) for p, b, g in zip(flips.places[0, :, 0].tolist(), flips.by[0, :, 0].tolist(), flips.gain[0]) if g > 0] == [
        (2, -1), (0, 1),
    ]  # fmt: skip
    counts = EventCounts(high=3).moves(x, x, gradient, 9)
    assert counts.places[0, :3, 0].tolist() == [1, 2, 0]
    assert counts.by[0, :3, 0].tolist() == [1, -1, 1]
    assert counts.gain[0].tolist() == [4, 3, 1, -torch.inf]


@EVERY
def test_the_steepest_direction_rises_most(budget):
    x = torch.randn(5, 4, 2, 2, generator=generator(0))
    rise = (budget.steepest(x) * x).flatten(1).sum(1)
    if isinstance(budget, SpikeShifts):
        lags = [x[:, lag:] - x[:, :-lag] for lag in range(1, budget.reach + 1)]
        expected = torch.stack([lag.abs().flatten(1).amax(1) for lag in lags]).amax(0)
    else:
        expected = x.flatten(1).abs().amax(1)
    torch.testing.assert_close(rise, expected)
    assert not budget.steepest(torch.zeros(1, 4, 2)).any()


def test_counts_above_the_highest_may_stay():
    x = torch.tensor([[7.0, 0.0]])
    budget = EventCounts(eps=3, high=4)
    assert budget.contains(x, x).all()
    assert budget.project(torch.tensor([[9.0, 9.0]]), x).tolist() == [[7.0, 3.0]]
    assert torch.equal(EventCounts(eps=0, high=4).project(x + 5, x), x)


def test_equally_good_changes_are_made_from_the_first_on():
    x = torch.zeros(1, 5)
    assert SpikeFlips(eps=2).project(x + 1, x).tolist() == [[1, 1, 0, 0, 0]]
    assert EventCounts(eps=3).project(x + 2, x).tolist() == [[1, 1, 1, 0, 0]]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SpikeFlips(eps=2.0), r"SpikeFlips.eps: got 2.0; expected a whole number of at least 0"),
        (lambda: EventCounts(eps=-1), r"EventCounts.eps: got -1"),
        (lambda: EventCounts(low=1.0), r"EventCounts.low: got 1.0; expected 0, the fewest events there are"),
        (lambda: SpikeFlips(high=2.0), r"SpikeFlips.high: got 2.0; expected 1. For counts take EventCounts"),
        (lambda: SpikeShifts(reach=0), r"SpikeShifts.reach: got 0; expected a whole number of at least 1"),
    ],
)
def test_wrong_arguments(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_wrong_data():
    with pytest.raises(DataError, match=r"SpikeFlips: got values other than 0 and 1; expected binary frames"):
        SpikeFlips().check(torch.tensor([[2.0]]))
    with pytest.raises(
        DataError, match=r"EventCounts: got values that count nothing; expected whole numbers of events"
    ):
        EventCounts().check(torch.tensor([[0.5]]))
    with pytest.raises(DataError, match=r"SpikeShifts: got values that count nothing"):
        SpikeShifts().check(torch.full((1, 2, 1), -1.0))
    with pytest.raises(ShapeError, match=r"SpikeShifts: got a batch of shape \[1, 2\]; expected sequences \[N, T"):
        SpikeShifts().check(torch.zeros(1, 2))
