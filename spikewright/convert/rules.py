"""Rules: what replaces what, call site by call site; and the audit that nothing was left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from torch import fx, nn

from ..core.errors import ConversionError
from ..core.temporal import Temporal
from ..core.trace import free_path, module_of, path_of, replace_call
from .operations import Site, advice, is_linear, is_max_pool


@dataclass(frozen=True)
class Rule:
    """One line of a recipe's table: at every site that matches, a new module takes the place.

    Args:
        name: what the rule does, e.g. "ReLU -> IF"; shown in tables and errors.
        matches: whether the rule is for a site.
        replacement: makes the new module for a site.
    """

    name: str
    matches: Callable[[Site], bool]
    replacement: Callable[[Site], nn.Module]


@dataclass(frozen=True)
class Replaced:
    """A site that a rule has replaced.

    Args:
        site: the site's name in the source network.
        kind: what stood there.
        rule: name of the rule.
        path: where the new module is in the rewritten network.
    """

    site: str
    kind: str
    rule: str
    path: str


def sites(graph: fx.GraphModule) -> list[Site]:
    """Every node of a graph that does something, in order of execution."""
    return [Site(graph, node) for node in graph.graph.nodes if node.op.startswith("call_")]


def rewrite(graph: fx.GraphModule, rules: Sequence[Rule]) -> list[Replaced]:
    """Apply the first matching rule at every call site, in place.

    A module that is called at two places becomes two modules. Names, statistics and matches are taken before anything
    changes, so that no rule sees another rule's work.

    Returns:
        What was replaced, in order of execution.
    """
    plan = []
    for site in sites(graph):
        rule = next((rule for rule in rules if rule.matches(site)), None)
        if rule is not None:
            plan.append((site.node, site.name, site.kind, rule, rule.replacement(site)))
    done = []
    for node, name, kind, rule, module in plan:
        path = path_of(node)
        if node.op == "call_module" and _calls_of(graph, path) == 1:
            graph.delete_submodule(path)
        path = free_path(graph, path)
        module.train(graph.training)
        replace_call(graph, node, path, module)
        done.append(Replaced(name, kind, rule.name, path))
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    return done


def _calls_of(graph: fx.GraphModule, path: str) -> int:
    return sum(1 for node in graph.graph.nodes if node.op == "call_module" and node.target == path)


def audit(graph: fx.GraphModule, recipe: str, *, allow: Collection[str] = ()) -> None:
    """Make sure that every operation is a temporal layer, linear, or explicitly allowed.

    Args:
        graph: the rewritten network.
        recipe: name of the recipe, for the message.
        allow: names of sites to leave as they are.

    Raises:
        ConversionError: naming every site that is none of these, with advice; or if an allowed name does not exist;
            or if the network holds no neuron at all.
    """
    everything = sites(graph)
    unknown = set(allow) - {site.name for site in everything}
    if unknown:
        raise ConversionError(
            f"allow: there is no site {', '.join(sorted(unknown))}; expected names from `spikewright check`, "
            f"e.g. {everything[0].name if everything else 'none'}."
        )
    left = [site for site in everything if site.name not in allow and not is_linear(site)]
    if left:
        lines = [f"  {site.name} ({site.kind}): {advice(site)}" for site in left]
        raise ConversionError(
            f"{recipe}: no rule handles {len(left)} operation{'s' * (len(left) > 1)}:\n" + "\n".join(lines) + "\n"
            "Change the network, add a rule with extra=(...), or list a name in allow=(...) to leave it as it is."
        )
    if not any(isinstance(module_of(graph, node), Temporal) for node in graph.graph.nodes):
        raise ConversionError(
            f"{recipe}: found no activation to turn into a neuron; expected at least one ReLU or QCFS activation. "
            "A network without activations is linear and needs no spikes."
        )


def _average_for(site: Site) -> nn.Module:
    module, args, kwargs = site.module, site.node.args[1:], site.node.kwargs
    if module is not None:
        if isinstance(module, nn.AdaptiveMaxPool2d):
            made: nn.Module = nn.AdaptiveAvgPool2d(module.output_size)  # pyright: ignore[reportArgumentType]
        elif isinstance(module, nn.MaxPool2d) and module.dilation in (1, (1, 1)):
            made = nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
        elif isinstance(module, nn.MaxPool1d) and module.dilation in (1, (1,)):
            made = nn.AvgPool1d(module.kernel_size, module.stride, module.padding, module.ceil_mode)  # pyright: ignore[reportArgumentType]
        else:
            raise ConversionError(f"{site.name} ({site.kind}): has no average pool of the same geometry; replace it in the network.")
    else:
        names = ("kernel_size", "stride", "padding")
        given = dict(zip(names, args)) | {name: kwargs[name] for name in names if name in kwargs}
        made = nn.AvgPool2d(**given)
    warnings.warn(
        f"{site.name}: max pool replaced by an average pool of the same geometry. This changes the network: train it "
        "with the average pool before converting, or expect a large loss of accuracy.",
        UserWarning,
        stacklevel=2,
    )
    return made


max_pool_to_average = Rule("max pool -> average pool", is_max_pool, _average_for)
"""Average pools for max pools, with a loud warning at each: for networks that are trained afterwards."""
