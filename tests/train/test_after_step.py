"""Hooks after updates are called with what they ask for, and the number of an update survives a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from spikewright.train import SGD, FitConfig, cross_entropy, fit
from spikewright.train.after_step import call, in_turn

DATA = [(torch.rand(4, 3), torch.tensor([0, 1, 0, 1])) for _ in range(3)]
CONFIG = FitConfig(epochs=2, optimizer=SGD(lr=0.01), checkpoint_steps=1)


def test_a_hook_gets_what_it_asks_for() -> None:
    seen: list = []
    both = in_turn([lambda model, lr: seen.append(lr), lambda model, lr, step: seen.append((lr, step))])
    call(both, nn.Identity(), 0.5, 7)
    assert seen == [0.5, (0.5, 7)]


def test_updates_are_counted_through_epochs_and_stops(tmp_path: Path) -> None:
    whole: list[int] = []
    fit(nn.Linear(3, 2), cross_entropy(), DATA, None, CONFIG, after_step=lambda model, lr, step: whole.append(step))
    assert whole == [1, 2, 3, 4, 5, 6]
    parts: list[int] = []
    model = nn.Linear(3, 2)
    for minutes in (0, 0, 0, float("inf")):
        fit(
            *(model, cross_entropy(), DATA, None, CONFIG),
            folder=tmp_path,
            minutes=minutes,
            after_step=lambda model, lr, step: parts.append(step),
        )
    assert parts == whole


def test_a_judge_may_give_several_numbers() -> None:
    def judge(model: nn.Module, batches, *, fabric) -> dict[str, float]:
        return {"eval_accuracy": 0.5, "attacked_accuracy": 0.25}

    (row,) = fit(nn.Linear(3, 2), cross_entropy(), DATA, DATA, replace(CONFIG, epochs=1), judge=judge)
    assert (row["eval_accuracy"], row["attacked_accuracy"]) == (0.5, 0.25)
