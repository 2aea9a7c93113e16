"""Weights that are made of raw ones by a rule: set up on layers, found again, and made permanent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..core.arguments import check_module
from ..core.errors import ArgumentError, sentence
from ..report.table import Column, Table

SYNAPTIC = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    nn.Linear,
)


class WeightRule(nn.Module):
    """Raw weight -> the weight that a layer works with. It counts the updates of its training, so that runs resume."""

    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))


def synaptic(layer: nn.Module) -> bool:
    """Whether a layer is a convolution or linear layer: those that pruning takes by default."""
    return isinstance(layer, SYNAPTIC)


def set_up(
    model: nn.Module, make: Callable[[Tensor], WeightRule], layers: Callable[[nn.Module], bool], who: str
) -> None:
    """Give a rule to the weight of every layer that is wanted; in place, before the optimiser is made.

    The raw weight stays the parameter, under a name of torch's parametrizations; `layer.weight` is what the rule makes
    of it. Both, and the rule's numbers, are in the state dict.

    Raises:
        ArgumentError: if the model is none, holds no such layer, or a layer has a rule of that kind already.
    """
    check_module(model, f"{who}.model")
    wanted = [(name, part) for name, part in model.named_modules() if layers(part)]
    if not wanted:
        raise ArgumentError(sentence(f"{who}.model", "a network without a layer to prune", "at least one"))
    taken = {name for name, _, _ in rules(model, WeightRule)}
    for name, layer in wanted:
        if not isinstance(getattr(layer, "weight", None), Tensor):
            raise ArgumentError(sentence(f"{who}.layers", f"{name!r}, which has no weight", "layers with a weight"))
        if name in taken:
            todo = "Make it permanent first: permanent(model)"
            raise ArgumentError(sentence(f"{who}.model", f"{name!r}, which is pruned already", "each layer once", todo))
    for _, layer in wanted:
        weight: Any = layer.weight
        parametrize.register_parametrization(layer, "weight", make(weight.detach()))


def rules(model: nn.Module, kind: type[WeightRule]) -> Iterator[tuple[str, nn.Module, Any]]:
    """Name, layer and rule of every layer whose weight is made by a rule of that kind."""
    for name, layer in model.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            of_weight: Any = layer.parametrizations.weight  # pyright: ignore[reportAttributeAccessIssue]
            for rule in of_weight:
                if isinstance(rule, kind):
                    yield name, layer, rule


def raw(layer: nn.Module) -> nn.Parameter:
    """The raw weight of a layer that has a rule."""
    return layer.parametrizations["weight"].original  # pyright: ignore


def permanent(model: nn.Module) -> None:
    """Make the weights that layers work with their own, plain weights, and take the rules away; in place.

    Outputs stay the same to the bit. Parameters are new ones, so an optimiser has to be made anew.
    """
    check_module(model, "permanent.model")
    for _, layer, _ in list(rules(model, WeightRule)):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


@torch.no_grad()
def weights_left(model: nn.Module) -> Table:
    """How many weights of every convolution and linear layer are not zero, as the layers work with them.

    Example:
        >>> layer = nn.Linear(2, 2, bias=False)
        >>> _ = nn.init.eye_(layer.weight)
        >>> weights_left(nn.Sequential(layer)).rows
        (('0', 4, 2, 0.5), ('all', 4, 2, 0.5))
    """
    check_module(model, "weights_left.model")
    rows = []
    for name, layer in model.named_modules():
        if synaptic(layer):
            weight: Any = layer.weight
            rows.append((name or "network", weight.numel(), int(weight.count_nonzero())))
    if not rows:
        raise ArgumentError(sentence("weights_left.model", "a network without weights", "at least one layer of them"))
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    columns = (Column("layer"), Column("weights"), Column("not zero"), Column("share", "%"))
    return Table("Weights", columns, tuple((*row, row[2] / row[1]) for row in rows))
