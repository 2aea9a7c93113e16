"""Sites: every operation of a traced network, its name, and what kind of activation or pool it is."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from weakref import WeakKeyDictionary

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from ..core.inplace import ignores_values
from ..core.trace import module_of, path_of
from .layers.clip import ClippedReLU
from .layers.qcfs import QCFSActivation


@dataclass(frozen=True)
class Site:
    """One node of a traced network: a call of a module, function or method.

    Args:
        graph: the traced network.
        node: the node.
        names: gives the names of all sites, where they are found once for many of them.
    """

    graph: fx.GraphModule
    node: fx.Node
    names: Callable[[], Mapping[fx.Node, str]] | None = field(default=None, compare=False, repr=False)

    @property
    def module(self) -> nn.Module | None:
        """The module called, or None."""
        return module_of(self.graph, self.node)

    @property
    def name(self) -> str:
        """A name of its own for every call site; the module's path where a module is called once."""
        return (_names(self.graph) if self.names is None else self.names())[self.node]

    @property
    def kind(self) -> str:
        """Class of the module, or name of the function or method."""
        if self.module is not None:
            return type(self.module).__name__
        target = self.node.target
        return target if isinstance(target, str) else getattr(target, "__name__", "?")

    @property
    def depends_on_input(self) -> bool:
        """Whether its value changes with the image; shapes, weights and constants do not."""
        return depends_on_input(self.node)

    def first_input(self) -> list[fx.Node]:
        """The node of the first argument."""
        return self.node.all_input_nodes[:1]

    def activities(self) -> list[fx.Node]:
        """The arguments that depend on the image (the others are weights and constants); x * x has two."""
        found: list[fx.Node] = []
        fx.map_arg((self.node.args, self.node.kwargs), found.append)  # pyright: ignore[reportArgumentType]
        return [node for node in found if depends_on_input(node)]


def sites(graph: fx.GraphModule) -> list[Site]:
    """Every node of a graph that does something, in order of execution, under the names that they have now."""
    names = cache(lambda: _names(graph))
    return [Site(graph, node, names) for node in graph.graph.nodes if node.op.startswith("call_")]


_depends: WeakKeyDictionary[fx.Node, bool] = WeakKeyDictionary()


def depends_on_input(node: fx.Node) -> bool:
    """Whether a node's value changes with the image; kept for each node, as no rewriting changes it."""
    todo = [node]
    while todo:
        current = todo[-1]
        inputs = [] if ignores_values(current) else current.all_input_nodes
        unknown = [part for part in inputs if part not in _depends]
        if unknown:
            todo.extend(unknown)
        else:
            _depends[todo.pop()] = current.op == "placeholder" or any(_depends[part] for part in inputs)
    return _depends[node]


def _names(graph: fx.GraphModule) -> dict[fx.Node, str]:
    calls_in_order = [node for node in graph.graph.nodes if node.op.startswith("call_")]
    taken = {path_of(node) for node in calls_in_order}
    names: dict[fx.Node, str] = {}
    given: set[str] = set()
    for node in calls_in_order:
        path = name = path_of(node)
        number = 1
        while name in given or (number > 1 and name in taken):
            number += 1
            name = f"{path}_{number}"
        names[node] = name
        given.add(name)
    return names


def calls(
    *, modules: tuple[type[nn.Module], ...] = (), functions: tuple = (), methods: tuple[str, ...] = ()
) -> Callable[[Site], bool]:
    """A test whether a site calls one of these; modules by exact class, as a subclass may mean something else."""

    def matches(site: Site) -> bool:
        if site.module is not None:
            return type(site.module) in modules
        return site.node.target in (functions if site.node.op == "call_function" else methods)

    return matches


def called(*names: str, modules: tuple[type[nn.Module], ...] = ()) -> Callable[[Site], bool]:
    """A test whether a site calls one of these by name, as a function of torch or of Python's operators or as a method.

    Args:
        names: e.g. "softmax" for `F.softmax`, `torch.softmax`, `torch.special.softmax` and `x.softmax`.
        modules: classes that count too.
    """
    found = (getattr(home, name, None) for name in names for home in _HOMES)
    return calls(modules=modules, functions=tuple(function for function in found if callable(function)), methods=names)


_HOMES = (torch, F, operator, torch.special, torch.linalg)

