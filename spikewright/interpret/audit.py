"""What a network does that is not linear, and who sees it: many methods look at modules, and miss what is no module.

The graph of one backward pass names every operation, however it was called; forward hooks name every call of a module.
An operation that no call accounts for was called as a function, and a method that hooks modules would pass it by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from .steady import is_spiking

OPERATIONS: dict[str, tuple[type[nn.Module], ...]] = {
    "Relu": (nn.ReLU,),
    "Hardtanh": (nn.ReLU6, nn.Hardtanh),
    "Silu": (nn.SiLU,),
    "Gelu": (nn.GELU,),
    "Elu": (nn.ELU, nn.CELU, nn.SELU),
    "LeakyRelu": (nn.LeakyReLU,),
    "PreluKernel": (nn.PReLU,),
    "RreluWithNoise": (nn.RReLU,),
    "Sigmoid": (nn.Sigmoid,),
    "LogSigmoid": (nn.LogSigmoid,),
    "Tanh": (nn.Tanh,),
    "Softplus": (nn.Softplus,),
    "Hardswish": (nn.Hardswish,),
    "Hardsigmoid": (nn.Hardsigmoid,),
    "Mish": (nn.Mish,),
    "Threshold": (nn.Threshold,),
    "Softmax": (nn.Softmax,),
    "LogSoftmax": (nn.LogSoftmax,),
    "MaxPool2DWithIndices": (nn.MaxPool2d,),
    "AdaptiveMaxPool2D": (nn.AdaptiveMaxPool2d,),
    "Clamp": (),
    "ClampMin": (),
    "ClampMax": (),
    "Abs": (),
    "Pow": (),
    "Exp": (),
    "Log": (),
    "Sqrt": (),
    "Rsqrt": (),
    "Maximum": (),
    "Minimum": (),
    "Max": (),
    "Amax": (),
    "Where": (),
    "Erf": (),
    "Sin": (),
    "Cos": (),
    "Atan": (),
    "Norm": (),
    "LinalgVectorNorm": (),
    "NativeLayerNorm": (nn.LayerNorm,),
    "NativeGroupNorm": (nn.GroupNorm,),
    "ScaledDotProductFlashAttentionForCpu": (),
    "ScaledDotProductAttentionMath": (),
    "ScaledDotProductEfficientAttention": (),
    "ScaledDotProductFlashAttention": (),
}
"""Operations that are not linear, by the name of their node in the graph, and the modules that call them."""

POOLS = ("MaxPool2DWithIndices", "AdaptiveMaxPool2D")


@dataclass(frozen=True)
class Call:
    """How often a module without parts was called in one pass.

    Args:
        name: where it stands.
        module: the module.
        times: calls.
    """

    name: str
    module: nn.Module
    times: int


@dataclass(frozen=True)
class Audit:
    """What one pass showed.

    Args:
        spiking: whether there are layers over time.
        calls: of modules without parts, in the order of their first call.
        operations: operations that are not linear -> how many; "own function" is one that torch knows nothing of.
        sums: sums of two activities; residual connections are such.
        products: products of two activities.
    """

    spiking: bool
    calls: tuple[Call, ...]
    operations: Counter[str]
    sums: int
    products: int

    def unseen(self, seen: Collection[type[nn.Module]], *, passing: Collection[str] = ()) -> str:
        """What a method that hooks modules of these classes would pass by, in words; empty if nothing.

        Args:
            seen: classes that the method has a rule for; a subclass is another class.
            passing: operations that need no rule.
        """
        for name, count in self.operations.items():
            hooked = sum(call.times for call in self._calling(name) if type(call.module) in seen)
            if name in passing or count <= hooked:
                continue
            others = [call for call in self._calling(name) if type(call.module) not in seen]
            if others:
                return f"it has no rule for {type(others[0].module).__name__} (layer {others[0].name})"
            if any(kind in seen for kind in OPERATIONS.get(name, ())):
                module = OPERATIONS[name][0].__name__
                return f"{count - hooked} of {count} {name} operations are called as functions; make each nn.{module}()"
            return f"it has no rule for the operation {name}"
        if self.products:
            return "it has no rule for products of two activities"
        return self.changed_or_reused(seen)

    def changed_or_reused(self, seen: Collection[type[nn.Module]]) -> str:
        """The first module of these classes that works in place or is called more than once, in words; else empty."""
        for call in self.calls:
            kind = type(call.module)
            if kind in seen and getattr(call.module, "inplace", False):
                return f"layer {call.name} ({kind.__name__}) overwrites its input; make it with inplace=False"
            if kind in seen and call.times > 1:
                times = f"{call.times} times in one pass"
                return f"layer {call.name} ({kind.__name__}) is called {times}, and one call alone would be seen"
        return ""

    def _calling(self, name: str) -> list[Call]:
        return [call for call in self.calls if isinstance(call.module, OPERATIONS.get(name, ()))]


def audit(network: nn.Module, image: Tensor) -> Audit:
    """Look at one pass of a network.

    Args:
        network: a classifier in `eval()`.
        image: one or more images [N, C, H, W].

    Example:
        >>> class Late(nn.Module):
        ...     def forward(self, x):
        ...         return torch.relu(x).flatten(1)
        >>> audit(Late(), torch.ones(1, 1, 1, 2)).unseen((nn.ReLU,))
        '1 of 1 Relu operations are called as functions; make each nn.ReLU()'
    """
    times: Counter[str] = Counter()
    leaves = {name: part for name, part in network.named_modules() if not list(part.children())}
    handles = [part.register_forward_hook(lambda *_, name=name: times.update([name])) for name, part in leaves.items()]
    x = image.detach().clone().requires_grad_()
    try:
        with torch.enable_grad():
            out = network(x)
    finally:
        for handle in handles:
            handle.remove()
    operations: Counter[str] = Counter()
    sums = products = 0
    for node, inputs in _on_the_way(out, x):
        name = node.name().removesuffix("0").removesuffix("1").removesuffix("Backward")
        if isinstance(node, BackwardCFunction) and "BackwardHook" not in type(node).__name__:
            operations["own function"] += 1
        elif name in OPERATIONS:
            operations[name] += 1
        sums += inputs > 1 and name in ("Add", "Sub")
        products += inputs > 1 and name in ("Mul", "Div", "Bmm", "Mm")
    calls = tuple(Call(name, leaves[name], count) for name, count in times.items())
    return Audit(is_spiking(network), calls, operations, sums, products)


def _on_the_way(out: Tensor, x: Tensor) -> Iterator[tuple[Any, int]]:
    """Every node of the graph between x and an output, and how many of its inputs depend on x."""
    waiting: list[Any] = [out.grad_fn]
    depends: dict[Any, bool] = {}
    while waiting:
        node = waiting[-1]
        inputs = [] if node is None else [before for before, _ in node.next_functions if before is not None]
        unknown = [before for before in inputs if before not in depends]
        if node is None or node in depends or not unknown:
            waiting.pop()
        else:
            waiting.extend(unknown)
        if node is None or node in depends or unknown:
            continue
        known = sum(depends[before] for before in inputs)
        depends[node] = known > 0 or getattr(node, "variable", None) is x
        if known:
            yield node, known
