"""plain_nodes(graph): the same function, made of operations whose kind is known."""

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert.plain_nodes import plain_nodes
from spikewright.convert.rules import sites
from spikewright.core.errors import ConversionError
from spikewright.core.trace import trace

from .conftest import kind_of

ALLOWED = torch.rand(5, 5, generator=torch.Generator().manual_seed(3)) > 0.3
ALLOWED.fill_diagonal_(True)
INFINITE = torch.zeros(5, 5).masked_fill(~ALLOWED, -torch.inf)


class Net(nn.Module):
    """An operation on tokens [N, 5, 8]."""

    def __init__(self, run) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.qkv, self.run = nn.Linear(8, 24), run
        self.register_buffer("allowed", ALLOWED)
        self.register_buffer("infinite", INFINITE)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def heads(net: Net, x: Tensor) -> tuple[Tensor, ...]:
    parts = net.qkv(x).chunk(3, 2)
    return tuple(parts[i].unflatten(2, (2, 4)).transpose(1, 2) for i in range(3))


def attended(net: Net, x: Tensor, **given) -> Tensor:
    return F.scaled_dot_product_attention(*heads(net, x), **given)


def packed(net: Net, x: Tensor) -> Tensor:
    return net.qkv(x).reshape(x.shape[0], x.shape[1], 3, 2, 4).permute(2, 0, 3, 1, 4)


def unpacked(net: Net, x: Tensor) -> Tensor:
    q, k, v = packed(net, x).unbind(0)
    return F.scaled_dot_product_attention(q, k, v)


def indexed(net: Net, x: Tensor) -> Tensor:
    qkv = packed(net, x)
    return (qkv[0] @ qkv[1].transpose(-2, -1)).softmax(-1) @ qkv[-1]


def added(net: Net, x: Tensor) -> Tensor:
    return torch.baddbmm(net.infinite.clamp(min=-5).expand(len(ALLOWED), 5, 5)[:1], x, x.mT, beta=0.5, alpha=2).softmax(
        -1
    )


