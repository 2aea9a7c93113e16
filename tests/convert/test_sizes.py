"""Networks as people write them: sizes, shapes and constants computed on the way convert, or are refused by name."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.coding import repeat, running_mean
from spikewright.convert import DCGS, HMT, OPI, Maximum, check, convert
from spikewright.core.errors import ConversionError

TOKENS = torch.rand(16, 6, 8, generator=torch.Generator().manual_seed(0))
IMAGES = torch.rand(16, 4, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A forward pass of choice over tokens [N, 6, 8] or images [N, 4, 8, 8], and a head."""

    def __init__(self, run) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.qkv, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 24), nn.Linear(8, 3)
        self.conv = nn.Conv2d(4, 8, 3, padding=1)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.run(self, x))


def of_input(net: Net, x: Tensor) -> Tensor:
    return F.relu(net.a(F.layer_norm(x, x.shape[-1:]))).mean(1)


def of_another(net: Net, x: Tensor) -> Tensor:
    _, _, width = x.shape
    return F.layer_norm(net.b(F.relu(net.a(x))), (width,)).mean(1)


def causal(net: Net, x: Tensor) -> Tensor:
    q, k, v = net.qkv(x).split(x.shape[2], 2)
    ahead = torch.triu(torch.ones(x.shape[1], x.shape[1]), diagonal=1).bool()
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))).masked_fill(ahead, -math.inf)
    return F.relu(net.a(F.softmax(scores, dim=-1) @ v)).mean(1)


def with_token(net: Net, x: Tensor) -> Tensor:
    zero = torch.cat([x.new_zeros(x.size(0), 1, 8), torch.zeros(x.shape[0], 1, 8)], 1)
    x = torch.cat([net.token.expand(x.shape[0], -1, -1), zero, x], 1)
    return F.relu(net.a(x)).mean(1)


def rows(net: Net, x: Tensor) -> Tensor:
    n, tokens, width = x.shape
    y = net.a((x + torch.arange(tokens)[:, None]).reshape(-1, width))  # its constant part differs from row to row
    return F.relu(net.b(F.gelu(y))).view(n, tokens, width).sum(1) / tokens


