"""A second pass is through the same function as the first, and leaves no trace."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError
from spikewright.core.spiking import Spiking
from spikewright.layers import TEBN
from spikewright.robust.second_pass import repeatable
from spikewright.train.batch_norm import shared_batch_norm
from tests.robust.conftest import T, network


def xs(seed: int = 0) -> torch.Tensor:
    return torch.rand(T, 4, 1, 6, 6, generator=torch.Generator().manual_seed(seed))


def test_the_same_input_gives_the_same_output_with_dropout_and_batch_norm() -> None:
    model = network(dropout=0.5)
    with repeatable(model, "x") as again:
        first = model(xs())
        with again():
            second = model(xs())
    assert torch.allclose(first, second, atol=1e-5)
    assert not torch.allclose(model(xs()), first, atol=1e-2)  # dropout draws anew


def test_statistics_and_random_state_are_those_of_one_pass() -> None:
    model = network(dropout=0.5)
    once = copy.deepcopy(model)
    torch.manual_seed(3)
    once(xs())
    expected = torch.get_rng_state()
    torch.manual_seed(3)
    with repeatable(model, "x") as again:
        model(xs())
        with again():
            model(10 * xs(1))
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), once.state_dict().values()))
    assert "forward" not in model.module[1].__dict__
    assert not model.module[1]._forward_hooks


def test_a_norm_is_a_fixed_affine_map_whose_statistics_have_a_gradient() -> None:
    norm = nn.BatchNorm1d(2).double()
    norm.weight.data = torch.tensor([2.0, 3.0], dtype=torch.float64)
    first = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    second = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def out(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        with repeatable(norm, "x") as again:
            norm(a)
            with again():
                return norm(b)

    mean, variance = first.mean(0), first.var(0, correction=0)
    expected = (second - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias
    assert torch.allclose(out(first, second), expected)
    assert torch.autograd.gradcheck(out, (first, second))


def test_norms_in_eval_stay_as_they_are() -> None:
    model = network().eval()
    with repeatable(model, "x") as again:
        first = model(xs())
        with again():
            assert torch.equal(model(xs()), first)


def test_nothing_is_left_after_an_exception() -> None:
    model = network()

    def interrupted() -> None:
        with repeatable(model, "x") as again:
            model(xs())
            with again():
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "forward" not in model.module[1].__dict__
    assert not model.module[1]._forward_hooks


def test_statistics_that_cannot_be_held_are_refused() -> None:
    tebn = Spiking(nn.Sequential(TEBN(2, steps=2))).train()
    with pytest.raises(ArgumentError, match=r"x\.model: got module\.0 \(TEBN\); expected torch's batch norms"):
        with repeatable(tebn, "x"):
            pass
    with repeatable(tebn.eval(), "x"):
        pass

    class Two:
        world_size, global_rank, device = 2, 0, torch.device("cpu")

    model = network()
    with (
        shared_batch_norm(model, Two()),
        pytest.raises(ArgumentError, match=r"x: got batch norms whose statistics sev"),
    ):
        with repeatable(model, "x"):
            pass
