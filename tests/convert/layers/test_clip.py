"""Clipped ReLU: forward, and both gradients element by element."""

import copy
import math

import pytest
import torch
from torch import Tensor

from spikewright.convert.layers import ClippedReLU, clipped_relu
from spikewright.core.errors import ArgumentError

D = torch.float64


def gradients(z: float, v_threshold: float) -> tuple[float, float, float]:
    """Value, da/dz and da/dv_threshold of a single number."""
    layer = ClippedReLU(v_threshold=v_threshold).double()
    x = torch.tensor([z], dtype=D, requires_grad=True)
    a = layer(x)
    a.sum().backward()
    assert x.grad is not None
    assert layer.v_threshold.grad is not None
    return float(a.detach()), float(x.grad), float(layer.v_threshold.grad)


@pytest.mark.parametrize("v_threshold", [0.5, 1.5, 4.0])
def test_the_table(v_threshold: float) -> None:
    """a = min(max(z, 0), lambda); da/dz = 1 for 0 < z < lambda; da/dlambda = 1 for z >= lambda; ends included."""
    for z in [step / 16 for step in range(-32, 97)]:
        expected = (min(max(z, 0.0), v_threshold), float(0 < z < v_threshold), float(z >= v_threshold))
        assert gradients(z, v_threshold) == expected


def test_ends_by_hand() -> None:
    """0 and lambda = 2 themselves, and the numbers next to them."""
    at = [math.nextafter(0, -1), 0.0, math.nextafter(0, 1), math.nextafter(2, 1), 2.0, math.nextafter(2, 3)]
    assert [gradients(z, 2.0)[1] for z in at] == [0, 0, 1, 1, 0, 0]
    assert [gradients(z, 2.0)[2] for z in at] == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("v_threshold", [0.5, 1.5])
def test_euler(v_threshold: float) -> None:
    """z da/dz + lambda da/dlambda = a below, inside and above."""
    for z in [step / 16 for step in range(-16, 49)]:
        a, by_z, by_threshold = gradients(z, v_threshold)
        assert z * by_z + v_threshold * by_threshold == a


def test_gradients_are_summed_with_those_from_above() -> None:
    g = torch.Generator().manual_seed(0)
    z, upstream = (torch.randn(50, 7, dtype=D, generator=g) for _ in range(2))
    layer = ClippedReLU(v_threshold=0.7).double()
    z.requires_grad_()
    layer(z).backward(upstream)
    bound = layer.v_threshold.detach()
    assert z.grad is not None
    assert torch.equal(z.grad, upstream * ((z > 0) & (z < bound)))
    assert torch.allclose(layer.v_threshold.grad, (upstream * (z >= bound)).sum(), rtol=1e-12)  # pyright: ignore


def test_differences_give_the_same_gradients() -> None:
    g = torch.Generator().manual_seed(1)
    z = torch.randn(20, dtype=D, generator=g).requires_grad_()
    assert torch.autograd.gradcheck(clipped_relu, (z, torch.tensor(0.8, dtype=D, requires_grad=True)))


def test_the_bound_learns_to_clip_less() -> None:
    layer, z = ClippedReLU(v_threshold=1.0), torch.linspace(0, 4, 101)
    (layer(z) - z).square().mean().backward()
    assert layer.v_threshold.grad is not None
    assert layer.v_threshold.grad < 0


def test_the_input_is_not_written_to_and_its_dtype_is_kept() -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        z = torch.randn(3, 5, dtype=dtype)
        before = z.clone()
        out = ClippedReLU()(z)
        assert torch.equal(z, before)
        assert (out.shape, out.dtype) == (z.shape, dtype)


def test_what_is_no_number_stays_so() -> None:
    out: Tensor = ClippedReLU(v_threshold=2.0)(torch.tensor([math.nan, math.inf, -math.inf])).detach()
    assert math.isnan(out[0])
    assert out[1:].tolist() == [2.0, 0.0]


def test_state_and_copy() -> None:
    layer = ClippedReLU()
    assert layer.v_threshold.item() == 4.0
    assert list(layer.state_dict()) == ["v_threshold"]
    other = copy.deepcopy(layer)
    other.v_threshold.data.fill_(1.0)
    assert layer.v_threshold.item() == 4.0
    assert repr(layer) == "ClippedReLU(v_threshold=4)"


@pytest.mark.parametrize("v_threshold", [0.0, -1.0, math.inf, math.nan])
def test_the_bound_must_be_above_0(v_threshold: float) -> None:
    with pytest.raises(ArgumentError, match=r"ClippedReLU\.v_threshold: got .*; expected a finite number above 0"):
        ClippedReLU(v_threshold=v_threshold)
