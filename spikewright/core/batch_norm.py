"""Batch-norm folding: a batch norm right after a convolution or linear layer goes into its weights."""

from __future__ import annotations

from typing import Any, cast

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from .trace import module_of

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_batch_norm(graph: fx.GraphModule) -> list[str]:
    """Fold every batch norm whose input is a convolution or linear layer used nowhere else; in place.

    The others stay: in `eval()` they are affine and convert as they are. So do those behind a layer whose weights are
    made anew at every call (weight norm and the like).

    Args:
        graph: a traced network in `eval()`.

    Returns:
        Paths of the folded batch norms.
    """
    folded = []
    for node in list(graph.graph.nodes):
        norm, before = module_of(graph, node), node.args[0] if node.args else None
        if type(norm) not in _NORMS or not isinstance(before, fx.Node) or len(before.users) > 1:
            continue
        calls = [other for other in graph.graph.nodes if other.op == "call_module" and other.target == before.target]
        fused = _fused(module_of(graph, before), norm) if len(calls) == 1 else None
        if fused is None:
            continue
        graph.set_submodule(str(before.target), fused)
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
        folded.append(str(node.target))
    graph.delete_all_unused_submodules()
    graph.recompile()
    return folded


def _fused(synapse: nn.Module | None, norm: Any) -> nn.Module | None:
    if norm.running_mean is None or synapse is None or synapse._forward_pre_hooks or synapse._forward_hooks:
        return None
    if type(synapse) in _CONVOLUTIONS:
        return fuse_conv_bn_eval(cast(Any, synapse), norm)
    # a batch norm of another width normalises the second of three axes, not the one that the linear layer makes
    if type(synapse) is nn.Linear and type(norm) is nn.BatchNorm1d and norm.num_features == synapse.out_features:
        return fuse_linear_bn_eval(synapse, norm)
    return None
