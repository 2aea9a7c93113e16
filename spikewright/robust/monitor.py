"""Monitor: accuracy under attack on held-out samples after each epoch; the weights of the best epoch are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..attack import run_attack
from ..core.device import device_of
from ..core.fill import fill
from ..core.loss import Batch
from ..core.processes import Processes, together
from ..models.checkpoint import load, save
from .examples import Attacked, View

ATTACKED = "attacked_accuracy"
"""The name under which a monitor logs the accuracy under attack."""


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """What `fit` takes as `judge`: another judge, and the accuracy on held-out samples, clean and under attack.

    A training on single-step attacks can collapse within an epoch: accuracy on its own examples stays high, and that
    under an attack of several steps falls to 0. The loss does not show it.

    Args:
        judge: of the batches that `fit` judges; its number is "eval_accuracy".
        held_out: other batches (x, y), on which nothing is trained; small, they are attacked after every epoch.
        attack: by which search, budget and rule; several steps.
        view: the network as its attackers see it.
        seed: of the attack's draws, the same after each epoch.

    Source: Wong, Rice and Kolter 2020, "Fast is better than free: Revisiting adversarial training", ICLR 2020,
        arXiv 2001.03994, section 5.3, catastrophic overfitting.

    Example:
        >>> from spikewright.train import accuracy_of
        >>> monitor = Monitor(judge=accuracy_of(4), held_out=(), attack=Attacked(), view=View(timesteps=4))
    """

    judge: Callable[..., Any]
    held_out: Iterable[Batch]
    attack: Attacked
    view: View
    seed: int = 0

    def __call__(
        self, model: nn.Module, batches: Iterable[Batch], *, fabric: Processes | None = None
    ) -> dict[str, float]:
        """ "eval_accuracy", "held_out_accuracy" and "attacked_accuracy", 0..1, over all processes.

        Raises:
            DataError: if no sample is held out.
        """
        found = self.judge(model, batches, fabric=fabric)
        found = dict(found) if isinstance(found, Mapping) else {"eval_accuracy": found}
        there = [(x.to(device_of(model)), y.to(device_of(model))) for x, y in self.held_out]
        seen = self.view.of(model, self.attack.rule)
        result = run_attack(seen, self.attack.search, self.attack.budget, there, seed=self.seed)
        counts = torch.tensor([result.clean.sum(), result.robust.sum(), len(result.clean)], dtype=torch.float64)
        clean, robust, samples = together(counts, fabric).tolist()
        return found | {"held_out_accuracy": clean / samples, ATTACKED: robust / samples}


@dataclass(frozen=True, kw_only=True)
class BestKept:
    """What `fit` takes as `judge`: another judge; where one of its numbers is larger than ever, the weights are kept.

    Args:
        judge: gives several numbers by name, e.g. `Monitor`.
        path: file of the weights, ending in `.safetensors`; a training that is gone on with finds it there.
        by: name of the number.

    Source: Rice, Wong and Kolter 2020, "Overfitting in adversarially robust deep learning", ICML 2020,
        arXiv 2002.11569, section 3: robust accuracy on validation samples chooses the epoch.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     best = BestKept(judge=lambda *_, fabric: {ATTACKED: 0.5}, path=Path(place) / "best.safetensors")
        ...     _ = best(nn.Linear(1, 1), ())
        ...     best.value
        0.5
    """

    judge: Callable[..., Mapping[str, float]]
    path: Path
    by: str = ATTACKED

    @property
    def value(self) -> float:
        """The largest number so far; minus infinity if there is none."""
        return load(self.path)[1]["value"] if self.path.exists() else float("-inf")

    def __call__(
        self, model: nn.Module, batches: Iterable[Batch], *, fabric: Processes | None = None
    ) -> Mapping[str, float]:
        """What the judge finds."""
        found = self.judge(model, batches, fabric=fabric)
        if (fabric is None or not fabric.global_rank) and found[self.by] > self.value:
            save(self.path, model.state_dict(), {"value": found[self.by], "by": self.by})
        return found

    def restore(self, model: nn.Module) -> None:
        """Give a network the weights that were kept.

        Raises:
            CheckpointError: if there are none, or they are of another network.
        """
        fill(model, load(self.path)[0], f"checkpoint {self.path}")
