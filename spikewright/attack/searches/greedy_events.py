"""GreedyEvents: change events one after another, each tried on the network itself; then undo what was not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ...core.errors import ArgumentError, sentence
from ..budget import Budget, per_sample
from ..event_budget import EventBudget, Moves
from ..objective import Objective, margin
from ..oracle import Oracle
from ..search import Search


@dataclass(frozen=True, kw_only=True)
class GreedyEvents(Search):
    """Flips, counts or shifts, whatever the budget allows: those the gradient points at are tried one by one.

    First phase: the moves along which the gradient rises most are tried alone, with a pass each. Those that do not make
    the objective smaller are sorted, and as many are made, the best first, as makes it largest (1, 2, 4, ... of them
    are tried: one event alone often changes no spike, several do). A round without progress lets the next one try
    more. Second phase, after a success: the fewest best moves that still
    succeed are found by halving; then each of them is taken back if it was not needed.

    Args:
        rounds: most gradients taken.
        candidates: moves tried alone in a round; after n rounds without progress (n + 1) times as many.
        patience: rounds without progress after which a sample is given up.
        back: most moves that are tried to be taken back one by one.
        room: how many times as many changes as allowed the first phase may make, as the second takes some back.
        objective: what to make large.

    Source: Lun et al. 2025, "Towards Effective and Sparse Adversarial Attack on Spiking Neural Networks via Breaking
        Invisible Surrogate Gradients", CVPR 2025, sparse dynamic attack.
        Differs: also counts and shifts; not all changes that help alone are made together, and others may be; more are
        tried only after a round without progress; moves are also taken back one by one.

    Example:
        >>> GreedyEvents(candidates=20).takes[0].__name__
        'EventBudget'
    """

    takes: ClassVar[tuple[type[Budget], ...]] = (EventBudget,)
    refines: ClassVar[bool] = True
    rounds: int = 100
    candidates: int = 10
    patience: int = 3
    back: int = 64
    room: float = 2.0
    objective: Objective = margin

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rounds", "candidates", "patience"):
            check_whole(f"GreedyEvents.{name}", getattr(self, name), least=1)
        check_whole("GreedyEvents.back", self.back, least=0)
        if not 1 <= self.room < float("inf"):
            raise ArgumentError(sentence("GreedyEvents.room", repr(self.room), "a number of at least 1"))

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        budget = oracle.budget
        if not isinstance(budget, EventBudget) or not budget.eps:
            return oracle.x
        wide = budget.scaled(self.room)
        moves, made, done = self._grow(oracle, wide)
        made = _thinned(oracle, wide, moves, made, done, self.back)
        most = torch.full((len(made),), budget.eps, device=made.device)
        whole = moves.applied(oracle.x, made)
        chosen = moves._replace(gain=torch.where(made, moves.gain, -torch.inf))
        some, _ = budget.greedily(oracle.x, oracle.x, chosen, most)
        return torch.where(per_sample(budget.contains(whole, oracle.x), whole), whole, some)

    def _grow(self, oracle: Oracle, wide: EventBudget) -> tuple[Moves, Tensor, Tensor]:
        """The first phase: moves in order of their worth, which were made [N, R], and who succeeded [N]."""
        x, z = oracle.x, oracle.x.clone()
        answers = oracle.logits(x)
        value, done = oracle.value(answers, self.objective), oracle.reached(answers)
        idle, rounds = torch.zeros(len(x), dtype=torch.int64, device=x.device), []
        for _ in range(self.rounds):
            active = ~done & (idle < self.patience)
            if not active.any():
                break
            with oracle.only(active):
                _, gradient = oracle.gradient(z, self.objective)
                alone = torch.where(active, self.candidates * (1 + idle), 0)
                tried = wide.moves(z, x, gradient, max(wide.eps, int(alone.max())))
                alone = alone.clamp(max=tried.gain.shape[1])
                better, z, new_value, reached = self._round(oracle, wide, z, value, tried, alone)
            progress = active & (new_value > value)
            value = torch.where(progress, new_value, value)
            done |= active & reached
            idle = torch.where(progress, 0, idle + 1)
            rounds.append(better)
        if not rounds:
            nothing = wide.moves(x, x, torch.zeros_like(x), 1)
            return nothing, torch.zeros_like(nothing.gain, dtype=torch.bool), done
        moves = Moves(*(torch.cat(parts, 1) for parts in zip(*rounds)))
        moves = moves.in_order(moves.gain)
        return moves, moves.gain.isfinite(), done

    def _round(
        self, oracle: Oracle, wide: EventBudget, z: Tensor, value: Tensor, tried: Moves, alone: Tensor
    ) -> tuple[Moves, Tensor, Tensor, Tensor]:
        """One round: the moves made, with their worth; then frames, value, and who reached the goal.

        Args:
            alone: how many moves of each sample are tried alone, [N]; 0 where nothing is to be done.
        """
        x, count = oracle.x, tried.gain.shape[1]
        place = torch.arange(count, device=z.device)
        there = tried.gain.isfinite() & (place < torch.where(alone > 0, alone.clamp(min=wide.eps), 0)[:, None])
        worth = torch.where(there, 1 / (2 + place.to(z.dtype)), -torch.inf)  # below that of all that is tried alone
        for number in range(int(alone.max())):
            one = tried.one(number)
            real = one.gain[:, 0].isfinite() & (number < alone)
            trial = one.applied(z, real[:, None])
            gain = oracle.loss(trial, self.objective) - value
            measured = torch.where((gain >= 0) & wide.contains(trial, x), 1 + gain, -torch.inf)
            worth[:, number] = torch.where(real, measured, worth[:, number])
        tried = tried._replace(gain=worth).in_order(worth)
        best, best_z, best_value = torch.zeros_like(worth, dtype=torch.bool), z, value
        best_reached = torch.zeros_like(value, dtype=torch.bool)
        made, trial, end, useful = best, z, 0, int(worth.isfinite().sum(1).max())
        while end < useful:
            begin, end = end, max(1, 2 * end)
            some = Moves(*(part[:, begin:end] for part in tried))
            trial, new = wide.greedily(trial, x, some, torch.full_like(alone, end))
            made = torch.cat([made[:, :begin], new, made[:, end:]], 1)
            answers = oracle.logits(trial)
            new_value = oracle.value(answers, self.objective)
            more = made.any(1) & (new_value > best_value)
            best_z, best_value = (
                torch.where(per_sample(more, z), trial, best_z),
                torch.where(more, new_value, best_value),
            )
            best = torch.where(more[:, None], made, best)
            best_reached = torch.where(more, oracle.reached(answers), best_reached)
        kept = tried._replace(gain=torch.where(best, tried.gain, -torch.inf)).in_order(best.to(value.dtype))
        most = max(1, int(best.sum(1).max()))
        return Moves(*(part[:, :most] for part in kept)), best_z, best_value, best_reached


def _thinned(oracle: Oracle, wide: EventBudget, moves: Moves, made: Tensor, done: Tensor, back: int) -> Tensor:
    """The second phase: of the moves made, [N, R] and the best first, those without which nothing succeeds."""
    if not done.any():
        return made
    x, rank = oracle.x, made.cumsum(1)

    def succeeds(chosen: Tensor) -> Tensor:
        trial = moves.applied(x, chosen & made)
        return oracle.reached(oracle.logits(trial)) & wide.contains(trial, x) & done

    with oracle.only(done):
        fails, enough = torch.zeros_like(rank[:, -1]), rank[:, -1]
        while bool((done & (enough - fails > 1)).any()):
            middle = (fails + enough) // 2
            works = succeeds(rank <= middle[:, None])
            fails, enough = torch.where(works, fails, middle), torch.where(works, middle, enough)
        made = torch.where(done[:, None], made & (rank <= enough[:, None]), made)
        for number in range(min(back, int(enough[done].max()))):
            without = made & (rank != (enough - number)[:, None])
            works = succeeds(without)
            made = torch.where(works[:, None], without, made)
    return made
