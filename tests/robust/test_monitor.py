"""The monitor's numbers, and the weights of the epoch in which one of them was best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from spikewright.attack import PGD, Linf
from spikewright.core import Spiking
from spikewright.core.errors import CheckpointError, DataError
from spikewright.robust import Attacked, BestKept, Monitor, View
from spikewright.train import SGD, FitConfig, accuracy_of, fit, rate_cross_entropy
from tests.robust.conftest import T, network


def monitor(batch, eps: float = 0.0, **changes) -> Monitor:
    attack = Attacked(search=PGD(steps=3), budget=Linf(eps=eps))
    made = Monitor(judge=accuracy_of(T), held_out=[batch], attack=attack, view=View(timesteps=T))
    return replace(made, **changes)


def test_clean_held_out_and_attacked(batch) -> None:
    model = network()
    right = View(timesteps=T).of(model.eval())(batch[0]).argmax(1)
    model.train()
    half = torch.where(torch.arange(6) < 3, right, (right + 1) % 4)
    found = monitor((batch[0], half))(model, [(batch[0], right)])
    assert found == {"eval_accuracy": 1.0, "held_out_accuracy": 0.5, "attacked_accuracy": 0.5}
    assert all(part.training for part in model.modules())


def test_a_strong_attack_leaves_little(batch) -> None:
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Flatten(), nn.Linear(36, 4, bias=False)))
    right = [(batch[0], View(timesteps=T).of(model)(batch[0]).argmax(1))]
    strong = monitor(right[0], eps=1.0)
    found = strong(model, right)
    assert (found["held_out_accuracy"], found["attacked_accuracy"]) == (1.0, 0.0)
    assert strong(model, right) == found


def test_no_held_out_sample_is_refused(batch) -> None:
    with pytest.raises(DataError, match=r"run_attack: got no batch; expected at least one"):
        replace(monitor(batch), held_out=())(network(), [batch])


def test_numbers_of_the_judge_below_stay(batch) -> None:
    judge = monitor(batch, judge=lambda model, batches, fabric: {"eval_accuracy": 0.25, "loss": 1.0})
    assert set(judge(network(), ())) == {"eval_accuracy", "loss", "held_out_accuracy", "attacked_accuracy"}


def test_the_best_weights_are_kept_and_found_again(batch, tmp_path: Path) -> None:
    values = iter([0.2, 0.6, 0.6, 0.4])
    weights = []

    def judge(model: nn.Module, batches, *, fabric) -> dict[str, float]:
        weights.append(model.state_dict()["module.0.weight"].clone())
        return {"eval_accuracy": 0.5, "attacked_accuracy": next(values)}

    config = FitConfig(epochs=4, optimizer=SGD(lr=0.1))
    best = BestKept(judge=judge, path=tmp_path / "best.safetensors")
    assert best.value == float("-inf")
    model = network()
    fit(model, rate_cross_entropy(timesteps=T), [batch], [batch], config, judge=best)
    assert torch.equal(model.module[0].weight, weights[3])
    assert BestKept(judge=judge, path=best.path).value == 0.6
    best.restore(model)
    assert torch.equal(model.module[0].weight, weights[1])
    with pytest.raises(CheckpointError, match=r"checkpoint .*best\.safetensors"):
        best.restore(nn.Linear(1, 1))
    with pytest.raises(CheckpointError):
        replace(best, path=tmp_path / "nothing.safetensors").restore(model)
