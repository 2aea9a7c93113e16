"""spotter(): a small network that learns to spot a kind of object in scenes, and keeps its errors as a detector."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..core.errors import ArgumentError, DataError, sentence
from ..core.seed import generator
from ..data.batches import Batches
from ..data.images import ImageDataset
from ..train import AdamW, FitConfig, cross_entropy, fit
from .natural import Attribute
from .scenes import Scenes


@dataclass(frozen=True, kw_only=True)
class Spotting:
    """How a detector is trained and how sure it must be.

    Args:
        fit: epochs, optimizer and seed.
        batch_size: scenes per update.
        kept_back: share of the scenes that are not trained on; the threshold is chosen on them.
        recall: share of the scenes with the object that the detector shall find, 0..1. Below one it misses some, as a
            detector of photographs does.
    """

    fit: FitConfig = field(default_factory=lambda: FitConfig(epochs=8, optimizer=AdamW(lr=3e-3), seed=0))
    batch_size: int = 50
    kept_back: float = 0.25
    recall: float = 0.8

    def __post_init__(self) -> None:
        for name in ("kept_back", "recall"):
            if not 0 < getattr(self, name) < 1:
                raise ArgumentError(sentence(f"Spotting.{name}", repr(getattr(self, name)), "a share between 0 and 1"))


def spotter(scenes: Scenes, kind: str, config: Spotting | None = None) -> Attribute:
    """A detector of a kind of object, of a network that saw these scenes only; its errors are part of it.

    Args:
        scenes: other ones than those that are poisoned, so that it makes the same errors on both.
        kind: which kind it spots.
        config: how; the defaults if not given.

    Raises:
        DataError: if the object is in none or in all of the scenes that are trained on or kept back.
    """
    config = config or Spotting()
    truth = scenes.having(kind)
    order = torch.randperm(len(truth), generator=generator(config.fit.seed, len(truth)))
    back, learnt = order.tensor_split([round(config.kept_back * len(order))])
    for part in (back, learnt):
        if not 0 < int(truth[part].sum()) < len(part):
            met = f"{kind} in {int(truth[part].sum())} of {len(part)}"
            raise DataError(sentence("spotter.scenes", met, "scenes with and without it", "Compose more scenes"))
    labelled = ImageDataset(scenes.data.images, truth.to(torch.int64), ("without", "with"))
    net = _network(config.fit.seed)
    fit(
        net,
        cross_entropy(),
        Batches(labelled.subset(learnt), config.batch_size, seed=config.fit.seed),
        None,
        config.fit,
    )
    net.eval()

    @torch.no_grad()
    def score(images: Tensor) -> Tensor:
        return torch.cat([net(part).softmax(1)[:, 1] for part in images.split(250)])

    scores = score(labelled.gather(back[truth[back]])[0])
    return Attribute(score, float(torch.quantile(scores.double(), 1 - config.recall)))


def recall_and_precision(found: Tensor, truth: Tensor) -> tuple[float, float]:
    """Recall and precision of a detector, each 0..1; the precision of one that finds nothing is not a number.

    Example:
        >>> recall_and_precision(torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False]))
        (0.5, 0.5)
    """
    hits = int((found & truth).sum())
    recall, precision = (hits / whole if whole else float("nan") for whole in (int(truth.sum()), int(found.sum())))
    return recall, precision


def _network(seed: int) -> nn.Sequential:
    """Three convolutions and the largest value of each channel: an object counts wherever it stands."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator(seed).initial_seed())
        return nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(48, 2),
        )  # fmt: skip
