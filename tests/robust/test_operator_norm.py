"""The norm of the map itself, against the dense matrix of a convolution; and the limit on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.robust import NormLimit, input_shapes, operator_norm
from spikewright.robust.matrices import groups_of, matrices


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def dense(layer: nn.Module, shape: tuple[int, ...]) -> torch.Tensor:
    """The matrix of a linear map, column by column."""
    basis = torch.eye(torch.Size(shape).numel(), dtype=torch.float64).view(-1, *shape)
    return (layer(basis) - layer(torch.zeros(1, *shape, dtype=torch.float64))).flatten(1).T.detach()


CASES = {
    "linear": (lambda: nn.Linear(5, 7), (5,)),
    "padded": (lambda: nn.Conv2d(2, 3, 3, padding=1), (2, 5, 5)),
    "strided groups": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 6, 5)),
    "circular": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (2, 4, 4)),
    "dilated": (lambda: nn.Conv1d(2, 3, 3, dilation=2), (2, 9)),
}


@pytest.mark.parametrize(("make", "shape"), CASES.values(), ids=CASES)
def test_it_is_the_largest_singular_value_of_the_map(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = make().double()
    found = operator_norm(layer, shape, iterations=300, generator=draws())
    assert found.item() == pytest.approx(float(torch.linalg.matrix_norm(dense(layer, shape), 2)), rel=1e-3)


def test_a_convolution_is_larger_than_its_kernels_by_a_bounded_factor() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, 3, padding=1).double()
    kernels = float(torch.linalg.matrix_norm(matrices(layer.weight.detach(), groups_of(layer)), 2))
    found = float(operator_norm(layer, (3, 8, 8), iterations=100, generator=draws()))
    assert kernels < found <= 3 * kernels


def test_ternary_vectors_are_lengthened_no_more_than_the_norm() -> None:
    """The distance of two spike trains changes by ternary vectors alone, so that its bound can be smaller."""
    w = torch.randn(4, 6, dtype=torch.float64, generator=draws())
    ternary = torch.tensor(list(itertools.product((-1.0, 0.0, 1.0), repeat=6)), dtype=torch.float64)
    ternary = ternary[ternary.any(1)]
    most = ((ternary @ w.T).norm(dim=1) / ternary.norm(dim=1)).max()
    assert most < torch.linalg.matrix_norm(w, 2)
    row = torch.tensor([[0.5, -0.5, 0.5]], dtype=torch.float64)
    layer = nn.Linear(3, 1).double()
    layer.weight.data = row
    norm = operator_norm(layer, (3,), iterations=50, generator=draws())
    assert norm.item() == pytest.approx(float((row @ row.sign().T).norm() / 3**0.5))


def test_shapes_come_from_one_pass_and_the_mode_stays() -> None:
    model = Spiking(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))).train()
    assert input_shapes(model, torch.zeros(2, 1, 1, 4, 4)) == {"module.0": (1, 4, 4), "module.3": (8,)}
    assert model.module[1].training
    assert model.module[1].num_batches_tracked == 0


def test_layers_above_the_limit_come_down_to_it_and_others_stay() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Flatten(), nn.Linear(48, 2)).double()
    model[0].weight.data.mul_(5)
    model[2].weight.data.mul_(0.01)
    small = model[2].weight.detach().clone()
    shapes = input_shapes(model, torch.zeros(1, 1, 4, 4, dtype=torch.float64))
    NormLimit(limit=1.5, shapes=shapes, iterations=100)(model, 0.1)
    assert operator_norm(model[0], (1, 4, 4), iterations=300, generator=draws()).item() == pytest.approx(1.5, rel=1e-2)
    assert torch.equal(model[2].weight, small)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"limit": 0}, r"NormLimit\.limit: got 0; expected a finite number above 0"),
        ({"iterations": 0}, r"NormLimit\.iterations: got 0; expected a whole number of at least 1"),
        ({"seed": -1}, r"NormLimit\.seed: got -1; expected a whole number"),
    ],
)
def test_bad_numbers_are_named(numbers: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        NormLimit(**numbers)


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"NormLimit\.shapes: got the layer '7'; expected one of 0"):
        NormLimit(shapes={"7": (2,)})(nn.Sequential(nn.Linear(2, 2)), 0.1)
