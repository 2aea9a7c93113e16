"""What every side of a comparison gets: one trained network and the same images, as files that any side can read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from spikewright.models import MODELS, pretrained

Batch = tuple[Tensor, Tensor]
"""Images [N, C, H, W], float in [0, 1], and labels [N]."""


def write_inputs(reference: str, images: int, calibration: int, folder: Path) -> dict[str, Any]:
    """Write a trained ReLU network and real images into a folder.

    Args:
        reference: name or file of the network, see `load_network`.
        images: how many of the embedded test images, from the first on.
        calibration: how many of the embedded training images.
        folder: where to write `network.safetensors` and `images.safetensors`.

    Returns:
        What they are: architecture, checksums, number of images.
    """
    from spikewright.data import cifar10
    from spikewright.experiments.network import load_network, network_file
    from spikewright.report.paths import shorten_all

    loaded = load_network(reference)
    network = dict(loaded.description["network"])
    if network.pop("prepare") is not None:
        raise ValueError(
            f"network {reference!r}: was trained for QCFS; expected one with ReLU, which both sides convert."
        )
    save_file(
        {name: tensor.contiguous() for name, tensor in loaded.model.state_dict().items()},
        folder / "network.safetensors",
    )
    x, y = cifar10.load(split="sample").gather(torch.arange(images))
    measured, _ = cifar10.load(split="calibration").gather(torch.arange(calibration))
    save_file({"x": x, "y": y, "calibration": measured}, folder / "images.safetensors")
    splits = {"sample": images, "calibration": calibration}
    return {
        "network": {
            "name": Path(reference).stem,
            "sha256": hashlib.sha256(network_file(reference).read_bytes()).hexdigest(),
            "made_of": network,
            "about": shorten_all(dict(loaded.description.get("about", {}))),
        },
        "data": {
            split: {"file": cifar10.EMBEDDED[split][0], "sha256": cifar10.EMBEDDED[split][1], "first_images": used}
            for split, used in splits.items()
        },
    }


def write_pretrained(name: str, images: int, calibration: int, folder: Path) -> dict[str, Any]:
    """`write_inputs` for a network that others trained, on CIFAR-10's test and training images (SPIKEWRIGHT_DATA)."""
    from spikewright.data import cifar10
    from spikewright.experiments.network import load_network

    about = load_network(name).description["pretrained"]
    data = {"test": cifar10.load(split="test"), "train": cifar10.load(split="train")}
    x, y = data["test"].gather(torch.arange(images))
    measured, _ = data["train"].gather(torch.arange(calibration))
    save_file({"x": x, "y": y, "calibration": measured}, folder / "images.safetensors")
    return {
        "network": {**{part: about[part] for part in ("name", "sha256", "source")}, "made_of": {"pretrained": name}},
        "data": {"test": {"first_images": images}, "train": {"first_images": calibration}},
    }


def read_network(folder: Path, made_of: Mapping[str, Any]) -> nn.Module:
    """The trained network, in `eval()`."""
    if made_of.get("pretrained"):
        return pretrained(made_of["pretrained"])
    model = MODELS[made_of["architecture"]](made_of["classes"], mean=made_of["mean"], std=made_of["std"])
    model.load_state_dict(load_file(folder / "network.safetensors"))
    return model.eval()


def read_batches(folder: Path, images: int, batch_size: int) -> list[Batch]:
    """The first test images in batches."""
    tensors = load_file(folder / "images.safetensors")
    x, y = tensors["x"][:images].clone(), tensors["y"][:images].clone()
    return list(zip(x.split(batch_size), y.split(batch_size)))


def read_calibration(folder: Path) -> Tensor:
    """The training images that thresholds are measured on, [N, C, H, W]."""
    return load_file(folder / "images.safetensors")["calibration"]
