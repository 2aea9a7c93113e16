"""EventBudget: what budgets of frames of events share: whole numbers, changed one event at a time."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, DataError, sentence
from .budget import Budget, normal

NO_LIMIT = 2**40
"""More events than any frames hold."""


class Moves(NamedTuple):
    """Changes by one event each, the most promising first, R of them for each sample.

    A place is an entry of the flattened sample. Where a sample has fewer than R, `gain` is minus infinity and `by` 0.
    """

    places: Tensor  # [N, R, W]: the entries that a move changes, W = 1 or 2
    by: Tensor  # [N, R, W]: what is added to each of them
    gain: Tensor  # [N, R]: rise of a linear function

    def applied(self, z: Tensor, chosen: Tensor) -> Tensor:
        """Frames z [N, ...] after the chosen moves, [N, R] of booleans."""
        by = (self.by * chosen[..., None]).flatten(1)
        return z.flatten(1).scatter_add(1, self.places.flatten(1), by.to(z.dtype)).view_as(z)

    def one(self, number: int) -> Moves:
        """The move of that number alone, R = 1."""
        return Moves(*(part[:, number : number + 1] for part in self))

    def in_order(self, key: Tensor) -> Moves:
        """The same moves, sorted by a key [N, R], the largest first."""
        order = key.argsort(dim=1, descending=True, stable=True)
        wide = order[..., None].expand_as(self.places)
        return Moves(self.places.gather(1, wide), self.by.gather(1, wide), self.gain.gather(1, order))


@dataclass(frozen=True, kw_only=True)
class EventBudget(Budget):
    """Frames hold whole numbers of events, and the size of a perturbation is a number of events.

    Args:
        eps: most events changed, a whole number.
        low: 0; an entry cannot hold fewer events.
        high: most events in one entry; an entry that holds more in x itself may keep them.
    """

    discrete: ClassVar[bool] = True
    eps: int = 10
    low: float = 0.0
    high: float = math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(f"{type(self).__name__}.eps", self.eps, least=0)
        if self.low != 0:
            raise ArgumentError(
                sentence(f"{type(self).__name__}.low", repr(self.low), "0, the fewest events there are")
            )

    @abstractmethod
    def moves(self, z: Tensor, x: Tensor, gradient: Tensor, count: int) -> Moves:
        """The changes of z by one event along which a linear function with this gradient rises most, at most `count`.

        They are legal by themselves; together with what is changed in z already, `contains` decides.
        """

    def check(self, x: Tensor) -> None:
        if bool((x != x.round()).any()) or bool((x < 0).any()):
            todo = "Make frames of counts, e.g. by TimeBins; for other values take Linf or L2"
            raise DataError(sentence(type(self).__name__, "values that count nothing", "whole numbers of events", todo))

    def contains(self, z: Tensor, x: Tensor) -> Tensor:
        """Whether each sample is allowed, exactly, [N]."""
        sound = (z == z.round()) & (z >= 0) & (z <= x.clamp(min=self.high))
        return sound.flatten(1).all(1) & (self.distance(z, x) <= self.eps)

    def scaled(self, share: float) -> Self:
        return replace(self, eps=math.ceil(share * self.eps))

    @abstractmethod
    def together(self, places: Tensor, x: Tensor) -> Tensor:
        """The entries [N, L] whose legality and share of the distance hang on those at some places, [N]."""

    def greedily(self, z: Tensor, x: Tensor, moves: Moves, most: Tensor) -> tuple[Tensor, Tensor]:
        """Make the moves in their order, each only if what comes out is allowed, until `most` [N] are made.

        Only the few entries on which a move bears are looked at, so that its cost does not grow with the frames.

        Args:
            z: allowed frames to begin with, [N, ...].
            x: what was there before the attack.

        Returns:
            The frames [N, ...], and which moves were made, [N, R].
        """
        anything, size = replace(self, eps=NO_LIMIT), self.distance(z, x)
        flat, origin = z.flatten(1).clone(), x.flatten(1)
        made = torch.zeros_like(moves.gain, dtype=torch.bool)
        left = moves.gain.isfinite()
        for number in range(moves.gain.shape[1]):
            wants = made.sum(1) < most
            if not bool((wants & left[:, number:].any(1)).any()):
                break
            places, trying = moves.places[:, number], left[:, number] & wants
            near = self.together(places[:, 0], x)
            known, before = origin.gather(1, near)[..., None], flat.gather(1, near)[..., None]
            by = moves.by[:, number].to(z.dtype) * trying[:, None]
            flat.scatter_add_(1, places, by)
            after = flat.gather(1, near)[..., None]
            new = size - self.distance(before, known) + self.distance(after, known)
            made[:, number] = trying & anything.contains(after, known) & (new <= self.eps)
            flat.scatter_add_(1, places, torch.where(made[:, number, None], 0, -by))
            size = torch.where(made[:, number], new, size)
        return flat.view_as(z), made

    def sample(self, x: Tensor, generator: torch.Generator) -> Tensor:
        most = torch.randint(0, self.eps + 1, (len(x),), generator=generator, device=generator.device)
        return self._at_random(x, generator, most.to(x.device))

    def edge(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """As many random changes as allowed, each drawn among all that are legal."""
        return self._at_random(x, generator, torch.full((len(x),), self.eps, device=x.device))

    def _at_random(self, x: Tensor, generator: torch.Generator, most: Tensor) -> Tensor:
        if not self.eps:
            return x.clone()
        moves = self.moves(x, x, normal(x, generator), 2 * self.eps)  # twice, as some exclude each other
        return self.greedily(x, x, moves, most)[0]


def changes_of_one_entry(z: Tensor, highest: Tensor | float, gradient: Tensor, count: int) -> Moves:
    """One event more, or one less, in one entry of z, where the gradient asks for it and it is legal.

    Example:
        >>> frames, gradient = torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([[-2.0, -1.0, 5.0]])
        >>> changes_of_one_entry(frames, 1.0, gradient, 1).by  # neither less than 0 nor more than 1
        tensor([[[-1.]]])
    """
    legal = ((gradient > 0) & (z + 1 <= highest)) | ((gradient < 0) & (z >= 1))
    gain = torch.where(legal, gradient.abs(), -math.inf).flatten(1)
    best, places = gain.topk(min(count, gain.shape[1]), dim=1)
    by = torch.where(best.isfinite(), gradient.flatten(1).gather(1, places).sign(), 0)
    return Moves(places[..., None], by[..., None], best)


def steepest_entry(gradient: Tensor) -> Tensor:
    """The sign of the largest entry of each sample's gradient, 0 elsewhere: steepest where a change of 1 costs 1.

    Example:
        >>> steepest_entry(torch.tensor([[1.0, -3.0]]))
        tensor([[ 0., -1.]])
    """
    flat = gradient.flatten(1)
    place = flat.abs().argmax(1, keepdim=True)
    return torch.zeros_like(flat).scatter(1, place, flat.gather(1, place).sign()).view_as(gradient)


def largest(values: Tensor, count: int) -> Tensor:
    """Which `count` values of each row [N, M] are the largest; of equal ones the first.

    Example:
        >>> largest(torch.tensor([[1.0, 3.0, 1.0, 2.0]]), 3)
        tensor([[ True,  True, False,  True]])
    """
    order = values.argsort(dim=1, descending=True, stable=True)[:, :count]
    return torch.zeros_like(values, dtype=torch.bool).scatter(1, order, True)