_relu = calls(modules=(nn.ReLU, nn.ReLU6), functions=(F.relu, torch.relu, F.relu6), methods=("relu",))
_clamp = calls(functions=(torch.clamp, torch.clip, torch.clamp_min, F.hardtanh), methods=("clamp", "clip", "clamp_min"))


def is_relu(site: Site) -> bool:
    """ReLU or a ReLU clipped from above, as module, function or method: clamp(0, c) and Hardtanh(0, c) too."""
    if isinstance(site.module, nn.Hardtanh):
        return site.module.min_val == 0
    if _clamp(site):
        args, kwargs = site.node.args, site.node.kwargs
        lowest = args[1] if len(args) > 1 else kwargs.get("min", kwargs.get("min_val"))
        return isinstance(lowest, int | float) and lowest == 0
    return _relu(site)


def upper_bound(site: Site) -> float | None:
    """Where a ReLU is clipped from above; None where it is not; NaN where the bound is computed or kept in a buffer.

    The trained threshold of a QCFS activation or clipped ReLU is such a bound.
    """
    if isinstance(site.module, QCFSActivation | ClippedReLU):
        return float(site.module.v_threshold.detach())
    if isinstance(site.module, nn.Hardtanh):  # ReLU6 is one
        return float(site.module.max_val)
    if site.node.target is F.relu6:
        return 6.0
    args, kwargs = site.node.args, site.node.kwargs
    if not _clamp(site) or site.node.target in (torch.clamp_min, "clamp_min"):
        return None
    absent = 1.0 if site.node.target is F.hardtanh else None  # the default of its second bound
    highest = args[2] if len(args) > 2 else kwargs.get("max", kwargs.get("max_val", absent))
    return highest if highest is None else float(highest) if isinstance(highest, int | float) else float("nan")


is_qcfs = calls(modules=(QCFSActivation,))

is_clipped_relu = calls(modules=(ClippedReLU,))

is_leaky_relu = calls(
    modules=(nn.LeakyReLU, nn.PReLU), functions=(F.leaky_relu, F.prelu, torch.prelu), methods=("prelu",)
)

is_max_pool = calls(
    modules=(
        *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
        *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    ),
    functions=(
        *(F.max_pool1d, F.max_pool2d, F.max_pool3d, torch.max_pool1d, torch.max_pool2d, torch.max_pool3d),
        *(F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d),
    ),
)

is_sigmoid = calls(
    modules=(nn.Sigmoid, nn.Hardsigmoid),
    functions=(F.sigmoid, torch.sigmoid, F.hardsigmoid),
    methods=("sigmoid",),
)

_product = calls(functions=(torch.mul, torch.multiply, operator.mul), methods=("mul", "multiply"))


def is_product(site: Site) -> bool:
    """A product of two activities, each of which changes with the image; x * x too."""
    return _product(site) and len(site.activities()) == 2


_matrix_product = called("matmul", "bmm")
_affine_product = called("addmm")
_einsum = called("einsum")


def is_matmul(site: Site) -> bool:
    """A matrix product of two activities, image by image: matmul, bmm, `@`, or an einsum of two."""
    if len(site.activities()) != 2:
        return False
    return _matrix_product(site) or (_einsum(site) and len(_factors(site)) == 2 and _keeps_images_apart(site))


def is_constant_product(site: Site) -> bool:
    """A matrix product or einsum of one activity with constants, image by image."""
    if len(site.activities()) != 1:
        return False
    if _affine_product(site):  # bias + x @ weight
        return site.activities() == [site.node.args[1]]
    return _matrix_product(site) or (_einsum(site) and _keeps_images_apart(site))


def _factors(site: Site) -> list[fx.Node]:
    given = site.node.args[1:]
    if len(given) == 1 and isinstance(given[0], tuple | list):
        given = tuple(given[0])
    return [factor for factor in given if isinstance(factor, fx.Node)]


def _keeps_images_apart(site: Site) -> bool:
    """Whether every activity of an einsum has its first axis in front of the result, written out behind `->`."""
    equation = site.node.args[0]
    if not isinstance(equation, str) or "->" not in equation:
        return False
    before, after = equation.replace(" ", "").split("->")
    terms = zip(_factors(site), before.split(","))
    return after != "" and all(term[0] == after[0] for factor, term in terms if depends_on_input(factor))
