"""What a network that was trained as a spiking one is reported as, when it is judged: tables, figures, a summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..core.neuron import Neuron
from ..core.references import source_of
from ..core.spiking import Spiking
from ..report import Report
from ..sparsity import weights_left
from .activity import activity_figures
from .judged_report import density_figure, density_table, main_figures
from .judging import Measurements


def neurons_in(model: nn.Module) -> str:
    """What the neurons of a network are called: their kinds, each once.

    Example:
        >>> from spikewright.neurons import IF, LIF
        >>> neurons_in(nn.Sequential(LIF(), IF(), LIF()))
        'LIF, IF'
    """
    return ", ".join(dict.fromkeys(type(part).__name__ for part in _neurons(model).values()))


def spiking_report(
    name: str,
    model: Spiking,
    measured: Measurements,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    training: Mapping[str, Any],
) -> Report:
    """Everything about one judged network that was trained as a spiking one.

    Args:
        name: of the network.
        model: the network.
        measured: what was found.
        config, environment: of the run.
        training: what its file records of its training.
    """
    neurons, sites = neurons_in(model), _neurons(model)
    main, density = measured.table(neurons), density_table(measured)
    membranes, activity = activity_figures(model, sites, measured.image, measured.judging.timesteps)
    tables = (
        main,
        measured.spikes.table(),
        density,
        measured.operations.table(),
        weights_left(model),
        membranes,
        *(() if measured.plan is None else (measured.plan,)),
    )
    costs, steps = measured.judging.cost_table, training.get("timesteps")
    sources = [source_of(kind) for kind in dict.fromkeys(type(neuron) for neuron in sites.values())]
    return Report(
        f"{name}, a network of {neurons} neurons",
        summary(neurons, measured),
        config,
        environment,
        tables,
        (*main_figures(main), density_figure(density), *activity),
        (*((f"The network was trained over T = {steps}.",) if steps else ()), costs.note),
        tuple(filter(None, (*sources, costs.source))),
    )


def summary(neurons: str, measured: Measurements) -> str:
    """The result in a few sentences: accuracy at the end and at its best, and what an image costs."""
    accuracy, timesteps = measured.over_time.accuracy, measured.judging.timesteps
    best = max(range(timesteps), key=lambda place: accuracy[place])
    totals, energy = measured.operations.totals(measured.steps(timesteps)), measured.energies[-1]
    early = f" (the most: {100 * accuracy[best]:.2f} % at T = {best + 1})" if accuracy[best] > accuracy[-1] else ""
    return (
        f"**{neurons}**: {100 * accuracy[-1]:.2f} % of {measured.over_time.samples:,} images at T = {timesteps}"
        f"{early}, with a firing rate of {measured.spikes.firing_rate():.4f}, {totals.synops / 1e6:.2f} M synaptic "
        f"operations and {1e6 * energy.joule:.3g} uJ per image."
    )


def _neurons(model: nn.Module) -> dict[str, Neuron]:
    return {name: part for name, part in model.named_modules() if isinstance(part, Neuron)}
