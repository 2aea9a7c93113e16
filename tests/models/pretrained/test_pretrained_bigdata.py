"""The networks below SPIKEWRIGHT_DATA: each loads whole, and classifies the first images of its test set as stated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from spikewright.convert.check import check
from spikewright.convert.recipes import OPI
from spikewright.core.trace import trace
from spikewright.data import load_dataset
from spikewright.models import pretrained
from spikewright.models.pretrained import classes_of, describe, described

ROOT = Path(os.environ.get("SPIKEWRIGHT_DATA") or "/does/not/exist")
CASES = {
    # name: data set, split, images, of them right, activation sites
    "cifar10_resnet20": ("cifar10", "test", 400, 365, 19),
    "cifar10_resnet56": ("cifar10", "test", 100, 96, 55),
    "cifar10_resnet8_mlperftiny": ("cifar10", "test", 400, 356, 7),
    "cifar10_vgg16_bn": ("cifar10", "test", 100, 96, 14),
    "mnist_vit": ("mnist", "test", 400, 385, 6),
    "imagenet_squeezenet1_1": ("imagenet", "val", 40, 25, 26),
    "imagenet_mobilenet_v1_1.0_224": ("imagenet", "val", 40, 27, 27),
    "imagenet_efficientnet_lite0": ("imagenet", "val", 40, 31, 33),
    "imagenet_resnet50_v1": ("imagenet", "val", 20, 16, 49),
}


needed = pytest.mark.skipif(not set(CASES) <= set(described(ROOT)), reason="SPIKEWRIGHT_DATA has no such networks")
every = pytest.mark.parametrize("name", CASES)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@needed
@pytest.mark.bigdata
@every
def test_it_loads_traces_and_has_its_activation_sites(name: str) -> None:
    model, sites = pretrained(name, ROOT), CASES[name][-1]
    assert classes_of(model) == (1000 if name.startswith("imagenet") else 10)
    kinds = (torch.nn.ReLU, torch.nn.ReLU6)
    assert sum(isinstance(module, kinds) for module in model.modules()) == sites
    called = [node.target for node in trace(model).graph.nodes if node.op == "call_module"]
    assert sum(isinstance(model.get_submodule(path), kinds) for path in called) == sites
    stored = sum(value.numel() for key, value in model.state_dict().items() if not key.startswith("normalize."))
    counters = sum(key.endswith("num_batches_tracked") for key in model.state_dict())
    assert describe(name, ROOT).data["parameters"] in (stored, stored - counters)


@needed
@pytest.mark.bigdata
@pytest.mark.slow
@every
def test_it_classifies_the_first_images_as_measured(name: str) -> None:
    dataset, split, count, right, _ = CASES[name]
    images, labels = load_dataset(dataset, ROOT, split).gather(torch.arange(count))
    model = pretrained(name, ROOT)
    with torch.inference_mode():
        found = torch.cat([model(part).argmax(1) for part in images.split(20)])
    assert abs(int((found == labels).sum()) - right) <= 1  # another processor may round a close call differently


@needed
@pytest.mark.bigdata
@every
def test_what_is_left_to_do_for_opi(name: str) -> None:
    left = {row.kind for row in check(pretrained(name, ROOT), OPI()).unhandled}
    assert left <= ({"MaxPool2d"} if name != "mnist_vit" else {"LayerNorm", "Softmax", "matmul"})
