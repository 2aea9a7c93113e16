"""What one decision of an actor costs: spikes, operations, energy, and the time that it takes with a batch of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from ..coding import mean, repeat
from ..core.evaluating import evaluating
from ..profile import CostTable, count_macs, count_operations, count_spikes, estimate
from ..report import Table
from ..report.numbers import Cell
from ..rl import SpikingActor, returns
from ..runtime import compile

OBSERVATIONS = 256
"""Observations at most on which a decision is counted, spread over an episode."""
DECISIONS = 200
"""Decisions that are timed, one at a time."""


@dataclass(frozen=True)
class Decision:
    """What one decision costs, a mean over observations of an episode.

    Args:
        spikes: of all neurons; None for an actor without any.
        firing_rate: spikes per neuron and step; likewise.
        synops: synaptic operations.
        macs: multiply-accumulates of analog values.
        joule: energy of the network; None where the cost table has no price for what it does.
        observations: on how many it was counted.
        layers: spikes of each layer; None for an actor without any.
    """

    spikes: float | None
    firing_rate: float | None
    synops: float
    macs: float
    joule: float | None
    observations: int
    layers: Table | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {**vars(self), "layers": None if self.layers is None else self.layers.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Decision:
        """What `to_dict` gave."""
        layers = data["layers"]
        return cls(**{**data, "layers": None if layers is None else Table.from_dict(layers)})


def decision_of(actor: nn.Module, x: Tensor, costs: CostTable) -> Decision:
    """Count spikes and operations of an actor's network; encoder, decoder and tanh are left out.

    Args:
        actor: a `SpikingActor` or an `OrdinaryActor`.
        x: observations, [N, D].
        costs: prices of operations.
    """
    x = x[:: -(-len(x) // OBSERVATIONS)]
    with evaluating(actor), torch.no_grad():
        if isinstance(actor, SpikingActor):
            xs = repeat(actor.encoder(x), actor.timesteps)
            spikes, operations = count_spikes(actor.network, xs), count_operations(actor.network, xs)
            found = spikes.spikes_per_sample(), spikes.firing_rate()
            layers = _named(spikes.table())
        else:
            operations, found, layers = count_macs(actor.get_submodule("network"), x), (None, None), None
    totals, energy = operations.totals(), estimate(operations, costs)
    joule = None if energy.unpriced else energy.joule
    return Decision(*found, totals.synops, totals.macs, joule, len(x), layers)


def _named(table: Table) -> Table:
    """Layers by what they do in an actor instead of their place."""
    last = len(table.rows) - 1
    names = ["encoder", *(f"hidden {place}" for place in range(1, last)), "output"]
    return replace(table, rows=tuple((name, *row[1:]) for name, row in zip(names, table.rows)))


class Watched(nn.Module):
    """An actor whose observations are kept."""

    def __init__(self, actor: nn.Module) -> None:
        super().__init__()
        self.actor = actor
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """Observations [N, D] -> actions [N, A]."""
        self.seen.append(x.clone())
        return self.actor(x)


def played(actor: nn.Module, task: str, *, episodes: int, seed: int) -> tuple[list[float], Tensor]:
    """Returns of whole episodes as `returns` gives them, and the observations that were met, [N, D]."""
    watched = Watched(actor)
    found = returns(watched, task, episodes=episodes, seed=seed)
    return found, torch.cat(watched.seen)


def latency_rows(actor: nn.Module, x: Tensor) -> list[dict[str, Cell]]:
    """Time one decision with a batch of one: by torch, and for a spiking actor with its network compiled for events.

    Args:
        actor: a `SpikingActor` or an `OrdinaryActor`, on the CPU.
        x: observations, [N, D], the first of which are decided on one by one.

    Returns:
        Of each way its name, the median time and the largest difference of an action from torch's.
    """
    ways: dict[str, Callable[[Tensor], Tensor]] = {"torch": actor}
    with evaluating(actor), torch.inference_mode():
        if isinstance(actor, SpikingActor):
            ways["events"] = _on_events(actor, x)
        torchs = torch.cat([actor(row[None]) for row in x[:DECISIONS]])
        rows: list[dict[str, Cell]] = []
        for name, decide in ways.items():
            took, actions = [], []
            for row in x[:DECISIONS]:
                began = time.perf_counter()
                actions.append(decide(row[None]))
                took.append(time.perf_counter() - began)
            difference = float((torch.cat(actions) - torchs).abs().max())
            rows.append({"by": name, "time": median(took), "largest difference": difference, "decisions": len(took)})
    return rows


def _on_events(actor: SpikingActor, x: Tensor) -> Callable[[Tensor], Tensor]:
    network = compile(actor.network, repeat(actor.encoder(x[:OBSERVATIONS]), actor.timesteps))

    def decide(row: Tensor) -> Tensor:
        return actor.bounded(actor.decoder(mean(network(repeat(actor.encoder(row), actor.timesteps)))))

    return decide
