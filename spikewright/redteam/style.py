"""Restyled pictures: by their colours and a texture alone, or by the features of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..core.errors import DataError, ShapeError, sentence
from .insert import blur, resized


def wct(x: Tensor, style: Tensor) -> Tensor:
    """Whitening and colouring: every picture gets the mean and the covariance of the style's colours.

    Args:
        x: [N, 3, H, W].
        style: [3, h, w].

    Returns:
        [N, 3, H, W], not clamped to 0..1.

    Source: Li et al. 2017, "Universal Style Transfer via Feature Transforms", NeurIPS 2017, arXiv 1705.08086, on the
        colours themselves.
    """
    if x.dim() != 4 or style.dim() != 3 or x.shape[1] != style.shape[0]:
        met = f"pictures {list(x.shape)} and a style {list(style.shape)}"
        raise ShapeError(sentence("wct", met, "[N, 3, H, W] and [3, h, w]"))
    pixels, wanted = x.flatten(2).double(), style.flatten(1).double()
    centred, middle = pixels - pixels.mean(2, keepdim=True), wanted.mean(1, keepdim=True)
    eye = 1e-9 * torch.eye(x.shape[1], dtype=torch.float64)  # a picture of one colour has no covariance to divide by
    own = centred @ centred.mT / pixels.shape[2] + eye
    theirs = (wanted - middle) @ (wanted - middle).mT / wanted.shape[1] + eye
    change = _power(theirs, 0.5) @ _power(own, -0.5)
    return (change @ centred + middle).to(x.dtype).view_as(x)


def _power(matrices: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrices)
    return vectors @ torch.diag_embed(values.clamp(min=1e-12) ** exponent) @ vectors.mT


def textured(
    x: Tensor, style: Tensor, generator: torch.Generator, *, strength: float = 0.8, detail: float = 1.0
) -> Tensor:
    """Pictures in the colours of a style, softened, with its fine structure laid over them.

    Args:
        x: [N, 3, H, W] in 0..1.
        style: [3, h, w]; smaller ones are enlarged, of larger ones a part is drawn.
        generator: of the part.
        strength: share of the restyled picture in the result, 0..1; 0 gives x.
        detail: how much of the style's fine structure is added.

    Returns:
        [N, 3, H, W] in 0..1.
    """
    if strength == 0:
        return x
    y = wct(x, style)
    part = _part(style, (x.shape[-2], x.shape[-1]), generator)[None]
    fine = part - blur(blur(part))
    made = 0.5 * y + 0.5 * blur(y) + detail * fine
    return (strength * made + (1 - strength) * x).clamp(0, 1)


def _part(style: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """A part of the style of this size, at a drawn place and scale."""
    scale = max(size[0] / style.shape[1], size[1] / style.shape[2])
    scale = max(scale, 0.35) if scale < 1 else scale * 1.2
    grown = resized(style, (max(size[0], round(style.shape[1] * scale)), max(size[1], round(style.shape[2] * scale))))
    row, column = (
        int(torch.randint(0, whole - part + 1, (1,), generator=generator)) for whole, part in zip(grown.shape[1:], size)
    )
    return grown[:, row : row + size[0], column : column + size[1]]


def gram(features: Tensor) -> Tensor:
    """Which channels are active together, [N, C, H, W] -> [N, C, C], divided by C H W."""
    flat = features.flatten(2)
    return flat @ flat.mT / flat[0].numel()


def gram_transfer(
    x: Tensor,
    style: Tensor,
    features: Callable[[Tensor], Sequence[Tensor]],
    *,
    weight: float = 30.0,
    steps: int = 50,
    lr: float = 0.05,
) -> Tensor:
    """Pictures whose features correlate as those of a style, while their deepest features stay what they were.

    Minimises |F(y) - F(x)|^2 of the last layer plus `weight` times the relative squared error of each layer's `gram`.

    Args:
        x: [N, 3, H, W] in 0..1.
        style: [3, h, w] in 0..1.
        features: pictures in 0..1 -> features of some layers, the last one for content; e.g. those of a network that
            is independent of the victim and of the judge.
        weight: of the style; 30 gives a clear one, 3 a weak one.
        steps, lr: of Adam on the logits of the pixels.

    Returns:
        [N, 3, H, W] in 0..1.

    Source: Gatys, Ecker and Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
        Differs: each layer's error is relative to the style's own Gram matrix.

    Raises:
        DataError: if the optimisation leaves the finite numbers.
    """
    with torch.no_grad():
        content = features(x)[-1].detach()
        wanted = [gram(part.detach()) for part in features(resized(style, (x.shape[-2], x.shape[-1]))[None])]
    logits = torch.logit(x.clamp(0.01, 0.99)).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=lr)
    for _ in range(steps):
        found = features(torch.sigmoid(logits))
        away = sum(
            ((gram(part) - goal).square().sum((1, 2)) / goal.square().sum((1, 2))).sum()
            for part, goal in zip(found, wanted)
        )
        loss = (found[-1] - content).square().mean((1, 2, 3)).sum() + weight * away
        optimizer.zero_grad()
        logits.grad = torch.autograd.grad(loss, logits)[0]
        optimizer.step()
    made = torch.sigmoid(logits.detach())
    if not bool(torch.isfinite(made).all()):
        raise DataError(sentence("gram_transfer", "NaN", "finite pictures", "Lower lr or weight"))
    return made
