"""Statistics and controls: chance, intervals, p-values, and tables that need a twin."""

import math

import pytest
import torch

from spikewright.core.errors import ArgumentError
from spikewright.redteam.judge import (
    Chance,
    Judged,
    Verdict,
    bootstrap,
    check_independent,
    fingerprints,
    left_out_table,
    methods_table,
    option_prior,
    paired_p,
    permutation_p,
    prior_table,
    trojans_table,
)
from spikewright.report import FigureSpec, Report, ReportError
from spikewright.report.plots import PLOTS
from spikewright.report.table import Column, Table

NAMES = tuple("abcdefgh")


def verdict(rank: int, truth: int = 0) -> Verdict:
    """The truth at a rank from 1 to 8, the others in order."""
    scores = [0.0] * 8
    others = [k for k in range(8) if k != truth]
    order = [*others[: rank - 1], truth, *others[rank - 1 :]]
    for place, k in enumerate(order):
        scores[k] = 1 - place / 10
    return Verdict(names=NAMES, truth=truth, scores=tuple(scores))


def judged(method: str, ranks: dict[str, list[int]], twins: dict[str, list[int]] | None = None) -> list[Judged]:
    """One per trojan; the twin has rank 4 where nothing else is said."""
    return [
        Judged(
            method=method, trojan=name, judge="pixels",
            verdicts=tuple(verdict(rank, i) for rank in each),
            twin=tuple(verdict(rank, i) for rank in (twins or {}).get(name, [4] * len(each))),
        )
        for i, (name, each) in enumerate(ranks.items())
    ]  # fmt: skip


def test_chance_is_what_the_source_says() -> None:
    chance = Chance(8)
    assert (chance.top1, chance.rank) == (0.125, 4.5)
    assert chance.mrr == pytest.approx(0.340, abs=5e-4)


def test_a_perfect_tool_is_no_chance_and_an_average_one_is() -> None:
    perfect = {f"t{i}": [verdict(1, i)] for i in range(6)}
    assert permutation_p(perfect, seed=0) < 0.001
    mixed = {f"t{i}": [verdict(rank, i)] for i, rank in enumerate((1, 3, 5, 6, 7, 8, 4, 2))}
    assert 0.3 < permutation_p(mixed, seed=0) < 0.7
    one = {"t": [verdict(1)] * 50}
    assert permutation_p(one, seed=0) == pytest.approx(1 / 8, abs=0.02)  # 50 seeds of one trigger are one observation
    with pytest.raises(ArgumentError, match="at least one of each"):
        permutation_p({}, seed=0)


def test_paired_signs_and_bootstrap() -> None:
    assert paired_p([0.4] * 8, seed=0) == pytest.approx(1 / 256, abs=0.003)
    assert paired_p([0.4, -0.4], seed=0) > 0.5
    low, high = bootstrap([0.1, 0.5, 0.9, 0.5], seed=0)
    assert 0.1 <= low < 0.5 < high <= 0.9
    assert all(math.isnan(end) for end in bootstrap([0.5], seed=0))
    assert bootstrap([0.1, 0.9], seed=1) == bootstrap([0.1, 0.9], seed=1)
    with pytest.raises(ArgumentError, match="a number between 0 and 1"):
        bootstrap([0.1, 0.2], seed=0, confidence=1)
    with pytest.raises(ArgumentError, match="one per trojan"):
        paired_p([], seed=0)


def test_no_table_prints_a_score_without_its_twin() -> None:
    alone = Judged(method="patch", trojan="star", judge="pixels", verdicts=(verdict(1),))
    for table in (lambda each: methods_table(each, tier="0"), lambda each: trojans_table(each, tier="0"), prior_table):
        with pytest.raises(ArgumentError, match="the score of patch for star: got no verdicts on the clean twin"):
            table([*judged("tabor", {"star": [1]}), alone])  # property 26
    with pytest.raises(ArgumentError, match="none; expected at least one"):
        methods_table([], tier="0")
    with pytest.raises(ArgumentError, match="tabor for star twice"):
        methods_table(judged("tabor", {"star": [1]}) * 2, tier="0")


