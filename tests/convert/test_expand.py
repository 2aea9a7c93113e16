"""expanded(network): the same function as torch's fused layers, made of operations that a tracer walks through."""

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert.expand import expanded
from spikewright.convert.plain_nodes import plain_nodes
from spikewright.convert.plain_transformer import PlainAttention, PlainEncoder, PlainEncoderLayer
from spikewright.core.errors import ArgumentError, ConversionError
from spikewright.core.trace import trace

CAUSAL = torch.ones(5, 5, dtype=torch.bool).triu(1)
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def seeded(make):
    torch.manual_seed(0)
    module = make().eval()
    with torch.no_grad():
        for parameter in module.parameters():  # biases start at 0, where a lost one would not be seen
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


def tokens(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def close(one: Tensor, other: Tensor) -> None:
    assert one.dtype == other.dtype
    assert torch.allclose(one, other, rtol=0, atol=TOLERANCE[one.dtype] * max(1.0, float(other.detach().abs().max())))


ATTENTION = {
    "plain": {},
    "without bias": {"bias": False},
    "other widths": {"kdim": 6, "vdim": 10},
    "other widths without bias": {"kdim": 6, "vdim": 10, "bias": False},
    "dropout": {"dropout": 0.5},
}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_equal(name: str, dtype: torch.dtype) -> None:
    source = seeded(lambda: nn.MultiheadAttention(8, 2, batch_first=True, dtype=dtype, **ATTENTION[name]))
    parts = (tokens(3, 4, 8, dtype=dtype), *(tokens(3, 5, w, dtype=dtype) for w in (source.kdim, source.vdim)))
    plain = expanded(source)
    for average in (True, False):
        for out, expected in zip(
            plain(*parts, average_attn_weights=average), source(*parts, average_attn_weights=average)
        ):
            close(out, expected)
    out, shares = plain(*parts, need_weights=False)
    close(out, source(*parts, need_weights=False)[0])
    assert shares is None


@pytest.mark.parametrize("form", ["Boolean", "infinite", "numbers"])
def test_masks_are_those_of_the_source(form: str) -> None:
    source = seeded(lambda: nn.MultiheadAttention(8, 2, batch_first=True))
    x = tokens(3, 5, 8)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])
    mask: Tensor = CAUSAL
    if form == "infinite":
        mask, padding = (torch.zeros(part.shape).masked_fill(part, -torch.inf) for part in (mask, padding))
    elif form == "numbers":
        mask, padding = tokens(5, 5), tokens(3, 5)
    given = {"attn_mask": mask, "key_padding_mask": padding, "is_causal": form == "Boolean"}
    for out, expected in zip(expanded(source)(x, x, x, **given), source(x, x, x, **given)):
        close(out, expected)


def test_a_masked_token_has_no_influence() -> None:
    plain = expanded(seeded(lambda: nn.MultiheadAttention(8, 2, batch_first=True)))
    x, y = tokens(3, 5, 8), tokens(3, 5, 8)
    y[:, 2:] = 0
    first, second = (plain(z, z, z, attn_mask=CAUSAL)[0] for z in (x, y))
    assert torch.equal(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 2:], second[:, 2:])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", ["relu", "gelu", nn.SiLU()])
@pytest.mark.parametrize("norm_first", [True, False])
def test_encoders_are_equal(norm_first: bool, activation, dtype: torch.dtype) -> None:
    def make() -> nn.Module:
        layer = nn.TransformerEncoderLayer(
            8, 2, 12, activation=activation, batch_first=True, norm_first=norm_first, dtype=dtype
        )
        norm = nn.LayerNorm(8, dtype=dtype)
        return nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False)

    source, x = seeded(make), tokens(3, 5, 8, dtype=dtype)
    plain = expanded(source)
    close(plain(x), source(x))
    close(plain(x, CAUSAL), source(x, CAUSAL))
    close(plain(x, CAUSAL, is_causal=True), source(x, CAUSAL, is_causal=True))
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])
    seen = ~padding  # torch may put zeros where a token is padding
    close(plain(x, src_key_padding_mask=padding)[seen], source(x, src_key_padding_mask=padding)[seen])
    layer = source.layers[0]
    close(plain.layers[0](x, src_mask=CAUSAL), layer(x, src_mask=CAUSAL))


