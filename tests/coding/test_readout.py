"""Read-outs by hand, their gradients and bad input; what the registries hold."""

import math

import pytest
import torch

from spikewright.coding import ENCODERS, READOUTS, last, max_membrane, mean, repeat, running_mean
from spikewright.core import Spiking
from spikewright.core.errors import ShapeError
from spikewright.neurons import LIF

XS = torch.tensor([[[1.0, -2.0]], [[0.0, 4.0]], [[2.0, 1.0]]])
every = pytest.mark.parametrize("name", READOUTS)


def test_by_hand():
    assert mean(XS).tolist() == [[1.0, 1.0]]
    assert last(XS).tolist() == [[2.0, 1.0]]
    assert running_mean(XS)[:, 0].tolist() == [[1.0, -2.0], [0.5, 1.0], [1.0, 1.0]]
    assert max_membrane(XS).tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize("timesteps", [1, 2, 5, 8])
def test_the_running_mean_equals_shorter_runs(timesteps):
    x = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    model = Spiking(LIF())
    long, short = running_mean(model(repeat(x, 8))), mean(model(repeat(x, timesteps)))
    torch.testing.assert_close(long[timesteps - 1], short)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_running_mean_counts_right_in_half_precision(dtype):
    assert running_mean(torch.ones(3000, 1, 1, dtype=dtype)).flatten().tolist() == [1.0] * 3000


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_feature_shape_and_dtype(name, dtype):
    out = READOUTS[name](torch.rand(4, 2, 3, 5).to(dtype))
    assert out.dtype == dtype
    assert out.shape == ((4, 2, 3, 5) if name == "running_mean" else (2, 3, 5))


@pytest.mark.parametrize(
    ("readout", "expected"),
    [
        (mean, [1 / 3, 1 / 3, 1 / 3]),
        (last, [0, 0, 1]),
        (max_membrane, [0, 1, 0]),
        (running_mean, [11 / 6, 5 / 6, 2 / 6]),
    ],
)
def test_gradients_by_hand(readout, expected):
    xs = torch.tensor([1.0, 3.0, 2.0]).view(3, 1, 1).requires_grad_()
    readout(xs).sum().backward()
    assert xs.grad is not None
    assert xs.grad.flatten().tolist() == pytest.approx(expected)


@every
def test_nan_stays_nan(name):
    xs = torch.zeros(2, 1, 2)
    xs[1, 0, 0] = math.nan
    out = READOUTS[name](xs)
    assert torch.isnan(out[..., 0]).any()
    assert not torch.isnan(out[..., 1]).any()


@every
@pytest.mark.parametrize(
    ("xs", "message"),
    [
        (torch.zeros(3, 2), r"got shape \[3, 2\]; expected \[T, N, ...\]"),
        (torch.zeros(0, 2, 3), r"got shape \[0, 2, 3\]; .*T >= 1"),
        (torch.zeros(2, 0, 3), r"got shape \[2, 0, 3\]; .*N >= 1"),
        (torch.zeros(2, 1, 3, dtype=torch.int64), r"got dtype torch\.int64; expected a floating-point"),
        (3.0, "got float; expected a tensor"),
    ],
)
def test_bad_input_is_refused(name, xs, message):
    with pytest.raises(ShapeError, match=f"{name}: {message}"):
        READOUTS[name](xs)


def test_the_registries_go_by_the_names_of_the_functions():
    assert list(ENCODERS) == ["delta", "latency", "poisson", "repeat"]
    assert list(READOUTS) == ["last", "max_membrane", "mean", "running_mean"]
    assert all(function.__name__ == name for name, function in (ENCODERS | READOUTS).items())
