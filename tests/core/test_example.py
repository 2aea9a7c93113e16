"""trace(example=...): decisions on shapes are settled, sizes stay symbolic, decisions on values remain an error."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.core import Spiking
from spikewright.core.errors import ConversionError, ShapeError
from spikewright.core.trace import trace
from spikewright.neurons import IF


class Net(nn.Module):
    """A forward pass of choice on images [N, 3, 4, 4]."""

    def __init__(self, run) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.fc = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Linear(96, 5)
        self.table = nn.Parameter(torch.randn(1, 9, 6))
        self.register_buffer("mask", torch.ones(1, 9, 6))
        self.steps = nn.ModuleList([nn.Linear(96, 96) for _ in range(3)])
        self.neuron = IF()
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


X = torch.randn(7, 3, 4, 4, generator=torch.Generator().manual_seed(1))


def asserted(net: Net, x: Tensor) -> Tensor:
    assert x.shape[1] == 3
    assert x.dim() == 4
    return net.conv(x)


def unpacked(net: Net, x: Tensor) -> Tensor:
    n, c, h, w = net.conv(x).shape
    if h * w != 16:
        raise ValueError("wrong size")
    return net.conv(x).view(n, c, h * w).transpose(1, 2) + net.table[:, : h * w // 2 + 1].mean()


def looped(net: Net, x: Tensor) -> Tensor:
    h = net.conv(x).flatten(1)
    for i in range(x.size(1)):
        h = net.steps[i](h)
    return h


def padded_when_odd(net: Net, x: Tensor) -> Tensor:
    h, w = x.shape[-2:]
    if h % 2 or w % 2:
        x = F.pad(x, (0, w % 2, 0, h % 2))
    return net.conv(x)


def tokens(net: Net, x: Tensor) -> Tensor:
    x = net.conv(x).flatten(2).transpose(1, 2)[:, :9]
    return (x + net.table[:, : x.shape[1]]) * net.mask[:, : x.shape[1]]


RUNS = {
    "more than one sample": lambda net, x: net.norm(net.conv(x)) if x.shape[0] > 1 else net.conv(x),
    "loop over a size": looped,
    "assert": asserted,
    "unpacked shape": unpacked,
    "pad when odd": padded_when_odd,
    "table cut to the length": tokens,
    "length of the shape": lambda net, x: net.conv(x).flatten(1) if len(x.shape) == 4 else x,
    "dim": lambda net, x: net.conv(x) if x.dim() == 4 else net.conv(x.unsqueeze(0)),
    "int of a size": lambda net, x: F.interpolate(net.conv(x), size=int(x.shape[2] // 2)),
    "root of a size": lambda net, x: net.conv(x) / math.sqrt(x.size(1)) * x.shape[1] ** -0.5 * float(x.shape[1]),
    "shape compared": lambda net, x: net.conv(x) if x.shape[-2:] == (4, 4) else x,
    "all of the shape": lambda net, x: net.fc(net.conv(x).view(x.shape[0], sum(x.shape[1:]) * 0 + 96)),
    "star of the shape": lambda net, x: net.conv(x).view(*x.shape[:1], -1),
    "chunks": lambda net, x: sum(part * k for k, part in enumerate(net.conv(x).chunk(2, dim=1))),
    "functional batch norm": lambda net, x: (
        F.batch_norm(net.conv(x), net.norm.running_mean, net.norm.running_var, training=net.training)
        if x.shape[2] == 4
        else x
    ),
    "dropout": lambda net, x: F.dropout(net.conv(x), 0.0, net.training) if x.shape[2] == 4 else x,
    "written in place": lambda net, x: net.fc(x.mul_(2).mean(1).repeat(1, 6, 1).flatten(1)) if x.size(1) == 3 else x,
    "size of a neuron": lambda net, x: net.conv(x) if net.neuron(net.conv(x)).shape[1] == 6 else x,
    "decision on a weight": lambda net, x: net.conv(x) if net.mask.sum() > 3 else x,
}


@pytest.mark.parametrize("name", RUNS)
def test_decisions_on_shapes_are_settled(name: str) -> None:
    """The graph is the same function, for any batch size above 1, in both modes, and nothing is written."""
    if name == "size of a neuron":
        net = Net(RUNS[name]).eval()
        graph = trace(net, example=X)
        assert torch.equal(Spiking(graph)(X.expand(3, *X.shape))[0], net.conv(X))
        return
    for mode in (False, True):
        net = Net(RUNS[name]).train(mode)
        state = {key: value.clone() for key, value in net.state_dict().items()}
        seed, given = torch.get_rng_state(), X.clone()
        graph = trace(net, example=given)
        assert torch.equal(torch.get_rng_state(), seed)
        assert torch.equal(given, X)
        assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
        assert all(torch.equal(value, state[key]) for key, value in graph.state_dict().items())
        for rows in (7, 2, 4):
            torch.testing.assert_close(graph(X[:rows].clone()), net(X[:rows].clone()))


def test_sizes_stay_symbolic_so_that_time_can_multiply_the_batch() -> None:
    graph = trace(Net(unpacked).eval(), example=X)
    assert Spiking(graph)(X.expand(4, *X.shape)).shape == (4, 7, 16, 6)


def test_gradients_reach_a_table_that_is_cut() -> None:
    graph = trace(Net(tokens), example=X)
    graph(X).sum().backward()
    assert graph.table.grad is not None
    assert graph.table.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (lambda net, x: net.conv(x) if x.sum() > 0 else x, "asks for the truth of gt, which depends on the values"),
        (lambda net, x: net.conv(x) * float(x.max()), "asks for the number of max_1, which depends on the values"),
        (lambda net, x: net.conv(x) * int(x.mean().item()), "asks for the number of item, which depends on the values"),
        (
            lambda net, x: torch.stack([net.conv(row) for row in x]),
            "asks for the length of x, .* the batch size: 2 for",
        ),
        (lambda net, x: sum(net.conv(x) for _ in range(x.shape[0])), "the number of getitem, .* the batch size: 2 for"),
        (lambda net, x: net.conv(x) if x.shape[0] % 2 else x, r"asks for the truth of mod.*: False for a batch of 2"),
    ],
)
def test_decisions_on_values_and_on_the_batch_size_are_refused(run, reason: str) -> None:
    with pytest.raises(ConversionError, match=f"Net: cannot be traced into a graph: its own forward pass .*{reason}"):
        trace(Net(run), example=X)


def test_an_example_that_does_not_fit_is_named() -> None:
    with pytest.raises(
        ConversionError, match=r"cannot be computed on the example \(RuntimeError: .*that the network can"
    ):
        trace(Net(lambda net, x: net.fc(x) if net.fc(x).shape[1] == 5 else x), example=X)
    for bad in (torch.zeros(2, 3, dtype=torch.uint8), torch.zeros(3), torch.zeros(0, 3), [1]):
        with pytest.raises(ShapeError, match=r"trace\.example: got .*; expected a floating-point batch \[N, \.\.\.\]"):
            trace(Net(asserted), example=bad)
