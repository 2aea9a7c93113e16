"""QCFS activation: forward grid, homogeneity, and both gradient orders, element by element."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikewright.convert.layers import QCFSActivation, clamp_then_floor, floor_then_clamp, qcfs
from spikewright.convert.layers.qcfs import GradientOrder
from spikewright.core.errors import ArgumentError

ORDERS = [floor_then_clamp, clamp_then_floor]
LEVELS = [1, 2, 3, 4, 5, 7, 8, 16]


def one_gradient(z: float, v_threshold: float, levels: int, order: GradientOrder) -> tuple[float, float, float]:
    """Value, da/dz and da/dthreshold of a single number."""
    layer = QCFSActivation(levels=levels, v_threshold=v_threshold, order=order).double()
    x = torch.tensor([z], dtype=torch.float64, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.v_threshold.grad is not None
    return float(layer(x).detach()), float(x.grad), float(layer.v_threshold.grad)


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("v_threshold", [0.5, 1.0, 1.5, 8.0])
def test_forward_is_the_grid_with_ties_up(levels: int, v_threshold: float) -> None:
    """QCFS 1: a = lambda clip(floor(z L/lambda + 1/2), 0, L)/L, checked against whole numbers, ties included."""
    z = torch.arange(-64, 1025, dtype=torch.float64) / 64
    sixty_fourths = torch.arange(-64, 1025)
    unit = int(64 * v_threshold)
    steps = torch.div(2 * sixty_fourths * levels + unit, 2 * unit, rounding_mode="floor").clamp(0, levels)
    for dtype in (torch.float32, torch.float64):
        a = qcfs(z.to(dtype), torch.tensor(v_threshold, dtype=dtype), levels)
        assert torch.equal(a, (steps * v_threshold).to(dtype) / levels)


@pytest.mark.parametrize("levels", [1, 2, 4, 8, 16, 32])
def test_edges_of_the_first_and_last_level(levels: int) -> None:
    """QCFS 1: z = -lambda/(2L) gives 0, z = lambda - lambda/(2L) gives lambda, just below it does not."""
    v_threshold = torch.tensor(2.0)
    half = 1.0 / levels
    top = torch.tensor(2.0 - half)
    below = top - 1e-5
    z = torch.stack([torch.tensor(-half), torch.tensor(half), top, below])
    assert qcfs(z, v_threshold, levels).tolist() == [0.0, 2.0 / levels, 2.0, 2.0 - 2.0 / levels]


@pytest.mark.parametrize("levels", LEVELS)
def test_levels_order_and_limits(levels: int) -> None:
    """QCFS 1: L + 1 levels, monotone, h(-inf) = 0 and h(inf) = lambda."""
    z = torch.linspace(-3, 6, 9001)
    a = qcfs(z, torch.tensor(2.37919), levels)
    assert len(a.unique()) == levels + 1
    assert (a.diff() >= 0).all()
    ends = qcfs(torch.tensor([-math.inf, math.inf]), torch.tensor(2.37919), levels)
    assert ends.tolist() == [0.0, float(torch.tensor(2.37919))]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(-4, 8), st.floats(0.1, 8), st.integers(1, 32))
def test_any_value_lies_within_half_a_level_of_the_clipped_relu(z: float, v_threshold: float, levels: int) -> None:
    """QCFS 1: for any numbers the value is the nearest level of the clipped ReLU."""
    a = float(qcfs(torch.tensor([z], dtype=torch.float64), torch.tensor(v_threshold, dtype=torch.float64), levels))
    assert abs(a - min(max(z, 0.0), v_threshold)) <= v_threshold / (2 * levels) + 1e-12
    assert round(a * levels / v_threshold) == pytest.approx(a * levels / v_threshold, abs=1e-9)


@pytest.mark.parametrize("c", [0.125, 0.5, 2.0, 64.0])
def test_homogeneity(c: float) -> None:
    """QCFS 2: h(c z; c lambda) = c h(z; lambda); exact for powers of two."""
    z = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 2
    v_threshold = torch.tensor(1.7)
    assert torch.equal(qcfs(c * z, c * v_threshold, 4), c * qcfs(z, v_threshold, 4))


def test_homogeneity_of_other_factors() -> None:
    """QCFS 2: for other factors up to rounding."""
    z = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    v_threshold = torch.tensor(1.7, dtype=torch.float64)
    assert torch.allclose(qcfs(3 * z, 3 * v_threshold, 5), 3 * qcfs(z, v_threshold, 5), rtol=1e-14)


def table_row(z: float, v_threshold: float, levels: int, order: GradientOrder) -> tuple[float, float]:
    """da/dz and da/dthreshold as the specification's table states them."""
    half = v_threshold / (2 * levels)
    low, high = (-half, v_threshold + half) if order is floor_then_clamp else (0.0, v_threshold)
    inside = low <= z < high if order is floor_then_clamp else low <= z <= high
    if inside:
        a = v_threshold * min(max(math.floor(z * levels / v_threshold + 0.5), 0), levels) / levels
        return 1.0, (a - z) / v_threshold
    return 0.0, 1.0 if z > high or (order is floor_then_clamp and z == high) else 0.0


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
@pytest.mark.parametrize("levels", [1, 2, 4, 8])
def test_gradients_are_the_table(order: GradientOrder, levels: int) -> None:
    """QCFS 3: both gradients equal the table at every grid point, window ends included."""
    v_threshold = 2.0
    for z in [step / 32 for step in range(-96, 161)]:
        _, by_z, by_threshold = one_gradient(z, v_threshold, levels, order)
        assert (by_z, by_threshold) == pytest.approx(table_row(z, v_threshold, levels, order), abs=1e-15)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
