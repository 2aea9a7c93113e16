"""Whole architectures: every node has a kind, what is called linear is affine, and images are kept apart everywhere."""

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert.expand import expanded
from spikewright.convert.plain_nodes import plain_nodes
from spikewright.convert.rules import sites
from spikewright.core.errors import ConversionError
from spikewright.core.trace import trace
from spikewright.models import vit

from .conftest import kind_of


class Values(fx.Interpreter):
    """Runs a graph and keeps the value of every node."""

    def __init__(self, graph: fx.GraphModule, x: Tensor) -> None:
        super().__init__(graph)
        self.of: dict[fx.Node, Any] = {}
        self.run(x)

    def run_node(self, n: fx.Node) -> Any:
        self.of[n] = super().run_node(n)
        return self.of[n]


def tensors(value: Any) -> list[Tensor]:
    parts = value if isinstance(value, tuple | list) else (value,)
    return [part for part in parts if isinstance(part, Tensor)]


def middle(one: Any, other: Any) -> Any:
    if isinstance(one, tuple | list):
        return type(one)(middle(*pair) for pair in zip(one, other))
    return (one + other) / 2 if isinstance(one, Tensor) and one.is_floating_point() else one


def check_nodes(graph: fx.GraphModule, one: Tensor, other: Tensor) -> set[str]:
    """Check every node on two batches, on their middle and on both in one batch; returns the kinds met."""
    first, second, both = (Values(graph, x).of for x in (one, other, torch.cat((one, other))))
    run = fx.Interpreter(graph)
    kinds = set()
    for site in sites(graph):
        if not site.depends_on_input:
            continue
        node, kind = site.node, kind_of(site)
        assert kind is not None, (site.name, site.kind)
        kinds.add(kind)
        for parts in zip(tensors(first[node]), tensors(second[node]), tensors(both[node])):
            assert torch.allclose(torch.cat(parts[:2]), parts[2], atol=1e-9), site.name
        if kind == "linear":
            args, kwargs = fx.map_arg((node.args, node.kwargs), lambda used: middle(first[used], second[used]))
            met = getattr(run, node.op)(node.target, args, kwargs)
            expected = middle(first[node], second[node])
            assert all(torch.allclose(*pair, atol=1e-9) for pair in zip(tensors(met), tensors(expected))), site.name
    return kinds


def rewritten(net: nn.Module, example: Tensor | None = None) -> fx.GraphModule:
    graph = trace(expanded(net), example=example)
    plain_nodes(graph)
    return graph


def prepared(net: nn.Module) -> nn.Module:
    """In float64 and eval(), with weights of which none is 0."""
    net = net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return net


