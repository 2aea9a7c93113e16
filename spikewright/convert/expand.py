"""expanded(module): fused attention and encoder layers of torch become modules that a tracer walks through."""

from __future__ import annotations

from torch import nn

from ..core.arguments import check_module
from ..core.errors import ConversionError
from ..core.trace import copied
from .plain_transformer import PlainAttention, PlainEncoder, PlainEncoderLayer


def expanded(module: nn.Module) -> nn.Module:
    """A copy of a network in which torch's fused Transformer layers are made of plain operations.

    Replaced are `nn.MultiheadAttention`, `nn.TransformerEncoderLayer` and `nn.TransformerEncoder`, by exact class, as a
    subclass may compute something else. The weights are the same; those of the joint projection `in_proj_weight`
    are in `q_proj`, `k_proj` and `v_proj`, all others keep their names.

    Args:
        module: the network, which stays as it is.

    Raises:
        ConversionError: naming the layer, if it has `batch_first=False`, `add_bias_kv` or `add_zero_attn`, or if the
            network cannot be copied.

    Example:
        >>> attention = expanded(nn.MultiheadAttention(8, 2, batch_first=True))
        >>> [name for name, _ in attention.named_children()]
        ['q_proj', 'k_proj', 'v_proj', 'softmax', 'dropout', 'out_proj']
    """
    check_module(module, "expanded.module")
    return _Expansion().of(copied(module), "")


class _Expansion:
    """Replaces from the inside out; a module that stands at two places is replaced by one."""

    def __init__(self) -> None:
        self.done: dict[nn.Module, nn.Module] = {}

    def of(self, module: nn.Module, path: str) -> nn.Module:
        if module not in self.done:
            for name, child in module._modules.items():
                if child is not None:
                    module._modules[name] = self.of(child, f"{path}.{name}" if path else name)
            try:
                self.done[module] = _plain(module)
            except ConversionError as error:
                who = f"{path} ({type(module).__name__})" if path else type(module).__name__
                raise ConversionError(f"{who}: {str(error).rstrip('.')}.") from error
        return self.done[module]


def _plain(module: nn.Module) -> nn.Module:
    if type(module) is nn.MultiheadAttention:
        return PlainAttention(module)
    if type(module) is nn.TransformerEncoderLayer:
        return PlainEncoderLayer(module, module.self_attn)
    if type(module) is nn.TransformerEncoder:
        return PlainEncoder(module.layers, module.norm)
    return module
