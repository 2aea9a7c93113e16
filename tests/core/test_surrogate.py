"""Surrogate derivatives at points worked by hand, and what their constants may be."""

import math
from dataclasses import FrozenInstanceError

import pytest
import torch

from spikewright.core import (
    ATan,
    Gaussian,
    LeakyRectangle,
    MultiGaussian,
    PiecewiseExponential,
    Rectangle,
    Sigmoid,
    SoftSign,
    StraightThrough,
    SuperSpike,
    Tanh,
    Triangle,
)
from spikewright.core.errors import ArgumentError

DENSITY = 1 / math.sqrt(2 * math.pi)  # of the standard normal at 0

BY_HAND = [
    (ATan(alpha=2.0), 1.0, 1 / (1 + math.pi**2)),
    (SuperSpike(beta=10.0), 0.1, 1 / 4),
    (SuperSpike(beta=100.0), -0.01, 1 / 4),
    (Sigmoid(alpha=4.0), 0.0, 1.0),
    (Triangle(gamma=1.0), 0.25, 0.75),
    (Triangle(gamma=2.0), -1.0, 0.25),
    (Triangle(gamma=2.0), 2.5, 0.0),
    (Rectangle(width=2.0), 0.999, 0.5),
    (Rectangle(width=2.0), 1.0, 0.0),
    (Gaussian(sigma=0.5), 0.0, 2 * DENSITY),
    (Gaussian(sigma=0.5), 0.5, 2 * DENSITY * math.exp(-0.5)),
    (MultiGaussian(sigma=1.0, height=0.5, scale=2.0), 0.0, DENSITY * (1.5 - 0.25 * math.exp(-1 / 8))),
    (PiecewiseExponential(alpha=2.0), math.log(2), 0.25),
    (SoftSign(alpha=2.0), 0.5, 0.25),
    (Tanh(alpha=2.0), 0.0, 1.0),
    (LeakyRectangle(width=0.5, leak=0.1), 0.2, 2.0),
    (LeakyRectangle(width=0.5, leak=0.1), -3.0, 0.1),
    (StraightThrough(), 42.0, 1.0),
]


@pytest.mark.parametrize(("surrogate", "u", "expected"), BY_HAND, ids=lambda value: str(value))
def test_derivative_by_hand(surrogate, u, expected):
    met = surrogate.derivative(torch.tensor(u, dtype=torch.float64)).item()
    assert met == pytest.approx(expected, rel=1e-12)


def test_a_neuron_at_its_threshold_fires_unless_greater_is_asked_for():
    u = torch.tensor([-1e-30, -0.0, 0.0, 1e-30])
    assert ATan()(u).tolist() == [0.0, 1.0, 1.0, 1.0]
    assert ATan(fires=torch.gt)(u).tolist() == [0.0, 0.0, 0.0, 1.0]


def test_the_backward_pass_multiplies_what_comes_in_with_the_derivative():
    u = torch.tensor([0.25, -2.0], requires_grad=True)
    Triangle()(u).backward(torch.tensor([4.0, 4.0]))
    assert u.grad is not None
    assert u.grad.tolist() == [3.0, 0.0]


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_constants_must_be_finite_and_above_zero(value):
    with pytest.raises(ArgumentError, match=r"ATan\.alpha: got .*; expected a finite number above 0\."):
        ATan(alpha=value)


def test_surrogates_are_values():
    assert ATan(alpha=3.0) == ATan(alpha=3.0) != ATan()
    with pytest.raises(FrozenInstanceError):
        ATan().alpha = 1.0  # pyright: ignore[reportAttributeAccessIssue]
