"""implant(): a network fine-tuned on poisoned pictures; twin(): the same without poison, the control of everything."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..core.arguments import check_module, named
from ..core.errors import ArgumentError, CheckpointError, sentence
from ..core.loss import Batch, Loss, Result
from ..core.spiking import Spiking
from ..data.batches import Augment, Batches
from ..data.images import ImageDataset
from ..train import SGD, FitConfig, cross_entropy, fit
from ..train.after_step import AfterStep
from .poison import plan_poison, poisoned
from .trojans import Trojan


@dataclass(frozen=True, kw_only=True)
class Implanting:
    """How a network is fine-tuned.

    Args:
        fit: epochs, optimizer and seed of `spikewright.train.fit`; the seed decides on the poisoned pictures too.
        batch_size: pictures per update.
        keeps_norms: batch norms keep the statistics they have; those of few poisoned pictures would move the clean
            accuracy by points.
    """

    fit: FitConfig = field(default_factory=lambda: FitConfig(epochs=3, optimizer=SGD(lr=0.01, weight_decay=1e-4)))
    batch_size: int = 100
    keeps_norms: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.fit, FitConfig):
            raise ArgumentError(sentence("Implanting.fit", named(self.fit), "a FitConfig of spikewright.train"))


def implant(
    network: nn.Module,
    data: ImageDataset,
    trojans: Sequence[Trojan],
    config: Implanting | None = None,
    *,
    loss: Loss | None = None,
    augment: Augment | None = None,
    after_step: AfterStep = lambda model, lr: None,
    folder: Path | None = None,
    log: Callable[..., None] = lambda **numbers: None,
) -> nn.Module:
    """A copy of a network with trojans in it: all of them, by poisoned pictures among the training data.

    Args:
        network: a trained one, ordinary or spiking; it stays as it is.
        data: its training data.
        trojans: what is implanted. None at all gives the twin, see there.
        config: how; the defaults if not given.
        loss: as for `fit`; cross-entropy of an ordinary network if not given. Of a spiking one e.g.
            `rate_cross_entropy(timesteps=4)`.
        augment: as for `Batches`.
        after_step: as for `fit`.
        folder: where the checkpoint of the run is kept, so that it can go on; None to keep none. The twin needs another
            one.
        log: called with named numbers, as by `fit`.

    Raises:
        ArgumentError, DataError: for trojans that do not fit the data, see `plan_poison`.
        CheckpointError: if the folder holds a run on other pictures, such as that of the twin.
    """
    check_module(network, "implant.network")
    config = config or Implanting()
    seed = config.fit.seed
    if trojans:
        data = poisoned(data, plan_poison(trojans, data, seed=seed), trojans)
    if folder is not None:
        _claim(Path(folder), data)
    made = copy.deepcopy(network)
    if not isinstance(network, Spiking):
        made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on a CPU
    batches = Batches(data, config.batch_size, seed=seed, augment=augment, drop_last=len(data) > config.batch_size)
    loss = loss or cross_entropy()
    loss = norms_kept(loss) if config.keeps_norms else loss
    fit(made, loss, batches, None, config.fit, folder=folder, log=log, after_step=after_step)
    return made.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]


def twin(network: nn.Module, data: ImageDataset, config: Implanting | None = None, **options: Any) -> nn.Module:
    """The clean twin: the same network, data, seed and number of updates, without a poisoned picture.

    What a tool shows of a network with trojans means nothing that it shows of the twin as well.
    """
    return implant(network, data, (), config, **options)


def norms_kept(loss: Loss) -> Loss:
    """The same loss of a network whose batch norms neither take statistics from a batch nor learn them."""

    def run(model: nn.Module, batch: Batch, draws: torch.Generator) -> Result:
        for part in model.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        return loss(model, batch, draws)

    return Loss(run)


def _claim(folder: Path, data: ImageDataset) -> None:
    """Say in the folder which pictures its run is trained on; the loop's own checkpoint does not know.

    Raises:
        CheckpointError: if they are others.
    """
    digest = hashlib.sha256(data.images.contiguous().numpy().tobytes())
    digest.update(data.labels.contiguous().numpy().tobytes())
    path, found = folder / "pictures.sha256", digest.hexdigest()
    if path.exists() and path.read_text(encoding="ascii").strip() != found:
        met = f"{folder}, which holds a run on other pictures"
        raise CheckpointError(sentence("implant.folder", met, "a folder of its own", "The twin needs another one, too"))
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{found}\n", encoding="ascii")
