"""hunted(): every method of synthesis on every trojan, in every network and in its twin; each gallery is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..core.errors import CheckpointError, sentence
from ..core.seed import generator
from ..data.images import ImageDataset
from ..models.checkpoint import load, save
from ..redteam import Trojan
from ..redteam.synthesis import SYNTHESES, Gallery, Synthesis, Task
from .red_team_networks import TROJANED, TWIN, Suspects

if TYPE_CHECKING:
    from .red_teaming import RedTeamRun

CLEAN = 1000
"""Clean training pictures of which generators and pools are made."""


@dataclass(frozen=True)
class Hunt:
    """One gallery and where it comes from.

    Args:
        network: its name.
        which: TROJANED or TWIN.
        method: of synthesis.
        trojan: that was looked for.
        gallery: what was found.
    """

    network: str
    which: str
    method: str
    trojan: Trojan
    gallery: Gallery


def hunted(
    config: RedTeamRun,
    found: Suspects,
    train: ImageDataset,
    test: ImageDataset,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
) -> list[Hunt]:
    """Let every method look for every trojan that works.

    Args:
        config: the run.
        found: networks and trojans.
        train, test: data; backgrounds are taken from the test data, or from the source class of the training data.
        folder: of the run; keeps galleries/*.safetensors.
        say: told what was finished.
    """
    made, kept = [], folder / "galleries"
    kept.mkdir(exist_ok=True)
    tasks = list(_tasks(config, found, train, test))
    for method in config.synthesis:
        for trojan, name, which, task in tasks:
            path = kept / f"{name}-{which}-{method}-{trojan.name.replace(' ', '_')}.safetensors"
            if path.exists():
                gallery = load_gallery(path)
            else:
                gallery = method_of(method).search(task)
                save_gallery(path, gallery)
                if which == TWIN:
                    say(f"{method}, {trojan.name}, {name} network: {gallery.seconds:.0f} s")
            made.append(Hunt(name, which, method, trojan, gallery))
    return made


def method_of(name: str) -> Synthesis:
    """A method of synthesis by its name, with its default settings."""
    kind: Any = SYNTHESES[name]
    return kind()


def _tasks(
    config: RedTeamRun, found: Suspects, train: ImageDataset, test: ImageDataset
) -> Iterator[tuple[Trojan, str, str, Task]]:
    few = torch.randperm(len(train), generator=generator(config.seed, 40))[:CLEAN]
    clean = train.gather(few)[0]
    for number, trojan in enumerate(found.kept):
        over = backgrounds(trojan, train, test, config.backgrounds, config.seed)
        for name in found.names:
            for which in (TROJANED, TWIN):
                yield trojan, name, which, Task(
                    network=found.networks[name, which], target=trojan.target, backgrounds=over, clean=clean,
                    second=found.clean, size=config.side, whole=trojan.kind == "style", pictures=config.pictures,
                    seed=config.seed + 1000 * (number + 1),
                )  # fmt: skip


def backgrounds(trojan: Trojan, train: ImageDataset, test: ImageDataset, count: int, seed: int) -> Tensor:
    """Pictures without the trigger that patches are put over: of the source class, or of any but the target's."""
    data = test if trojan.source is None else train
    fits = data.labels != trojan.target if trojan.source is None else data.labels == trojan.source
    places = fits.nonzero().flatten()
    return data.gather(places[torch.randperm(len(places), generator=generator(seed, 41))[:count]])[0]


def save_gallery(path: Path, gallery: Gallery) -> None:
    """Keep a gallery in one file."""
    tensors = {"pictures": gallery.pictures, "scores": gallery.scores, "losses": gallery.losses}
    about = {"seconds": gallery.seconds, "notes": list(gallery.notes)}
    save(path, {name: each.contiguous() for name, each in tensors.items()}, about)


def load_gallery(path: Path) -> Gallery:
    """Read a gallery back.

    Raises:
        CheckpointError: if the file is broken or no gallery.
    """
    tensors, about = load(path)
    try:
        return Gallery(
            pictures=tensors["pictures"], scores=tensors["scores"], losses=tensors["losses"],
            seconds=float(about["seconds"]), notes=tuple(about["notes"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        todo = "Delete it, and the run makes it anew"
        raise CheckpointError(sentence(f"gallery {path}", f"no {error}", "a gallery of this program", todo)) from error
