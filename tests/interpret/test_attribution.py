"""Every method on both kinds of network: finite or refused, complete where it promises, and led by the seed alone."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikewright.attack import HART
from spikewright.coding.encode import poisson
from spikewright.coding.random_encoder import RandomEncoder
from spikewright.core import Spiking
from spikewright.interpret import (
    LIME,
    LRP,
    METHODS,
    DeepLift,
    FeatureAblation,
    FeaturePermutation,
    GradCAM,
    IntegratedGradients,
    KernelSHAP,
    Occlusion,
    Saliency,
    ShapleySampling,
    attribute,
    grid_groups,
)
from spikewright.interpret.method import group_sums
from spikewright.models.classifier import Classifier
from spikewright.neurons import IF

from .conftest import Pictures

DRAWING = {"DeepLiftSHAP", "FeaturePermutation", "GradientSHAP", "KernelSHAP", "LIME", "ShapleySampling"}
NOT_ON_SPIKES = {"DeepLift", "DeepLiftSHAP", "LRP"}
GREY = 0.5


def zeros(images: Tensor) -> Tensor:
    return torch.zeros(len(images), dtype=torch.long)


def gained(network: nn.Module, images: Tensor, baseline: float = GREY) -> Tensor:
    with torch.no_grad():
        return network(images)[:, 0] - network(torch.full_like(images, baseline))[:, 0]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_finite_maps_on_an_ordinary_network(name: str, cnn: nn.Module, batch: Pictures) -> None:
    found = attribute(cnn, batch.images[:3], zeros(batch.images[:3]), name, baseline=GREY)
    assert found.values.shape == found.absolute.shape == (3, 16, 16)
    assert found.values.isfinite().all()
    assert (found.absolute >= found.values.abs() - 1e-6).all()
    assert found.status == ("degenerate" if name == "LRP" else "ok")  # epsilon-LRP is Input x Gradient on ReLUs


@pytest.mark.parametrize("name", METHODS)
def test_on_a_spiking_network_a_method_is_finite_or_refused_and_never_input_x_gradient_in_disguise(
    name: str, snn: nn.Module, batch: Pictures
) -> None:
    images = batch.images[:3]
    found = attribute(snn, images, zeros(images), name, baseline=GREY)
    if name in NOT_ON_SPIKES:
        assert found.status == "not applicable"
        assert found.reason
        assert found.values.isnan().all()
        return
    assert found.status == "ok"
    assert found.values.isfinite().all()
    if name != "InputXGradient":
        other = attribute(snn, images, zeros(images), "InputXGradient").values
        assert not torch.allclose(found.values, other, rtol=0, atol=1e-6 * float(other.abs().max()))


@pytest.mark.parametrize("name", METHODS)
def test_the_seed_alone_decides_and_no_generator_or_network_is_touched(
    name: str, cnn: nn.Module, batch: Pictures
) -> None:
    images = batch.images[:2]
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), copy.deepcopy(cnn.state_dict())
    one, again, other = (attribute(cnn, images, zeros(images), name, seed=seed, baseline=GREY) for seed in (1, 1, 2))
    torch.rand(1)
    torch.set_rng_state(before[0])
    assert torch.equal(one.values, again.values)
    if name in DRAWING:
        assert not torch.equal(one.values, other.values)
    assert (np.random.get_state()[1] == before[1]).all()
    assert all(torch.equal(value, before[2][key]) for key, value in cnn.state_dict().items())
    assert not any(part._forward_hooks or part._backward_hooks or hasattr(part, "rule") for part in cnn.modules())
    assert not cnn.training


def test_the_global_generator_is_where_it_was(cnn: nn.Module, batch: Pictures) -> None:
    before = torch.get_rng_state()
    for name in DRAWING:
        attribute(cnn, batch.images[:2], zeros(batch.images[:2]), name)
    assert torch.equal(torch.get_rng_state(), before)


def test_integrated_gradients_add_up_and_more_steps_bring_the_sum_nearer(cnn: nn.Module, batch: Pictures) -> None:
    gaps = []
    for steps in (16, 64):
        found = attribute(cnn, batch.images, zeros(batch.images), IntegratedGradients(steps=steps), baseline=GREY)
        total = gained(cnn, batch.images)
        assert found.delta is not None
        torch.testing.assert_close(found.delta, found.values.sum((1, 2)) - total, rtol=0, atol=1e-4)
        gaps.append(float(found.delta.abs().mean() / total.abs().mean()))
    assert gaps[1] < 0.02
    assert gaps[1] < gaps[0]


def test_deep_lift_adds_up_on_relu_modules(cnn: nn.Module, batch: Pictures) -> None:
    found = attribute(cnn, batch.images, zeros(batch.images), DeepLift(), baseline=GREY)
    assert found.delta is not None
    assert float(found.delta.abs().max()) < 1e-3
    total = gained(cnn, batch.images)
    torch.testing.assert_close(found.values.sum((1, 2)), total, rtol=0, atol=1e-3)


@pytest.mark.parametrize("method", [ShapleySampling(orders=3), KernelSHAP()], ids=lambda method: method.label)
@pytest.mark.parametrize("kind", ["cnn", "snn"])
def test_shapley_values_add_up_over_groups_whatever_the_network(
    method: Any, kind: str, batch: Pictures, request: pytest.FixtureRequest
) -> None:
    network, images = request.getfixturevalue(kind), batch.images[:4]
    groups = grid_groups(16, 16, seed=3)
    found = attribute(network, images, zeros(images), method, baseline=GREY, groups=groups)
    sums = group_sums(found.values[:, None], groups.expand(4, -1, -1))
    torch.testing.assert_close(sums, gained(network, images), rtol=0, atol=1e-3)
    assert found.delta is not None
    assert float(found.delta.abs().max()) < 1e-3


def test_on_spikes_the_gap_is_told_and_the_smooth_network_has_none(snn: nn.Module, batch: Pictures) -> None:
    images = batch.images[:4]
    spiking = attribute(snn, images, zeros(images), IntegratedGradients(), baseline=GREY)
    smooth = attribute(snn, images, zeros(images), IntegratedGradients(smooth=True, steps=128), baseline=GREY)
    assert spiking.delta is not None
    assert smooth.delta is not None
    assert float(spiking.delta.abs().max()) > 0.1
    assert float(smooth.delta.abs().max()) < 0.02 * float(spiking.delta.abs().max())
    with torch.no_grad():  # and the network is a spiking one again
        assert gained(snn, images).isfinite().all()
    assert torch.equal(
        attribute(snn, images, zeros(images), IntegratedGradients(), baseline=GREY).values, spiking.values
    )


def test_two_networks_of_one_function_get_the_same_maps(cnn: nn.Module, batch: Pictures) -> None:
    twin: Any = copy.deepcopy(cnn)
    order = torch.arange(12).flip(0)
    twin[1].weight.data, twin[1].bias.data = twin[1].weight[order], twin[1].bias[order]
    twin[3].weight.data = twin[3].weight[:, order]
    first, last = nn.Linear(384, 384, bias=False), copy.deepcopy(twin[8])
    nn.init.eye_(first.weight)
    twin[8] = nn.Sequential(first, last)
    for method in (IntegratedGradients(), ShapleySampling(orders=3)):
        maps = [attribute(net, batch.images[:3], zeros(batch.images[:3]), method).values for net in (cnn, twin)]
        torch.testing.assert_close(*maps, rtol=0, atol=1e-4)


def test_a_linear_network_has_one_answer() -> None:
    torch.manual_seed(0)
    linear, x = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)).eval(), torch.rand(2, 3, 8, 8)
    groups = torch.arange(64).reshape(8, 8)
    targets = torch.tensor([0, 1])
    exact = (x * linear[1].weight.reshape(2, 3, 8, 8)).sum(1)  # pyright: ignore
    for method in ("InputXGradient", "IntegratedGradients", "FeatureAblation", ShapleySampling(orders=2)):
        found = attribute(linear, x, targets, method, groups=groups)
        torch.testing.assert_close(found.values, exact.detach(), rtol=0, atol=1e-5)
    assert attribute(linear, x, targets, "IntegratedGradients").status == "degenerate"


class Pairs(nn.Module):
    """Logit 0 is the product of the left two quarters; the right ones do nothing."""

    def forward(self, x: Tensor) -> Tensor:
        product = x[:, :, :4, :4].mean((1, 2, 3)) * x[:, :, 4:, :4].mean((1, 2, 3))
        return torch.stack([product, -product], 1)


def test_an_ignored_group_gets_nothing_and_equal_groups_the_same() -> None:
    groups = torch.tensor([[0, 1], [2, 3]]).repeat_interleave(4, 0).repeat_interleave(4, 1)
    x = torch.ones(2, 3, 8, 8)
    for method in (FeatureAblation(), ShapleySampling(orders=200), KernelSHAP(samples=200)):
        values = attribute(Pairs(), x, zeros(x), method, groups=groups).values[0]
        error = 0.05 if isinstance(method, KernelSHAP) else 1e-5  # KernelSHAP draws its sets, so it is near
        assert float(values[0, 7].abs()) < error
        assert float(values[7, 7].abs()) < error
        assert float(values[0, 0]) == pytest.approx(float(values[7, 0]), abs=0.3)  # sampling error, twice
    exact = attribute(Pairs(), x, zeros(x), ShapleySampling(orders=200), groups=groups).values[0]
    assert float(exact[0, 0]) == pytest.approx(0.5, abs=0.1)  # two that are worth nothing alone share what they give


def test_lime_is_not_all_zero_where_logits_differ_little(cnn: nn.Module, batch: Pictures) -> None:
    class Faint(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1e-4 * cnn(x)

    images = batch.images[:2]
    found = attribute(Faint(), images, zeros(images), LIME(), baseline=GREY)
    loud = attribute(cnn, images, zeros(images), LIME(), baseline=GREY)
    torch.testing.assert_close(found.values * 1e4, loud.values, rtol=1e-2, atol=1e-2)


def test_an_all_zero_map_is_flagged(cnn: nn.Module, batch: Pictures) -> None:
    found = attribute(cnn, batch.images[:2], zeros(batch.images[:2]), LIME(penalty=1e6))
    assert (found.status, found.reason) == ("degenerate", "every map has one value everywhere")


def test_permutation_needs_another_image(cnn: nn.Module, batch: Pictures) -> None:
    found = attribute(cnn, batch.images[:1], zeros(batch.images[:1]), FeaturePermutation())
    assert found.status == "not applicable"
    assert "other images" in found.reason


def test_grad_cam_over_time_is_that_of_the_mean_on_a_network_without_time(batch: Pictures) -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    plain = nn.Sequential(layer, head).eval()
    # neurons that never fire, off the way to the logits, make it a spiking network
    spiking = Classifier(Spiking(nn.Sequential(Beside(), layer, head)), 3).eval()
    images = batch.images[:3]
    one = attribute(plain, images, zeros(images), GradCAM(layer="0")).values
    two = attribute(spiking, images, zeros(images), GradCAM(layer="model.module.1")).values
    torch.testing.assert_close(two * 3, one, rtol=1e-4, atol=1e-6)  # the mean over time has a third of each gradient


class Beside(nn.Module):
    """Hands on what it gets, with neurons that it runs for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.neuron = IF(v_threshold=100.0)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0 * self.neuron(x).detach()


