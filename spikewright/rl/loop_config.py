"""LoopConfig: how long an actor is trained and how it is judged; Judgement: what was found after some steps."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, sentence

LARGEST_SEED = 2**63 - 1
"""That torch takes."""


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long an actor is trained, and how it is judged meanwhile.

    Args:
        steps: of all environments together, the random ones included.
        random_steps: at the beginning, with actions drawn evenly; nothing is learnt from them until they are over.
        environments: that are stepped in turn, their actions computed together.
        exploration: standard deviation of the noise on actions, in shares of their half range.
        capacity: transitions that are kept.
        evaluate_every: steps between judgements.
        episodes: of a judgement.
        checkpoint_every: steps between checkpoints.
        seed: of networks, noise, draws and environments.
    """

    steps: int = 1_000_000
    random_steps: int = 25_000
    environments: int = 1
    exploration: float = 0.1
    capacity: int = 1_000_000
    evaluate_every: int = 5_000
    episodes: int = 10
    checkpoint_every: int = 5_000
    seed: int = 0

    def __post_init__(self) -> None:
        names = ("steps", "environments", "capacity", "evaluate_every", "episodes", "checkpoint_every")
        for name in names:
            check_whole(f"LoopConfig.{name}", getattr(self, name), least=1)
        check_whole("LoopConfig.random_steps", self.random_steps, least=0)
        check_whole("LoopConfig.seed", self.seed, least=0, most=LARGEST_SEED)
        if not 0 <= self.exploration < float("inf"):
            raise ArgumentError(sentence("LoopConfig.exploration", repr(self.exploration), "a number of at least 0"))


@dataclass(frozen=True)
class Judgement:
    """Returns of whole episodes after some steps.

    Args:
        step: environment steps so far.
        returns: of each episode.
    """

    step: int
    returns: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean return."""
        return mean(self.returns)