def test_a_twin_that_does_not_fit_is_refused() -> None:
    common = {"method": "m", "trojan": "t", "judge": "pixels"}
    with pytest.raises(ArgumentError, match="one for each, with the same seeds"):
        Judged(**common, verdicts=(verdict(1), verdict(2)), twin=(verdict(1),))
    with pytest.raises(ArgumentError, match="got other questions"):
        Judged(**common, verdicts=(verdict(1),), twin=(verdict(1, 3),))
    with pytest.raises(ArgumentError, match="verdicts: got none"):
        Judged(**common, verdicts=())


def test_the_known_answer_comes_out_in_its_row() -> None:
    """Only the first method finds anything: it is the first row, the first mark and the top bar (property 28)."""
    ranks = {f"t{i}": [5, 6] for i in range(6)}
    each = judged("first", {name: [1, 1] for name in ranks}) + judged("second", ranks) + judged("third", ranks)
    table = methods_table(each, tier="tier 0")
    assert table.column("method") == ("first", "second", "third")
    assert table.column("top-1") == (1.0, 0.0, 0.0)
    assert table.column("MRR")[0] == 1.0
    assert table.column("gain")[0] == pytest.approx(0.75)
    assert table.column("p")[0] < 0.01 < 0.5 < table.column("p")[1]
    assert "tier 0" in table.title
    lines = [line for line in table.to_markdown().splitlines() if line.startswith("| first")]
    assert len(lines) == 1
    assert "100.0" in lines[0]
    figure = PLOTS["discovery"](table, chance=0.34)
    (ax,) = figure.axes
    labels = [text.get_text() for text in ax.get_yticklabels()]
    bars = ax.containers[0].patches
    longest = max(bars, key=lambda bar: bar.get_width())
    middle = longest.get_y() + longest.get_height() / 2
    assert labels[round(middle)] == "first"
    top = min if ax.yaxis_inverted() else max
    assert longest is top(bars, key=lambda bar: bar.get_y())
    spec = FigureSpec("a", "discovery", "c", table.title, options={"chance": 0.34})
    assert "first" in Report("r", "s", tables=(table,), figures=(spec,)).to_html()
    by_trojan = trojans_table(each, tier="tier 0")
    assert [row[0] for row in by_trojan.rows if row[5] == 1.0] == ["first"] * 6


def test_the_plot_refuses_a_score_without_its_twin() -> None:
    columns = (Column("method"), Column("MRR"), Column("MRR of the twin"))
    with pytest.raises(ReportError, match="b: got a score without that of the clean twin"):
        PLOTS["discovery"](Table("x", columns, (("a", 0.5, 0.4), ("b", 0.5, None))))
    assert PLOTS["discovery"](Table("x", columns, ())).axes


def test_the_prior_is_read_from_twins_only() -> None:
    each = judged("m", {"t0": [1, 1]}, {"t0": [2, 2]})  # on the twin the judge takes b, the first of the others
    assert prior_table(each).rows[0] == ("pixels", "b", 1.0)
    assert option_prior([verdict(1), verdict(2)]) == {"a": 0.5, "b": 0.5, **dict.fromkeys("cdefgh", 0.0)}


def test_questions_not_asked_are_listed() -> None:
    assert left_out_table({"q": verdict(3)}).rows == (("q", 3.0, "b"),)


def test_a_judge_that_shares_weights_is_refused() -> None:
    judge, victim = torch.nn.Linear(16, 16), torch.nn.Linear(16, 16)
    style = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(16, 16))
    check_independent(judge, {"victim": victim, "style features": style})  # property 25
    style[1].load_state_dict(judge.state_dict())
    with pytest.raises(ArgumentError, match="shares tensors of weights: 1 with style features"):
        check_independent(judge, {"victim": victim, "style features": style})
    fresh = (torch.nn.BatchNorm2d(64), torch.nn.BatchNorm2d(64))  # all ones and zeros: equal by their start
    check_independent(fresh[0], {"victim": fresh[1]})
    assert fingerprints(torch.nn.ReLU()) == frozenset()