TOKEN_NETS = {
    "sizes of the input": of_input,
    "size in a list": lambda net, x: F.layer_norm(F.relu(net.a(x)), [x.size(-1)]).mean(1),
    "sizes of another activity": of_another,
    "mask of a size": causal,
    "zeros for every image": with_token,
    "tokens in the batch": rows,
    "einsum": lambda net, x: torch.einsum("bij,bjd->bid", F.relu(net.a(x)) @ x.mT, net.b(x)).mean(1),
}
IMAGE_NETS = {
    "layer norm over all": lambda net, x: F.relu(F.layer_norm(net.conv(x), (8, *x.shape[2:]))).mean((2, 3)),
    "groups from a size": lambda net, x: F.relu(F.group_norm(net.conv(x), x.shape[1] // 2)).mean((2, 3)),
    "pool of a size": lambda net, x: F.max_pool2d(F.relu(net.conv(x)), x.size()[2:]).flatten(1),
    "largest, values": lambda net, x: F.relu(net.conv(x)).flatten(2).max(dim=2).values,
    "smallest, first": lambda net, x: F.relu(net.conv(x)).mean(3).min(-1, keepdim=True)[0].flatten(1),
    "larger of two": lambda net, x: torch.max(F.relu(net.conv(x)), net.conv(x.flip(2))).mean((2, 3)),
    "variance with mean": lambda net, x: _normed(net.conv(x)).relu().mean((2, 3)),
    "view of sizes": lambda net, x: F.relu(net.conv(x)).view(x.shape[0], 8, -1).transpose(1, 2).mean(1),
    "normalised": lambda net, x: F.normalize(F.relu(net.conv(x)).mean((2, 3)), dim=1),
    "resized": lambda net, x: F.interpolate(F.relu(net.conv(F.avg_pool2d(x, 2))), size=x.shape[2:]).mean((2, 3)),
}


def _normed(h: Tensor) -> Tensor:
    spread, mean = torch.var_mean(h, dim=1, keepdim=True, unbiased=False)
    return (h - mean) * torch.rsqrt(spread + 1e-3)


@pytest.mark.parametrize(
    ("run", "x"),
    [(run, TOKENS) for run in TOKEN_NETS.values()] + [(run, IMAGES) for run in IMAGE_NETS.values()],
    ids=[*TOKEN_NETS, *IMAGE_NETS],
)
@pytest.mark.parametrize("recipe", [DCGS(threshold=Maximum()), HMT(threshold=Maximum(), encode="everything")], ids=repr)
def test_the_network_converts_and_comes_to_its_source(run, x: Tensor, recipe) -> None:
    net = Net(run).eval()
    conversion = convert(net, recipe, x)
    with torch.no_grad():
        source = net(x[:5])
        torch.testing.assert_close(conversion.source(x[:5]), source)
        out = running_mean(conversion.model(repeat(x[:5], 128)))
    errors = (out - source).square().mean((1, 2)).sqrt() / source.std()
    assert errors[-1] < 0.02
    assert errors[-1] < errors[1]


def test_sizes_of_the_input_need_no_example() -> None:
    net = Net(of_input).eval()
    thresholds = convert(net, DCGS(threshold=Maximum()), TOKENS).thresholds
    again = convert(net, DCGS(threshold=Maximum()), thresholds=thresholds).model
    assert again(repeat(TOKENS[:2], 2)).shape == (2, 2, 3)


def test_sizes_of_another_activity_need_one_and_say_so() -> None:
    net = Net(of_another).eval()
    thresholds = convert(net, DCGS(threshold=Maximum()), TOKENS).thresholds
    reason = r"layer_norm \(layer_norm\): its argument .* shape of something other than its input.*example=images"
    with pytest.raises(ConversionError, match=reason):
        convert(net, DCGS(), thresholds=thresholds)
    assert convert(net, DCGS(), thresholds=thresholds, example=TOKENS[:1]).neurons()
    assert not check(net, DCGS()).convertible
    assert check(net, DCGS(), example=TOKENS).convertible


def test_a_pool_of_a_size_converts_with_neuron_recipes_too() -> None:
    conversion = convert(Net(IMAGE_NETS["pool of a size"]).eval(), OPI(threshold=Maximum()), IMAGES)
    with torch.no_grad():
        out = running_mean(conversion.model(repeat(IMAGES, 256)))[-1]
    torch.testing.assert_close(out, conversion.source(IMAGES), rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (lambda net, x: torch.where(x > 0.5, net.a(x), x).relu().mean(1), r"gt \(gt\): it jumps .* F.leaky_relu"),
        (lambda net, x: F.softmax(F.relu(net.a(x)), dim=0).mean(1), r"softmax \(softmax\): give dim="),
        (lambda net, x: F.relu(net.a(x)).topk(2, 1)[0].mean(1), r"topk \(topk\): it sorts values.*x.amax"),
        (lambda net, x: F.relu(net.a(x)).reshape(len(x), -1)[:, :8], "write x.shape.0. instead of len"),
    ],
)
def test_a_refusal_says_what_to_do(run, reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        convert(Net(run).eval(), DCGS(threshold=Maximum()), TOKENS)


def test_methods_of_counts_name_the_one_that_takes_it() -> None:
    with pytest.raises(ConversionError, match=r"pow_1 \(pow\): it is not linear.*the recipe DCGS takes it as it is"):
        convert(Net(lambda net, x: F.relu(net.a(x)).pow(2).mean(1)).eval(), OPI(threshold=Maximum()), TOKENS)


def test_images_may_come_as_further_arguments() -> None:
    class Passing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(of_input)

        def forward(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
            return self.net(*args, **kwargs)

    net = Passing().eval()
    torch.testing.assert_close(convert(net, DCGS(), TOKENS).source(TOKENS), net(TOKENS))
