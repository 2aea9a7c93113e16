"""Attention masks as numbers to add to the scores: all finite, so that a mean over time can be taken of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function


def lowest(dtype: torch.dtype) -> float:
    """What stands for minus infinity: its exponential is 0 beside any score, and two of them can still be added."""
    return torch.finfo(dtype).min / 4


def additive_mask(mask: Tensor, *, masked: bool, dtype: Any) -> Tensor:
    """A mask as numbers to add to the scores: 0 where attention is allowed, `lowest` where it is not.

    While a network is traced this is one operation, as only the mask's own dtype tells what it means.

    Args:
        mask: Boolean, or numbers to add, of which those below `lowest` are raised to it.
        masked: what a Boolean mask says where attention is not allowed: True in `nn.MultiheadAttention`, False in
            `F.scaled_dot_product_attention`.
        dtype: of the scores.

    Example:
        >>> additive_mask(torch.tensor([0.0, -torch.inf]), masked=True, dtype=torch.float32).exp().tolist()
        [1.0, 0.0]
    """
    if has_torch_function((mask, dtype)):
        return handle_torch_function(additive_mask, (mask, dtype), mask, masked=masked, dtype=dtype)
    if mask.dtype == torch.bool:
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(mask == masked, lowest(dtype))
    return mask.to(dtype).clamp(min=lowest(dtype))


def causal_mask(queries: int, keys: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The additive mask [L, S] of tokens that see themselves and those before them, counted from the first.

    Example:
        >>> causal_mask(2, 2, torch.float32, torch.device("cpu")).exp().tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    seen = torch.ones(queries, keys, dtype=torch.bool, device=device).tril()
    return additive_mask(seen, masked=False, dtype=dtype)
