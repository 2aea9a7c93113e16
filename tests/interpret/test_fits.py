"""The two small fits, against closed forms, and the curves that need no known place."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikewright.core.seed import generator
from spikewright.interpret import attribute, faithfulness
from spikewright.interpret.linear_fit import lasso, least_squares

from .conftest import Pictures


def samples() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    drawn = generator(0)
    x = torch.randint(2, (200, 12), generator=drawn).float()
    true = torch.zeros(12)
    true[:3] = torch.tensor([2.0, -1.0, 0.5])
    return x, x @ true + 3 + 0.01 * torch.randn(200, generator=drawn), true


def test_least_squares_finds_what_made_the_answers() -> None:
    x, y, true = samples()
    torch.testing.assert_close(least_squares(x, y, torch.ones(200)), true, rtol=0, atol=0.02)
    weights = torch.cat([torch.full((100,), 1e6), torch.ones(100)])
    wrong = torch.cat([y[:100], y[100:] + 50])
    torch.testing.assert_close(least_squares(x, wrong, weights), true, rtol=0, atol=0.05)


def test_lasso_meets_its_conditions_and_is_sparse() -> None:
    x, y, _ = samples()
    found = lasso(x, y, torch.ones(200), alpha=0.05)
    assert (found[3:].abs() < 1e-6).sum() >= 7
    centred, rest = x - x.mean(0), y - y.mean()
    pull = centred.T @ (rest - centred @ found) / 200  # at the minimum alpha times the sign, or smaller
    torch.testing.assert_close(pull[:3], 0.05 * found[:3].sign(), rtol=0, atol=1e-4)
    assert float(pull.abs().max()) < 0.05 + 1e-4
    assert (lasso(x, y, torch.ones(200), alpha=1e3) == 0).all()


def test_lasso_agrees_with_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y, _ = samples()
    w = torch.rand(200, generator=generator(1))
    other = linear_model.Lasso(alpha=0.03, tol=1e-8).fit(x.numpy(), y.numpy(), w.numpy()).coef_
    torch.testing.assert_close(lasso(x, y, w, alpha=0.03), torch.tensor(other).float(), rtol=0, atol=1e-3)


def test_a_map_of_the_cause_is_more_faithful_than_a_random_one(cnn: nn.Module, batch: Pictures) -> None:
    targets = torch.zeros(12, dtype=torch.long)
    good = attribute(cnn, batch.images, targets, "IntegratedGradients", baseline=0.5).values
    random = torch.randn(good.shape, generator=generator(2))
    areas = [faithfulness(cnn, batch.images, targets, maps, baseline=0.5).areas for maps in (good, random, -good)]
    (gone, come), (gone_random, _), (gone_worst, come_worst) = ((a.mean(), b.mean()) for a, b in areas)
    assert gone < gone_random < gone_worst
    assert come > come_worst


def test_curves_begin_and_end_with_the_whole_picture_and_the_baseline(cnn: nn.Module, batch: Pictures) -> None:
    targets = torch.zeros(12, dtype=torch.long)
    curve = faithfulness(cnn, batch.images, targets, torch.zeros(12, 16, 16), baseline=0.5, steps=5, rows=24)
    with torch.no_grad():
        whole = cnn(batch.images).softmax(1)[:, 0]
        blank = cnn(torch.full_like(batch.images, 0.5)).softmax(1)[:, 0]
    assert curve.deletion.shape == (12, 6)
    torch.testing.assert_close(curve.deletion[:, 0], whole)
    torch.testing.assert_close(curve.deletion[:, -1], blank)
    torch.testing.assert_close(curve.insertion[:, 0], blank)
    torch.testing.assert_close(curve.insertion[:, -1], whole)
