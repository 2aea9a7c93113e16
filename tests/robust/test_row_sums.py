"""The one-sided row sums: by hand, their subgradient, and what they bound."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError
from spikewright.robust import one_sided_row_sums, row_sums


def test_value_and_subgradient_by_hand() -> None:
    w = torch.tensor([[1.0, -2.0, 0.0], [3.0, -0.5, 0.25]], requires_grad=True)
    value = one_sided_row_sums(w)
    assert value.item() == 3.25 + 2.0
    (gradient,) = torch.autograd.grad(value, w)
    assert gradient.tolist() == [[0, -1, 0], [1, 0, 1]]


def test_it_bounds_the_infinity_norm_and_scales() -> None:
    w = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    assert one_sided_row_sums(w) >= w.abs().sum(1).max()
    assert one_sided_row_sums(2 * w) == 2 * one_sided_row_sums(w)
    assert one_sided_row_sums(torch.zeros(2, 2)) == 0


def test_a_part_is_the_largest_rise_when_spikes_are_added() -> None:
    w = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    added = torch.tensor(list(itertools.product((0.0, 1.0), repeat=5)), dtype=torch.float64)
    rise, fall = (added @ w.T).max(), (-added @ w.T).max()
    assert one_sided_row_sums(w).item() == pytest.approx(float(rise + fall))


def test_of_equal_rows_one_gets_the_gradient() -> None:
    w = torch.ones(2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(one_sided_row_sums(w), w)
    assert gradient.sum() == 2


def test_the_loss_adds_layers_and_leaves_biases_out() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), nn.Linear(3, 2))
    value, log = row_sums()(model, (torch.zeros(1), torch.zeros(1)), torch.Generator())
    expected = one_sided_row_sums(model[0].weight.view(2, 3, 18)) + one_sided_row_sums(model[2].weight)
    assert value == expected
    assert log["row sums"] == expected
    model[2].bias.data += 7
    assert row_sums()(model, (torch.zeros(1), torch.zeros(1)), torch.Generator())[0] == expected
    with pytest.raises(ArgumentError, match=r"row_sums\.model: got no convolution or linear layer"):
        row_sums()(nn.ReLU(), (torch.zeros(1), torch.zeros(1)), torch.Generator())


def test_its_gradient_is_the_numerical_one() -> None:
    w = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    assert torch.autograd.gradcheck(one_sided_row_sums, (w,))
