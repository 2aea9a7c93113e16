"""Arguments that do not fit are named before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, ConfigError, ShapeError
from spikewright.interpret import (
    LIME,
    LRP,
    DeepLiftSHAP,
    GradCAM,
    GradientSHAP,
    IntegratedGradients,
    KernelSHAP,
    Occlusion,
    Saliency,
    ShapleySampling,
    attribute,
    faithfulness,
)
from spikewright.neurons import IF

NETWORK = nn.Sequential(nn.Flatten(), nn.Linear(192, 3)).eval()
X, Y = torch.rand(2, 3, 8, 8), torch.tensor([0, 2])


@pytest.mark.parametrize(
    ("changed", "kind", "match"),
    [
        ({"classifier": Spiking(nn.Sequential(nn.Flatten(), IF()))}, ArgumentError, r"Wrap it: Classifier\(model"),
        ({"classifier": nn.Linear}, ArgumentError, "attribute.classifier"),
        ({"classifier": nn.Identity()}, ShapeError, r"got an output of shape \[1, 3, 8, 8\]; expected logits"),
        ({"images": X[0]}, ShapeError, r"attribute.images: got torch.float32 of shape \[3, 8, 8\]"),
        ({"images": X[..., :4]}, ShapeError, r"attribute: the network cannot take a batch of shape \[1, 3, 8, 4\]"),
        ({"images": X * float("nan")}, ArgumentError, "NaN or infinite"),
        ({"targets": Y.float()}, ShapeError, "attribute.targets: got torch.float32"),
        ({"targets": Y[:1]}, ShapeError, r"expected whole numbers of shape \[2\]"),
        ({"targets": Y + 1}, ArgumentError, "attribute.targets: got class 3; expected 0 to 2"),
        ({"targets": Y - 1}, ArgumentError, "attribute.targets: got class -1"),
        ({"method": "Salience"}, ConfigError, "attribute.method: got 'Salience'; expected one of Deconvolution"),
        ({"method": Saliency}, ArgumentError, "got the class Saliency; expected a method"),
        ({"baseline": "black"}, ShapeError, "attribute.baseline: got 'black'"),
        ({"baseline": torch.zeros(3, 4, 4)}, ShapeError, r"pictures of shape \[3, 8, 8\]"),
        ({"baseline": float("inf")}, ArgumentError, "attribute.baseline"),
        ({"seed": -1}, ArgumentError, "attribute.seed"),
        ({"rows": 0}, ArgumentError, "attribute.rows"),
        ({"method": KernelSHAP(samples=7)}, ArgumentError, r"KernelSHAP.samples: got 7 for \d+ groups; expected at"),
        ({"method": LIME(samples=3)}, ArgumentError, "LIME.samples: got 3 for"),
        (
            {"method": KernelSHAP(), "groups": torch.zeros(8, 8, dtype=torch.long)},
            ArgumentError,
            "attribute.groups: got one group",
        ),
        ({"method": Occlusion(window=9)}, ArgumentError, "Occlusion.window: got 9; expected at most the 8 pixels"),
        ({"method": GradCAM(layer="conv")}, ArgumentError, "GradCAM.layer: got 'conv'; expected one of 0, 1"),
    ],
)
def test_attribute(changed: dict[str, Any], kind: type[Exception], match: str) -> None:
    given = {"classifier": NETWORK, "images": X, "targets": Y, "method": "Saliency"} | changed
    with pytest.raises(kind, match=match):
        attribute(**given)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: IntegratedGradients(steps=0), "IntegratedGradients.steps"),
        (lambda: IntegratedGradients(smooth="yes"), "IntegratedGradients.smooth"),  # pyright: ignore
        (lambda: GradientSHAP(noise=-1.0), "GradientSHAP.noise: got -1.0; expected a finite number of at least 0"),
        (lambda: DeepLiftSHAP(spread=0.0), "DeepLiftSHAP.spread"),
        (lambda: DeepLiftSHAP(baselines=1), "DeepLiftSHAP.baselines"),
        (lambda: LRP(epsilon=0.0), "LRP.epsilon"),
        (lambda: LIME(penalty=float("nan")), "LIME.penalty"),
        (lambda: KernelSHAP(samples=2.5), "KernelSHAP.samples"),  # pyright: ignore
        (lambda: ShapleySampling(orders=0), "ShapleySampling.orders"),
        (lambda: Occlusion(window=4, stride=5), "Occlusion.stride: got 5; expected at most the window's 4"),
        (lambda: GradCAM(layer=3), "GradCAM.layer"),  # pyright: ignore
    ],
)
def test_settings(make: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        make()


def test_grad_cam_of_a_layer_without_places() -> None:
    with pytest.raises(ArgumentError, match=r"layer 1, whose output has no places side by side"):
        attribute(NETWORK, X, Y, GradCAM(layer="1"))


def test_faithfulness() -> None:
    with pytest.raises(ShapeError, match=r"faithfulness.values: got shape \[2, 4, 4\]"):
        faithfulness(NETWORK, X, Y, torch.zeros(2, 4, 4))
    with pytest.raises(ArgumentError, match=r"faithfulness.steps"):
        faithfulness(NETWORK, X, Y, torch.zeros(2, 8, 8), steps=0)


def test_without_captum_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ArgumentError, match=r"no package captum; .*pip install 'spikewright\[redteam\]'"):
        attribute(NETWORK, X, Y, "Saliency")
