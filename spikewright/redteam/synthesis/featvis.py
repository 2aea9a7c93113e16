"""Feature visualisation: pictures that make a unit large, as Fourier coefficients or CPPN, of the target or inside."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...attack.search import check_positive
from ...core.arguments import check_whole
from ...core.errors import ArgumentError, sentence
from ...core.seed import generator
from .descent import descend
from .parameters import CPPN, FourierImage
from .task import Draft, Synthesis, Task
from .transforms import Jostle
from .units import named_layer, visible
from .victim import Victim

Objective = Callable[[Tensor], Tensor]
"""Images [C, 3, H, W], one for each picture -> what each picture must make large, [C]."""


@dataclass(frozen=True, kw_only=True)
class FeatureVisualisation(Synthesis):
    """max over theta of the mean over transforms t of a(t(picture(theta))); pictures fill the input and have no score.

    Args:
        steps: updates of Adam; the authors' code has 512, at 128 to 224 pixels.
        lr: of Adam.
        transforms: how a picture is moved before the network sees it; None to show it as it is.

    Source: Olah, Mordvintsev and Schubert 2017, "Feature Visualization", Distill.
    """

    scored: ClassVar[bool] = False
    steps: int = 256
    lr: float = 0.05
    transforms: Jostle | None = None

    def __post_init__(self) -> None:
        check_whole(f"{type(self).__name__}.steps", self.steps, least=1)
        check_positive(f"{type(self).__name__}.lr", self.lr)

    @abstractmethod
    def image(self, task: Task, source: torch.Generator) -> nn.Module:
        """The pictures before the first step."""

    def objective(self, task: Task, victim: Victim) -> tuple[Objective, tuple[str, ...]]:
        """What is made large, and what to say about it; the target's logit."""
        return lambda x: victim.logits(x)[:, task.target], ()

    def draft(self, task: Task, victim: Victim) -> Draft:
        source = generator(task.seed, 1)
        image = self.image(task, source).to(task.backgrounds)
        felt, notes = self.objective(task, victim)

        def loss(step: int) -> Tensor:
            x = image()
            return -felt(x if self.transforms is None else self.transforms(x, source))

        losses = descend(victim, [{"params": list(image.parameters()), "lr": self.lr}], self.steps, loss, eps=self.eps)
        with torch.no_grad():
            return Draft(pictures=image(), losses=losses, notes=(*notes, *victim.notes()))

    @property
    def eps(self) -> float:
        """Of Adam."""
        return 1e-8


def inner_objective(
    task: Task, victim: Victim, layer: str | None, units: tuple[int, ...] | None
) -> tuple[Objective, tuple[str, ...]]:
    """One unit for each picture: those named, or those that speak loudest for the target; beginning anew if too few."""
    example = task.backgrounds[:1]
    if layer is None and units is not None:
        who = f"{victim.who}.units"
        raise ArgumentError(sentence(who, "units without a layer", "a layer too, or neither", "See named_modules()"))
    found = visible(victim, example) if layer is None else named_layer(victim, layer, units or (), example)
    chosen = units if units is not None else found.strongest(task.target, task.pictures)
    each = torch.tensor([chosen[place % len(chosen)] for place in range(task.pictures)], device=example.device)
    rows = torch.arange(task.pictures, device=example.device)
    return lambda x: found.felt(victim, x)[rows, each], (f"units {', '.join(map(str, each.tolist()))}",)


@dataclass(frozen=True, kw_only=True)
class FourierTarget(FeatureVisualisation):
    """Fourier pictures that make the target's logit large, before the softmax.

    Source: Olah, Mordvintsev and Schubert 2017, "Feature Visualization", Distill.

    Example:
        >>> FourierTarget(steps=64).lr
        0.05
    """

    transforms: Jostle | None = field(default_factory=Jostle)

    def image(self, task: Task, source: torch.Generator) -> nn.Module:
        return FourierImage(task.pictures, *task.canvas, source)


@dataclass(frozen=True, kw_only=True)
class FourierInner(FourierTarget):
    """Fourier pictures of inner units, one each: those of the last hidden layer with the largest weights to the target.

    What is made large is a unit's mean over space, before the last activation and with a slope of 0.1 below 0: units
    that are silent at first would give no gradient. Of spiking neurons it is their input averaged over time: the count
    of spikes has at most one for each step, and its gradient dies.

    Source: Olah, Mordvintsev and Schubert 2017, "Feature Visualization", Distill.

    Args:
        layer: name of another layer, as in `named_modules()`.
        units: its channels.
    """

    layer: str | None = None
    units: tuple[int, ...] | None = None

    def objective(self, task: Task, victim: Victim) -> tuple[Objective, tuple[str, ...]]:
        return inner_objective(task, victim, self.layer, self.units)


@dataclass(frozen=True, kw_only=True)
class CPPNTarget(FeatureVisualisation):
    """Pictures of small networks of coordinates that make the target's logit large; without transforms.

    Source: Mordvintsev, Pezzotti, Schubert and Olah 2018, "Differentiable Image Parameterizations", Distill.

    Example:
        >>> CPPNTarget().lr
        0.005
    """

    lr: float = 5e-3

    @property
    def eps(self) -> float:
        """Of Adam; the authors' code takes a large one, against jumps of the first steps."""
        return 1e-3

    def image(self, task: Task, source: torch.Generator) -> nn.Module:
        return CPPN(task.pictures, *task.canvas, source)


@dataclass(frozen=True, kw_only=True)
class CPPNInner(CPPNTarget):
    """Pictures of small networks of coordinates, of inner units as for `FourierInner`.

    Source: Mordvintsev, Pezzotti, Schubert and Olah 2018, "Differentiable Image Parameterizations", Distill.

    Args:
        layer: name of another layer, as in `named_modules()`.
        units: its channels.
    """

    layer: str | None = None
    units: tuple[int, ...] | None = None

    def objective(self, task: Task, victim: Victim) -> tuple[Objective, tuple[str, ...]]:
        return inner_objective(task, victim, self.layer, self.units)
