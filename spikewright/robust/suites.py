"""Suites: the attacks that an evaluation is made of; a quick one for minutes on a CPU, and the whole one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..attack.budget import Budget
from ..attack.gradients import ASSG, BPTR, HART, RGA, AnalogTwin, SurrogateBPTT, clip_floor
from ..attack.objective import dlr
from ..attack.rule import GradientRule
from ..attack.search import Search
from ..attack.searches import APGD, FGSM, PGD, RandomNoise, Square
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.surrogate import ATan, Sigmoid, Triangle
from ..models.classifier import Classifier
from .curves import GAMMAS, WIDTHS, gammas, widths
from .named_attack import NamedAttack

Rules = Mapping[str, GradientRule | None]
OWN = "own"
"""The column of the network's own gradient, as it was trained."""

QUICK_RULES: Rules = {
    OWN: None,
    "BPTT": SurrogateBPTT(surrogate=Triangle(gamma=1.0)),
    "HART 0.5": HART(gamma=0.5),
    "RGA": RGA(),
    "twin": AnalogTwin(activation=clip_floor),
}
"""One rule of each kind: in time, between rate and time, of rates, and of an ordinary network."""

WHOLE_RULES: Rules = {
    OWN: None,
    **{f"triangle {width:g}": rule for width, rule in widths(WIDTHS).items()},
    "sigmoid 4": SurrogateBPTT(surrogate=Sigmoid(alpha=4.0)),
    "atan 2": SurrogateBPTT(surrogate=ATan(alpha=2.0)),
    "RGA": RGA(),
    "BPTR": BPTR(),
    **{f"HART {gamma:g}": rule for gamma, rule in gammas((0.25, 0.5, 1.0, 2.0)).items()},
    "ASSG": ASSG(),
    "twin ReLU": AnalogTwin(activation=torch.relu),
    "twin QCFS": AnalogTwin(activation=clip_floor),
}
"""The least that a claim of robustness against who knows the network should hold against."""


def crossed(row: str, search: Search, rules: Rules, restarts: int = 1) -> list[NamedAttack]:
    """One search with every rule: a row of the table.

    Example:
        >>> [attack.name for attack in crossed("FGSM", FGSM(), {"own": None, "RGA": RGA()})]
        ['FGSM, own', 'FGSM, RGA']
    """
    return [
        NamedAttack(row=row, column=name, search=search, rule=rule, restarts=restarts) for name, rule in rules.items()
    ]


def quick_suite() -> list[NamedAttack]:
    """Noise, one step and ten with a rule of each kind, and some queries: minutes for a hundred small images."""
    return [
        NamedAttack(row="noise", search=RandomNoise()),
        *crossed("FGSM", FGSM(), QUICK_RULES),
        *crossed("PGD-10", PGD(steps=10), QUICK_RULES),
        NamedAttack(row="Square-100", search=Square(queries=100)),
    ]


def whole_suite() -> list[NamedAttack]:
    """Everything that a claim needs: all rules, longer searches, two objectives, and a thousand queries."""
    strong: Rules = {name: WHOLE_RULES[name] for name in ("triangle 1", "HART 0.5", "RGA", "ASSG")}
    return [
        NamedAttack(row="noise", search=RandomNoise()),
        *crossed("FGSM", FGSM(), WHOLE_RULES),
        *crossed("PGD-20", PGD(steps=20), WHOLE_RULES),
        *crossed("APGD-50", APGD(steps=50), strong),
        *crossed("APGD-50 DLR", APGD(steps=50, objective=dlr), strong),
        NamedAttack(row="Square-1000", search=Square(queries=1000)),
    ]


def gamma_suite(search: Search, row: str) -> list[NamedAttack]:
    """One search with HART's whole grid of gammas: counted together, nothing is chosen on the samples judged."""
    return crossed(row, search, {f"HART {gamma:g}": rule for gamma, rule in gammas(GAMMAS).items()})


SUITES: dict[str, Callable[[], list[NamedAttack]]] = {"quick": quick_suite, "whole": whole_suite}


def fitting(
    classifier: Classifier, attacks: Sequence[NamedAttack], budget: Budget, x: Tensor
) -> tuple[list[NamedAttack], dict[str, str]]:
    """The attacks that know the network's neurons, the budget and the inputs; of the others the reason, by name.

    Args:
        classifier: the network.
        attacks: what is to be tried.
        budget: what is allowed.
        x: inputs as they will be attacked, [N, ...] batch first.

    Raises:
        ArgumentError: if nothing is left.
    """
    kept, left_out = [], {}
    for attack in attacks:
        try:
            (classifier if attack.through is None else attack.through).seen_by(attack.rule)
            attack.search.check_budget(budget)
            _check_images(attack.search, x)
            kept.append(attack)
        except (ArgumentError, ShapeError) as error:
            left_out[attack.column or attack.row] = str(error)
    if not kept:
        reasons = "; ".join(left_out.values())
        raise ArgumentError(sentence("suite", "no attack that fits the network", "at least one", reasons))
    return kept, left_out


def _check_images(search: Search, x: Tensor) -> None:
    if isinstance(search, Square) and x.dim() < 4:
        raise ShapeError(sentence("Square", f"inputs of shape {list(x.shape)}", "images [N, ..., C, H, W]"))
