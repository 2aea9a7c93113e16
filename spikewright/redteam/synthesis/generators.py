"""Generators of patches fitted to clean pictures: principal components in seconds; the interface; crops; files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.arguments import check_whole
from ...core.errors import DataError, ShapeError, sentence
from ...core.fill import fill
from ...core.seed import generator
from ...models.checkpoint import load, save
from .placing import fitted
from .task import Task, check_images

FLOOR = 0.02
"""Pixels are kept so far from 0 and 1 before their logits are taken."""


class PatchGenerator(nn.Module, ABC):
    """Latents, and of a class-conditional one a class vector, to pictures, in two halves with a latent block between.

    Args:
        latents: length of z ~ N(0, 1).
        classes: length of the class vector; 0 for a generator without classes.
    """

    def __init__(self, latents: int, classes: int) -> None:
        super().__init__()
        self.latents, self.classes = latents, classes

    @abstractmethod
    def block(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Latents [N, latents] and class vectors [N, classes] -> what a perturbation is added to, [N, ...]."""

    @abstractmethod
    def render(self, block: Tensor) -> Tensor:
        """Latent blocks -> pictures [N, 3, h, w] in 0..1."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The arguments that build it, for its file."""

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Latents and class vectors -> pictures [N, 3, h, w] in 0..1."""
        return self.render(self.block(z, c))

    def write(self, path: Path) -> None:
        """Write the weights and what builds the generator into a `.safetensors` file."""
        save(path, self.state_dict(), {"generator": type(self).__name__, "settings": self.settings()})

    @classmethod
    def read(cls, path: Path) -> PatchGenerator:
        """A generator from its file, of the class that this is called on.

        Raises:
            DataError: if the file holds another generator.
            CheckpointError: if it is broken.
        """
        tensors, description = load(path)
        if description.get("generator") != cls.__name__:
            met = f"{path} with {description.get('generator', 'no generator')}"
            raise DataError(sentence(f"{cls.__name__}.read", met, f"a file of {cls.__name__}"))
        made = cls(**description["settings"])
        fill(made, tensors, f"generator {path}")
        return made.eval()


class PCAGenerator(PatchGenerator):
    """p = sigmoid(m + b U) with b = z A + o + c V: the directions in which the logits of clean pixels vary most.

    The latent block is b; the rows of U have the lengths of the standard deviations, so that z ~ N(0, 1) is natural. V
    holds the place of each class. m and U are what pictures are like and stay; A and o, the identity and zero at first,
    are weights like V, which a method may tune without leaving what pictures are like.

    Args:
        height, width: of a picture.
        latents: number of directions.
        classes: 0 for none.

    Example:
        >>> made = PCAGenerator.fit(torch.rand(20, 3, 4, 4), latents=5)
        >>> made(torch.zeros(2, 5)).shape
        torch.Size([2, 3, 4, 4])
    """

    def __init__(self, *, height: int, width: int, latents: int, classes: int = 0) -> None:
        super().__init__(latents, classes)
        self.height, self.width = height, width
        self.register_buffer("mean", torch.zeros(3 * height * width))
        self.register_buffer("directions", torch.zeros(latents, 3 * height * width))
        self.mixing, self.offset = nn.Parameter(torch.eye(latents)), nn.Parameter(torch.zeros(latents))
        self.places = nn.Parameter(torch.zeros(classes, latents))

    mean: Tensor
    directions: Tensor

    def settings(self) -> dict[str, Any]:
        return {"height": self.height, "width": self.width, "latents": self.latents, "classes": self.classes}

    def block(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        moved = z @ self.mixing + self.offset
        return moved + class_vectors(self, z, c) @ self.places if self.classes else moved

    def render(self, block: Tensor) -> Tensor:
        return (self.mean + block @ self.directions).sigmoid().view(-1, 3, self.height, self.width)

    @classmethod
    def fit(cls, pictures: Tensor, latents: int = 128, labels: Tensor | None = None) -> PCAGenerator:
        """Fit to clean pictures [P, 3, h, w] in 0..1; with labels [P] of their classes it becomes class-conditional.

        At most P - 1 directions are there.

        Raises:
            ShapeError, DataError: for pictures or labels that do not fit.
        """
        check_images("PCAGenerator.fit", pictures, least=2)
        check_whole("PCAGenerator.latents", latents, least=1)
        if labels is not None and (labels.shape != pictures.shape[:1] or labels.is_floating_point()):
            met = f"labels of shape {list(labels.shape)} in {labels.dtype}"
            raise ShapeError(sentence("PCAGenerator.fit", met, f"whole numbers [{len(pictures)}]"))
        logits = pictures.clamp(FLOOR, 1 - FLOOR).logit().flatten(1).double()
        mean = logits.mean(0)
        directions, lengths = principal(logits - mean, min(latents, len(pictures) - 1, logits.shape[1]))
        classes = 0 if labels is None else int(labels.max()) + 1
        made = cls(height=pictures.shape[2], width=pictures.shape[3], latents=len(lengths), classes=classes)
        with torch.no_grad():
            made.mean.copy_(mean)
            made.directions.copy_(directions * lengths[:, None])
            if labels is not None:
                inside = (logits - mean) @ directions.T / lengths.clamp(min=1e-6)
                for label in labels.unique().tolist():
                    made.places[label] = inside[labels == label].mean(0).to(made.places)
        return made.to(pictures.device).eval()


def principal(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Unit vectors [L, D] along which rows vary most, and the standard deviations along them, [L].

    Args:
        x: rows [P, D] of mean zero.
        count: L, at most min(P, D).
    """
    if len(x) > x.shape[1]:
        values, vectors = torch.linalg.eigh(x.T @ x)
        directions = vectors.T.flip(0)[:count]
    else:  # the smaller of the two matrices of products has the same values
        values, vectors = torch.linalg.eigh(x @ x.T)
        directions = torch.nn.functional.normalize(vectors.T.flip(0)[:count] @ x, dim=1)
    return directions, (values.flip(0)[:count].clamp(min=0) / len(x)).sqrt()