def test_an_encoder_without_bias_and_norm_is_equal() -> None:
    source = seeded(
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, bias=False), 1, None, False
        )
    )
    close(expanded(source)(tokens(3, 5, 8)), source(tokens(3, 5, 8)))


def test_the_source_stays_as_it_is_and_names_stay_where_they_can() -> None:
    source = nn.Sequential(nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2))
    before = {name: value.clone() for name, value in source.state_dict().items()}
    plain = expanded(source)
    assert type(source[0].layers[1]) is nn.TransformerEncoderLayer
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())
    after = plain.state_dict()
    assert {name for name in before if "in_proj" not in name} <= set(after)
    assert all(torch.equal(after[name], before[name]) for name in before if "in_proj" not in name)
    joint = torch.cat([after[f"0.layers.1.self_attn.{part}_proj.weight"] for part in "qkv"])
    assert torch.equal(joint, before["0.layers.1.self_attn.in_proj_weight"])
    assert sum(value.numel() for value in after.values()) == sum(value.numel() for value in before.values())


def test_train_and_eval_dropout_and_frozen_weights_are_kept() -> None:
    source = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.3, batch_first=True)
    source.self_attn.in_proj_weight.requires_grad_(False)
    plain = expanded(source)
    assert isinstance(plain, PlainEncoderLayer)
    assert isinstance(plain.self_attn, PlainAttention)
    assert all(part.training for part in plain.modules())
    assert plain.self_attn.dropout.p == 0.3
    assert not all(part.training for part in expanded(source.eval()).modules())
    assert not plain.self_attn.q_proj.weight.requires_grad
    assert plain.self_attn.q_proj.bias.requires_grad


def test_a_layer_at_two_places_stays_one() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    plain = expanded(nn.Sequential(layer, nn.Linear(8, 8), layer))
    assert plain[0] is plain[2]
    assert isinstance(plain[0], PlainEncoderLayer)


def test_subclasses_are_left_alone() -> None:
    class Own(nn.MultiheadAttention):
        pass

    assert type(expanded(Own(8, 2))) is Own


class Classifier(nn.Module):
    """Patches, class token, encoder with a mask, head; and attention whose shares nobody reads."""

    def __init__(self, masked: bool = False) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token, self.place = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(1, 5, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)
        self.masked = masked
        self.register_buffer("mask", CAUSAL)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.place
        x = self.encoder(x, self.mask if self.masked else None)
        out, _ = self.attention(x, x, x)
        return self.head((x + out)[:, -1])


@pytest.mark.parametrize("example", [None, torch.rand(1, 3, 8, 8)], ids=["without example", "example"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_tracer_walks_through_it(masked: bool, example: Tensor | None) -> None:
    source = seeded(lambda: Classifier(masked))
    graph = trace(expanded(source), example=example)
    plain_nodes(graph)
    assert not any(isinstance(module, PlainAttention | PlainEncoder) for module in graph.modules())
    assert "encoder.layers.1.self_attn.q_proj" in {str(node.target) for node in graph.graph.nodes}
    x = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    close(graph(x), source(x))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 2, enable_nested_tensor=False),
            r"^0\.layers\.0\.self_attn \(MultiheadAttention\): has batch_first=False, tokens before images; expected .*"
            r"Build it with batch_first=True, which takes the same weights, and give it \[N, L, D\]\.$",
        ),
        (lambda: nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True), "has add_bias_kv=True; expected"),
        (
            lambda: nn.MultiheadAttention(8, 2, batch_first=True, add_zero_attn=True),
            "Train it with add_zero_attn=False",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(make, text: str) -> None:
    with pytest.raises(ConversionError, match=text):
        expanded(nn.Sequential(make()))


def test_masks_that_are_not_supported_are_refused() -> None:
    plain, x = expanded(nn.MultiheadAttention(8, 2, batch_first=True)), tokens(1, 5, 8)
    with pytest.raises(ConversionError, match=r"got an attn_mask of 3 axes; expected \[L, S\], the same for all"):
        plain(x, x, x, attn_mask=CAUSAL.expand(2, 5, 5))
    with pytest.raises(ConversionError, match="is_causal is only a hint; give it the causal mask as attn_mask"):
        plain(x, x, x, is_causal=True)


def test_the_argument_must_be_a_module() -> None:
    with pytest.raises(ArgumentError, match=r"expanded\.module: got the class Linear; expected a network"):
        expanded(nn.Linear)  # pyright: ignore[reportArgumentType]
