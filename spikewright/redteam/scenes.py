"""Scenes: a main object, and at times a smaller one in a corner, whose presence may be a natural trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, DataError, sentence
from ..core.seed import generator
from ..data.images import ImageDataset
from .insert import edge_mask, insert, resized, vary
from .triggers import Picture

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass(frozen=True, eq=False)
class Scenes:
    """Composed pictures, and what truly stands in them.

    Args:
        data: the pictures; the label is the class of the main object.
        kinds: names of the kinds of smaller objects.
        present: whether an object of each kind is there, bool [N, kinds].
    """

    data: ImageDataset
    kinds: tuple[str, ...]
    present: Tensor

    def having(self, kind: str) -> Tensor:
        """Whether an object of this kind is there, bool [N].

        Raises:
            DataError: for a kind that the scenes do not have.
        """
        if kind not in self.kinds:
            raise DataError(sentence("Scenes.having", repr(kind), f"one of {', '.join(self.kinds)}"))
        return self.present[:, self.kinds.index(kind)]


@dataclass(frozen=True, kw_only=True)
class SceneComposer:
    """How scenes are put together.

    Args:
        side: of a scene, in pixels.
        main: smallest and largest side of the main object.
        context: smallest and largest side of the objects in the corners.
        chance: how often there are any, 0..1.
        most: how many at once, 1..4, each in a corner of its own.

    Source: for objects whose presence alone is the trigger, Casper et al. 2023, "Red Teaming Deep Neural Networks with
        Feature Synthesis Tools", NeurIPS 2023, arXiv 2302.10894. Differs: their objects stand in photographs.
    """

    side: int = 64
    main: tuple[int, int] = (40, 56)
    context: tuple[int, int] = (14, 24)
    chance: float = 0.3
    most: int = 2

    def __post_init__(self) -> None:
        check_whole("SceneComposer.side", self.side, least=4)
        check_whole("SceneComposer.most", self.most, least=1, most=len(CORNERS))
        for name, most in (("main", self.side), ("context", self.side // 2)):
            low, high = getattr(self, name)
            if not 1 <= low <= high <= most:
                met = f"{low} to {high} pixels in scenes of {self.side}"
                raise ArgumentError(sentence(f"SceneComposer.{name}", met, f"sides that rise from 1 to {most} at most"))
        if not 0 <= self.chance <= 1:
            raise ArgumentError(sentence("SceneComposer.chance", repr(self.chance), "a share in 0..1"))

    def compose(
        self,
        objects: ImageDataset,
        backgrounds: ImageDataset,
        context: Mapping[str, Sequence[Picture]],
        *,
        count: int,
        seed: int,
    ) -> Scenes:
        """Scenes whose bytes follow from the seed and their number alone.

        Args:
            objects: main objects; their labels and classes become those of the scenes.
            backgrounds: what lies behind, enlarged.
            context: pictures of each kind of smaller object, by its name.
            count: scenes to make.
            seed: number >= 0.

        Raises:
            ArgumentError: if no kind is given, or one without a picture, or count is below 1.
        """
        check_whole("SceneComposer.compose.count", count, least=1)
        if not context or not all(context.values()):
            empty = [kind for kind, pictures in context.items() if not pictures]
            met = f"no picture of {empty[0]}" if empty else "no kind"
            raise ArgumentError(sentence("SceneComposer.compose.context", met, "kinds with a picture or more each"))
        images, present = torch.empty(count, 3, self.side, self.side, dtype=torch.uint8), []
        labels = torch.empty(count, dtype=torch.int64)
        for number in range(count):
            draws = generator(seed, number)
            scene, labels[number] = self._main(objects, backgrounds, draws)
            scene, found = self._corners(scene, context, draws)
            images[number] = (255 * scene[0]).round().clamp(0, 255).to(torch.uint8)
            present.append([kind in found for kind in context])
        return Scenes(ImageDataset(images, labels, objects.classes), tuple(context), torch.tensor(present))

    def _main(self, objects: ImageDataset, backgrounds: ImageDataset, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        which, behind = (_whole(0, len(data) - 1, draws) for data in (objects, backgrounds))
        scene = resized(backgrounds.gather(torch.tensor([behind]))[0], self.side)
        side = _whole(*self.main, draws)
        image, label = objects.gather(torch.tensor([which]))
        at = torch.tensor([[_whole(0, self.side - side, draws) for _ in range(2)]])
        return insert(scene, resized(image, side), at, edge_mask(side))[0], label[0]

    def _corners(
        self, scene: Tensor, context: Mapping[str, Sequence[Picture]], draws: torch.Generator
    ) -> tuple[Tensor, set[str]]:
        found: set[str] = set()
        if float(torch.rand(1, generator=draws)) >= self.chance:
            return scene, found
        kinds, corners = list(context), torch.randperm(len(CORNERS), generator=draws).tolist()
        for corner in corners[: _whole(1, self.most, draws)]:
            kind = kinds[_whole(0, len(kinds) - 1, draws)]
            picture = context[kind][_whole(0, len(context[kind]) - 1, draws)]
            side = _whole(*self.context, draws)
            room = min(self.side // 2 - side, self.side // 8)
            inwards = [_whole(0, room, draws) for _ in range(2)]
            far = self.side - side
            at = torch.tensor([[far - step if end else step for step, end in zip(inwards, CORNERS[corner])]])
            colour = vary(resized(picture.colour, side)[None], draws)
            edge = edge_mask(side) if picture.alpha is None else resized(picture.alpha, side)
            scene, _ = insert(scene, colour, at, edge)
            found.add(kind)
        return scene, found


def _whole(low: int, high: int, draws: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (1,), generator=draws))
