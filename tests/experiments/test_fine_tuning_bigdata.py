"""A real network that others have trained, prepared from data and trained for two updates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spikewright.convert import QCFS, convert
from spikewright.convert.layers import TRAINED
from spikewright.data import Batches, cifar10
from spikewright.experiments.first_weights import first_weights
from spikewright.experiments.network import Network, load_network
from spikewright.train import SGD, FitConfig, accuracy, cross_entropy, distillation, fit

ROOT = Path(os.environ.get("SPIKEWRIGHT_DATA") or "/does/not/exist")
NAME = "cifar10_resnet20"


@pytest.mark.bigdata
@pytest.mark.skipif(not (ROOT / f"weights/{NAME}.json").is_file(), reason=f"SPIKEWRIGHT_DATA has no weights/{NAME}")
def test_a_network_of_others_is_near_to_itself_as_qcfs_and_is_trained_on(tmp_path: Path) -> None:
    images, unseen = cifar10.load(split="calibration").subset(256), cifar10.load(split="sample").subset(200)
    network = Network(pretrained=NAME, prepare=QCFS(levels=8))
    first = first_weights(network, None, tmp_path / "first.safetensors", Batches(images, 100), data=ROOT)
    thresholds = [module.v_threshold for module in first.model.modules() if isinstance(module, TRAINED)]
    assert len(thresholds) == 19
    assert all(value.item() > 0 and value.item() != 8 for value in thresholds)
    teacher = load_network(NAME, ROOT).model
    before = accuracy(first.model, Batches(unseen, 100))
    assert accuracy(teacher, Batches(unseen, 100)) - 0.25 < before
    loss = cross_entropy() + distillation(teacher)
    config = FitConfig(epochs=1, optimizer=SGD(lr=1e-3))
    (row,) = fit(first.model, loss, Batches(images, 128, seed=1), None, config)
    assert 0 < row["distillation"] < 16
    assert accuracy(first.model, Batches(unseen, 100)) > before - 0.1
    assert len(convert(first.model, QCFS()).neurons()) == 19
