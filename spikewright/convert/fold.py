"""Batch-norm folding: a batch norm right after a convolution or linear layer goes into its weights."""

from __future__ import annotations

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from ..core.trace import module_of

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_batch_norm(graph: fx.GraphModule) -> list[str]:
    """Fold every batch norm whose input is a convolution or linear layer used nowhere else; in place.

    The others stay: in `eval()` they are affine and convert as they are.

    Args:
        graph: a traced network in `eval()`.

    Returns:
        Paths of the folded batch norms.
    """
    folded = []
    for node in list(graph.graph.nodes):
        norm, before = module_of(graph, node), node.args[0] if node.args else None
        if not isinstance(norm, _NORMS) or norm.running_mean is None or not isinstance(before, fx.Node):
            continue
        synapse = module_of(graph, before)
        shared = [other for other in graph.graph.nodes if other.op == "call_module" and other.target == before.target]
        if len(before.users) > 1 or len(shared) > 1:
            continue
        if isinstance(synapse, _CONVOLUTIONS):
            fused: nn.Module = fuse_conv_bn_eval(synapse, norm)  # pyright: ignore[reportArgumentType]
        elif isinstance(synapse, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
            fused = fuse_linear_bn_eval(synapse, norm)  # pyright: ignore[reportArgumentType]
        else:
            continue
        graph.set_submodule(str(before.target), fused)
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
        folded.append(str(node.target))
    graph.delete_all_unused_submodules()
    graph.recompile()
    return folded
