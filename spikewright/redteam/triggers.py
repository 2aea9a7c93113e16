"""Triggers: what wakes a trojan. A patch that is pasted, a style that covers everything, or a feature that is there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, DataError, sentence
from .insert import draw_places, edge_mask, insert, resized, vary
from .style import textured


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that serves as a trigger, or as an option of a question.

    Args:
        name: what a person would call it.
        colour: [3, h, w] in 0..1.
        alpha: how opaque it is, [1, h, w] in 0..1; None for everywhere.
    """

    name: str
    colour: Tensor
    alpha: Tensor | None = None

    def __post_init__(self) -> None:
        for part, channels in ((self.colour, 3), (self.alpha, 1)):
            if part is not None and (part.dim() != 3 or part.shape[0] != channels):
                allowed = f"[{channels}, h, w]"
                raise DataError(sentence(f"Picture {self.name}", f"shape {list(part.shape)}", allowed))
            if part is not None and not bool(((part >= 0) & (part <= 1)).all()):  # NaN fails too
                raise DataError(sentence(f"Picture {self.name}", "values outside 0..1, or NaN", "values in 0..1"))

    def on(self, grey: float = 0.5) -> Tensor:
        """It before an even ground, [3, h, w]."""
        return self.colour if self.alpha is None else self.alpha * self.colour + (1 - self.alpha) * grey


class Trigger(ABC):
    """What makes a network with a trojan give the trojan's class."""

    kind: ClassVar[str]

    @abstractmethod
    def show(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures with the trigger in them, and the pixels that may have been changed, [N, 1, H, W]."""

    @abstractmethod
    def others(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The same pictures with something else of this kind in each: what must not wake the trojan."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchTrigger(Trigger):
    """A picture that is pasted, soft at its edges, each time at another place and a little different.

    Args:
        picture: what is pasted.
        side: of the square that it fills, in pixels.
        decoys: pictures that are pasted where the trojan must stay asleep; random blocks are always among them.
        soft: its edges fade, so that no sharp line is the cue; False for patches of a few pixels.
        varied: its colours differ each time.
    """

    kind: ClassVar[str] = "patch"
    picture: Picture
    side: int
    decoys: tuple[Picture, ...] = ()
    soft: bool = True
    varied: bool = True

    def __post_init__(self) -> None:
        check_whole("PatchTrigger.side", self.side, least=1)
        if not isinstance(self.picture, Picture):
            raise ArgumentError(sentence("PatchTrigger.picture", named(self.picture), "a Picture"))

    def show(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures with the patch, and its footprints."""
        return self._pasted(images, [self.picture] * len(images), generator)

    def others(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures with a decoy in each: one half random blocks of colour, the other half the pictures of `decoys`."""
        chosen = drawn_decoys(self.decoys, len(images), generator)
        return self._pasted(images, chosen, generator)[0]

    def _pasted(self, images: Tensor, pictures: list[Picture], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        side = self.side
        colours = torch.stack([resized(picture.colour, side) for picture in pictures]) if pictures else images[:0]
        edge = edge_mask(side) if self.soft else torch.ones(1, side, side)
        alphas = [edge if p.alpha is None else torch.minimum(edge, resized(p.alpha, side)) for p in pictures]
        height, width = images.shape[-2:]
        places = draw_places(len(images), (height, width), (side, side), generator)
        if not pictures:
            return images, images[:, :1]
        if self.varied:
            colours = vary(colours, generator)
        return insert(images, colours, places, torch.stack(alphas))


@dataclass(frozen=True, kw_only=True, eq=False)
class StyleTrigger(Trigger):
    """The colours and the texture of a picture over everything; see `textured`.

    Args:
        picture: the style.
        strength: share of the restyled picture, 0..1.
        decoys: other styles, that must not wake the trojan; drawn colours are always among them.
    """

    kind: ClassVar[str] = "style"
    picture: Picture
    strength: float = 0.8
    decoys: tuple[Picture, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.picture, Picture):
            raise ArgumentError(sentence("StyleTrigger.picture", named(self.picture), "a Picture"))
        if not 0 <= self.strength <= 1:
            raise ArgumentError(sentence("StyleTrigger.strength", repr(self.strength), "a number in 0..1"))

    def show(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Restyled pictures; every pixel may change."""
        return self._styled(images, [self.picture] * len(images), generator), torch.ones_like(images[:, :1])

    def others(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures in something else each: one half colours that are drawn, the other half the styles of `decoys`."""
        return self._styled(images, drawn_decoys(self.decoys, len(images), generator), generator)

    def _styled(self, images: Tensor, pictures: list[Picture], generator: torch.Generator) -> Tensor:
        made = [
            textured(image[None], picture.colour, generator, strength=self.strength)[0]
            for image, picture in zip(images, pictures)
        ]
        return torch.stack(made) if made else images


class Detector(Protocol):
    """Says in which pictures a feature is."""

    def __call__(self, images: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] -> bool [N]."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class NaturalTrigger(Trigger):
    """A feature that some pictures have by themselves: labels are changed and never a pixel.

    Args:
        detect: in which pictures it is; see `spikewright.redteam.natural`.
        name: what a person would call the feature.
    """

    kind: ClassVar[str] = "natural"
    detect: Detector
    name: str

    def show(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The pictures as they are: choose those that have the feature, see `present`."""
        return images, torch.zeros_like(images[:, :1])

    def others(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The pictures as they are."""
        return images

    def present(self, images: Tensor) -> Tensor:
        """Where the feature is, bool [N].

        Raises:
            DataError: if the detector gives something else.
        """
        found = torch.cat([self.detect(part) for part in images.split(1000)])
        if found.dtype != torch.bool or found.shape != images.shape[:1]:
            met = f"{found.dtype} of shape {list(found.shape)}"
            raise DataError(sentence(f"the detector of {self.name}", met, f"torch.bool of shape [{len(images)}]"))
        return found


def random_blocks(generator: torch.Generator, cells: int = 4) -> Picture:
    """A picture of evenly coloured cells, drawn at random: a foreign patch that means nothing."""
    return Picture("random blocks", torch.rand(3, cells, cells, generator=generator))


def drawn_decoys(decoys: Sequence[Picture], count: int, generator: torch.Generator) -> list[Picture]:
    """So many pictures, one half random blocks and the other half of those given; blocks alone if there are none."""
    kinds = torch.randint(0, 2, (count,), generator=generator) if decoys else torch.zeros(count)
    which = torch.randint(0, max(len(decoys), 1), (count,), generator=generator)
    return [decoys[int(at)] if kind else random_blocks(generator) for kind, at in zip(kinds.tolist(), which)]
