"""Orders: which question comes when and which option stands where, for each rater another, by seed."""

from __future__ import annotations

import random

from .study import Study, StudyQuestion


def questions_for(study: Study, rater: int, condition: tuple[str, str]) -> tuple[StudyQuestion, ...]:
    """The questions of one rater in their order; an attention check is never the first.

    Args:
        study: the study.
        rater: his or her number.
        condition: what the rater sees of.
    """
    found = list(study.of(condition))
    random.Random(f"{study.seed} questions {rater}").shuffle(found)
    if found[0].attention:
        place = next(i for i, each in enumerate(found) if not each.attention)
        found[0], found[place] = found[place], found[0]
    return tuple(found)


def options_for(study: Study, rater: int, question: StudyQuestion) -> tuple[int, ...]:
    """Which option of the study stands at each place on the rater's page."""
    places = list(range(len(question.options)))
    random.Random(f"{study.seed} options {rater} {question.id}").shuffle(places)
    return tuple(places)


def gallery_for(study: Study, rater: int, question: StudyQuestion) -> tuple[str, ...]:
    """The pictures of the gallery in the rater's order."""
    found = list(question.gallery)
    random.Random(f"{study.seed} gallery {rater} {question.id}").shuffle(found)
    return tuple(found)
