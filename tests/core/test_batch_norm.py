"""Batch-norm folding: what is folded, what is not, and that nothing changes beyond rounding."""

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert.driver import trace_for_inference
from spikewright.core.batch_norm import fold_batch_norm


def seen(net: nn.Module, x: Tensor) -> nn.Module:
    """The network in float64 and eval() with batch norms that have seen data and whose constants are not 0 and 1."""
    net.double().train()
    g = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) and module.affine:
            module.weight.data = torch.randn(module.num_features, dtype=torch.float64, generator=g)
            module.bias.data = torch.randn(module.num_features, dtype=torch.float64, generator=g)
    with torch.no_grad():
        for _ in range(3):
            net(x)
    return net.eval()


def folded(net: nn.Module, x: Tensor) -> list[str]:
    """Paths of what was folded, after a check that the function is the same."""
    net = seen(net, x)
    graph = trace_for_inference(net)
    paths = fold_batch_norm(graph)
    with torch.no_grad():
        assert torch.allclose(graph(x), net(x), atol=1e-10)
    left = [path for path, module in graph.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert not set(left) & set(paths)
    return paths


def rand(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (lambda: nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3)), rand(8, 2, 6)),
        (lambda: nn.Sequential(nn.Conv2d(2, 3, 2, bias=False), nn.BatchNorm2d(3)), rand(8, 2, 6, 6)),
        (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.BatchNorm2d(4, affine=False)), rand(8, 4, 6, 6)),
        (lambda: nn.Sequential(nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3)), rand(8, 2, 4, 4, 4)),
        (lambda: nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)), rand(8, 5)),
        (lambda: nn.Sequential(nn.Linear(5, 3, bias=False), nn.BatchNorm1d(3), nn.ReLU()), rand(8, 5)),
    ],
)
def test_folded(net, x: Tensor) -> None:
    """QCFS 11: the folded network is the same function."""
    assert folded(net(), x) == ["1"]


class Forward(nn.Module):
    def __init__(self, run) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1)
        self.norm, self.norm2 = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: net.norm(x),
        lambda net, x: net.norm(torch.relu(net.conv(x))),
        lambda net, x: net.norm(net.conv(x) + x),
        lambda net, x: (h := net.conv(x), net.norm(h) + h)[1],
        lambda net, x: net.norm(net.conv(net.norm2(net.conv(x)))),
    ],
    ids=["no layer before", "activation between", "sum before", "layer used elsewhere", "layer called twice"],
)
def test_not_folded(run) -> None:
    assert folded(Forward(run), rand(8, 2, 5, 5)) == []


def test_a_norm_after_two_layers_is_folded_into_both() -> None:
    assert folded(Forward(lambda net, x: net.norm(net.conv(x)) + net.norm(net.other(x))), rand(8, 2, 5, 5)) == [
        *("norm", "norm")
    ]


def test_norms_in_a_row() -> None:
    assert folded(Forward(lambda net, x: net.norm2(net.norm(net.conv(x)))), rand(8, 2, 5, 5)) == ["norm", "norm2"]


def test_norm_over_the_second_of_three_axes_is_not_folded() -> None:
    net = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(3))
    assert folded(net, rand(8, 3, 5)) == []


def test_norm_without_running_statistics_is_not_folded() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, track_running_stats=False))
    assert folded(net, rand(8, 2, 5, 5)) == []


@pytest.mark.parametrize("wrap", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm])
def test_layer_whose_weights_are_made_at_every_call_is_not_folded(wrap) -> None:
    assert folded(nn.Sequential(wrap(nn.Conv2d(2, 3, 1)), nn.BatchNorm2d(3)), rand(8, 2, 5, 5)) == []


def test_layer_with_a_hook_is_not_folded() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    net[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    assert folded(net, rand(8, 2, 5, 5)) == []
