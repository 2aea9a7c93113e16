"""judged(): every gallery before every judge, the truth among eight options; study_of(): the same before people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..data.images import ImageDataset
from ..redteam import Trojan
from ..redteam.judge import Embedding, Judged, Question, asked, judge, question
from ..redteam.judge.multiple_choice import Verdict, prototypes
from ..redteam.survey import Shown, write_study
from .red_team_galleries import Hunt
from .red_team_networks import TROJANED, TWIN, Suspects
from .red_team_trojans import enlarged, options

if TYPE_CHECKING:
    from .red_teaming import RedTeamRun

JUDGED_AT = 32
"""Pixels to which pictures are enlarged at least before they are judged."""
SHOWN_AT = 96
"""Pixels of an option before a person."""
TOGETHER = "all together"
"""The pictures of all methods as one gallery."""


@dataclass(frozen=True)
class Verdicts:
    """What the judges said.

    Args:
        judged: by network; one of each method, trojan and judge.
        left_out: questions whose true trigger the judge itself does not know, by judge.
    """

    judged: dict[str, list[Judged]]
    left_out: dict[str, dict[str, Verdict]]


def judged(
    config: RedTeamRun, found: Suspects, hunts: Sequence[Hunt], judges: Sequence[Embedding], test: ImageDataset
) -> Verdicts:
    """Judge every gallery, and all those of a trojan as one."""
    verdicts = Verdicts({name: [] for name in found.names}, {})
    for embedding in judges:
        for trojan in found.kept:
            side = config.side if trojan.kind == "patch" else test.images.shape[-1]
            mine = [hunt for hunt in hunts if hunt.trojan.name == trojan.name]
            one = trojan_question(trojan, test, side=side, shown=JUDGED_AT, seed=config.seed)
            kept, left_out = asked({trojan.name: one}, embedding, side=JUDGED_AT, seed=config.seed)
            verdicts.left_out.setdefault(embedding.name, {}).update(left_out)
            if not kept:
                continue
            known = prototypes(one.options, embedding, seed=config.seed)
            for name in found.names:
                for method in (*config.synthesis, *([TOGETHER] if len(config.synthesis) > 1 else [])):
                    both = []
                    for which in (TROJANED, TWIN):
                        pictures = [
                            enlarged(hunt.gallery.pictures, JUDGED_AT)
                            for hunt in mine
                            if (hunt.network, hunt.which) == (name, which) and method in (hunt.method, TOGETHER)
                        ]
                        answers = [judge(each, one, embedding, seed=config.seed, known=known) for each in pictures]
                        both.append(mean_verdict(answers))
                    verdicts.judged[name].append(
                        Judged(
                            method=method, trojan=trojan.name, judge=embedding.name, verdicts=(both[0],),
                            twin=(both[1],), kind=trojan.kind,
                        )
                    )  # fmt: skip
    return verdicts


def mean_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """One answer by the mean scores of several galleries."""
    scores = torch.tensor([verdict.scores for verdict in verdicts], dtype=torch.float64).mean(0)
    return Verdict(names=verdicts[0].names, truth=verdicts[0].truth, scores=tuple(scores.tolist()))


def trojan_question(trojan: Trojan, test: ImageDataset, *, side: int, shown: int, seed: int) -> Question:
    """Eight options for a trojan, the true one among them."""
    pictures = test.gather(torch.arange(len(test)))[0] if trojan.kind == "natural" else test.gather(torch.arange(1))[0]
    truth = trojan.name
    return question(truth, options(trojan.kind, pictures, side=side, shown=shown), seed=seed)


def study_of(config: RedTeamRun, found: Suspects, hunts: Sequence[Hunt], test: ImageDataset, folder: Path) -> None:
    """Write the study with which people can be asked; see `spikewright.redteam.survey`."""
    shown = []
    side = test.images.shape[-1]
    questions = {
        trojan.name: trojan_question(trojan, test, side=SHOWN_AT, shown=SHOWN_AT, seed=config.seed)
        for trojan in found.kept
    }
    for hunt in hunts:
        shown.append(
            Shown(
                method=hunt.method, network=f"{hunt.network}, {hunt.which}", trojan=hunt.trojan.name,
                gallery=enlarged(hunt.gallery.pictures, side), question=questions[hunt.trojan.name],
            )
        )  # fmt: skip
    write_study(folder, shown, title="Which picture do these bring to mind?", seed=config.seed)
