"""QCFS with max pools kept: trained as they are, converted to gates, and exact where the gates are."""

import pytest
import torch
from torch import nn

from spikewright.coding import repeat
from spikewright.convert import COS, QCFS, SRP, convert, prepare
from spikewright.convert.layers.max_pool_gate import MaxPoolGate
from spikewright.core.errors import ArgumentError


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 16, 10)
    ).eval()


def test_they_stay_in_training_and_become_gates() -> None:
    trained = prepare(network(), QCFS(levels=4, v_threshold=1.0, keep_max_pools=True)).eval()
    assert any(isinstance(part, nn.MaxPool2d) for part in trained.modules())
    model = convert(trained, QCFS(keep_max_pools=True)).model
    assert any(isinstance(part, MaxPoolGate) for part in model.modules())


@pytest.mark.parametrize("recipe", [QCFS(keep_max_pools=True), COS(rho=4, keep_max_pools=True)], ids=["QCFS", "COS"])
def test_one_layer_and_its_pool_are_exact_at_as_many_steps_as_levels(recipe: QCFS) -> None:
    trained = prepare(network(), QCFS(levels=4, v_threshold=1.0, keep_max_pools=True)).eval()
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    model = convert(trained, recipe).model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(repeat(images, 4)).mean(0), trained(images), rtol=1e-4, atol=1e-5)


def test_a_rehearsal_and_gates_exclude_each_other() -> None:
    with pytest.raises(ArgumentError, match=r"SRP\.keep_max_pools: got True; expected False"):
        SRP(keep_max_pools=True)
    assert not SRP().keep_max_pools


def test_it_is_true_or_false() -> None:
    with pytest.raises(ArgumentError, match="expected True or False"):
        QCFS(keep_max_pools="yes")  # pyright: ignore[reportArgumentType]
