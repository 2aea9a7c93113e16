"""The test itself: which of eight options some pictures look like most, and the oracle that a judge must pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ...core.errors import ArgumentError, ShapeError, sentence
from ...core.seed import generator
from .embed import Embedding
from .options import Option, Question, check_pictures

VIEWS = 8
"""Views of a drawn option that its prototype is the mean of."""
PHOTOS = 5
"""From so many pictures on an option is a collection of photos, which needs no made views."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge answered to one question about one gallery.

    Args:
        names: of the options, in the order of the question.
        truth: the place of the true one.
        scores: mean likeness of the pictures to each option, -1..1.
    """

    names: tuple[str, ...]
    truth: int
    scores: tuple[float, ...]

    @property
    def rank(self) -> float:
        """The place of the truth by score, from 1; among equals the mean of their places.

        Example:
            >>> Verdict(names=("a", "b", "c"), truth=0, scores=(0.5, 0.9, 0.5)).rank
            2.5
        """
        own = self.scores[self.truth]
        equal = sum(score == own for score in self.scores) - 1
        return 1 + sum(score > own for score in self.scores) + equal / 2

    @property
    def top1(self) -> float:
        """1 if the truth has the highest score, 0 if not; shared among equals."""
        best = max(self.scores)
        return (self.scores[self.truth] == best) / sum(score == best for score in self.scores)

    @property
    def reciprocal(self) -> float:
        """1 / rank; its mean is the MRR."""
        return 1 / self.rank

    @property
    def choice(self) -> str:
        """The name of the option with the highest score; the first of equals."""
        return self.names[max(range(len(self.scores)), key=self.scores.__getitem__)]


def prototypes(options: Sequence[Option], embedding: Embedding, *, seed: int = 0) -> Tensor:
    """What each option looks like to the judge, [K, D], vectors of length one.

    A drawn option is the mean over `VIEWS` views of each of its pictures (moved, scaled, brighter or darker; the first
    as it is), the same views for every option; one of `PHOTOS` or more pictures is the mean over them.
    """
    return torch.stack([_prototype(_seen(option, embedding, seed)) for option in options])


def judge(
    pictures: Tensor, question: Question, embedding: Embedding, *, seed: int = 0, known: Tensor | None = None
) -> Verdict:
    """Answer one question about one gallery.

        s_k = mean_v phi(v) . phi(o_k)

    Source: Casper et al. 2023, "Red teaming deep neural networks with feature synthesis tools", arXiv:2302.10894, has
        people and CLIP choose among eight options; this score stands in for CLIP's, whose rule is not stated.

    Args:
        pictures: [N, 3, H, W] in 0..1, what a method shows.
        question: the options.
        embedding: how the judge sees.
        seed: of the options' views.
        known: the `prototypes` of the question's options with this seed, where they are at hand.

    Raises:
        ShapeError: for pictures outside 0..1, or too small for the embedding.
    """
    _large_enough(pictures, embedding, "judge.pictures")
    own = prototypes(question.options, embedding, seed=seed) if known is None else known
    scores = (embedding(pictures) @ own.T).mean(dim=0)
    return Verdict(names=question.names, truth=question.truth, scores=tuple(scores.tolist()))


def oracle(question: Question, embedding: Embedding, *, side: int, seed: int = 0) -> Verdict:
    """Show the judge the true trigger itself, at the size of the galleries: what it must rank first.

    A drawn trigger is shrunk to that size. Of photos each is judged against the mean of the others, so that none is
    compared with itself.

    Args:
        question: the options.
        embedding: how the judge sees.
        side: pixels of the galleries' pictures.
        seed: of the options' views.
    """
    option = question.options[question.truth]
    own = prototypes(question.options, embedding, seed=seed)
    shrunk = option.pictures
    if tuple(shrunk.shape[2:]) != (side, side):
        shrunk = functional.interpolate(shrunk, size=(side, side), mode="bilinear", antialias=True).clamp(0, 1)
    _large_enough(shrunk, embedding, "oracle.side")
    scores = embedding(shrunk) @ own.T  # [n, K]
    if len(shrunk) >= PHOTOS:
        seen = embedding(option.pictures)
        others = functional.normalize(seen.sum(dim=0) - seen, dim=1)
        scores[:, question.truth] = (embedding(shrunk) * others).sum(dim=1)
    return Verdict(names=question.names, truth=question.truth, scores=tuple(scores.mean(dim=0).tolist()))


def asked(
    questions: Mapping[str, Question], embedding: Embedding, *, side: int, seed: int = 0
) -> tuple[dict[str, Question], dict[str, Verdict]]:
    """Keep the questions that the oracle passes; the others say more about the judge than about a method.

    Returns:
        The questions to ask, and the oracle's verdicts on those that are left out, by name.
    """
    kept: dict[str, Question] = {}
    left_out: dict[str, Verdict] = {}
    for name, question in questions.items():
        verdict = oracle(question, embedding, side=side, seed=seed)
        if verdict.top1 == 1:
            kept[name] = question
        else:
            left_out[name] = verdict
    return kept, left_out


def views(pictures: Tensor, count: int, *, seed: int) -> Tensor:
    """Each picture as it is, and moved, scaled, brighter or darker, [count * n, 3, h, w].

    Moves reach 6 % of the side, scales 0.85 to 1.1, contrast 0.8 to 1.2, brightness -0.1 to 0.1.
    """
    if count < 1:
        raise ArgumentError(sentence("views.count", repr(count), "a whole number >= 1"))
    draw = torch.rand(count, 5, generator=generator(seed, 0)) * 2 - 1
    draw[0] = 0
    scale, contrast = 1 / (0.975 + 0.125 * draw[:, 2]), 1 + 0.2 * draw[:, 3]
    scale[0] = 1
    moved = []
    for i in range(count):
        turn = torch.tensor([[scale[i], 0, 0.12 * draw[i, 0]], [0, scale[i], 0.12 * draw[i, 1]]])
        grid = functional.affine_grid(turn.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
        seen = functional.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=False)
        moved.append(((seen - 0.5) * contrast[i] + 0.5 + 0.1 * draw[i, 4]).clamp(0, 1))
    return torch.cat(moved)


def _seen(option: Option, embedding: Embedding, seed: int) -> Tensor:
    _large_enough(option.pictures, embedding, f"option {option.name!r}")
    photos = len(option.pictures) >= PHOTOS
    return embedding(option.pictures if photos else views(option.pictures, VIEWS, seed=seed))


def _prototype(seen: Tensor) -> Tensor:
    return functional.normalize(seen.mean(dim=0), dim=0)


def _large_enough(pictures: Tensor, embedding: Embedding, who: str) -> None:
    check_pictures(pictures, who)
    height, width = pictures.shape[2:]
    if min(height, width) < embedding.smallest:
        allowed = f"pictures of at least {embedding.smallest} pixels a side for {embedding.name}"
        todo = "Use PixelEmbedding, which takes any size"
        raise ShapeError(sentence(who, f"pictures of {height} x {width} pixels", allowed, todo))
