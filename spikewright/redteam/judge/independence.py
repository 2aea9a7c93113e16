"""Independence: a judge that shares weights with what it judges knows too much."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor, nn

from ...core.errors import ArgumentError, sentence

FEWEST = 32
"""Values from which on a tensor is told by its content; smaller ones are equal by chance or by their start."""


def fingerprints(network: nn.Module) -> frozenset[str]:
    """Hashes of the weights of a network, one per tensor, whatever they are called in it.

    A tensor of fewer than `FEWEST` values, or of equal ones (a batch norm as it starts), has none.

    Example:
        >>> one = nn.Linear(8, 8)
        >>> fingerprints(one) == fingerprints(nn.Sequential(one, nn.ReLU())), len(fingerprints(one))
        (True, 1)
    """
    tensors = (*network.parameters(), *network.buffers())
    return frozenset(
        _hash(each) for each in tensors if each.numel() >= FEWEST and bool((each != each.flatten()[0]).any())
    )


def _hash(tensor: Tensor) -> str:
    values = tensor.detach().cpu().contiguous()
    head = f"{values.dtype} {tuple(values.shape)} ".encode()
    return hashlib.sha256(head + values.numpy().tobytes()).hexdigest()


def check_independent(judge: nn.Module, others: Mapping[str, nn.Module]) -> None:
    """Refuse a judge that shares a tensor of weights with another network of the benchmark.

    What was fine-tuned until every tensor differs is not found: name the origin of every network beside its results.

    Args:
        judge: its network; one without weights passes.
        others: victim, style features, detector, by what they are.

    Raises:
        ArgumentError: with those that share weights, and how many tensors.
    """
    own = fingerprints(judge)
    shared = {name: len(own & fingerprints(network)) for name, network in others.items()}
    found = ", ".join(f"{count} with {name}" for name, count in shared.items() if count)
    if found:
        met = f"a judge that shares tensors of weights: {found}"
        raise ArgumentError(sentence("judge", met, "weights of its own", "Let another network judge"))
