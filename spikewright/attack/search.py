"""Search: how an adversarial input is looked for; it proposes, and the harness projects and judges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from .oracle import Oracle


@dataclass(frozen=True, kw_only=True)
class Search(ABC):
    """Hyper-parameters of an attack's search, whatever the budget and the gradient rule."""

    @abstractmethod
    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        """Propose an input for each sample of the oracle's batch.

        Args:
            oracle: answers and gradients of the network; holds the batch `x` and the `budget`.
            generator: the only source of random numbers.

        Returns:
            [N, ...] like `oracle.x`. The harness projects it, and prefers what reached the goal on the way.
        """