def test_a_network_that_draws_shows_every_copy_the_same_noise() -> None:
    class Left(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            side = x[..., :4].mean((1, 2, 3))
            return torch.stack([side, -side], 1)

    network = Classifier(Spiking(nn.Sequential(IF(v_threshold=0.5), Left())), 4, encode=RandomEncoder(poisson, seed=1))
    x = torch.full((2, 1, 8, 8), 0.5)
    groups = (torch.arange(8) // 4).expand(8, 8)
    for method in (FeatureAblation(), Occlusion(window=2, stride=2), ShapleySampling(orders=2)):
        found = attribute(network, x, zeros(x), method, groups=groups)
        assert (found.values[..., 4:] == 0).all()  # noise drawn anew would give every one of them something
        assert (found.values[..., :4] != 0).any()
    for method in (KernelSHAP(), LIME()):
        right = attribute(network, x, zeros(x), method, groups=groups).values[..., 4:]
        assert float(right.abs().max()) < 1e-6


def test_the_gradient_that_the_classifier_shows_is_the_one_that_is_seen(snn: Any, batch: Pictures) -> None:
    images = batch.images[:2]
    own = attribute(snn, images, zeros(images), Saliency()).values
    other = attribute(snn.seen_by(HART(gamma=0.5)), images, zeros(images), Saliency()).values
    assert not torch.allclose(own, other)
    guided = [attribute(net, images, zeros(images), "GuidedBackprop").values for net in (snn, snn.seen_by(HART()))]
    assert torch.equal(*guided)


def test_how_many_rows_run_at_once_changes_nothing(cnn: nn.Module, batch: Pictures) -> None:
    images = batch.images[:3]
    for name in ("IntegratedGradients", "Occlusion", "FeatureAblation", "KernelSHAP", "ShapleySampling"):
        one, two = (attribute(cnn, images, zeros(images), name, rows=rows).values for rows in (7, 512))
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)


def test_a_baseline_may_be_several_pictures(cnn: nn.Module, batch: Pictures) -> None:
    images, set_of = batch.images[:2], torch.stack([torch.full((3, 16, 16), value) for value in (0.25, 0.75)])
    mean = attribute(cnn, images, zeros(images), IntegratedGradients(), baseline=set_of.mean(0)).values
    assert torch.equal(attribute(cnn, images, zeros(images), IntegratedGradients(), baseline=set_of).values, mean)
    shap = attribute(cnn, images, zeros(images), "DeepLiftSHAP", baseline=set_of).values
    each = [attribute(cnn, images, zeros(images), "DeepLift", baseline=one).values for one in set_of]
    torch.testing.assert_close(shap, (each[0] + each[1]) / 2, rtol=1e-3, atol=1e-3)


def test_labels_say_what_is_not_usual() -> None:
    labels = [Occlusion(window=5).label, LRP().label, IntegratedGradients(smooth=True).label]
    assert labels == ["Occlusion(window=5)", "LRP", "IntegratedGradients(smooth=True)"]
    assert all(one < two for one, two in pairwise(METHODS))
    assert len(METHODS) == 17
