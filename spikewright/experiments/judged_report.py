"""What a judged conversion is reported as: tables, figures and a summary in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..convert.recipe import Conversion
from ..core.references import source_of
from ..report import FigureSpec, Report, Table
from .activity import activity_figures
from .judging import Judgement, Measurements


def layer_figure(table: Table, tolerance: float, name: str = "layer_error") -> FigureSpec:
    """The figure of a diagnosis."""
    caption = "Error of every layer; the first above the tolerance is marked."
    return FigureSpec(name, "layer_error", caption, table.title, options={"error": "error", "limit": tolerance})


def judgement_report(
    name: str,
    conversion: Conversion,
    judgement: Judgement,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Report:
    """Everything about one judged conversion.

    Args:
        name: what was converted, by what.
        conversion: the converted network.
        judgement: what was found.
        config, environment: of the run.
    """
    recipe = type(conversion.recipe).__name__
    main = judgement.table(recipe)
    density = density_table(judgement)
    membranes, activity = activity_figures(
        conversion.model, conversion.neurons(), judgement.image, judgement.judging.timesteps
    )
    errors = judgement.diagnosis.table()
    figures = (
        *main_figures(main),
        density_figure(density),
        layer_figure(errors, judgement.judging.tolerance),
        *activity,
    )
    tables = (
        main,
        errors,
        judgement.spikes.table(),
        density,
        judgement.operations.table(),
        conversion.table(),
        membranes,
        *(() if judgement.plan is None else (judgement.plan,)),
    )
    notes = (judgement.diagnosis.verdict(), judgement.judging.cost_table.note)
    references = tuple(filter(None, (source_of(type(conversion.recipe)), judgement.judging.cost_table.source)))
    return Report(name, summary(recipe, judgement), config, environment, tables, figures, notes, references)


def density_table(judgement: Measurements) -> Table:
    """Spikes per neuron and step of every layer, at the shortest and the longest T that are shown."""
    shown = judgement.judging.shown
    return judgement.spikes.over_time(sorted({judgement.steps(shown[0]), judgement.steps(shown[-1])}))


def density_figure(table: Table, name: str = "density") -> FigureSpec:
    """The figure of a density table."""
    caption = "Spikes per neuron and step, layer by layer, over the first T steps."
    return FigureSpec(name, "density_per_layer", caption, table.title)


def main_figures(table: Table) -> tuple[FigureSpec, FigureSpec]:
    """Accuracy against T, and accuracy against energy."""
    compared = None in table.column("T")
    return (
        FigureSpec(
            "accuracy",
            "accuracy_over_time",
            f"Accuracy after T time steps; {'broken lines are the source networks, ' if compared else ''}shaded the "
            "95 % interval.",
            table.title,
        ),
        FigureSpec(
            "energy",
            "energy_against_accuracy",
            f"Accuracy against energy per image{'; diamonds are the source networks' if compared else ''}.",
            table.title,
        ),
    )


def summary(recipe: str, judgement: Judgement) -> str:
    """The result in a few sentences: source, longest run, its price, and from which T on the two are alike."""
    over_time, timesteps = judgement.over_time, judgement.judging.timesteps
    source, last = over_time.source_accuracy or 0.0, over_time.accuracy[-1]
    ratio = judgement.energies[-1].ratio
    price = "" if ratio is None else f", for {ratio:.3f} of its energy"
    within = _within(over_time.accuracy, source - 0.01)
    near = f"from T = {within} on" if within else f"at no T up to {timesteps}"
    return (
        f"**{recipe}**: the source network reaches {100 * source:.2f} % of {over_time.samples:,} images, the spiking "
        f"network {100 * last:.2f} % at T = {timesteps}{price}. It gives {100 * over_time.agreement[-1]:.2f} % of the "
        f"images the source network's class, and stays within one point of its accuracy {near}."
    )


def _within(accuracy: Sequence[float], least: float) -> int | None:
    """The first T from which on no accuracy is below the least; None if even the last is."""
    below = [t for t, value in enumerate(accuracy, 1) if value < least]
    first = max(below, default=0) + 1
    return first if first <= len(accuracy) else None
