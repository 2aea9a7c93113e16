"""The nearest point of the simplex, and weights of convex combinations that stay there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikewright.models import ConvexSum
from spikewright.robust import keep_convex, onto_simplex


@pytest.mark.parametrize(
    ("a", "expected"),
    [
        ((0.7, 0.6), (0.55, 0.45)),
        ((1.9, -0.4), (1.0, 0.0)),
        ((0.25, 0.75), (0.25, 0.75)),
        ((-3.0, -1.0, -1.0), (0.0, 0.5, 0.5)),
        ((5.0,), (1.0,)),
    ],
)
def test_by_hand(a: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert onto_simplex(torch.tensor(a)).tolist() == pytest.approx(list(expected))


def test_it_is_on_the_simplex_nearest_and_idempotent() -> None:
    draws = torch.Generator().manual_seed(0)
    a = 3 * torch.randn(50, 4, dtype=torch.float64, generator=draws)
    there = onto_simplex(a)
    assert (there >= 0).all()
    assert torch.allclose(there.sum(-1), torch.ones(50, dtype=torch.float64))
    assert torch.allclose(onto_simplex(there), there)
    others = torch.rand(200, 4, dtype=torch.float64, generator=draws)
    others /= others.sum(-1, keepdim=True)
    assert ((a - there).norm(dim=-1) <= torch.cdist(a, others).amin(1) + 1e-12).all()


def test_weights_of_convex_combinations_come_back() -> None:
    model = nn.Sequential(ConvexSum(), nn.Linear(1, 1))
    before = model[1].weight.detach().clone()
    model[0].weights.data = torch.tensor([0.7, 0.6])
    keep_convex(model, 0.1)
    assert model[0].weights.tolist() == pytest.approx([0.55, 0.45])
    assert torch.equal(model[1].weight, before)
