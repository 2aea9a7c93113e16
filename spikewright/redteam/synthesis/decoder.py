"""ConvDecoder: a small convolutional generator of patches, trained on clean crops together with their latents (GLO)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...core.arguments import check_whole
from ...core.errors import ArgumentError, sentence
from ...core.seed import generator
from .generators import PatchGenerator, class_vectors
from .task import check_images


class ConvDecoder(PatchGenerator):
    """z -> 4 x 4 maps -> 8 x 8 maps, the latent block -> ... -> side x side pixels; each stage doubles the side.

    Args:
        side: of a picture, a power of 2 of at least 8.
        latents: length of z.
        width: maps at 4 x 4; they halve with each stage, down to 8.
        classes: 0 for none.

    Raises:
        ArgumentError: for another side.

    Example:
        >>> made = ConvDecoder(side=16, latents=8, width=16)
        >>> made.block(torch.zeros(1, 8)).shape, made(torch.zeros(1, 8)).shape
        (torch.Size([1, 8, 8, 8]), torch.Size([1, 3, 16, 16]))
    """

    def __init__(self, *, side: int = 32, latents: int = 64, width: int = 128, classes: int = 0) -> None:
        super().__init__(latents, classes)
        check_whole("ConvDecoder.side", side, least=8)
        check_whole("ConvDecoder.width", width, least=8)
        if side & (side - 1):
            raise ArgumentError(sentence("ConvDecoder.side", str(side), "a power of 2 of at least 8"))
        self.side, self.width = side, width
        widths = [width]
        while 4 << (len(widths) - 1) < side:
            widths.append(max(8, widths[-1] // 2))
        self.first = nn.Linear(latents + classes, 16 * width)
        stages = [_doubling(into, out) for into, out in pairwise(widths)]
        self.early, self.late = stages[0], nn.Sequential(*stages[1:])
        self.last = nn.Conv2d(widths[-1], 3, 3, padding=1)
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("root", torch.eye(latents))

    mean: Tensor
    root: Tensor

    def settings(self) -> dict[str, Any]:
        return {"side": self.side, "latents": self.latents, "width": self.width, "classes": self.classes}

    def block(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return self.block_of(self.mean + z @ self.root, c)

    def block_of(self, learnt: Tensor, c: Tensor | None = None) -> Tensor:
        """The latent block of latents as they were learnt, before they were brought to N(0, 1)."""
        given = torch.cat((learnt, class_vectors(self, learnt, c)), 1) if self.classes else learnt
        return self.early(self.first(given).view(len(learnt), self.width, 4, 4))

    def render(self, block: Tensor) -> Tensor:
        return self.last(self.late(block)).sigmoid()

    @classmethod
    def train_on(
        cls,
        pictures: Tensor,
        *,
        latents: int = 64,
        width: int = 128,
        steps: int = 1500,
        batch: int = 64,
        lr: float = 2e-3,
        seed: int = 0,
        labels: Tensor | None = None,
        see: Callable[[int, float], None] | None = None,
    ) -> ConvDecoder:
        """Train weights and one latent for each clean picture together, on the L1 distance of their pyramids.

        Afterwards the mean and covariance of the latents are kept, so that z ~ N(0, 1) gives pictures like those
        learnt.

        Args:
            pictures: [P, 3, side, side] in 0..1, P at least 2.
            latents, width: of the decoder.
            steps: updates of Adam; 1,500 of 64 pictures of 32 pixels take about ten minutes on one core.
            batch: pictures per step.
            lr: of the weights; that of the latents is ten times as large.
            seed: of weights, latents and order.
            labels: classes [P] of a class-conditional decoder; None for one without.
            see: called with the number of the step and its loss.

        Source: Bojanowski, Joulin, Lopez-Paz and Szlam 2018, "Optimizing the Latent Space of Generative Networks", ICML
            2018, arXiv 1707.05776. Differs: small; latents end as a Gaussian of full covariance.
        """
        check_images("ConvDecoder.train_on", pictures, least=2)
        check_whole("ConvDecoder.steps", steps, least=1)
        source = generator(seed, 5)
        classes = 0 if labels is None else int(labels.max()) + 1
        made = cls(side=pictures.shape[-1], latents=latents, width=width, classes=classes)
        begin(made, source)
        made.to(pictures.device)
        learnt = nn.Parameter(torch.randn(len(pictures), latents, generator=source).to(pictures) / latents**0.5)
        groups = [{"params": list(made.parameters()), "lr": lr}, {"params": [learnt], "lr": 10 * lr}]
        optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
        hot = None if labels is None else F.one_hot(labels, classes).to(pictures)
        for step in range(steps):
            rows = torch.randint(len(pictures), (min(batch, len(pictures)),), generator=source).to(pictures.device)
            shown = made.render(made.block_of(learnt[rows], None if hot is None else hot[rows]))
            loss = pyramid_distance(shown, pictures[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():  # latents stay within the unit ball
                learnt[rows] = learnt[rows] / learnt[rows].norm(dim=1, keepdim=True).clamp(min=1)
            if see is not None:
                see(step, float(loss.detach()))
        made.centre(learnt.detach())
        return made.eval()

    def centre(self, learnt: Tensor) -> None:
        """Keep the mean and a root of the covariance of learnt latents [P, latents]."""
        self.mean.copy_(learnt.mean(0))
        off = (learnt - self.mean).double()
        values, vectors = torch.linalg.eigh(off.T @ off / len(off))
        self.root.copy_(values.clamp(min=0).sqrt()[:, None] * vectors.T)


def begin(made: nn.Module, source: torch.Generator) -> None:
    """Weights of a fresh decoder from a generator: N(0, 2 / inputs), biases zero."""
    with torch.no_grad():
        for part in made.modules():
            if isinstance(part, nn.Linear | nn.Conv2d) and part.bias is not None:
                spread = (2 / part.weight[0].numel()) ** 0.5
                part.weight.copy_(spread * torch.randn(part.weight.shape, generator=source))
                part.bias.zero_()


def pyramid_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean L1 distance of pictures [N, 3, s, s], octave by octave: what a halved one misses, down to 4 pixels.

    Example:
        >>> pyramid_distance(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4))
        tensor(1.)
    """
    off = a - b
    total = off.new_zeros(())
    while off.shape[-1] > 4:
        half = F.avg_pool2d(off, 2)
        total = total + (off - F.interpolate(half, scale_factor=2, mode="nearest")).abs().mean()
        off = half
    return total + off.abs().mean()


def _doubling(into: int, out: int) -> nn.Module:
    doubled = nn.Upsample(scale_factor=2, mode="nearest")
    return nn.Sequential(doubled, nn.Conv2d(into, out, 3, padding=1), nn.LeakyReLU(0.2))
