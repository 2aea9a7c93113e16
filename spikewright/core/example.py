"""Decisions on shapes while a network is traced: an example batch runs along and answers them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import Attribute

from .errors import ConversionError
from .inplace import Recorder, ignores_values
from .temporal import Temporal

ROWS = (2, 3)
"""Batch sizes that the example is run with: an answer that differs between them depends on the batch size."""


class Example:
    """The value of every node of a growing trace on an example, for two batch sizes.

    Args:
        root: the network being traced.
        network: a copy of it, put into `eval()`, which computes the values.
        batch: images [N, ...], of which the first is used.
    """

    def __init__(self, root: nn.Module, network: nn.Module, batch: Tensor) -> None:
        self.root, self.network = root, network.eval()
        for layer in network.modules():
            if isinstance(layer, Temporal):
                layer.timesteps = 1
        self.running = False
        device = next((tensor.device for tensor in network.parameters()), batch.device)
        self.images = tuple(batch[:1].to(device).repeat(rows, *[1] * (batch.dim() - 1)) for rows in ROWS)
        self.values: dict[fx.Node, tuple[Any, ...]] = {}
        self.from_images: set[fx.Node] = set()

    def answer(self, node: fx.Node, read: Callable[[Any], Any], what: str) -> Any:
        """What `read` says of a node's value, whatever the batch size.

        Args:
            node: the node.
            read: e.g. `bool`.
            what: the kind of answer, for errors.

        Raises:
            ConversionError: if it depends on values of tensors or on the batch size, or the example cannot tell.
        """
        self._catch_up(node.graph)
        values = self.values[node]
        failure = next((value.error for value in values if isinstance(value, _Failed)), None)
        if failure is not None:
            raise ConversionError(
                f"{node.name} cannot be computed on the example ({type(failure).__name__}: {failure}); give an example "
                "batch that the network can take"
            ) from failure
        if node in self.from_images and not (isinstance(values[0], Tensor | tuple | list) and read is len):
            raise ConversionError(
                f"asks for the {what} of {node.name}, which depends on the values of the images; a graph can follow "
                "decisions on shapes only"
            )
        answers = [read(value) for value in values]
        if answers[0] != answers[1]:
            raise ConversionError(
                f"asks for the {what} of {node.name}, which depends on the batch size: {answers[0]} for a batch of "
                f"{ROWS[0]} and {answers[1]} for one of {ROWS[1]}; leave such sizes to view and reshape"
                f"{', and write x.shape[0] instead of len(x)' if read is len else ''}"
            )
        return answers[0]

    def _catch_up(self, graph: fx.Graph) -> None:
        self.running = True
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                for node in islice(graph.nodes, len(self.values), None):
                    self._run(node)
        finally:
            self.running = False

    def _run(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self.values[node] = self.images
            self.from_images.add(node)
            return
        self.values[node] = tuple(self._value(node, i) for i in range(len(ROWS)))
        if not ignores_values(node) and any(used in self.from_images for used in node.all_input_nodes):
            self.from_images.add(node)

    def _value(self, node: fx.Node, i: int) -> Any:
        def value(used: fx.Node) -> Any:
            known = self.values[used][i]
            if isinstance(known, _Failed):
                raise known.error
            return known

        try:
            args, kwargs = fx.map_arg((node.args, node.kwargs), value)  # pyright: ignore[reportGeneralTypeIssues]
            return getattr(self, node.op)(node.target, args, kwargs)
        except Exception as error:  # whatever an operation raises on an example that does not fit
            return _Failed(error)

    def get_attr(self, target: str, args: Any, kwargs: Any) -> Any:
        """A parameter or buffer, or a constant that tracing has found."""
        read = operator.attrgetter(target)
        try:
            return read(self.network)
        except AttributeError:
            return read(self.root)

    def call_module(self, target: str, args: Any, kwargs: Any) -> Any:
        """A layer's output."""
        return self.network.get_submodule(target)(*args, **kwargs)

    def call_function(self, target: Callable, args: Any, kwargs: Any) -> Any:
        """A function's result."""
        return target(*args, **kwargs)

    def call_method(self, target: str, args: Any, kwargs: Any) -> Any:
        """A method's result."""
        return getattr(args[0], target)(*args[1:], **kwargs)


class _Failed:
    """Stands for a value that could not be computed."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Answering(fx.Proxy):
    """A symbolic value that asks the example where Python needs a real one."""

    def _answer(self, read: Callable[[Any], Any], what: str) -> Any:
        return self.tracer.example.answer(self.node, read, what)  # pyright: ignore[reportAttributeAccessIssue]

    def __bool__(self) -> bool:
        return self._answer(bool, "truth")

    def __index__(self) -> int:
        return self._answer(operator.index, "number")

    def __int__(self) -> int:
        return self._answer(int, "number")

    def __float__(self) -> float:
        return self._answer(float, "number")

    def __len__(self) -> int:
        return self._answer(len, "length")

    def __iter__(self) -> Iterator[fx.Proxy]:
        return iter([self[i] for i in range(len(self))])  # pyright: ignore[reportIndexIssue]


class Answering(_Answering, Recorder):
    """A symbolic tensor or number that asks the example where Python needs a real one."""

    def __getattr__(self, name: str) -> _AnsweringAttribute:
        return _AnsweringAttribute(self, name)


class _AnsweringAttribute(_Answering, Attribute):
    """An attribute of one: a shape, or a method that is about to be called."""
