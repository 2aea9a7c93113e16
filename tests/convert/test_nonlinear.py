"""Functions of one activity: which are known, in every form, and that they treat each image by itself."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert.nonlinear import (
    is_elementary,
    is_norm_of_input,
    is_one_input_nonlinear,
    is_reduction,
    is_smooth_activation,
    is_softmax,
)
from spikewright.convert.operations import is_matmul
from spikewright.convert.rules import sites
from spikewright.core.trace import trace

from .conftest import kind_of


class Net(nn.Module):
    """One operation on activities [N, 4, 6, 6]."""

    def __init__(self, run, layer: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.run = layer, run
        self.weight, self.bias = nn.Parameter(torch.rand(6)), nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if self.layer is not None else self.run(self, x)


KNOWN = {
    is_smooth_activation: [
        *(
            nn.GELU(),
            nn.GELU("tanh"),
            nn.SiLU(),
            nn.Mish(),
            nn.ELU(),
            nn.SELU(),
            nn.CELU(),
            nn.Softplus(),
            nn.Softsign(),
        ),
        *(nn.Hardswish(), nn.Hardsigmoid(), nn.Sigmoid(), nn.LogSigmoid(), nn.Tanh(), nn.Hardtanh(-2, 2)),
        *(nn.LeakyReLU(), nn.PReLU(4), nn.Softshrink(), nn.Hardshrink(), nn.Tanhshrink()),
        lambda net, x: F.gelu(x, approximate="tanh"),
        *(lambda net, x: F.silu(x), lambda net, x: F.elu(x), lambda net, x: F.hardswish(x), lambda net, x: x.sigmoid()),
        *(lambda net, x: torch.tanh(x), lambda net, x: x.tanh(), lambda net, x: torch.special.expit(x)),
        *(lambda net, x: x.clamp(-1, 1), lambda net, x: torch.clamp(x, max=1.0), lambda net, x: x.clip(min=net.bias)),
    ],
    is_softmax: [
        *(nn.Softmax(-1), nn.Softmax(1), nn.LogSoftmax(2), nn.Softmin(1), nn.Softmax2d()),
        *(lambda net, x: x.softmax(-1), lambda net, x: torch.softmax(x, dim=1), lambda net, x: F.log_softmax(x, 3)),
        lambda net, x: F.softmax(x, dim=-1, dtype=torch.float64),
    ],
    is_norm_of_input: [
        *(nn.LayerNorm(6), nn.LayerNorm((4, 6, 6)), nn.RMSNorm(6), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)),
        nn.LocalResponseNorm(2, alpha=1.0),
        lambda net, x: F.layer_norm(x, (6,), net.weight, net.bias),
        *(lambda net, x: F.rms_norm(x, (6,), net.weight), lambda net, x: F.group_norm(x, 2)),
        *(lambda net, x: F.instance_norm(x), lambda net, x: F.local_response_norm(x, 2, alpha=1.0)),
    ],
    is_elementary: [
        *(lambda net, x: x**2, lambda net, x: torch.pow(x, 3), lambda net, x: x.square(), lambda net, x: 2**x),
        *(lambda net, x: x.exp(), lambda net, x: torch.abs(x), lambda net, x: torch.erf(x), lambda net, x: x.sin()),
        *(lambda net, x: 1 / x, lambda net, x: torch.div(net.weight, x), lambda net, x: torch.reciprocal(x)),
        *(lambda net, x: torch.maximum(x, net.bias), lambda net, x: torch.minimum(net.bias, x)),
    ],
    is_reduction: [
        *(lambda net, x: x.norm(dim=-1), lambda net, x: torch.norm(x, 2, (1, 2)), lambda net, x: x.norm(2, 1, True)),
        *(lambda net, x: torch.linalg.vector_norm(x, dim=(2, 3)), lambda net, x: F.normalize(x)),
        *(lambda net, x: F.normalize(x, dim=-1), lambda net, x: x.amax(1), lambda net, x: torch.logsumexp(x, -1)),
        *(lambda net, x: x.var((1, 2, 3)), lambda net, x: x.std(dim=1, unbiased=False), lambda net, x: F.glu(x)),
        nn.GLU(1),
    ],
}
CASES = [
    pytest.param(test, case, id=f"{test.__name__}-{i}") for test, cases in KNOWN.items() for i, case in enumerate(cases)
]


def net_of(case) -> nn.Module:
    return (Net(None, case) if isinstance(case, nn.Module) else Net(case)).eval()


@pytest.mark.parametrize(("matches", "case"), CASES)
def test_known_functions_of_one_activity(matches, case) -> None:
    net = net_of(case)
    graph = trace(net)
    (site,) = sites(graph)
    assert matches(site)
    assert is_one_input_nonlinear(site)
    assert kind_of(site) == "one input"
    x = torch.randn(5, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    together = graph(x)
    assert torch.allclose(together, torch.cat([graph(row) for row in x.split(1)]), atol=1e-6, equal_nan=True)
    assert not torch.allclose(graph((x[:1] + x[1:2]) / 2), (together[:1] + together[1:2]) / 2, atol=1e-3)


UNKNOWN = {
    "softmax over the batch": lambda net, x: x.softmax(0),
    "softmax over an axis that is not given": nn.Softmax(),
    "softmin over the batch": nn.Softmin(0),
    "greatest of all": lambda net, x: x - x.amax(),
    "length of all": lambda net, x: x - x.norm(),
    "spread over the batch": lambda net, x: x.std((0, 1)),
    "spread of all, biased": lambda net, x: x - torch.std(x, False),
    "unit length along the batch": lambda net, x: F.normalize(x, dim=0),
    "gate along the batch": nn.GLU(0),
    "instance norm with running statistics": lambda net, x: F.instance_norm(
        x, net.bias[:4], net.weight[:4], None, None, False
    ),
    "power of two activities": lambda net, x: x**x,
    "clamp by an activity": lambda net, x: x.clamp(max=x.mean(1, keepdim=True)),
    "weights of an activity": lambda net, x: F.layer_norm(x, (6,), x.mean((0, 1, 2))),
    "rounded": lambda net, x: x.round(),
    "floor of a quotient": lambda net, x: torch.div(1.0, x, rounding_mode="floor"),
    "whole quotient": lambda net, x: 1 // x,
    "sign": lambda net, x: x.sign(),
    "comparison": lambda net, x: x > 0,
    "sort": lambda net, x: x.sort(1)[0],
    "greatest with its place": lambda net, x: x.max(1)[0],
    "norm of the batch": nn.BatchNorm2d(4, track_running_stats=False),
    "attention layer as a whole": nn.MultiheadAttention(6, 2, batch_first=True),
    "own function": lambda net, x: own(x),
}


def own(x: Tensor) -> Tensor:
    if isinstance(x, torch.fx.Proxy):
        return torch.overrides.handle_torch_function(own, (x,), x)
    return x


@pytest.mark.parametrize("name", UNKNOWN)
def test_everything_else_is_unknown(name: str) -> None:
    case = UNKNOWN[name]
    if isinstance(case, nn.MultiheadAttention):
        layer = case
        case = Net(lambda net, x: net.attention(x[:, 0], x[:, 0], x[:, 0])[0])
        case.attention = layer
        found = sites(trace(case.eval()))
    else:
        found = sites(trace(net_of(case)))
    assert [site for site in found if kind_of(site) is None]


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: x @ x.mT,
        lambda net, x: torch.matmul(x, x.transpose(-1, -2)),
        lambda net, x: torch.bmm(x[:, 0], x[:, 1]),
        lambda net, x: x[:, 0].bmm(x[:, 1]),
        lambda net, x: torch.einsum("bhid,bhjd->bhij", x, x),
        lambda net, x: torch.einsum("...id, ...jd -> ...ij", [x, x]),
    ],
)
def test_matrix_products_of_two_activities(run) -> None:
    found = [site for site in sites(trace(net_of(run))) if kind_of(site) != "linear"]
    assert [kind_of(site) for site in found] == ["matrix product"]
    assert is_matmul(found[0])


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: torch.einsum("ahid,bhid->ab", x, x),
        lambda net, x: torch.einsum("bhid,bhjd", x, x),
        lambda net, x: torch.einsum("bhid,bhjd->hbij", x, x),
        lambda net, x: torch.einsum("bhid,bhjd,bhkd->bhijk", x, x, x),
        lambda net, x: torch.mm(x[:, 0, 0], x[:, 0, 1]),
    ],
)
def test_products_that_mix_images_or_have_three_factors_are_unknown(run) -> None:
    assert None in [kind_of(site) for site in sites(trace(net_of(run)))]


@pytest.mark.parametrize("run", [lambda net, x: torch.maximum(x, net.weight * x), lambda net, x: x.minimum(-x)])
def test_larger_or_smaller_of_two_activities(run) -> None:
    assert [kind_of(site) for site in sites(trace(net_of(run)))][-1] == "larger of two"
