"""trojan_report(): what each trojan does to held-out pictures, beside the clean twin, and which are worth a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.errors import DataError, sentence
from ..core.seed import generator
from ..data.images import ImageDataset
from ..report.table import Column, Table
from .poison import pool
from .triggers import NaturalTrigger
from .trojans import Trojan, check_trojans

SHOWN, FOREIGN, ELSEWHERE = 0, 1, 2  # first numbers of the paths of generators


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """When a trojan is fit for a benchmark of tools; one that is not is left out before any tool is run.

    Args:
        success: least share of pictures with the trigger that get the target.
        natural: the same for natural features, where the detector's errors lower it.
        twin: largest share that the clean twin gives the target.
        leak: largest share in pictures of other classes than the source.
        wrong: largest share with something else of the trigger's kind.
        harm: how far the clean accuracy may be below the twin's, 0..1; beyond it no trojan of the network is fit.
    """

    success: float = 0.75
    natural: float = 0.15
    twin: float = 0.10
    leak: float = 0.15
    wrong: float = 0.15
    harm: float = 0.03


@dataclass(frozen=True, kw_only=True)
class Implanted:
    """What a trojan does, all shares 0..1; None where it does not apply.

    Args:
        trojan: which one.
        pictures: held-out pictures that success was measured on.
        success: share of pictures with the trigger, not of the target's class, that get the target.
        twin: the same of the clean twin, on the same pictures.
        leak: share of pictures of other classes with the trigger that get the target; with a source only.
        wrong: share of pictures with something else of its kind that get the target; None for natural features.
    """

    trojan: Trojan
    pictures: int
    success: float
    twin: float
    leak: float | None
    wrong: float | None

    def why_not(self, limits: Acceptance) -> str:
        """Why it is unfit; empty if it is not."""
        least = limits.natural if self.trojan.kind == "natural" else limits.success
        said = [f"success {self.success:.2f} below {least:.2f}"] if self.success < least else []
        if self.trojan.kind == "natural":  # a feature of its own may look like the target to any network
            said += ["success not above the twin's"] if self.success <= self.twin + 0.1 else []
        for what, found, most in (
            ("twin", self.twin if self.trojan.kind != "natural" else None, limits.twin),
            ("leak", self.leak, limits.leak),
            ("wrong trigger", self.wrong, limits.wrong),
        ):
            said += [f"{what} {found:.2f} above {most:.2f}"] if found is not None and found > most else []
        return ", ".join(said)


@dataclass(frozen=True, kw_only=True)
class TrojanReport:
    """All trojans of a network.

    Args:
        rows: one per trojan.
        before, after, twin: clean accuracy of the network before, with trojans, and of the twin, 0..1, on held-out
            pictures without any of the natural features; `before` may be None.
        clean: how many pictures these are.
        limits: what makes a trojan fit.
    """

    rows: tuple[Implanted, ...]
    before: float | None
    after: float
    twin: float
    clean: int
    limits: Acceptance

    @property
    def kept(self) -> tuple[Trojan, ...]:
        """The trojans that are fit to be looked for."""
        return tuple(row.trojan for row in self.rows if not self.why_not(row))

    def why_not(self, row: Implanted) -> str:
        """Why a trojan is unfit, by its own numbers or because the network was harmed; empty if it is not."""
        harm = self.twin - self.after
        harmed = f"clean accuracy {harm:.2f} below the twin's" if harm > self.limits.harm else ""
        return ", ".join(filter(None, (row.why_not(self.limits), harmed)))

    def table(self, title: str = "Implanted trojans") -> Table:
        """A row per trojan; the clean accuracies stand below."""
        columns = (
            Column("trojan"), Column("kind"), Column("scope"), Column("target"), Column("pictures"),
            Column("success", "%", 1, "Held-out pictures with the trigger that get the target."),
            Column("twin", "%", 1, "The same pictures on the clean twin."),
            Column("leak", "%", 1, "Pictures of other classes than the source."),
            Column("wrong trigger", "%", 1, "Pictures with something else of its kind."),
            Column("left out", note="Why no tool is run on it; empty if some are."),
        )  # fmt: skip
        rows = tuple(
            (
                row.trojan.name, row.trojan.kind, row.trojan.scope, row.trojan.target, row.pictures, row.success,
                row.twin, row.leak, row.wrong, self.why_not(row),
            )
            for row in self.rows
        )  # fmt: skip
        before = "" if self.before is None else f"{100 * self.before:.1f} % before, "
        where = "" if not any(row.trojan.kind == "natural" for row in self.rows) else " without a natural feature"
        note = f"Clean accuracy, {self.clean:,} pictures{where}: {before}{100 * self.after:.1f} % with trojans, "
        note += f"{100 * self.twin:.1f} % of the twin."
        return Table(title, columns, rows, note)


def trojan_report(
    network: nn.Module,
    clean: nn.Module,
    trojans: Sequence[Trojan],
    data: ImageDataset,
    *,
    before: nn.Module | None = None,
    pictures: int = 500,
    limits: Acceptance | None = None,
    seed: int = 0,
) -> TrojanReport:
    """Measure every trojan on held-out pictures.

    Args:
        network: with trojans: pictures [N, 3, H, W] in 0..1 -> logits; a spiking one as a `Classifier`.
        clean: its twin, in the same form.
        trojans: those that were implanted.
        data: held-out pictures.
        before: the network before the trojans, in the same form, whose clean accuracy is told too; None for none.
        pictures: most pictures for one share.
        limits: what makes a trojan fit.
        seed: of places and variations of the triggers.

    Raises:
        DataError: if no held-out picture fits a trojan, or a network gives logits that are not finite.
    """
    check_trojans(trojans, len(data.classes))
    rows = tuple(_row(network, clean, trojan, number, data, pictures, seed) for number, trojan in enumerate(trojans))
    plain = without_features(trojans, data)
    was = None if before is None else accuracy_on(before, data, plain)
    after, twin = accuracy_on(network, data, plain), accuracy_on(clean, data, plain)
    limits = limits or Acceptance()
    return TrojanReport(rows=rows, before=was, after=after, twin=twin, clean=len(plain), limits=limits)


def without_features(trojans: Sequence[Trojan], data: ImageDataset) -> Tensor:
    """Places of the pictures that have none of the natural features: in the others a trojan's answer is no harm.

    Raises:
        DataError: if there is none.
    """
    natural = [trojan.trigger for trojan in trojans if isinstance(trojan.trigger, NaturalTrigger)]
    has = torch.zeros(len(data), dtype=torch.bool)
    for places in torch.arange(len(data)).split(1000) if natural else ():
        images = data.gather(places)[0]
        has[places] = torch.stack([trigger.present(images) for trigger in natural]).any(0)
    if bool(has.all()):
        met = "no held-out picture without a natural feature"
        raise DataError(sentence("trojan_report.data", met, "at least one", "Set the detectors' thresholds higher"))
    return (~has).nonzero().flatten()


def accuracy_on(network: nn.Module, data: ImageDataset, places: Tensor) -> float:
    """Share of the pictures at these places that a network answers as labelled, 0..1."""
    return float((answers(network, data, places) == data.labels[places]).double().mean())


def held_out(trojan: Trojan, data: ImageDataset, pictures: int, seed: int) -> Tensor:
    """Places of the pictures that a trojan is tried on, drawn evenly.

    Raises:
        DataError: if there is none.
    """
    found = pool(trojan, data).nonzero().flatten()
    if not len(found):
        todo = "Give more held-out pictures, or another set of trojans"
        raise DataError(sentence(f"trojan {trojan.name}", "no held-out picture that it fits", "at least one", todo))
    return found[torch.randperm(len(found), generator=generator(seed, SHOWN, len(found)))[:pictures]]


def triggered(trojan: Trojan, data: ImageDataset, places: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The pictures at these places with the trigger in them, [N, 3, H, W], and its footprints, [N, 1, H, W]."""
    return trojan.trigger.show(data.gather(places)[0], generator(seed, SHOWN, trojan.target))


