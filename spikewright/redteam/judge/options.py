"""A question of the multiple-choice test: eight pictures of one kind, of which one is the trigger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import ArgumentError, ShapeError, sentence
from ...core.seed import generator

OPTIONS = 8
"""How many options a question has, as in the source."""
KINDS = ("patch", "style", "natural")


@dataclass(frozen=True, kw_only=True, eq=False)
class Option:
    """One answer that can be chosen.

    Args:
        name: what it is called; never shown to who answers.
        pictures: [n, 3, h, w] in 0..1: the trigger's own picture, or several photos of an object.

    Raises:
        ShapeError: for pictures of another shape or outside 0..1.
    """

    name: str
    pictures: Tensor

    def __post_init__(self) -> None:
        check_pictures(self.pictures, f"Option {self.name!r}.pictures")


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """Eight options and which of them is true.

    Args:
        options: eight, with different names.
        truth: the place of the true one, 0..7.

    Raises:
        ArgumentError: for another number of options, a name that comes twice, or a truth that is not among them.
    """

    options: tuple[Option, ...]
    truth: int

    def __post_init__(self) -> None:
        names = [option.name for option in self.options]
        if len(names) != OPTIONS or len(set(names)) != OPTIONS:
            raise ArgumentError(sentence("Question.options", repr(names), f"{OPTIONS} options of different names"))
        if not 0 <= self.truth < OPTIONS:
            raise ArgumentError(sentence("Question.truth", repr(self.truth), f"a place from 0 to {OPTIONS - 1}"))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the options in their order."""
        return tuple(option.name for option in self.options)

    @property
    def answer(self) -> str:
        """The name of the true option."""
        return self.options[self.truth].name


def check_pictures(pictures: Tensor, who: str) -> None:
    """Refuse what is no batch of colour pictures in 0..1."""
    shape = tuple(pictures.shape)
    if pictures.ndim != 4 or shape[1] != 3 or not pictures.is_floating_point() or 0 in shape:
        raise ShapeError(sentence(who, f"{pictures.dtype} of shape {shape}", "floats of shape [N, 3, H, W], N >= 1"))
    low, high = float(pictures.min()), float(pictures.max())
    if not (low >= 0 and high <= 1):
        raise ShapeError(sentence(who, f"values from {low:g} to {high:g}", "values in 0..1"))


def question(truth: str, pool: Sequence[Option], *, seed: int) -> Question:
    """Draw a question: the true option once, seven others of the pool, in an order of the seed.

    Args:
        truth: the name of the true option.
        pool: options of one kind (patches, styles, or objects), the true one among them; at least eight.
        seed: of the draw; with the name it decides the others and the order, wherever they stand in the pool.

    Raises:
        ArgumentError: if the pool is too small, holds a name or a picture twice, or does not hold the truth.

    Example:
        >>> pool = [Option(name=str(i), pictures=torch.full((1, 3, 4, 4), i / 9)) for i in range(9)]
        >>> asked = question("3", pool, seed=0)
        >>> asked.answer, len(set(asked.names))
        ('3', 8)
    """
    ordered = sorted(pool, key=lambda option: option.name)
    names = [option.name for option in ordered]
    if len(set(names)) != len(names) or len(names) < OPTIONS:
        raise ArgumentError(sentence("question.pool", repr(names), f"at least {OPTIONS} options of different names"))
    if truth not in names:
        raise ArgumentError(sentence("question.truth", repr(truth), f"one of {', '.join(names)}"))
    for i, option in enumerate(ordered):
        for other in ordered[:i]:
            if option.pictures.shape == other.pictures.shape and bool((option.pictures == other.pictures).all()):
                met = f"the same pictures under the names {other.name!r} and {option.name!r}"
                raise ArgumentError(sentence("question.pool", met, "options that differ"))
    draw = generator(seed, *truth.encode())
    others = [option for option in ordered if option.name != truth]
    chosen = [others[i] for i in torch.randperm(len(others), generator=draw)[: OPTIONS - 1].tolist()]
    chosen.append(ordered[names.index(truth)])
    shuffled = tuple(chosen[i] for i in torch.randperm(OPTIONS, generator=draw).tolist())
    return Question(options=shuffled, truth=[option.name for option in shuffled].index(truth))
