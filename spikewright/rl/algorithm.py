"""Algorithm: the hyper-parameters of an off-policy method as a value; Learner: its networks while they are trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core.fill import fill
from .actor import Space
from .target import Draw


@dataclass(frozen=True, kw_only=True)
class Algorithm(ABC):
    """How an actor learns from transitions."""

    batch: int

    @abstractmethod
    def learner(self, actor: nn.Module, space: Space) -> Learner:
        """Networks and optimisers for an actor, which is trained in place."""


class Learner(nn.Module, ABC):
    """Everything that changes while an actor learns, but the buffer.

    Args:
        actor: the policy that is trained and deployed.
    """

    def __init__(self, actor: nn.Module) -> None:
        super().__init__()
        self.actor, self.updates = actor, 0

    @abstractmethod
    def update(self, draw: Draw, generator: torch.Generator) -> dict[str, float]:
        """One update from drawn transitions; numbers to log."""

    @abstractmethod
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """All optimisers, in a fixed order."""

    @staticmethod
    def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """One step of an optimiser; gradients that others have left are discarded."""
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

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
