"""How far a target's actions jump in one update: a spiking copy that follows slowly, an ordinary one, and the proxy.

python benchmarks/control_jumps.py

An actor is fitted to a fixed random function of the observation and then stands still, while its target follows it by
soft updates, or a proxy that has been warmed up imitates it. The step is made smaller and smaller: what moves
continuously moves less and less, and a spike that flips does not.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from pathlib import Path
from typing import Any

import torch
from run import HERE, say, store
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.report.environment import environment
from spikewright.report.plots.style import frame, legend, look, new_figure, styled
from spikewright.report.table import Column, Table
from spikewright.rl import OrdinaryActor, ProxyTarget, Space, SpikingActor, Transitions, soft_update

CASE = "control-jumps"
FIGURE = HERE.parent / "docs/figures/control-jumps.png"
SPACE = Space(17, (-1.0,) * 6, (1.0,) * 6)
"""Sizes of HalfCheetah."""
STEPS = (1.0, 0.1, 0.01)
"""Shares of the published step: 0.005 of a soft update, 1e-3 of the proxy's Adam."""
COPIES = {"ordinary actor, soft update": OrdinaryActor, "LIF actor, soft update": SpikingActor}
WARM, UPDATES, STATES = 400, 200, 256


def observations(generator: torch.Generator, number: int = 256) -> Tensor:
    """Observations, [N, D]."""
    return torch.randn(number, SPACE.observations, generator=generator)


def fitted(actor: nn.Module, seed: int, updates: int) -> tuple[nn.Module, nn.Module]:
    """The actor before and after it was fitted to a random function."""
    torch.manual_seed(seed)
    teacher, draws = nn.Sequential(nn.Linear(17, 6), nn.Tanh()), torch.Generator().manual_seed(seed)
    for part in teacher.parameters():
        part.requires_grad_(False)
    before, optimizer = copy.deepcopy(actor), torch.optim.Adam(actor.parameters(), 1e-3)
    for _ in range(updates):
        x = observations(draws)
        optimizer.zero_grad()
        F.mse_loss(actor(x), teacher(x)).backward()
        optimizer.step()
    return before, actor


def by_soft_updates(kind: type[nn.Module], step: float, seed: int, updates: int) -> list[Tensor]:
    """Actions of the slow copy on the same states, after each update."""
    torch.manual_seed(seed)
    target, actor = fitted(kind(SPACE), seed, updates)
    x = observations(torch.Generator().manual_seed(seed + 1), STATES)
    found = []
    with torch.no_grad():
        for _ in range(UPDATES):
            found.append(target(x))
            soft_update(target, actor, 0.005 * step)
    return found


def by_proxy(step: float, seed: int, updates: int) -> list[Tensor]:
    """Actions of the proxy of a spiking actor, after each of its updates."""
    torch.manual_seed(seed)
    _, actor = fitted(SpikingActor(SPACE), seed, updates)
    proxy, draws = ProxyTarget(updates=1, lr=1e-3).build(actor, SPACE), torch.Generator().manual_seed(seed + 2)

    def update() -> None:
        x = observations(draws)
        empty = torch.zeros(len(x))
        proxy.before_critic(actor, [Transitions(x, empty, empty, x, empty)])

    for _ in range(WARM):
        update()
    for group in proxy.optimizers()[0].param_groups:
        group["lr"] = 1e-3 * step
    x, found = observations(torch.Generator().manual_seed(seed + 1), STATES), []
    for _ in range(UPDATES):
        with torch.no_grad():
            found.append(proxy(x))
        update()
    return found


def measured(name: str, step: float, seed: int, actions: list[Tensor]) -> dict[str, Any]:
    """The largest and the mean change of an action in one update, and the course of the one that jumps most."""
    course = torch.stack(actions)
    change = (course[1:] - course[:-1]).abs()
    place = change.amax(0).flatten().argmax()
    return {
        "target": name, "step": step, "seed": seed, "largest": float(change.max()), "mean": float(change.mean()),
        "share": float((change > 0.05).double().mean()), "course": course.flatten(1)[:, place].tolist(),
    }  # fmt: skip


def compare(seeds: list[int], updates: int) -> list[dict[str, Any]]:
    """Every target at every step."""
    rows = []
    for seed in seeds:
        for step in STEPS:
            say(f"seed {seed}, step {step:g}")
            for name, kind in (
                ("ordinary actor, soft update", OrdinaryActor),
                ("LIF actor, soft update", SpikingActor),
            ):
                rows.append(measured(name, step, seed, by_soft_updates(kind, step, seed, updates)))
            rows.append(measured("proxy of the LIF actor", step, seed, by_proxy(step, seed, updates)))
    return rows


def table(result: dict[str, Any]) -> Table:
    """One row per target: its largest change at every step, mean over the seeds."""
    names, rows = list(dict.fromkeys(row["target"] for row in result["rows"])), []
    for name in names:
        cells = []
        for step in STEPS:
            found = [row for row in result["rows"] if (row["target"], row["step"]) == (name, step)]
            cells.append(sum(row["largest"] for row in found) / len(found))
        rows.append((name, *cells))
    columns = (Column("target"), *(Column(f"step × {step:g}", "", 5) for step in STEPS))
    caption = (
        f"Largest change of an action in one of {UPDATES} updates over {STATES} states; actions reach from -1 to 1; "
        f"mean of seeds {', '.join(map(str, result['seeds']))}."
    )
    return Table("Jumps of a target", columns, tuple(rows), caption)


@styled
def draw(result: dict[str, Any], path: Path) -> None:
    """The action that jumps most of every target, at the published step."""
    figure = new_figure(3.4)
    axes, handles = figure.subplots(), []
    frame(axes, "updates", "action")
    own = [row for row in result["rows"] if row["seed"] == result["seeds"][0] and row["step"] == 1.0]
    for place, row in enumerate(own):
        style = look(place) | {"marker": ""}
        handles += axes.plot(row["course"], **style)
    legend(figure, handles, [row["target"] for row in own])
    figure.savefig(path)


def main() -> int:
    """Measure, store the result, draw it and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--updates", type=int, default=300, help="that the actor is fitted with")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    before = os.getloadavg()
    result = {
        "case": CASE,
        "what": "Jumps of a target",
        "environment": environment(("torch", "numpy", "spikewright"), source=Path(__file__)),
        "device": {"kind": "cpu", "threads": 1},
        "seeds": options.seeds,
        "rows": compare(options.seeds, options.updates),
        "load_before_and_after": [before, os.getloadavg()],
    }
    print(table(result).to_markdown())
    store(result, options.results / CASE)
    if options.results != HERE / "results":
        return 0
    draw(result, FIGURE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())
