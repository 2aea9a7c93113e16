"""What every surrogate must do; a new one in spikewright.core is tested without a new line."""

import dataclasses
import math

import pytest
import torch

import spikewright.core
from spikewright.core import Surrogate
from spikewright.core.errors import ArgumentError
from spikewright.core.registry import collect

SURROGATES = collect(vars(spikewright.core), Surrogate)

RISE = {"SuperSpike": 2 / 10.0, "LeakyRectangle": math.inf, "StraightThrough": math.inf}
"""Area under the derivative where it is not 1."""

UNEVEN: set[str] = set()
"""Surrogates that declare themselves uneven in their docstring."""

every = pytest.mark.parametrize("kind", SURROGATES.values(), ids=SURROGATES)


def scaled(kind, factor):
    """The surrogate with every constant times a factor."""
    constants = {f.name: f.default for f in dataclasses.fields(kind) if isinstance(f.default, float)}
    return kind(**{name: factor * value for name, value in constants.items()})


def grid(high=4.0, count=801):
    """Points on both sides of 0, away from the kinks at round numbers."""
    return torch.linspace(-high, high, count, dtype=torch.float64) + 0.000937


def test_there_are_at_least_ten():
    assert len(SURROGATES) >= 10
    assert {"ATan", "SuperSpike", "Triangle", "Rectangle", "Sigmoid"} <= set(SURROGATES)


@every
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_derivative_is_the_numerical_derivative_of_the_primitive(kind, factor):
    surrogate, u, h = scaled(kind, factor), grid(), 1e-5
    numerical = (surrogate.primitive(u + h) - surrogate.primitive(u - h)) / (2 * h)
    torch.testing.assert_close(surrogate.derivative(u), numerical, rtol=1e-7, atol=1e-7)
    assert surrogate.derivative(u).abs().sum() > 0


@every
def test_autograd_gives_the_derivative(kind):
    surrogate, u = kind(), grid().requires_grad_()
    upstream = torch.linspace(-1, 2, len(u), dtype=torch.float64)
    surrogate(u).backward(upstream)
    torch.testing.assert_close(u.grad, upstream * surrogate.derivative(u.detach()), rtol=0, atol=0)


@every
def test_the_forward_pass_is_the_exact_step(kind):
    u = torch.tensor([-1e6, -1.0, -1e-30, -0.0, 0.0, 1e-30, 1.0, 1e6])
    assert kind()(u).tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert kind(fires=torch.gt)(u).tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


@every
def test_the_comparison_does_not_change_the_derivative(kind):
    u = grid()
    assert torch.equal(kind().derivative(u), kind(fires=torch.gt).derivative(u))


@every
def test_the_area_is_one_unless_said_otherwise(kind):
    surrogate, far = kind(), torch.tensor([-1e9, 1e9], dtype=torch.float64)
    low, high = surrogate.primitive(far).tolist()
    expected = RISE.get(kind.__name__, 1.0)
    if math.isinf(expected):
        assert high - low > 1e6
    else:
        assert high - low == pytest.approx(expected, abs=1e-6)


@every
def test_it_is_even_unless_declared(kind):
    u = grid()
    even = torch.allclose(kind().derivative(u), kind().derivative(-u), rtol=1e-12, atol=1e-15)
    assert even == (kind.__name__ not in UNEVEN)


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_it_is_finite_far_away_and_keeps_the_dtype(kind, dtype):
    u = torch.tensor([-1e6, -1e3, 0.0, 1e3, 1e6]).to(dtype).requires_grad_()  # 1e6 is infinite in float16
    s = kind()(u)
    s.sum().backward()
    assert s.dtype == dtype
    assert s.tolist() == [0, 0, 1, 1, 1]
    assert u.grad is not None
    assert u.grad.dtype == dtype
    assert torch.isfinite(u.grad).all()


@every
def test_every_constant_must_be_above_zero(kind):
    names = [f.name for f in dataclasses.fields(kind) if isinstance(f.default, float)]
    for name in names:
        with pytest.raises(ArgumentError, match=rf"{kind.__name__}\.{name}: got -1\.0; expected a finite"):
            kind(**{name: -1.0})
    assert names or kind.__name__ == "StraightThrough"
