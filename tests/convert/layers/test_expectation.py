"""Expectation: exact means at every step, two inputs with broadcast, carried runs, and its cost."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert.layers import Expectation
from spikewright.core import Spiking, carry_state
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.neurons import IF
from spikewright.profile import count_operations

G = torch.Generator().manual_seed(0)
XS = torch.randn(12, 3, 4, 2, 2, generator=G, dtype=torch.float64)
YS = torch.rand(12, 3, 4, 1, 1, generator=G, dtype=torch.float64)


def running_mean(xs: Tensor) -> Tensor:
    return xs.cumsum(0) / torch.arange(1, len(xs) + 1, dtype=xs.dtype).view(-1, *[1] * (xs.dim() - 1))


def test_by_hand() -> None:
    # means 1, 2, 2: squares 1, 4, 4, times 1, 2, 3: 1, 8, 12
    out = Expectation(torch.square).over_time(torch.tensor([1.0, 3.0, 2.0]).view(3, 1, 1))
    assert out.flatten().tolist() == [1, 7, 4]


@pytest.mark.parametrize("function", [torch.sigmoid, F.hardsigmoid, torch.square])
def test_the_running_mean_is_the_function_of_the_running_mean(function) -> None:
    torch.testing.assert_close(running_mean(Expectation(function).over_time(XS)), function(running_mean(XS)))


def test_two_inputs_with_broadcast() -> None:
    expected = running_mean(XS) * running_mean(YS)
    torch.testing.assert_close(running_mean(Expectation(torch.mul).over_time(XS, YS)), expected)
    torch.testing.assert_close(running_mean(Expectation(torch.mul).over_time(YS, XS)), expected)


def test_inside_a_shell() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.product = Expectation(torch.mul)

        def forward(self, x: Tensor) -> Tensor:
            return self.product(x, x.mean((2, 3), keepdim=True))

    means = running_mean(XS)
    torch.testing.assert_close(running_mean(Spiking(Gate())(XS)), means * means.mean((3, 4), keepdim=True))


def test_whole_and_carried_runs_are_equal_and_nothing_is_kept() -> None:
    layer = Expectation(torch.mul)
    whole = layer.over_time(XS, YS)
    with carry_state(layer):
        parts = [layer.over_time(x, y) for x, y in zip(XS.split([1, 4, 7]), YS.split([1, 4, 7]))]
        with pytest.raises(ShapeError, match="Expectation: carries a state of shape"):
            layer.over_time(XS[:, :2], YS[:, :2])
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-13)
    assert torch.equal(layer.over_time(XS, YS), whole)


def test_half_precision_sums_are_wide() -> None:
    xs = torch.full((400, 1, 1), 1.5, dtype=torch.bfloat16)
    out = Expectation(torch.sigmoid).over_time(xs)
    assert out.dtype == torch.bfloat16
    assert abs(float(out.float().mean()) - float(torch.sigmoid(torch.tensor(1.5)))) < 1e-2


def test_gradients_reach_both_inputs() -> None:
    x, y = XS.clone().requires_grad_(), YS.clone().requires_grad_()
    Expectation(torch.mul).over_time(x, y).sum().backward()  # 12 * mean x * mean y
    torch.testing.assert_close(x.grad[0], YS.mean(0).expand_as(XS[0]))
    torch.testing.assert_close(y.grad[0], XS.mean(0).sum((2, 3), keepdim=True))


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match=r"Expectation\.function: got 3; expected a function of one or two tensors"):
        Expectation(3)
    with pytest.raises(ArgumentError, match="Expectation: got 3 inputs; expected one or two"):
        Expectation(torch.mul).over_time(XS, XS, XS)


def test_it_counts_as_analog_work_and_its_output_as_analog() -> None:
    model = Spiking(nn.Sequential(IF(), Expectation(torch.sigmoid), nn.Linear(4, 3, bias=False)))
    counted = count_operations(model, torch.ones(2, 1, 4))
    assert counted.layer("1").macs.tolist() == [12, 12]  # per element one for the mean, two for the output
    assert counted.layer("1").updates.tolist() == [0, 0]
    assert counted.layer("2").macs.tolist() == [12, 12]
    assert counted.layer("2").synops.tolist() == [0, 0]
