"""torch's attention and encoder layers, made of linear layers, matrix products and softmax, for a tracer to walk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import ConversionError
from .attention_mask import additive_mask


class PlainAttention(nn.Module):
    """What `nn.MultiheadAttention` computes, with its weights; every step is an operation of its own.

    Query, key and value have a linear layer each: `q_proj`, `k_proj`, `v_proj`. A mask must not depend on the image,
    and fully masked rows attend to everything alike instead of being undefined.

    Args:
        source: the layer, with `batch_first=True`; its weights are copied.

    Raises:
        ConversionError: for an option that is not supported.
    """

    def __init__(self, source: nn.MultiheadAttention) -> None:
        super().__init__()
        _check_supported(source)
        width = source.embed_dim
        self.heads, self.scale = source.num_heads, source.head_dim**-0.5
        if source.in_proj_weight is None:
            parts = (source.q_proj_weight, source.k_proj_weight, source.v_proj_weight)
            weights = [cast(Tensor, part) for part in parts]
        else:
            weights = list(source.in_proj_weight.chunk(3))
        biases = [None] * 3 if source.in_proj_bias is None else list(source.in_proj_bias.chunk(3))
        self.q_proj, self.k_proj, self.v_proj = (_linear(weight, bias) for weight, bias in zip(weights, biases))
        self.softmax, self.dropout = nn.Softmax(-1), nn.Dropout(source.dropout)
        self.out_proj = _linear(source.out_proj.weight, source.out_proj.bias)
        self.width = width
        self.train(source.training)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens [N, L, D], [N, S, Dk], [N, S, Dv] -> tokens [N, L, D] and, if asked for, the shares of attention.

        Args:
            query, key, value: as in `nn.MultiheadAttention`.
            key_padding_mask: [N, S], True or minus infinity where a key is not attended to.
            need_weights: whether to return the shares, [N, L, S].
            attn_mask: [L, S], True or minus infinity where attention is not allowed; numbers are added to the scores.
            average_attn_weights: whether the shares are averaged over the heads, else [N, A, L, S].
            is_causal: a hint in `nn.MultiheadAttention`, which wants the mask all the same; so here.

        Raises:
            ConversionError: for a mask of another shape, or `is_causal` without a mask.
        """
        if is_causal and attn_mask is None:
            raise ConversionError("MultiheadAttention: is_causal is only a hint; give it the causal mask as attn_mask.")
        q, k, v = (self._heads(tokens) for tokens in (self.q_proj(query), self.k_proj(key), self.v_proj(value)))
        scores = torch.matmul(q * self.scale, k.transpose(2, 3))
        if attn_mask is not None:
            if attn_mask.dim() != 2:
                raise ConversionError(
                    f"MultiheadAttention: got an attn_mask of {attn_mask.dim()} axes; expected [L, S], the same for "
                    "all images and heads. Add what differs between heads to the scores in a layer of your own."
                )
            scores = scores + additive_mask(attn_mask, masked=True, dtype=scores.dtype)
        if key_padding_mask is not None:
            padding = additive_mask(key_padding_mask, masked=True, dtype=scores.dtype)
            scores = scores + padding.unsqueeze(1).unsqueeze(1)
        shares = self.dropout(self.softmax(scores))
        out = self.out_proj(torch.matmul(shares, v).transpose(1, 2).flatten(2))
        if not need_weights:
            return out, None
        return out, shares.mean(1) if average_attn_weights else shares

    def _heads(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    made.weight = nn.Parameter(weight.detach().clone(), weight.requires_grad)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone(), bias.requires_grad)
    return made


def _check_supported(source: nn.MultiheadAttention) -> None:
    if not source.batch_first:
        raise ConversionError(
            "has batch_first=False, tokens before images; expected batch_first=True, as the first axis holds time and "
            "batch. Build it with batch_first=True, which takes the same weights, and give it [N, L, D]"
        )
    if source.bias_k is not None or source.add_zero_attn:
        option = "add_bias_kv" if source.bias_k is not None else "add_zero_attn"
        raise ConversionError(f"has {option}=True; expected attention without it. Train it with {option}=False")


class PlainEncoderLayer(nn.Module):
    """What `nn.TransformerEncoderLayer` computes, with its parts under their names.

    Args:
        source: the layer.
        attention: what takes the place of its `self_attn`.
    """

    def __init__(self, source: nn.TransformerEncoderLayer, attention: nn.Module) -> None:
        super().__init__()
        self.self_attn, self.norm_first = attention, source.norm_first
        self.linear1, self.dropout, self.linear2 = source.linear1, source.dropout, source.linear2
        self.norm1, self.norm2 = source.norm1, source.norm2
        self.dropout1, self.dropout2 = source.dropout1, source.dropout2
        self.activation = source.activation
        self.training = source.training

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Tokens [N, L, D] -> tokens [N, L, D]; the masks as in `PlainAttention`."""

        def attended(x: Tensor) -> Tensor:
            masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
            return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

        def fed_forward(x: Tensor) -> Tensor:
            return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        if self.norm_first:
            x = src + attended(self.norm1(src))
            return x + fed_forward(self.norm2(x))
        x = self.norm1(src + attended(src))
        return self.norm2(x + fed_forward(x))


class PlainEncoder(nn.Module):
    """What `nn.TransformerEncoder` computes, with its parts under their names.

    Args:
        layers: what takes the place of its layers, in order.
        norm: its last norm, or None.
    """

    def __init__(self, layers: Iterable[nn.Module], norm: nn.Module | None) -> None:
        super().__init__()
        self.layers, self.norm = nn.ModuleList(layers), norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Tokens [N, L, D] -> tokens [N, L, D]; the masks as in `PlainAttention`."""
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        return src if self.norm is None else self.norm(src)
