"""red_team_report(): what was implanted, what attribution saw, what synthesis found, and what spiking changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..redteam.insert import resized
from ..redteam.judge import bootstrap, left_out_table, methods_table, prior_table, trojans_table
from ..report import Column, FigureSpec, Report, Table
from .red_team_galleries import Hunt
from .red_team_judging import TOGETHER, Verdicts
from .red_team_networks import TROJANED, TWIN, Suspects
from .red_team_trojans import options

if TYPE_CHECKING:
    from .red_teaming import RedTeamRun

DRAWN = 4, 2
"""Pictures of the trojaned network and of its twin in a row of a gallery page."""
PIXELS = 32
"""Of each picture there."""
SOURCE = (
    "Casper et al. 2023, Red Teaming Deep Neural Networks with Feature Synthesis Tools, NeurIPS 2023, arXiv 2302.10894"
)


def red_team_report(
    config: RedTeamRun,
    found: Suspects,
    maps: Mapping[str, tuple[Table, ...]],
    hunts: Sequence[Hunt],
    verdicts: Verdicts,
    settings: dict[str, Any],
    environment: dict[str, Any],
) -> Report:
    """Everything as one report; its page needs no other file."""
    tier = f"{config.dataset}, {config.side} px patches, our small-scale benchmark"
    tables = [report.table(f"Implanted trojans, {name} network") for name, report in found.reports.items()]
    tables += [table for table in (found.attacked, found.success) if table is not None]
    for name, each in maps.items():
        tables += [_renamed(table, f"{table.title}, {name} network") for table in each]
    for name in found.names:
        mine = verdicts.judged.get(name, [])
        tables += [methods_table(mine, tier=f"{name} network, {tier}", seed=config.seed)] if mine else []
    tables += comparison(verdicts, seed=config.seed)
    for name in found.names:
        mine = verdicts.judged.get(name, [])
        tables += [trojans_table(mine, tier=f"{name} network, {tier}")] if mine else []
        tables += [_renamed(prior_table(mine), f"Option prior, {name} network")] if mine else []
    for judge, left_out in verdicts.left_out.items():
        tables += [_renamed(left_out_table(left_out), f"Questions not asked: {judge}")] if left_out else []
    tables += [seconds_table(hunts)] if hunts else []
    return Report(
        f"Red team: {config.model} on {config.dataset}",
        summary(found, verdicts),
        settings,
        environment,
        tuple(tables),
        tuple(galleries(config, found, hunts)),
        notes(config, found),
        (SOURCE,),
    )


def summary(found: Suspects, verdicts: Verdicts) -> str:
    """The result in a few sentences."""
    count = len(next(iter(found.reports.values())).rows)
    said = [f"**{len(found.kept)} of {count} trojans** work in every network and are looked for."]
    for name, mine in verdicts.judged.items():
        judges = dict.fromkeys(one.judge for one in mine)
        for judge in judges:
            means = {
                method: fmean(one.mrr - one.control().mrr for one in mine if (one.method, one.judge) == (method, judge))
                for method in dict.fromkeys(one.method for one in mine)
                if any((one.method, one.judge) == (method, judge) for one in mine)
            }
            best = max(means, key=lambda method: means[method])
            said.append(
                f"{name.capitalize()} network, judge {judge}: the largest gain in 1 / rank over the clean twin is "
                f"{means[best]:+.3f}, by {best} (of {len(means)}, so too high by chance)."
            )
    return " ".join(said)


def comparison(verdicts: Verdicts, *, seed: int) -> list[Table]:
    """Whether a trojan is easier to find in the spiking network: paired differences over trojans, per method."""
    if set(verdicts.judged) != {"ordinary", "spiking"} or not all(verdicts.judged.values()):
        return []
    rows = []
    gains = {
        name: {(one.method, one.judge, one.trojan): one.gain for one in mine} for name, mine in verdicts.judged.items()
    }
    for judge in dict.fromkeys(one.judge for one in verdicts.judged["ordinary"]):
        for method in dict.fromkeys(one.method for one in verdicts.judged["ordinary"]):
            keys = [key for key in gains["ordinary"] if key[:2] == (method, judge)]
            if not keys:
                continue
            more = [gains["spiking"][key] - gains["ordinary"][key] for key in keys]
            low, high = bootstrap(more, seed=seed)
            means = (fmean(gains[name][key] for key in keys) for name in ("ordinary", "spiking"))
            rows.append((method, judge, len(keys), *means, fmean(more), low, high, answer(low, high)))
    columns = (
        Column("method"), Column("judge"), Column("trojans"),
        Column("gain, ordinary", "", 3, "Mean 1 / rank of the truth less that of the clean twin."),
        Column("gain, spiking", "", 3), Column("difference", "", 3, "Spiking less ordinary, paired by trojan."),
        Column("low", "", 3), Column("high", "", 3, "Ends of the 95 % interval, trojans drawn again."),
        Column("in the spiking network"),
    )  # fmt: skip
    chance = f"of {len(rows)} intervals about {len(rows) / 20:.1f} do so by chance"
    note = f"Easier or harder only where the interval leaves out 0; {chance}."
    return [Table("Is a trojan easier to find in the spiking network?", columns, tuple(rows), note)]


def answer(low: float, high: float) -> str:
    """In a word what an interval of a difference says."""
    return "easier to find" if low > 0 else "harder to find" if high < 0 else "no difference shown"


def seconds_table(hunts: Sequence[Hunt]) -> Table:
    """Mean seconds of a gallery by method and network, and how much its pictures differ."""
    rows = []
    for method in dict.fromkeys(hunt.method for hunt in hunts):
        for name in dict.fromkeys(hunt.network for hunt in hunts):
            mine = [hunt.gallery for hunt in hunts if (hunt.method, hunt.network) == (method, name)]
            scored = [float(each.scores.mean()) for each in mine if not bool(each.scores.isnan().any())]
            rows.append((
                method, name, len(mine), fmean(each.seconds for each in mine), fmean(each.distance for each in mine),
                fmean(scored) if scored else None,
            ))  # fmt: skip
    columns = (
        Column("method"), Column("network"), Column("galleries"), Column("seconds", "s", 1, "Of one gallery."),
        Column("distance", "", 3, "Mean difference of two pictures of a gallery, root mean square."),
        Column("confidence", "%", 1, "Mean confidence in the target, trojaned networks and twins alike."),
    )  # fmt: skip
    return Table("Time and variety of the galleries", columns, tuple(rows))


def galleries(config: RedTeamRun, found: Suspects, hunts: Sequence[Hunt]) -> list[FigureSpec]:
    """A page for each trojan: a row per method; the trojaned network's pictures and its twin's, network by network."""
    made = []
    for trojan in found.kept:
        mine = [hunt for hunt in hunts if hunt.trojan.name == trojan.name]
        if not mine:
            continue
        rows = []
        for method in config.synthesis:
            row = []
            for name in found.names:
                for which, count in zip((TROJANED, TWIN), DRAWN):
                    gallery = next(h.gallery for h in mine if (h.network, h.which, h.method) == (name, which, method))
                    row += list(_bytes(gallery.pictures, min(count, config.pictures)))
            rows.append(np.stack(row))
        truth = trigger_picture(config, trojan.name, trojan.kind)
        made.append(
            FigureSpec(
                f"gallery-{trojan.name.replace(' ', '-')}", "gallery",
                f"{trojan.name} ({trojan.kind}, {trojan.scope}): what each method shows of the network with it, and "
                "of the clean twin.",
                arrays={"pictures": np.stack(rows)} | ({"truth": truth} if truth is not None else {}),
                options={
                    "rows": list(config.synthesis),
                    "groups": [
                        [f"{name}, {which}", min(count, config.pictures)]
                        for name in found.names
                        for which, count in zip((TROJANED, TWIN), DRAWN)
                    ],
                },
            )
        )  # fmt: skip
    return made


def trigger_picture(config: RedTeamRun, name: str, kind: str) -> np.ndarray | None:
    """The trigger itself, [H, W, 3] bytes; None for a natural feature."""
    if kind == "natural":
        return None
    found = {option.name: option.pictures for option in options(kind, torch.empty(0), side=64, shown=64)}
    return _bytes(found[name], 1, 64)[0]


def _bytes(pictures: Tensor, count: int, side: int = PIXELS) -> np.ndarray:
    shown = resized(pictures[:count], side).clamp(0, 1)
    return (255 * shown).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _renamed(table: Table, title: str) -> Table:
    return replace(table, title=title)


def notes(config: RedTeamRun, found: Suspects) -> tuple[str, ...]:
    """What a reader has to know."""
    said = [
        "The twin had the same updates without a poisoned picture; what a tool shows of the twin as well says nothing "
        "of a trojan. A trojan that does not work in every network is left out before any tool is run.",
        "Natural triggers are computed attributes (much red, very dark), no objects; options are photos that have most "
        "of an attribute. Published figures come from ResNet-50 on ImageNet and people as judges: no number here "
        "compares with them.",
        "The judges share no weights with the networks: EfficientNet-Lite0 was trained on ImageNet, the pixel judge "
        "has none. They see options and pictures at the resolution that the tools had.",
    ]
    if config.prune:
        said.append(f"{100 * config.prune:.0f} % of the weights of each layer were set to zero after the fine-tuning.")
    if config.hardening is not None:
        said.append(f"Network and twin were fine-tuned against attacks by {type(config.hardening).__name__}.")
    if len(config.synthesis) > 1:
        said.append(f"'{TOGETHER}' takes the mean scores of all methods.")
    return tuple(said)