def test_window_ends(order: GradientOrder) -> None:
    """QCFS 3: at L = 4, lambda = 2 the window is [-1/4, 9/4) or [0, 2], worked out by hand."""
    below, above = math.nextafter(-0.25, -1), math.nextafter(2.25, 3)
    passes = [one_gradient(z, 2.0, 4, order)[1] for z in (below, -0.25, -0.1, 0.0, 1.9, 2.0, 2.1, 2.25, above)]
    expected = {
        "floor_then_clamp": [0, 1, 1, 1, 1, 1, 1, 0, 0],
        "clamp_then_floor": [0, 0, 0, 1, 1, 1, 0, 0, 0],
    }
    assert passes == expected[order.name]


class StraightThroughFloor(torch.autograd.Function):
    """floor, whose derivative is 1."""

    @staticmethod
    def forward(ctx, u: Tensor) -> Tensor:
        return u.floor()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad


class ClampThatPassesAtItsEnds(torch.autograd.Function):
    """clamp to 0..1, whose derivative is 1 at both ends too: torch's own does so in some versions only."""

    @staticmethod
    def forward(ctx, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return u.clamp(0, 1)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return grad * ((u >= 0) & (u <= 1))


def reference(z: Tensor, v_threshold: Tensor, levels: int, order: GradientOrder) -> Tensor:
    """The activation by plain autograd: straight through the floor only."""
    floor, clamp, u = StraightThroughFloor.apply, ClampThatPassesAtItsEnds.apply, z / v_threshold
    if order is floor_then_clamp:
        return v_threshold * clamp(floor(u * levels + 0.5) / levels)
    return v_threshold * floor(clamp(u) * levels + 0.5) / levels


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
@pytest.mark.parametrize("levels", [1, 3, 4, 8])
def test_gradients_are_those_of_autograd(order: GradientOrder, levels: int) -> None:
    """QCFS 3: on random numbers, with a random gradient from above, both gradients are what autograd gives."""
    g = torch.Generator().manual_seed(levels)
    values = torch.randn(50, 7, dtype=torch.float64, generator=g) * 2
    upstream = torch.randn(50, 7, dtype=torch.float64, generator=g)
    layer = QCFSActivation(levels=levels, v_threshold=1.3, order=order).double()
    own, other = values.clone().requires_grad_(), values.clone().requires_grad_()
    v_threshold = layer.v_threshold.detach().clone().requires_grad_()
    a, expected = layer(own), reference(other, v_threshold, levels, order)
    assert torch.allclose(a, expected, atol=1e-14)
    a.backward(upstream)
    expected.backward(upstream)
    assert own.grad is not None
    assert torch.allclose(own.grad, other.grad, rtol=1e-12)
    assert torch.allclose(layer.v_threshold.grad, v_threshold.grad, rtol=1e-12)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
@pytest.mark.parametrize("levels", [1, 4, 5])
def test_euler(order: GradientOrder, levels: int) -> None:
    """QCFS 3: z da/dz + lambda da/dlambda = a inside, above and below the window."""
    for z in [step / 16 for step in range(-32, 81)]:
        a, by_z, by_threshold = one_gradient(z, 1.5, levels, order)
        assert z * by_z + 1.5 * by_threshold == pytest.approx(a, abs=1e-12)


def test_threshold_learns_to_clip_less_and_more() -> None:
    """One gradient step on the squared error moves the threshold towards what the data need."""
    z = torch.linspace(0, 4, 401)
    for start, better in ((1.0, 1), (30.0, -1)):
        layer = QCFSActivation(levels=4, v_threshold=start)
        (layer(z) - z).square().mean().backward()
        assert layer.v_threshold.grad is not None
        assert math.copysign(1, -float(layer.v_threshold.grad)) == better


def test_shape_dtype_and_device_follow_the_input() -> None:
    layer = QCFSActivation(levels=4)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        out = layer(torch.randn(2, 3, 4, 4, dtype=dtype))
        assert out.shape == (2, 3, 4, 4)
        assert out.dtype == dtype


def test_input_is_not_written_to() -> None:
    z = torch.randn(100)
    before = z.clone()
    QCFSActivation(levels=4)(z)
    assert torch.equal(z, before)


def test_state_and_copy() -> None:
    layer = QCFSActivation(levels=8, v_threshold=3.0)
    assert list(layer.state_dict()) == ["v_threshold"]
    assert layer.v_threshold.shape == ()
    other = copy.deepcopy(layer)
    other.v_threshold.data.fill_(1.0)
    assert layer.v_threshold.item() == 3.0
    assert repr(layer) == "QCFSActivation(levels=8, v_threshold=3, order=floor_then_clamp)"


@pytest.mark.parametrize("levels", [0, -1, 2.0, True])
def test_levels_must_be_a_whole_number(levels) -> None:
    with pytest.raises(ArgumentError, match=r"QCFSActivation\.levels: got .*; expected a whole number of at least 1"):
        QCFSActivation(levels=levels)


@pytest.mark.parametrize("v_threshold", [0.0, -1.0, math.inf, math.nan])
def test_threshold_must_be_above_0(v_threshold: float) -> None:
    with pytest.raises(ArgumentError, match=r"QCFSActivation\.v_threshold: got .*; expected a finite number above 0"):
        QCFSActivation(levels=4, v_threshold=v_threshold)
