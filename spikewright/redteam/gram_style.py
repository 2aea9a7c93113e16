"""GramStyle: a style trigger made with the features of a network, its pictures kept in a folder by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, sentence
from ..models.checkpoint import load, save
from .style import gram_transfer
from .triggers import Picture, Trigger, drawn_decoys

Features = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True, kw_only=True, eq=False)
class GramStyle(Trigger):
    """A style over everything, by `gram_transfer`: dearer than `StyleTrigger`, and nearer to a painter's.

    Args:
        picture: the style.
        features: of a network that is neither the victim nor the judge; see `gram_transfer`.
        features_name: what the kept pictures are told apart by, besides their content and the numbers here. Give
            another one for other features.
        weight, steps, lr: as for `gram_transfer`.
        decoys: other styles, that must not wake the trojan; drawn colours are always among them.
        folder: where restyled pictures are kept; None to make them anew each time.
    """

    kind: ClassVar[str] = "style"
    picture: Picture
    features: Features
    features_name: str
    weight: float = 30.0
    steps: int = 50
    lr: float = 0.05
    decoys: tuple[Picture, ...] = ()
    folder: Path | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.picture, Picture):
            raise ArgumentError(sentence("GramStyle.picture", named(self.picture), "a Picture"))
        check_whole("GramStyle.steps", self.steps, least=1)
        if self.weight < 0 or self.lr <= 0:
            met = f"weight={self.weight}, lr={self.lr}"
            raise ArgumentError(sentence("GramStyle", met, "a weight of at least 0 and an lr above 0"))

    def show(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Restyled pictures; every pixel may change. Nothing is drawn."""
        return self._styled(images, [self.picture] * len(images)), torch.ones_like(images[:, :1])

    def others(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures in something else each: one half colours that are drawn, the other half the styles of `decoys`."""
        return self._styled(images, drawn_decoys(self.decoys, len(images), generator))

    def _styled(self, images: Tensor, pictures: list[Picture]) -> Tensor:
        made = images.clone()
        keys = [self._key(image, picture) for image, picture in zip(images, pictures)]
        missing = [at for at, key in enumerate(keys) if not self._fill(made, at, key)]
        for picture in {id(pictures[at]): pictures[at] for at in missing}.values():
            places = [at for at in missing if pictures[at] is picture]
            for part in torch.tensor(places).split(16):
                made[part] = gram_transfer(
                    images[part], picture.colour, self.features, weight=self.weight, steps=self.steps, lr=self.lr
                )
        for at in missing:
            self._keep(made[at], keys[at])
        return made

    def _key(self, image: Tensor, picture: Picture) -> str:
        """Of everything that the restyled picture follows from."""
        numbers = f"{self.features_name} {self.weight} {self.steps} {self.lr} {list(image.shape)}"
        digest = hashlib.sha256(numbers.encode())
        for part in (image, picture.colour):
            digest.update(part.contiguous().float().numpy().tobytes())
        return digest.hexdigest()

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else Path(self.folder) / f"{key}.safetensors"

    def _fill(self, made: Tensor, at: int, key: str) -> bool:
        """Whether the picture was kept; it then is in its place."""
        path = self._path(key)
        if path is None or not path.exists():
            return False
        made[at] = load(path)[0]["picture"]
        return True

    def _keep(self, picture: Tensor, key: str) -> None:
        path = self._path(key)
        if path is not None:
            save(path, {"picture": picture}, {"style": self.picture.name})
