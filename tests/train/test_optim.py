"""Optimisers and the learning-rate schedule, by hand."""

import math

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError
from spikewright.train import SGD, AdamW
from spikewright.train.optim import cosine


def test_cosine_by_hand() -> None:
    assert [cosine(step, 6) for step in range(6)] == pytest.approx(
        [1.0, 0.5 + math.sqrt(3) / 4, 0.75, 0.5, 0.25, 0.5 - math.sqrt(3) / 4]
    )


def test_warm_up_by_hand() -> None:
    """Four steps of rise to 1/5 .. 4/5, then half a cosine over the other six."""
    values = [cosine(step, 10, warmup=4) for step in range(10)]
    assert values[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert values[4:] == pytest.approx([cosine(step, 6) for step in range(6)])


def test_the_whole_run_is_warm_up() -> None:
    assert [cosine(step, 3, warmup=3) for step in range(3)] == pytest.approx([0.25, 0.5, 0.75])


def test_sgd_by_hand() -> None:
    """Momentum 0.9 and weight decay 0.1 at lr 0.5: two steps on a gradient of 1."""
    weight = nn.Parameter(torch.tensor(2.0))
    optimizer = SGD(lr=0.5, momentum=0.9, weight_decay=0.1).build([weight])
    for expected in (2 - 0.5 * 1.2, 1.4 - 0.5 * (0.9 * 1.2 + 1.14)):
        weight.grad = torch.tensor(1.0)
        optimizer.step()
        assert weight.item() == pytest.approx(expected)


def test_adamw_by_hand() -> None:
    """The first step is lr times the sign of the gradient, after the decay of lr times the weight."""
    weight = nn.Parameter(torch.tensor(2.0))
    optimizer = AdamW(lr=0.1, weight_decay=0.5).build([weight])
    weight.grad = torch.tensor(-3.0)
    optimizer.step()
    assert weight.item() == pytest.approx(2 * (1 - 0.05) + 0.1, abs=1e-6)
    assert optimizer.defaults["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("kind", [SGD, AdamW])
@pytest.mark.parametrize("lr", [0.0, -0.1, math.nan])
def test_lr_must_be_above_0(kind, lr: float) -> None:
    with pytest.raises(ArgumentError, match=rf"{kind.__name__}\.lr: got .*; expected a number above 0"):
        kind(lr=lr)


def test_weight_decay_must_not_be_negative() -> None:
    with pytest.raises(ArgumentError, match=r"SGD\.weight_decay: got -0\.1; expected a number of at least 0"):
        SGD(weight_decay=-0.1)
