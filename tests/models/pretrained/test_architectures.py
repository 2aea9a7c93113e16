"""The names in the files of known networks, and that each finds its place in the model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikewright.models.pretrained.architectures import ARCHITECTURES
from spikewright.models.pretrained.description import read_description
from spikewright.models.pretrained.loading import build, classes_of, filled

NORM = ("weight", "bias", "running_mean", "running_var")


def names_of_resnet(per_stage: int) -> list[str]:
    """As the files of akamaster/pytorch_resnet_cifar10 have them, without counters of batches."""
    names = ["conv1.weight", *(f"bn1.{part}" for part in NORM), "linear.weight", "linear.bias"]
    for block in (f"layer{stage}.{place}" for stage in (1, 2, 3) for place in range(per_stage)):
        for number in (1, 2):
            names += [f"{block}.conv{number}.weight", *(f"{block}.bn{number}.{part}" for part in NORM)]
    return names


def names_of_vit() -> list[str]:
    names = ["cls_token", "pos_embedding"]
    names += [f"{layer}.{part}" for layer in ("patch", "ln", "head") for part in ("weight", "bias")]
    for block in (f"block{number}" for number in range(6)):
        names += [f"{block}.qkv.weight"]
        layers = ("ln1", "ln2", "proj", "fc1", "fc2")
        names += [f"{block}.{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    return names


def model_of(name: str, channels: int) -> nn.Module:
    with torch.device("meta"):
        return ARCHITECTURES[name].build(mean=(0.5,) * channels, std=(0.25,) * channels)


@pytest.mark.parametrize(
    ("name", "names", "channels"),
    [
        ("cifar10_resnet20", names_of_resnet(3), 3),
        ("cifar10_resnet56", names_of_resnet(9), 3),
        ("mnist_vit", names_of_vit(), 1),
    ],
)
def test_every_name_of_the_file_is_a_name_of_the_model(name: str, names: list[str], channels: int) -> None:
    model = model_of(name, channels)
    wanted = [key for key in model.state_dict() if not key.startswith("normalize.") and not key.endswith("_tracked")]
    assert sorted(map(ARCHITECTURES[name].rename, names)) == sorted(wanted)
    assert classes_of(model) == 10


def test_blocks_are_counted_on_from_stage_to_stage() -> None:
    rename = ARCHITECTURES["cifar10_resnet56"].rename
    assert rename("layer3.8.bn2.running_var") == "blocks.26.second.1.running_var"
    assert rename("layer1.0.conv1.weight") == "blocks.0.first.0.weight"
    assert rename("bn1.bias") == "stem.1.bias"


def test_the_vgg_has_the_names_of_its_file() -> None:
    names, model = ARCHITECTURES["cifar10_vgg16_bn"].rename, model_of("cifar10_vgg16_bn", 3)
    assert names("features.48.weight") == "features.48.weight"
    leaves = dict(model.named_modules())
    for path, kind in {
        **{"features.3": nn.Dropout, "features.7": nn.MaxPool2d, "features.48": nn.Conv2d, "features.51": nn.MaxPool2d},
        **{"classifier.1": nn.Linear, "classifier.2": nn.BatchNorm1d, "classifier.5": nn.Linear},
    }.items():
        assert type(leaves[path]) is kind


def test_counters_may_be_missing_and_pixel_scaling_is_the_description_s() -> None:
    about = {"name": "cifar10_resnet20", "file": "x", "sha256": "0", "source": "here", "licence": "free"}
    scaling = {"scale": 1 / 255, "mean": [0.25, 0.5, 0.75], "std": [0.5, 0.25, 0.125]}
    description = read_description({**about, "normalise": scaling}, "x")
    torch.manual_seed(0)
    weights = build(description, {}).state_dict()
    bare = {key: value for key, value in weights.items() if "normalize" not in key and not key.endswith("_tracked")}
    model = filled(description, bare, "x")
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    normalize = model.get_submodule("normalize")
    assert [buffer.flatten().tolist() for buffer in normalize.buffers()] == [[0.25, 0.5, 0.75], [0.5, 0.25, 0.125]]
