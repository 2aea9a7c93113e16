"""DenoiseRun: a tiny one from end to end, weights instead of training, and bad numbers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright.convert import DCGS
from spikewright.core.errors import ArgumentError
from spikewright.experiments.denoising import WEIGHTS, DenoiseRun, load_images, run_denoising
from spikewright.report import RunFolder
from spikewright.train import AdamW, FitConfig

TINY = DenoiseRun(
    train_images=96,
    calibration_images=20,
    test_images=20,
    counted_images=2,
    fit=FitConfig(epochs=3, optimizer=AdamW(lr=4e-3, weight_decay=0.0)),
    recipes=(DCGS(),),
    at=(1, 16),
)


def folder(root: Path, name: str) -> RunFolder:
    return RunFolder.create(root, name, {}, {})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    made = folder(tmp_path_factory.mktemp("denoising"), "tiny")
    return made, run_denoising(TINY, made)


def rows(report) -> dict:
    return {(row[0], row[1]): row for row in report.tables[0].rows}


def test_a_tiny_run_from_end_to_end(run) -> None:
    made, report = run
    found = rows(report)
    noisy, source = found["noisy image", None], found["source network", None]
    first, last = found["DCGS, differential", 1], found["DCGS, differential", 16]
    assert noisy[2] == pytest.approx(20.17, abs=0.2)  # the noise's own: -20 log10(25 / 255)
    assert abs(last[2] - source[2]) < 0.1
    assert last[4] < first[4] < 0.2
    assert last[3] == pytest.approx(last[2] - source[2], abs=1e-3)
    assert 0 < first[5] < last[5]
    assert made.report() == report
    assert len([row for row in made.metrics() if "seconds" in row]) == 3


def test_weights_in_place_of_training(run, tmp_path: Path) -> None:
    made, report = run
    again = run_denoising(replace(TINY, weights=made.path / WEIGHTS), folder(tmp_path, "again"))
    assert again.tables[0].rows == report.tables[0].rows


def test_each_part_has_noise_of_its_own_and_the_same_again() -> None:
    one, two = load_images(TINY), load_images(TINY)
    assert torch.equal(one.calibration, two.calibration)
    assert torch.equal(one.counted, two.counted)
    first, clean = next(iter(one.test))
    assert torch.equal(one.counted, first[:2])
    assert not torch.equal(one.calibration[0] - load_clean(), first[0] - clean[0])


def load_clean() -> torch.Tensor:
    from spikewright.data import cifar10

    return cifar10.load(split="calibration")[0][0]


@pytest.mark.parametrize(
    ("numbers", "match"),
    [
        ({"test": "calibration"}, r"DenoiseRun\.test: got 'calibration', the split of the training; expected another"),
        ({"test_images": 0}, r"DenoiseRun\.test_images: got 0; expected a whole number of at least 1"),
        ({"at": (1, 17)}, r"DenoiseRun\.at: got \(1, 17\); expected numbers of steps in 1\.\.16"),
        ({"at": ()}, r"DenoiseRun\.at: got \(\); expected numbers of steps"),
    ],
)
def test_bad_numbers(numbers: dict, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        replace(TINY, **numbers)
