"""Resets worked by hand, values and gradients."""

import pytest
import torch

from spikewright.core import none, subtract, to_zero


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        (subtract, [0.5, 0.5, 0.0, -0.25]),
        (to_zero, [0.0, 0.5, 0.0, -0.25]),
        (none, [2.5, 0.5, 2.0, -0.25]),
    ],
)
def test_values_with_threshold_two(reset, expected):
    v, s = numbers(2.5, 0.5, 2.0, -0.25), numbers(1, 0, 1, 0)
    assert reset(v, s, numbers(2.0)).tolist() == expected


def test_subtract_takes_one_threshold_per_spike_of_an_integer_or_negative_output():
    assert subtract(numbers(5.0, -1.5), numbers(3, -1), numbers(1.0)).tolist() == [2.0, -0.5]


def test_thresholds_broadcast_over_channels():
    v, s = torch.full((1, 2, 1), 3.0), torch.ones(1, 2, 1)
    assert subtract(v, s, torch.tensor([[1.0], [2.0]])).flatten().tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("reset", "to_v", "to_s", "to_threshold"),
    [(subtract, 1.0, -2.0, -1.0), (to_zero, 0.0, -3.0, 0.0), (none, 1.0, 0.0, 0.0)],
)
def test_gradients_pass_through_the_spike(reset, to_v, to_s, to_threshold):
    v, s, threshold = (torch.tensor(value, requires_grad=True) for value in (3.0, 1.0, 2.0))
    reset(v, s, threshold).backward()
    met = [0.0 if part.grad is None else part.grad.item() for part in (v, s, threshold)]
    assert met == [to_v, to_s, to_threshold]
