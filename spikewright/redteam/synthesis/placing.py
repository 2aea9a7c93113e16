"""Placing: pictures put over backgrounds, at random sizes and places and under random changes; differentiable."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...core.errors import ArgumentError, sentence
from .task import Task
from .transforms import Jostle, blurred, jitter_colours, noisy, placement, random_perspective, sampled, uniform

OUTLINES = ("square", "disc")


@dataclass(frozen=True, kw_only=True)
class Placing:
    """How pictures are put over backgrounds.

    A patch is pasted, with an alpha that is warped with it. A picture of a trigger that covers everything is blended
    over the whole background instead: x' = (1 - a) x + a p.

    Args:
        size: side of a patch in pixels.
        whole: blend over the whole background.
        outline: of a patch, "square" or "disc".
        spread: largest change of the size, as a share.
        place: the part of the free range in which a patch lies; 0 and 1 are the borders.
        degrees: largest turn.
        perspective: how far corners move, as a share of half a side, and how often.
        colours: largest change of brightness, contrast and saturation.
        hue: largest turn of the hue.
        blur: smallest and largest width of a Gaussian of 3 pixels.
        noise: standard deviation.
        blend: smallest and largest share `a` of a whole picture; its mean where nothing is drawn.
        jostle: how a whole picture is moved.

    Source: Casper et al. 2022, "Robust Feature-Level Adversaries are Interpretability Tools", NeurIPS 2022, arXiv
        2110.03605, and its code, for the values of patches: a side of 54 to 74 pixels of 256, place within 0.2..0.8.
        Differs: the order of the warps is one matrix, so that a patch is interpolated once. `blend` is ours.
    """

    size: int
    whole: bool = False
    outline: str = "square"
    spread: float = 0.16
    place: tuple[float, float] = (0.2, 0.8)
    degrees: float = 10.0
    perspective: tuple[float, float] = (0.25, 0.66)
    colours: float = 0.25
    hue: float = 0.05
    blur: tuple[float, float] = (0.1, 1.0)
    noise: float = 0.10
    blend: tuple[float, float] = (0.4, 0.8)
    jostle: Jostle = field(default_factory=lambda: Jostle(grey=False))

    def __post_init__(self) -> None:
        if self.outline not in OUTLINES:
            raise ArgumentError(sentence("Placing.outline", repr(self.outline), " or ".join(OUTLINES)))

    @classmethod
    def of(cls, task: Task, outline: str = "square") -> Placing:
        """That of a task."""
        return cls(size=task.size, whole=task.whole, outline=outline)

    def shown(self, pictures: Tensor) -> Tensor:
        """The pictures as somebody sees them: what is outside of the outline is grey."""
        alpha = self._alpha(pictures)
        return alpha * pictures + (1 - alpha) * 0.5

    def varied(self, pictures: Tensor, backgrounds: Tensor, generator: torch.Generator) -> Tensor:
        """Each picture over its own backgrounds, changed at random.

        Args:
            pictures: [C, 3, h, w] in 0..1.
            backgrounds: [C, B, 3, H, W].
            generator: of all that is drawn.

        Returns:
            [C * B, 3, H, W], those of the first picture first.
        """
        each, x = self._each(pictures, backgrounds), backgrounds.flatten(0, 1)
        each = jitter_colours(each, generator, self.colours, self.hue)
        each = blurred(each, uniform(generator, len(each), *self.blur, each))
        each = noisy(each, generator, self.noise).clamp(0, 1)
        if self.whole:
            share = uniform(generator, len(each), *self.blend, each).view(-1, 1, 1, 1)
            return torch.lerp(x, self.jostle(each, generator), share)
        half = self.size / 2 * uniform(generator, len(each), 1 - self.spread, 1 + self.spread, each)
        turn = uniform(generator, len(each), -self.degrees, self.degrees, each)
        amount, share = self.perspective
        bent = random_perspective(generator, len(each), amount, share, each)
        where = self._centres(half, x, generator)
        return self._pasted(each, x, placement(*where, half, turn) @ bent)

    def plain(self, pictures: Tensor, backgrounds: Tensor, generator: torch.Generator) -> Tensor:
        """Each picture as it is over all backgrounds, at places that all pictures share.

        Args:
            pictures: [C, 3, h, w] in 0..1.
            backgrounds: [B, 3, H, W].
            generator: of the places.

        Returns:
            [C * B, 3, H, W], those of the first picture first.
        """
        count, many = len(pictures), len(backgrounds)
        x = backgrounds.expand(count, *backgrounds.shape)
        each, x = self._each(pictures, x), x.flatten(0, 1)
        if self.whole:
            return torch.lerp(x, each, sum(self.blend) / 2)
        half = torch.full((many,), self.size / 2).to(each)
        right, down = (
            (centre - self.size / 2).round() + self.size / 2 for centre in self._centres(half, backgrounds, generator)
        )
        moved = placement(right, down, half, torch.zeros_like(half))
        return self._pasted(each, x, moved.repeat(count, 1, 1))

    def _each(self, pictures: Tensor, backgrounds: Tensor) -> Tensor:
        """Pictures in the size that they are pasted in, one copy for each background, [C * B, 3, s, s]."""
        height, width = backgrounds.shape[-2:] if self.whole else (self.size, self.size)
        return fitted(pictures, height, width).repeat_interleave(backgrounds.shape[1], 0)

    def _centres(self, half: Tensor, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Centres of patches in pixels, (right, down), so that unturned ones lie within the canvas."""
        height, width = x.shape[-2:]
        right, down = (uniform(generator, len(half), *self.place, half) for _ in range(2))
        return half + right * (width - 2 * half).clamp(min=0), half + down * (height - 2 * half).clamp(min=0)

    def _pasted(self, each: Tensor, x: Tensor, to_canvas: Tensor) -> Tensor:
        alpha = self._alpha(each).expand(len(each), 1, *each.shape[2:])
        moved = sampled(torch.cat((each * alpha, alpha), 1), to_canvas, x.shape[-2], x.shape[-1])
        return (1 - moved[:, 3:]) * x + moved[:, :3]

    def _alpha(self, pictures: Tensor) -> Tensor:
        """[1, 1, h, w]: 1 inside of the outline."""
        height, width = pictures.shape[-2:]
        if self.outline == "square" or self.whole:
            return pictures.new_ones(1, 1, height, width)
        down, right = (torch.arange(length) + 0.5 - length / 2 for length in (height, width))
        inside = min(height, width) / 2 - torch.hypot(down[:, None], right[None])
        return (inside + 0.5).clamp(0, 1).to(pictures).view(1, 1, height, width)


def fitted(pictures: Tensor, height: int, width: int) -> Tensor:
    """Pictures [N, 3, h, w] in another size, smoothed where they shrink."""
    if pictures.shape[-2:] == (height, width):
        return pictures
    return F.interpolate(pictures, (height, width), mode="bilinear", antialias=True, align_corners=False)


def drawn_backgrounds(seen: Tensor, count: int, batch: int, generator: torch.Generator) -> Tensor:
    """Backgrounds of one step, [C, B, 3, H, W]: for each of `count` pictures a batch of its own."""
    return seen[torch.randint(len(seen), (count, batch), generator=generator).to(seen.device)]
