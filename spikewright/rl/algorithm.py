"""Algorithm: the hyper-parameters of an off-policy method as a value; Learner: its networks while they are trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from ..core.fill import fill
from .actor import Space
from .buffer import Transitions
from .target import Draw, TargetActor


@dataclass(frozen=True, kw_only=True)
class Algorithm(ABC):
    """How an actor learns from transitions."""

    batch: int

    @abstractmethod
    def learner(self, actor: nn.Module, space: Space) -> Learner:
        """Networks and optimisers for an actor, which is trained in place."""


def check_range(config: Algorithm, *names: str, most: float = float("inf")) -> None:
    """Raise ArgumentError unless these hyper-parameters are numbers from 0 to the largest allowed."""
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            allowed = "a number of at least 0" if most == float("inf") else f"a number in 0..{most:g}"
            raise ArgumentError(sentence(f"{type(config).__name__}.{name}", repr(value), allowed))


class Learner(nn.Module, ABC):
    """Everything that changes while an actor learns, but the buffer.

    Args:
        actor: the policy that is trained and deployed; all else is made where it is.
    """

    target: TargetActor

    def __init__(self, actor: nn.Module) -> None:
        super().__init__()
        self.actor, self.updates = actor, 0

    @property
    def due(self) -> bool:
        """Whether the next update moves the actor, too."""
        return True

    def noise(self, number: int, generator: torch.Generator) -> Tensor:
        """What an update from batches of `number` transitions draws besides them, on the CPU; empty for nothing."""
        return torch.empty(0)

    @abstractmethod
    def learn(self, batches: Sequence[Transitions], noise: Tensor, *, with_actor: bool) -> dict[str, Tensor]:
        """One update from `target.batches` batches: work on tensors alone, which never looks at their values.

        Returns:
            Numbers to log, each a tensor that has to be waited for.
        """

    def update(self, draw: Draw, generator: torch.Generator) -> dict[str, Tensor]:
        """One update from drawn transitions; see `learn`."""
        batches = [draw() for _ in range(self.target.batches)]
        noise = self.noise(len(batches[-1].x), generator).to(batches[-1].x.device)
        numbers = self.learn(batches, noise, with_actor=self.due)
        self.updates += 1
        return numbers

    @abstractmethod
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """All optimisers, in a fixed order."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values of a checkpoint."""
        tensors = {f"network.{name}": value for name, value in self.state_dict().items()}
        for number, optimizer in enumerate(self.optimizers()):
            for place, values in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{number}.{place}.{name}": torch.as_tensor(v) for name, v in values.items()}
        return tensors, {"updates": self.updates}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any], who: str) -> None:
        """Continue from what `state` gave.

        Raises:
            CheckpointError: if it is that of other networks.
        """
        weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        fill(self, weights, who)
        for number, optimizer in enumerate(self.optimizers()):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                if key.startswith(f"optimizer.{number}."):
                    place, name = key.split(".")[2:]
                    state.setdefault(int(place), {})[name] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        self.updates = int(values["updates"])
