"""Singular values, fixed points, rows, groups, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from spikewright.core.errors import ArgumentError
from spikewright.robust import Retraction, largest_singular_values, retracted
from spikewright.robust.matrices import linear_maps, matrices


def weights(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_singular_values_follow_their_formula_and_vectors_stay(shape: tuple[int, int]) -> None:
    m, beta = 0.5 * weights(*shape), 0.1
    u, s, v = torch.linalg.svd(m, full_matrices=False)
    assert torch.allclose(retracted(m, beta), u @ torch.diag(s + beta * s * (1 - s**2)) @ v, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_many_steps_bring_all_singular_values_to_one(shape: tuple[int, int]) -> None:
    m = 0.5 * weights(*shape)
    for _ in range(200):
        m = retracted(m, 0.1)
    assert torch.allclose(torch.linalg.svdvals(m), torch.ones(3, dtype=torch.float64), atol=1e-4)


def test_it_is_a_step_down_the_distance_from_orthonormal_rows() -> None:
    m = weights(3, 5).requires_grad_()
    distance = (m @ m.T - torch.eye(3, dtype=m.dtype)).square().sum() / 4
    (gradient,) = torch.autograd.grad(distance, m)
    assert torch.allclose(retracted(m.detach(), 0.05), m.detach() - 0.05 * gradient, atol=1e-12)


def test_orthonormal_rows_stay_and_zero_stays() -> None:
    rows = torch.linalg.qr(weights(5, 3)).Q.T
    assert torch.allclose(retracted(rows, 0.3), rows, atol=1e-12)
    assert torch.equal(retracted(torch.zeros(2, 3), 0.3), torch.zeros(2, 3))
    rank_one = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    assert torch.equal(retracted(rank_one, 0.1)[1], torch.zeros(2))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3)).double()


def test_a_kernel_is_the_matrix_of_its_rows_and_the_rest_stays() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Retraction(beta=0.02)(model, 0.1, step=1)
    after = model.state_dict()
    for name in ("0.weight", "3.weight"):
        expected = retracted(before[name].flatten(1), 0.02).view_as(before[name])
        assert torch.allclose(after[name], expected, atol=1e-14)
        assert not torch.equal(after[name], before[name])
    assert all(torch.equal(after[name], before[name]) for name in before if name not in ("0.weight", "3.weight"))


def test_kernels_in_another_order_of_memory_are_the_same_matrix() -> None:
    plain, other = network(), network().to(memory_format=torch.channels_last)
    for model in (plain, other):
        Retraction(beta=0.02)(model, 0.1, step=1)
    assert torch.allclose(plain[0].weight, other[0].weight, atol=1e-14)
    assert other[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_groups_are_matrices_of_their_own() -> None:
    layer = nn.Conv2d(4, 6, 3, groups=2).double()
    before = layer.weight.detach().clone()
    Retraction(beta=0.05)(layer, 0.1, step=1)
    for part in (slice(0, 3), slice(3, 6)):
        expected = retracted(before[part].flatten(1), 0.05).view_as(before[part])
        assert torch.allclose(layer.weight[part], expected, atol=1e-14)
    assert matrices(torch.zeros(6, 2, 3, 3), 2).shape == (2, 3, 18)


def test_large_linear_layers_give_a_share_of_their_rows_as_a_matrix_of_its_own() -> None:
    layer = nn.Linear(7, 205).double()
    before = layer.weight.detach().clone()
    hook = Retraction(beta=0.02)
    hook(layer, 0.1, step=3)
    changed = (layer.weight != before).any(1).nonzero()[:, 0]
    assert len(changed) == math.floor(0.3 * 205)
    assert torch.equal(changed, hook.rows(layer, 3, 0))
    assert torch.allclose(layer.weight[changed], retracted(before[changed], 0.02), atol=1e-14)


def test_rows_follow_from_seed_update_and_layer_alone() -> None:
    layer = nn.Linear(2, 300)
    draws = {}
    for seed, step, place in ((0, 1, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1)):
        torch.manual_seed(step)
        first = Retraction(seed=seed).rows(layer, step, place)
        assert torch.equal(first, Retraction(seed=seed).rows(layer, step, place))
        draws[seed, step, place] = tuple(first.tolist())
    assert len(set(draws.values())) == 4
    assert Retraction(row_fraction=1).rows(layer, 1, 0) is None
    assert Retraction().rows(nn.Linear(2, 199), 1, 0) is None
    assert Retraction().rows(nn.Conv2d(1, 400, 1), 1, 0) is None


def test_beta_zero_changes_nothing() -> None:
    model = network()
    before = model[0].weight.detach().clone()
    Retraction(beta=0.0)(model, 0.1, step=1)
    assert torch.equal(model[0].weight, before)


def test_a_shared_weight_is_drawn_once() -> None:
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    before = first.weight.detach().clone()
    Retraction(beta=0.1)(nn.Sequential(first, second), 0.1, step=1)
    assert torch.allclose(first.weight, retracted(before, 0.1))


def test_the_optimisers_momentum_stays() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9)
    model(torch.rand(2, 2, 3, 3, dtype=torch.float64)).sum().backward()
    optimizer.step()
    kept = [state["momentum_buffer"].clone() for state in optimizer.state.values()]
    Retraction(beta=0.1)(model, 0.1, step=1)
    assert all(torch.equal(state["momentum_buffer"], value) for state, value in zip(optimizer.state.values(), kept))


@pytest.mark.parametrize("beta", [0.1, 0.004])
def test_a_step_that_would_enlarge_is_refused_before_anything_changes(beta: float) -> None:
    limit = math.sqrt((2 + beta) / beta)
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)).double()
    model[0].weight.data = torch.eye(2, dtype=torch.float64) / 2
    model[1].weight.data = torch.diag(torch.tensor([1.001 * limit, 0.999 * limit], dtype=torch.float64))
    message = rf"Retraction: got 1 with a singular value of {1.001 * limit:.4g}; expected less than {limit:.4g} for be"
    with pytest.raises(ArgumentError, match=message):
        Retraction(beta=beta)(model, 0.1, step=1)
    assert torch.equal(model[0].weight, torch.eye(2, dtype=torch.float64) / 2)
    model[1].weight.data = torch.eye(2, dtype=torch.float64) * 0.999 * limit  # a bound alone would refuse this one
    Retraction(beta=beta)(model, 0.1, step=1)
    assert 0 < largest_singular_values(model)["1"] < limit
    model[1].weight.data[0, 0] = math.nan
    with pytest.raises(ArgumentError, match=r"Retraction: got 1 with a singular value of nan"):
        Retraction(beta=beta)(model, 0.1, step=1)


def test_a_thousand_steps_stay_finite_and_come_down_to_one() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 8))
    model[0].weight.data.mul_(6)
    largest = [max(largest_singular_values(model).values())]
    for step in range(1000):
        Retraction(beta=0.004)(model, 0.0, step=step)
        if step % 100 == 99:
            largest.append(max(largest_singular_values(model).values()))
    assert all(after <= before + 1e-6 for before, after in zip(largest, largest[1:]))
    assert largest[0] > 1.5
    assert largest[-1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"beta": -0.1}, r"Retraction\.beta: got -0\.1; expected a finite number of at least 0"),
        ({"beta": math.inf}, r"Retraction\.beta: got inf; expected a finite number"),
        ({"beta": "0.1"}, r"Retraction\.beta: got '0\.1'; expected a finite number"),
        ({"row_fraction": 0}, r"Retraction\.row_fraction: got 0; expected a share above 0, up to 1"),
        ({"row_threshold": 0}, r"Retraction\.row_threshold: got 0; expected a whole number of at least 1"),
        ({"seed": -1}, r"Retraction\.seed: got -1; expected a whole number of at least 0"),
    ],
)
def test_bad_numbers_are_named(numbers: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Retraction(**numbers)


def test_networks_without_such_weights_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"Retraction\.model: got no convolution or linear layer; expected at lea"):
        Retraction()(nn.ReLU(), 0.1, step=1)
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", nn.Identity())
    with pytest.raises(ArgumentError, match=r"got '0', whose weight is made of another one; expected weights that can"):
        Retraction()(nn.Sequential(layer), 0.1, step=1)
    with pytest.raises(ArgumentError, match=r"x\.model: got None; expected a network"):
        linear_maps(None, "x")  # pyright: ignore[reportArgumentType]
