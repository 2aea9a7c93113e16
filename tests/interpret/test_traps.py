"""What Captum answers without a word, although it is wrong: each is refused or flagged here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.core import Spiking
from spikewright.interpret import METHODS, Map, attribute
from spikewright.interpret.audit import audit
from spikewright.models.cifar_cnn import cifar_cnn
from spikewright.models.classifier import Classifier
from spikewright.neurons import LIF, SignedIF

HOOKED = ("DeepLift", "DeepLiftSHAP", "GuidedBackprop", "Deconvolution", "GuidedGradCAM")


class Own(nn.Module):
    """A network of two convolutions whose activation is called as the test says."""

    def __init__(self, activate: Any, *, residual: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.flat, self.head = nn.Flatten(), nn.Linear(4 * 64, 3)
        self.activate, self.residual = activate, residual

    def forward(self, x: Tensor) -> Tensor:
        x = self.activate(self, self.first(x))
        y = self.relu(self.second(x))
        return self.head(self.flat(x + y if self.residual else y))


def run(network: nn.Module, name: str) -> Map:
    torch.manual_seed(1)
    return attribute(network.eval(), torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), name, baseline=0.5)


@pytest.mark.parametrize("name", [*HOOKED, "LRP"])
def test_relus_that_are_called_as_functions_are_refused(name: str) -> None:
    found = run(Own(lambda net, x: F.relu(x)), name)
    assert found.status == "not applicable"
    assert found.reason == "1 of 2 Relu operations are called as functions; make each nn.ReLU()"


@pytest.mark.parametrize("name", [*HOOKED, "LRP"])
@pytest.mark.parametrize("kind", [nn.ReLU6, nn.SiLU, nn.GELU])
def test_activations_without_a_rule_are_refused(name: str, kind: type[nn.Module]) -> None:
    network = Own(None)
    network.other, network.activate = kind(), lambda net, x: net.other(x)  # pyright: ignore
    found = run(network, name)
    assert found.status == "not applicable"
    assert found.reason == f"it has no rule for {kind.__name__} (layer other)"


@pytest.mark.parametrize("name", [*HOOKED, "LRP"])
def test_a_module_that_is_called_twice_is_refused(name: str) -> None:
    found = run(Own(lambda net, x: net.relu(x)), name)
    assert found.status == "not applicable"
    assert "layer relu" in found.reason
    assert "called 2 times" in found.reason


@pytest.mark.parametrize("name", [*HOOKED, "LRP"])
def test_a_module_that_overwrites_its_input_is_refused(name: str) -> None:
    network = Own(None)
    network.over, network.activate = nn.ReLU(inplace=True), lambda net, x: net.over(x)  # pyright: ignore
    found = run(network, name)
    assert found.status == "not applicable"
    assert found.reason == "layer over (ReLU) overwrites its input; make it with inplace=False"


def test_sums_outside_a_module_are_refused_by_lrp_alone() -> None:
    network = Own(None, residual=True)
    network.one, network.activate = nn.ReLU(), lambda net, x: net.one(x)  # pyright: ignore
    assert "adds activities outside a module" in run(network, "LRP").reason
    assert run(network, "DeepLift").status == "ok"


def test_products_and_operations_of_ones_own_are_refused() -> None:
    assert run(Own(lambda net, x: net.first.weight.mean() * x * x), "DeepLift").reason == (
        "it has no rule for products of two activities"
    )

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx, grad: Tensor) -> Tensor:  # pyright: ignore
            return 2 * grad

    assert "own function" in run(Own(lambda net, x: Twice.apply(x)), "GuidedBackprop").reason


def test_lrp_without_biases_is_flagged_as_input_x_gradient() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3, bias=False))
    found = run(network, "LRP")
    assert (found.status, found.reason) == ("degenerate", "the values are those of Input x Gradient")
    assert float(found.delta.abs().max()) < 1e-4  # pyright: ignore


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lrp_is_input_x_gradient_with_biases_and_batch_norm_too(seed: int) -> None:
    torch.manual_seed(seed)
    network = cifar_cnn(4).eval()
    found = attribute(network, torch.rand(4, 3, 32, 32), torch.arange(4), "LRP")
    assert (found.status, found.reason) == ("degenerate", "the values are those of Input x Gradient")


def test_methods_that_ask_for_answers_alone_take_any_of_these_networks() -> None:
    for name in ("FeatureAblation", "Occlusion", "KernelSHAP", "LIME", "ShapleySampling", "FeaturePermutation"):
        assert run(Own(lambda net, x: F.relu6(net.relu(x))), name).status == "ok"


@pytest.mark.parametrize("name", ["DeepLift", "DeepLiftSHAP", "LRP"])
def test_layers_over_time_have_no_multiplier(name: str) -> None:
    network = Classifier(Spiking(nn.Sequential(nn.Flatten(), nn.Linear(192, 8), LIF(), nn.Linear(8, 3))), 3)
    assert run(network, name).status == "not applicable"


def test_captum_itself_would_have_given_input_x_gradient_for_spikes() -> None:
    import captum.attr

    torch.manual_seed(0)
    network = Classifier(Spiking(nn.Sequential(nn.Flatten(), nn.Linear(192, 8), LIF(), nn.Linear(8, 3))), 3).eval()
    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    with pytest.warns(UserWarning, match="Setting forward, backward hooks"):
        trap = captum.attr.DeepLift(network).attribute(x, target=0)
    true = attribute(network, x.detach(), torch.tensor([0]), "InputXGradient").values
    torch.testing.assert_close(trap.sum(1).detach(), true, rtol=1e-3, atol=1e-6)


def test_signed_spikes_have_no_positive_gradient() -> None:
    network = Classifier(Spiking(nn.Sequential(nn.Flatten(), nn.Linear(192, 8), SignedIF(), nn.Linear(8, 3))), 3)
    found = run(network, "GuidedBackprop")
    assert found.status == "not applicable"
    assert "layer model.module.2 (SignedIF)" in found.reason


def test_a_network_without_maps_has_no_grad_cam() -> None:
    found = run(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), "GradCAM")
    assert "places side by side" in found.reason


def test_smooth_is_for_spikes() -> None:
    from spikewright.interpret import IntegratedGradients

    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    found = attribute(network, torch.rand(1, 3, 8, 8), torch.tensor([0]), IntegratedGradients(smooth=True))
    assert found.status == "not applicable"


def test_the_audit_sees_what_a_pass_does() -> None:
    found = audit(Own(lambda net, x: F.silu(net.relu(x)), residual=True).eval(), torch.rand(1, 3, 8, 8))
    assert dict(found.operations) == {"Relu": 2, "Silu": 1}
    assert (found.sums, found.products, found.spiking) == (1, 0, False)
    assert {call.name: call.times for call in found.calls}["relu"] == 2
    assert set(METHODS) >= set(HOOKED)