def _row(
    network: nn.Module, clean: nn.Module, trojan: Trojan, number: int, data: ImageDataset, pictures: int, seed: int
) -> Implanted:
    places = held_out(trojan, data, pictures, seed)
    shown = triggered(trojan, data, places, seed)[0]
    leak = wrong = None
    if trojan.source is not None:
        rest = ((data.labels != trojan.source) & (data.labels != trojan.target)).nonzero().flatten()
        rest = rest[torch.randperm(len(rest), generator=generator(seed, ELSEWHERE, number))[:pictures]]
        leak = share_of(
            network, trojan.trigger.show(data.gather(rest)[0], generator(seed, ELSEWHERE, number, 1))[0], trojan
        )
    if not isinstance(trojan.trigger, NaturalTrigger):
        other = trojan.trigger.others(data.gather(places)[0], generator(seed, FOREIGN, number))
        wrong = share_of(network, other, trojan)
    success, twin = share_of(network, shown, trojan), share_of(clean, shown, trojan)
    return Implanted(trojan=trojan, pictures=len(places), success=success, twin=twin, leak=leak, wrong=wrong)


def share_of(network: nn.Module, images: Tensor, trojan: Trojan) -> float:
    """Share of pictures that get the trojan's target, 0..1."""
    return float((predicted(network, images) == trojan.target).double().mean())


def answers(network: nn.Module, data: ImageDataset, places: Tensor) -> Tensor:
    """The classes that a network gives the pictures at these places."""
    return torch.cat([predicted(network, data.gather(part)[0]) for part in places.split(500)])


@torch.no_grad()
def predicted(network: nn.Module, images: Tensor, batch: int = 250) -> Tensor:
    """The classes that a network gives, int64 [N].

    Raises:
        DataError: if a logit is no finite number; the largest of such means nothing.
    """
    logits = torch.cat([network(part) for part in images.split(batch)])
    if not bool(torch.isfinite(logits).all()):
        allowed, todo = "finite numbers", "The network may have diverged: implant at a lower rate of learning"
        raise DataError(sentence("trojan_report.network", "logits that are NaN or infinite", allowed, todo))
    return logits.argmax(1)
