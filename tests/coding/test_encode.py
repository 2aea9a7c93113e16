"""Encoders: repeat, Poisson and latency by hand, their gradients, and bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.coding import as_given, latency, poisson, repeat
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.core.seed import generator
from spikewright.neurons import IF


def seeded_poisson(x, timesteps):
    return poisson(x, timesteps, generator(0))


ENCODE = {"repeat": repeat, "poisson": seeded_poisson, "latency": latency}
every = pytest.mark.parametrize("name", ENCODE)


@every
@pytest.mark.parametrize("timesteps", [0, -1, 2.0, True, None])
def test_the_number_of_steps_must_be_whole_and_at_least_one(name, timesteps):
    message = rf"{name}\.timesteps: got .*; expected a whole number of at least 1\."
    with pytest.raises(ArgumentError, match=message):
        ENCODE[name](torch.zeros(1, 2), timesteps)


@every
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(1, 2, dtype=torch.uint8), r"got dtype torch\.uint8; expected a floating-point dtype.*255"),
        (torch.zeros(0, 2), r"got shape \[0, 2\]; expected \[N, ...\] with N >= 1"),
        (torch.zeros(2, 0), r"got shape \[2, 0\]; .*at least one value"),
        (torch.tensor(0.5), r"got shape \[\]; expected \[N, ...\]"),
        ([0.5], r"got list; expected a tensor"),
    ],
)
def test_bad_shapes_and_dtypes_are_refused(name, x, message):
    with pytest.raises(ShapeError, match=rf"{name}: {message}"):
        ENCODE[name](x, 2)


@every
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_must_be_finite(name, value):
    with pytest.raises(DataError, match=rf"{name}: got NaN or infinite values; expected finite values\."):
        ENCODE[name](torch.tensor([[0.5, value, 0.25]]), 2)


@pytest.mark.parametrize("name", ["poisson", "latency"])
@pytest.mark.parametrize("x", [[[0.0, 1.5]], [[-0.25, 1.0]]])
def test_values_outside_zero_to_one_are_refused(name, x):
    with pytest.raises(DataError, match=rf"{name}: got values from .* to .*; expected values in 0\.\.1\."):
        ENCODE[name](torch.tensor(x), 2)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_dtype_is_kept_and_the_ends_are_exact(name, dtype):
    x = torch.tensor([[0.0, 1.0]], dtype=dtype)
    out = ENCODE[name](x, 4)
    assert out.dtype == dtype
    assert out.shape == (4, 1, 2)
    assert out[:, 0, 0].tolist() == [0.0] * 4
    assert out[0, 0, 1].item() == 1.0


@pytest.mark.parametrize("name", ["repeat", "poisson"])
def test_the_first_steps_do_not_depend_on_how_many_follow(name):
    x = torch.rand(2, 3, generator=generator(1))
    assert torch.equal(ENCODE[name](x, 3), ENCODE[name](x, 8)[:3])


def test_repeat_is_a_view_of_any_values_with_a_gradient():
    x = torch.tensor([[-3.0, 7.0]], requires_grad=True)
    xs = repeat(x, 5)
    assert xs.data_ptr() == x.data_ptr()
    assert xs.stride(0) == 0
    assert torch.equal(xs, x.expand(5, 1, 2))
    xs.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[5.0, 5.0]]


def test_repeat_feeds_a_shell():
    assert Spiking(IF())(repeat(torch.tensor([[0.5]]), 4)).flatten().tolist() == [0.0, 1.0, 0.0, 1.0]


def test_poisson_gives_zeros_and_ones_that_repeat_with_the_seed():
    x = torch.rand(3, 4, generator=generator(5))
    spikes = poisson(x, 6, generator(2))
    assert set(spikes.flatten().tolist()) == {0.0, 1.0}
    assert torch.equal(spikes, poisson(x, 6, generator(2)))
    assert not torch.equal(spikes, poisson(x, 6, generator(3)))


@pytest.mark.parametrize(("draw", "expected"), [(0.0, [0.0, 1.0, 1.0]), (1 - 2**-24, [0.0, 0.0, 1.0])])
def test_poisson_is_exact_at_the_ends_of_the_draws(monkeypatch, draw, expected):
    monkeypatch.setattr(torch, "rand", lambda shape, **source: torch.full(shape, draw))
    assert poisson(torch.tensor([[0.0, 0.5, 1.0]]), 1, generator(0)).flatten().tolist() == expected


def test_poisson_fires_at_the_rate_of_the_value():
    x = torch.tensor([[0.1, 0.5, 0.9]]).repeat(500, 1)
    rate = poisson(x, 40, generator(0)).mean((0, 1))
    # 20,000 draws: five standard deviations are 5 sqrt(p (1 - p) / 20000)
    for met, p in zip(rate.tolist(), (0.1, 0.5, 0.9)):
        assert abs(met - p) < 5 * math.sqrt(p * (1 - p) / 20_000)


def test_poisson_steps_and_samples_are_independent():
    spikes = poisson(torch.full((200, 50), 0.5), 2, generator(0))
    assert abs((spikes[0] * spikes[1]).mean().item() - 0.25) < 0.022  # five standard deviations of 10,000 draws
    assert abs((spikes[:, 0] * spikes[:, 1]).mean().item() - 0.25) < 0.22


def test_poisson_draws_the_same_for_every_dtype_and_leaves_the_global_state_alone():
    x = torch.tensor([[0.25, 0.5, 0.75]])
    torch.manual_seed(0)
    first = poisson(x, 20, generator(0))
    after = torch.rand(())
    torch.manual_seed(0)
    assert torch.equal(torch.rand(()), after)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert torch.equal(poisson(x.to(dtype), 20, generator(0)).float(), first)


def test_the_gradient_of_poisson_is_that_of_the_expectation():
    x = torch.rand(2, 3, generator=generator(5)).requires_grad_()
    weights = torch.rand(7, 2, 3, generator=generator(6))
    spikes = poisson(x, 7, generator(0))
    (weights * spikes).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, weights.sum(0))
    spikes = poisson(x, 7, generator(0)).mean(0)
    (gradient,) = torch.autograd.grad(spikes.sum(), x)
    torch.testing.assert_close(gradient, torch.ones(2, 3))


def test_latency_by_hand():
    x = torch.tensor([[1.0, 0.75, 0.74, 0.5, 0.25, 0.01, 0.0]])
    steps = [0, 1, 1, 2, 3, 3, None]  # floor((1 - x) * 4)
    out = latency(x, 4)[:, 0]
    for unit, step in enumerate(steps):
        assert out[:, unit].tolist() == [float(t == step) for t in range(4)]


def test_latency_of_the_smallest_positive_value_is_the_last_step():
    out = latency(torch.tensor([[1e-30, 0.0]]), 5)
    assert out[:, 0].sum(0).tolist() == [1.0, 0.0]
    assert out[-1, 0, 0] == 1.0


def test_latency_has_no_gradient():
    assert not latency(torch.tensor([[0.5]], requires_grad=True), 2).requires_grad


@settings(max_examples=40, deadline=None, derandomize=True)
@given(values=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=8), timesteps=st.integers(1, 12))
def test_latency_fires_once_and_larger_values_never_later(values, timesteps):
    x = torch.tensor(sorted(values, reverse=True)).unsqueeze(0)
    out = latency(x, timesteps)[:, 0]
    assert out.sum(0).tolist() == [float(value > 0) for value in x[0].tolist()]
    fired = [out[:, unit].argmax().item() for unit in range(x.shape[1]) if x[0, unit] > 0]
    assert fired == sorted(fired)


def test_a_sequence_is_given_as_it_is():
    xs = torch.rand(5, 2, 3)
    assert torch.equal(as_given(xs, 5), xs)
    assert torch.equal(as_given(xs, 2), xs[:2])


@pytest.mark.parametrize(
    ("xs", "timesteps", "error", "match"),
    [
        (
            torch.zeros(5, 2, 3),
            6,
            ShapeError,
            r"as_given: got a sequence of 5 steps; expected at least 6. Ask for fewer",
        ),
        (torch.zeros(5, 2), 1, ShapeError, r"as_given: got shape \[5, 2\]; expected \[T, N, ...\], time first"),
        (torch.zeros(5, 2, 3, dtype=torch.uint8), 1, ShapeError, "as_given: got dtype torch.uint8"),
        (torch.zeros(5, 2, 3), 0, ArgumentError, "as_given.timesteps: got 0"),
    ],
)
def test_what_is_no_sequence_of_that_length_is_refused(xs, timesteps, error, match):
    with pytest.raises(error, match=match):
        as_given(xs, timesteps)