def class_vectors(made: PatchGenerator, z: Tensor, c: Tensor | None) -> Tensor:
    """The class vectors of latents; ShapeError unless there is one of the right length for each."""
    if c is None or c.shape != (len(z), made.classes):
        met = "no class vectors" if c is None else f"class vectors of shape {list(c.shape)}"
        raise ShapeError(sentence(type(made).__name__, met, f"[{len(z)}, {made.classes}]"))
    return c


def natural_crops(
    pictures: Tensor, count: int, height: int, width: int, source: torch.Generator, least: int | None = None
) -> Tensor:
    """Square crops of random size and place, as pictures of one size.

    Args:
        pictures: [P, 3, h, w].
        count: number of crops.
        height, width: of the result.
        source: of sizes and places.
        least: smallest side of a crop, limited by the pictures; None for the whole pictures, in random order.

    Returns:
        [count, 3, height, width].
    """
    rows, columns = pictures.shape[-2:]
    chosen = torch.randint(len(pictures), (count,), generator=source).tolist()
    if least is None:
        return fitted(pictures[chosen], height, width)
    most = min(rows, columns)
    found = []
    for picture in chosen:
        side = int(torch.randint(min(least, most), most + 1, (), generator=source))
        top = int(torch.randint(0, rows - side + 1, (), generator=source))
        left = int(torch.randint(0, columns - side + 1, (), generator=source))
        crop = pictures[picture : picture + 1, :, top : top + side, left : left + side]
        found.append(fitted(crop, height, width))
    return torch.cat(found)


def default_generator(task: Task, crops: int = 1000, latents: int = 128) -> PCAGenerator:
    """The generator of a task for which none is given: principal components of crops of its clean pictures."""
    least = None if task.whole else task.size
    found = natural_crops(task.clean, crops, *task.shape, generator(task.seed, 4), least)
    return PCAGenerator.fit(found.clamp(0, 1), latents)