KNOWN = {
    "attention": lambda net, x: attended(net, x),
    "attention with scale": lambda net, x: attended(net, x, scale=0.3),
    "attention, causal": lambda net, x: attended(net, x, is_causal=True),
    "attention, causal, fewer queries": lambda net, x: F.scaled_dot_product_attention(
        heads(net, x)[0][:, :, :3], *heads(net, x)[1:], is_causal=True
    ),
    "attention, Boolean mask": lambda net, x: attended(net, x, attn_mask=net.allowed),
    "attention, infinite mask": lambda net, x: attended(net, x, attn_mask=net.infinite),
    "attention, mask computed": lambda net, x: attended(net, x, attn_mask=~net.allowed.mT | net.allowed),
    "attention, grouped": lambda net, x: F.scaled_dot_product_attention(
        heads(net, x)[0], heads(net, x)[1][:, :1], heads(net, x)[2][:, :1], enable_gqa=True
    ),
    "attention in one head": lambda net, x: F.scaled_dot_product_attention(x, x, x),
    "attention without dropout": lambda net, x: attended(net, x, dropout_p=0.5 if net.training else 0.0),
    "heads moved in front": unpacked,
    "heads moved in front, indexed": indexed,
    "baddbmm": added,
    "addcmul": lambda net, x: torch.addcmul(x, x, net.qkv(x)[..., :8], value=0.5),
    "quotient": lambda net, x: x / x.norm(dim=-1, keepdim=True),
    "quotient by method": lambda net, x: x.div(x.exp().sum(-1, keepdim=True)),
    "fill with infinity": lambda net, x: (x @ x.mT).masked_fill(~net.allowed, float("-inf")).softmax(-1),
    "choose infinity": lambda net, x: torch.where(net.allowed, x @ x.mT, float("-inf")).softmax(-1),
    "infinity in a buffer": lambda net, x: (x @ x.mT + net.infinite).softmax(-1),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_function_is_the_same_and_every_kind_known(name: str) -> None:
    net = Net(KNOWN[name]).eval()
    graph = trace(net)
    plain_nodes(graph)
    assert {site.name: site.kind for site in sites(graph) if kind_of(site) is None} == {}
    for rows in (1, 4):  # other batch sizes than one, as time comes on top of it
        x = torch.randn(rows, 5, 8, generator=torch.Generator().manual_seed(rows))
        assert torch.allclose(graph(x), net(x), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["attention, infinite mask", "fill with infinity", "choose infinity", "infinity in a buffer"]
)
def test_no_activity_is_infinite(name: str) -> None:
    graph = trace(Net(KNOWN[name]).eval())
    plain_nodes(graph)

    class Finite(fx.Interpreter):
        def run_node(self, n: fx.Node):
            value = super().run_node(n)
            if isinstance(value, Tensor) and value.is_floating_point() and n.op != "get_attr":
                assert value.isfinite().all(), n
            return value

    Finite(graph).run(torch.randn(2, 5, 8))


def test_dropout_of_fused_attention_follows_train_and_eval() -> None:
    graph = trace(Net(lambda net, x: attended(net, x, dropout_p=0.5)))
    plain_nodes(graph)
    x = torch.randn(2, 5, 8)
    assert [part.p for part in graph.modules() if isinstance(part, nn.Dropout)] == [0.5]
    assert not torch.equal(graph(x), graph(x))
    graph.eval()
    assert torch.allclose(graph(x), Net(lambda net, x: attended(net, x))(x), atol=1e-6)


def test_new_nodes_stand_where_the_old_one_stood() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Net(KNOWN["attention"])

        def forward(self, x: Tensor) -> Tensor:
            return self.block(x)

    graph = trace(Around())
    plain_nodes(graph)
    assert {"block.softmax", "block.matmul", "block.matmul_1"} <= {site.name for site in sites(graph)}


def test_an_axis_in_front_that_is_read_otherwise_stays_and_is_unknown() -> None:
    graph = trace(Net(lambda net, x: packed(net, x).mean((1, 2)).sum(-1)).eval())
    plain_nodes(graph)
    assert "permute" in {site.kind for site in sites(graph) if kind_of(site) is None}


def test_a_rounded_quotient_stays_unknown() -> None:
    graph = trace(Net(lambda net, x: torch.div(x, x.exp(), rounding_mode="floor")).eval())
    plain_nodes(graph)
    assert [site.kind for site in sites(graph) if kind_of(site) is None] == ["div"]


def test_a_mask_from_the_image_is_unknown() -> None:
    graph = trace(Net(lambda net, x: attended(net, x, attn_mask=x @ x.mT)).eval())
    plain_nodes(graph)
    assert "additive_mask" in {site.kind for site in sites(graph) if kind_of(site) is None}


class OneCall(nn.Module):
    """Attention of tokens that come first, by the function behind the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        own = self.layer
        weights = (own.in_proj_weight, own.in_proj_bias, None, None, False, 0.0, own.out_proj.weight, own.out_proj.bias)
        return F.multi_head_attention_forward(x, x, x, 8, 2, *weights, training=False)[0]


def test_the_function_behind_the_layer_is_refused() -> None:
    with pytest.raises(
        ConversionError, match=r"multi_head_attention_forward\): is a whole attention layer in one call"
    ):
        plain_nodes(trace(OneCall()))


def test_a_dropout_that_is_computed_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"scaled_dot_product_attention.*computes dropout_p; expected a number"):
        plain_nodes(trace(Net(lambda net, x: attended(net, x, dropout_p=x.shape[1] * 0.1))))


@torch.fx.wrap
def depth(x: Tensor, share: float, training: bool) -> Tensor:
    """Drops nothing but in training, as a library's stochastic depth."""
    if not training or share == 0:
        return x
    return x * torch.rand(len(x)).lt(share)


@torch.fx.wrap
def halved(x: Tensor, weight: Tensor) -> Tensor:
    return F.gelu(x @ weight) / 2


@torch.fx.wrap
def positive(x: Tensor) -> Tensor:
    y = x * 2
    return y if x.sum() > 0 else -y


def test_functions_that_are_kept_whole_are_entered() -> None:
    net = Net(lambda net, x: halved(depth(x, 0.5, net.training), net.qkv.weight[:8])).eval()
    graph = trace(net)
    assert {"depth", "halved"} <= {site.kind for site in sites(graph)}
    plain_nodes(graph)
    assert [site.kind for site in sites(graph)] == ["getitem", "matmul", "gelu", "truediv"]
    x = torch.randn(3, 5, 8)
    assert torch.equal(graph(x), net(x))


def test_a_function_that_decides_on_values_stays_whole_and_unknown() -> None:
    graph = trace(Net(lambda net, x: positive(x)).eval())
    plain_nodes(graph)
    assert [(site.kind, kind_of(site)) for site in sites(graph)] == [("positive", None)]