class EncoderClassifier(nn.Module):
    """Patches, class token, nn.TransformerEncoder, head."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token, self.place = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(1, 17, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, activation="gelu")
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.place
        return self.head(self.encoder(x)[:, 0])


class FusedBlock(nn.Module):
    """Attention as timm writes it: one projection, the three parts moved in front, one fused call, layer scale."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.q_norm, self.drop, self.gamma = nn.LayerNorm(4), nn.Dropout(0.1), nn.Parameter(torch.ones(width))
        self.mlp = nn.Sequential(nn.Linear(width, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, width))

    def attend(self, x: Tensor) -> Tensor:
        B, L, D = x.shape
        q, k, v = self.qkv(x).reshape(B, L, 3, 2, D // 2).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(self.q_norm(q), k, v, dropout_p=self.drop.p if self.training else 0.0)
        return self.drop(self.proj(x.transpose(1, 2).reshape(B, L, D)))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.gamma * self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class WindowBlock(nn.Module):
    """Attention in shifted windows as Swin has it; windows go into the first axis, behind the images, and come back."""

    def __init__(self, size: int = 8, window: int = 4, shift: int = 2) -> None:
        super().__init__()
        self.size, self.window, self.shift = size, window, shift
        self.norm, self.qkv, self.proj = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.bias = nn.Parameter(torch.zeros(2, window**2, window**2))
        regions = (torch.arange(size) >= size - window).long() + (torch.arange(size) >= size - shift).long()
        parts = self.cut((3 * regions.view(-1, 1) + regions).view(1, size, size, 1)).flatten(1)
        self.register_buffer("mask", (parts.unsqueeze(1) != parts.unsqueeze(2)) * -100.0)

    def cut(self, x: Tensor) -> Tensor:
        B, H, W, C = x.shape
        w = self.window
        return x.view(B, H // w, w, W // w, w, C).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, w * w, C)

    def joined(self, x: Tensor) -> Tensor:
        w, n = self.window, self.size // self.window
        return x.view(-1, n, n, w, w, x.shape[-1]).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * w, n * w, x.shape[-1])

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        shortcut, x = x, torch.roll(self.norm(x), shifts=(-self.shift, -self.shift), dims=(1, 2))
        windows = self.cut(x)
        B, L, C = windows.shape
        qkv = self.qkv(windows).reshape(B, L, 3, 2, C // 2).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0] * 0.5, qkv[1], qkv[2]
        scores = q @ k.transpose(-2, -1) + self.bias.unsqueeze(0)
        count = self.mask.shape[0]
        scores = scores.view(B // count, count, 2, L, L) + self.mask.unsqueeze(1).unsqueeze(0)
        shares = scores.view(-1, 2, L, L).softmax(-1)
        x = self.joined(self.proj((shares @ v).transpose(1, 2).reshape(B, L, C)))
        return (shortcut + torch.roll(x, shifts=(self.shift, self.shift), dims=(1, 2))).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, layer norm of channels, GELU, layer scale."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 8, 7, padding=3, groups=8), nn.LayerNorm(8)
        self.fc1, self.act, self.fc2 = nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)
        self.gamma = nn.Parameter(torch.full((8,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc2(self.act(self.fc1(self.norm(self.conv(x).permute(0, 2, 3, 1)))))
        return x + (self.gamma * y).permute(0, 3, 1, 2)


class Excited(nn.Module):
    """Inverted bottleneck with squeeze and excitation, as in EfficientNet (SiLU) and MobileNetV3 (hard variants)."""

    def __init__(self, act: type[nn.Module], inner: type[nn.Module], gate: type[nn.Module]) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), act())
        self.depth = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), act())
        self.excite = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), inner(), nn.Conv2d(4, 16, 1), gate())
        self.project = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.depth(self.expand(x))
        return x + self.project(y * self.excite(y))


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Linearised(nn.Module):
    """Attention without softmax: queries and keys of unit length, divided by their sum."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        q, k = F.elu(x) + 1, F.normalize(x, dim=-1).square()
        context = torch.einsum("nld,nle->nde", k, x)
        return torch.einsum("nld,nde->nle", q, context) / torch.einsum("nld,nd->nl", q, k.sum(1)).unsqueeze(-1)


IMAGE, MAPS, TOKENS = (3, 16, 16), (8, 8, 8), (5, 8)
SMOOTH = {"linear", "one input"}
ATTENTION = {*SMOOTH, "matrix product"}
GATED = {*SMOOTH, "product"}
ARCHITECTURES = {
    "vision transformer": (
        lambda: vit(3, size=16, width=8, depth=2, heads=2, head_width=4, hidden=12),
        IMAGE,
        {*ATTENTION, "ReLU"},
    ),
    "encoder of torch": (EncoderClassifier, IMAGE, ATTENTION),
    "block with fused attention": (FusedBlock, TOKENS, ATTENTION),
    "block in shifted windows": (WindowBlock, MAPS, ATTENTION),
    "ConvNeXt": (ConvNeXtBlock, MAPS, SMOOTH),
    "EfficientNet": (lambda: Excited(nn.SiLU, nn.SiLU, nn.Sigmoid), MAPS, GATED),
    "MobileNetV3": (lambda: Excited(nn.Hardswish, nn.ReLU, nn.Hardsigmoid), MAPS, {*GATED, "ReLU"}),
    "stem with max pool": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)),
        IMAGE,
        {"linear", "ReLU", "max pool"},
    ),
    "quick GELU": (lambda: nn.Sequential(nn.Linear(8, 8), QuickGELU()), TOKENS, GATED),
    "attention without softmax": (Linearised, MAPS, ATTENTION | GATED),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_node_of_an_architecture_has_a_kind(name: str) -> None:
    torch.manual_seed(0)
    make, shape, kinds = ARCHITECTURES[name]
    net = prepared(make())
    graph = rewritten(net)
    one, other = (torch.randn(3, *shape, dtype=torch.float64) for _ in range(2))
    assert torch.allclose(graph(one), net(one), rtol=0, atol=1e-11)
    assert check_nodes(graph, one, other) == kinds


def of_timm(name: str, **options: Any) -> nn.Module:
    return pytest.importorskip("timm").create_model(name, pretrained=False, num_classes=5, **options)


def of_transformers(kind: str, **options: Any) -> nn.Module:
    library = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = getattr(library, f"{kind}Config")(**sizes, image_size=32, patch_size=8, num_labels=5, **options)
    return Logits(getattr(library, f"{kind}ForImageClassification")(config))


class Logits(nn.Module):
    """A classifier of transformers as a network of one tensor in, one out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(pixel_values=x).logits


LIBRARIES = {
    "vit_tiny_patch16_224": lambda: of_timm("vit_tiny_patch16_224", img_size=32, depth=2),
    "convnext_atto": lambda: of_timm("convnext_atto", depths=(1, 1, 1, 1)),
    "efficientnet_b0": lambda: of_timm("efficientnet_b0"),
    "mobilenetv3_small_050": lambda: of_timm("mobilenetv3_small_050"),
    "swin_tiny_patch4_window7_224": lambda: of_timm(
        "swin_tiny_patch4_window7_224", img_size=32, window_size=4, depths=(2, 2), num_heads=(2, 2), embed_dim=8
    ),
    "ViTForImageClassification": lambda: of_transformers("ViT"),
    "ViTForImageClassification, eager": lambda: of_transformers("ViT", attn_implementation="eager"),
    "DeiTForImageClassification": lambda: of_transformers("DeiT"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LIBRARIES)
def test_every_node_of_a_library_s_network_has_a_kind(name: str) -> None:
    torch.manual_seed(0)
    net = prepared(LIBRARIES[name]())
    one, other = (torch.randn(2, 3, 32, 32, dtype=torch.float64) for _ in range(2))
    try:
        graph = rewritten(net)
    except ConversionError:
        graph = rewritten(net, one)
    assert torch.allclose(graph(one), net(one), rtol=0, atol=1e-9)
    check_nodes(graph, one, other)
