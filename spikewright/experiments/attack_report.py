"""What a network under attack is reported as: tables, curves, attacked images, and a summary in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.evaluating import evaluating
from ..core.references import source_of
from ..models.classifier import Classifier
from ..report import Column, FigureSpec, Report, Table
from ..robust.suite import Robustness
from ..robust.suites import OWN
from ..train.evaluate import wilson
from .network import Loaded

SHOWN = 6
"""Attacked images in the figure."""


def attack_report(
    loaded: Loaded,
    classifier: Classifier,
    found: Robustness,
    x: Tensor,
    classes: Sequence[str],
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    timesteps: int,
) -> Report:
    """Everything about one network under attack.

    Args:
        loaded: the network as it was named.
        classifier: it and its T.
        found: what came out.
        x: the images, [N, C, H, W].
        classes: their names.
        config, environment: of the run.
        timesteps: T.
    """
    attacks = [outcome.attack for outcome in found.worst.outcomes]
    parts = [type(part) for attack in attacks for part in (attack.search, attack.rule) if part is not None]
    trained = loaded.description.get("about", {}).get("timesteps")
    notes = (
        "A robust accuracy is an upper bound: another attack may break more. It holds for this budget, these images, "
        f"T = {timesteps}, and against who knows weights, neurons and T.",
        *((f"The network was trained over T = {trained}.",) if trained and trained != timesteps else ()),
    )
    return Report(
        f"{loaded.title} under attack",
        summary(found),
        config,
        environment,
        found.tables(),
        (*curve_figures(found), *grid_figure(classifier, found, x, classes)),
        notes,
        tuple(dict.fromkeys(filter(None, map(source_of, parts)))),
        highlights(found),
    )


def highlights(found: Robustness) -> Table:
    """The numbers that stand first."""
    noise = found.worst.of(kind="noise")
    columns = (
        Column("clean", "%", 1),
        Column("robust", "%", 1, "Images that withstand every attack."),
        *((Column("under noise", "%", 1, "Random perturbations of the same size."),) if noise else ()),
        Column("failed checks", "", 0),
    )
    under = (float(found.worst.under(noise).double().mean()),) if noise else ()
    return Table("Highlights", columns, ((found.clean_accuracy, found.robust_accuracy, *under, len(found.failed)),))


def summary(found: Robustness) -> str:
    """The result in a few sentences: clean, robust, noise, what the network's own gradient would have said."""
    worst = found.worst
    hits, samples = int(worst.robust.sum()), len(worst.clean)
    low, high = wilson(hits, samples)
    count = len(worst.outcomes)
    text = (
        f"{100 * worst.clean_accuracy:.1f} % of {samples:,} images are right without an attack, **"
        f"{100 * worst.robust_accuracy:.1f} %** ({100 * low:.1f} to {100 * high:.1f}) withstand "
        f"{'the attack' if count == 1 else f'all {count} attacks'}."
    )
    own, noise = worst.of(column=OWN), worst.of(kind="noise")
    if noise and worst.every:
        text += f" Random noise of the same size leaves {100 * float(worst.under(noise).double().mean()):.1f} %."
    if own and worst.every and any(each.attack.column not in ("", OWN) for each in worst.outcomes):
        left = float(worst.under(own).double().mean())
        text += f" Attacks along the network's own gradient alone would have left {100 * left:.1f} %."
    if not found.checks:
        return f"{text} No check was run, so nothing is claimed."
    failed = found.failed
    names = ", ".join(f"*{check.name}*" for check in failed)
    return f"{text} " + (
        f"**{len(failed)} check{'s' * (len(failed) > 1)} failed**: {names}." if failed else "No check failed."
    )


def curve_figures(found: Robustness) -> tuple[FigureSpec, ...]:
    """Accuracy against eps, steps, width and gamma."""
    figures = []
    if found.eps:
        text = "Accuracy against the size of the budget, of a few images; the dotted line is the budget of the table."
        how = {"over": "eps", "mark": found.worst.budget.eps}
        figures.append(FigureSpec("robustness", "robustness_curve", text, "Accuracy against eps", options=how))
    for over, curve, text in (
        ("steps", found.steps, "Accuracy against the number of steps, each a quarter of eps long."),
        ("width", found.widths, "Accuracy against the half-width of the attacker's surrogate, in thresholds."),
        ("gamma", found.gammas, "Accuracy against HART's gamma, in thresholds."),
    ):
        if curve is not None:
            title = f"Accuracy against {over}"
            figures.append(FigureSpec(over, "robustness_curve", text, title, options={"over": over}))
    return tuple(figures)


def grid_figure(classifier: Classifier, found: Robustness, x: Tensor, classes: Sequence[str]) -> tuple[FigureSpec, ...]:
    """The first images that were broken, of different attacks where there are several; none if nothing was."""
    worst = found.worst
    by = worst.broken_by.tolist()
    broken = [place for place, attack in enumerate(by) if attack >= 0]
    firsts = {by[place]: place for place in reversed(broken)}
    chosen = sorted([*firsts.values(), *(place for place in broken if place not in firsts.values())][:SHOWN])
    if not chosen or x.dim() != 4:
        return ()
    clean, attacked = x[chosen].cpu(), worst.adversarial[chosen]
    with evaluating(classifier), torch.no_grad():
        device = next(classifier.parameters()).device
        answers = classifier.seen_by(None)(attacked.to(device)).argmax(1).tolist()
    change = attacked - clean
    largest = max(float(change.abs().max()), 1e-12)
    arrays = {
        "clean": (255 * clean).round().clamp(0, 255).byte().numpy(),
        "adversarial": (255 * attacked).round().clamp(0, 255).byte().numpy(),
        "difference": (127 * change / largest).round().to(torch.int8).numpy(),
    }
    options = {
        "largest": largest,
        "before": [classes[int(worst.labels[place])] for place in chosen],
        "after": [classes[answer] for answer in answers],
        "by": [worst.outcomes[by[place]].attack.name for place in chosen],
    }
    text = (
        "Images that an attack broke: as they were with their class, what was changed around grey, and as they became, "
        "with the network's answer. Below the change stands the first attack that broke each."
    )
    return (FigureSpec("attacked", "adversarial_grid", text, arrays=arrays, options=options),)
