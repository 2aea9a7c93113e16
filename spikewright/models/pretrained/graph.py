"""GraphNetwork: an ordinary network built from a list of operations, every layer and activation a module by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from ...core.errors import CheckpointError, sentence
from .operations import Operation

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6}


class GraphNetwork(nn.Module):
    """Runs operations in their order on images in [0, 1].

    A layer's module has the path of its weights, or its kind and number (`maxpool2`); its padding, where the layer
    cannot have it itself, and its activation are beside it (`conv3_pad`, `conv3_relu`).

    Args:
        operations: the list; its last value is the result.
        shapes: name -> shape of every weight and bias.
        normalize: pixel scaling, the first layer.

    Raises:
        CheckpointError: if a weight is missing, fits no such layer, or stands at two places.
    """

    def __init__(
        self, operations: Sequence[Operation], shapes: Mapping[str, Sequence[int]], normalize: nn.Module
    ) -> None:
        super().__init__()
        self.normalize = normalize
        weighted = [each for each in operations if each.weight]
        self.classes = int(shapes.get(f"{weighted[-1].weight}.weight", (0,))[0]) if weighted else 0
        self._order = tuple((each, tuple(self._placed(each, shapes))) for each in operations)

    def _placed(self, operation: Operation, shapes: Mapping[str, Sequence[int]]) -> Iterator[str]:
        for path, layer in layers(operation, shapes):
            *owners, last = path.split(".")
            owner: nn.Module = self
            for name in owners:
                if name not in owner._modules:
                    owner.add_module(name, nn.Module())
                owner = owner.get_submodule(name)
            if hasattr(owner, last):
                raise CheckpointError(sentence(f"graph, {path}", "a second layer of that name", "one of each"))
            owner.add_module(last, layer)
            yield path

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1], [N, C, H, W] -> logits [N, K]."""
        values = {0: self.normalize(x)}
        for operation, paths in self._order:
            value = joined(operation, [values[place] for place in operation.inputs])
            for path in paths:
                value = self.get_submodule(path)(value)
            values[operation.out] = value
        return values[self._order[-1][0].out]


def joined(operation: Operation, values: Sequence[Tensor]) -> Tensor:
    """What the layers of an operation get: the sum or the concatenated channels of its inputs, or the only one."""
    if operation.kind == "add":
        return values[0] + values[1]
    return torch.cat(list(values), 1) if operation.kind == "cat" else values[0]


def layers(operation: Operation, shapes: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, nn.Module]]:
    """Path and module of all that an operation does to its joined inputs, in order."""
    name, (left, right, top, bottom) = operation.name, operation.pad
    even = operation.kind == "conv" and left == right and top == bottom
    if any(operation.pad) and not even:
        yield f"{name}_pad", nn.ZeroPad2d(operation.pad)
    if operation.kind == "conv":
        yield name, _convolution(operation, shapes, (top, left) if even else (0, 0))
    elif operation.kind == "linear":
        outputs, inputs = _shape(operation, shapes, 2)
        yield name, nn.Linear(inputs, outputs, bias=f"{name}.bias" in shapes)
    elif operation.kind == "maxpool":
        yield name, nn.MaxPool2d(operation.kernel, operation.stride, ceil_mode=operation.ceil)
    elif operation.kind == "gap":
        yield name, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if operation.act is not None:
        yield f"{name}_{operation.act}", _ACTIVATIONS[operation.act]()


def _convolution(operation: Operation, shapes: Mapping[str, Sequence[int]], padding: tuple[int, int]) -> nn.Module:
    outputs, per_group, height, width = _shape(operation, shapes, 4)
    if outputs % operation.groups:
        met = f"{outputs} output channels in {operation.groups} groups"
        raise CheckpointError(sentence(f"graph, {operation.name}", met, "groups of the same size"))
    return nn.Conv2d(
        per_group * operation.groups,
        outputs,
        (height, width),
        operation.stride,
        padding,
        groups=operation.groups,
        bias=f"{operation.name}.bias" in shapes,
    )


def _shape(operation: Operation, shapes: Mapping[str, Sequence[int]], axes: int) -> Sequence[int]:
    shape = shapes.get(f"{operation.weight}.weight")
    if shape is None or len(shape) != axes:
        met = "no weight" if shape is None else f"a weight of shape {list(shape)}"
        raise CheckpointError(sentence(f"graph, {operation.name}", met, f"a weight of {axes} axes"))
    return shape
