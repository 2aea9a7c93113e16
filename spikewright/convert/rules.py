"""Rules: what replaces what, call site by call site; and the audit that nothing was left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from torch import fx, nn

from ..core.errors import ConversionError
from ..core.temporal import Temporal
from ..core.trace import free_path, module_of, path_of, replace_call
from .advice import advice
from .linear import is_linear
from .operations import Site, sites


@dataclass(frozen=True)
class Rule:
    """One line of a recipe's table: at every site that matches, a new module takes the place.

    Args:
        name: what the rule does, e.g. "ReLU -> IF"; shown in tables and errors.
        matches: whether the rule is for a site.
        replacement: makes the new module for a site.
        inputs: the nodes that the new module is called with; by default the site's first.
    """

    name: str
    matches: Callable[[Site], bool]
    replacement: Callable[[Site], nn.Module]
    inputs: Callable[[Site], Sequence[fx.Node]] = Site.first_input


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


def rule_for(site: Site, rules: Sequence[Rule]) -> Rule | None:
    """The first rule that matches; None where nothing depends on the image, as on a function of weights alone."""
    return next((rule for rule in rules if rule.matches(site)), None) if site.depends_on_input else None


def rewrite(graph: fx.GraphModule, rules: Sequence[Rule], *, skip: Collection[str] = ()) -> list[Replaced]:
    """Apply the first matching rule at every call site, in place.

    A module that is called at two places becomes two modules, the second named after the first: `act`, `act_2`.
    Names, statistics and matches are taken before anything changes, so that no rule sees another rule's work.

    Args:
        graph: the network.
        rules: the table.
        skip: names of sites to leave as they are.

    Returns:
        What was replaced, in order of execution.
    """
    plan = []
    for site in sites(graph):
        rule = None if site.name in skip else rule_for(site, rules)
        if rule is not None:
            plan.append((site, site.name, site.kind, rule, rule.replacement(site)))
    replaced = {site.node for site, *_ in plan}
    for path in {str(node.target) for node in replaced if node.op == "call_module"}:
        if all(node in replaced for node in graph.graph.nodes if node.op == "call_module" and node.target == path):
            graph.delete_submodule(path)
    done = []
    for site, name, kind, rule, module in plan:
        path = free_path(graph, name)
        module.train(graph.training)
        replace_call(graph, site.node, path, module, rule.inputs(site))
        done.append(Replaced(name, kind, rule.name, path))
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    return done


def unhandled(graph: fx.GraphModule, rules: Sequence[Rule]) -> list[Site]:
    """The operations that no rule replaces and that spikes do not pass through as they are."""
    return [site for site in sites(graph) if rule_for(site, rules) is None and not is_linear(site)]


NO_NEURONS = "A network without activations is linear and needs no spikes"


def audit(graph: fx.GraphModule, recipe: str, *, allow: Collection[str] = (), no_neurons: str = NO_NEURONS) -> None:
    """Make sure that every operation is a temporal layer, linear, or explicitly allowed.

    Args:
        graph: the rewritten network.
        recipe: name of the recipe, for the message.
        allow: names of sites to leave as they are.
        no_neurons: what to do about a network in which nothing becomes a neuron.

    Raises:
        ConversionError: naming every site that is none of these, with advice; or if an allowed name does not exist;
            or if the network holds no neuron, or some of its layers start anew after a rehearsal and others do not.
    """
    everything = sites(graph)
    unknown = set(allow) - {site.name for site in everything}
    if unknown:
        raise ConversionError(
            f"allow: there is no site {', '.join(sorted(unknown))}; expected names from `spikewright check`, "
            f"e.g. {everything[0].name if everything else 'none'}."
        )
    left = [site for site in unhandled(graph, ()) if site.name not in allow]
    if left:
        alike: dict[tuple[str, str], list[str]] = {}
        for site in left:
            alike.setdefault((site.kind, advice(site)), []).append(site.name)
        lines = [f"  {', '.join(names)} ({kind}): {todo}" for (kind, todo), names in alike.items()]
        raise ConversionError(
            f"{recipe}: no rule handles {len(left)} operation{'s' * (len(left) > 1)}:\n" + "\n".join(lines) + "\n"
            "Change the network, add a rule with extra=(...), or list a name in allow=(...) to leave it as it is."
        )
    modules = [(node, module_of(graph, node)) for node in graph.graph.nodes]
    layers = [(path_of(node), layer) for node, layer in modules if isinstance(layer, Temporal)]
    if not any(layer.fires for _, layer in layers):
        raise ConversionError(
            f"{recipe}: found no activation to turn into a neuron; expected at least one ReLU, clipped ReLU or "
            f"QCFS activation. {no_neurons}."
        )
    longest = max(layer.rehearsal for _, layer in layers)
    behind = next((f"{path} ({type(layer).__name__})" for path, layer in layers if layer.rehearsal < longest), None)
    if behind is not None:
        raise ConversionError(
            f"{recipe}: rehearses {longest} steps, after which every layer starts anew, but {behind} goes on; expected "
            "layers that rehearse alike. Use a method without a rehearsal, or another rule for this layer."
        )
