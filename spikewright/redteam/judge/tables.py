"""Tables of judged galleries; none prints the score of a method without that of its clean twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from ...core.errors import ArgumentError, sentence
from ...report.table import Column, Table
from ...train.evaluate import wilson
from .controls import Judged, option_prior
from .multiple_choice import Verdict
from .statistics import Chance, bootstrap, paired_p, permutation_p

_TWIN = "the clean twin, with the same method, target and seeds"


def methods_table(judged: Sequence[Judged], *, tier: str, seed: int = 0) -> Table:
    """One row per method and judge, in the order of their first appearance: trojaned network, clean twin, difference.

    Args:
        judged: of each method, trojan and judge one.
        tier: what was run, e.g. "tier 0: drawn pictures, 16 px"; part of the title, so that no small-scale number
            stands beside a published one without it.
        seed: of the resamples and permutations.

    Raises:
        ArgumentError: if one has no verdicts on its twin, one comes twice, or there is none.
    """
    rows = []
    for (method, judge), each in _grouped(judged).items():
        gains = [one.gain for one in each]
        found = {one.trojan: one.verdicts for one in each}
        firsts = sum(verdict.top1 for one in each for verdict in one.verdicts)
        count = sum(len(one.verdicts) for one in each)
        low, high = wilson(round(firsts), count)
        gain_low, gain_high = bootstrap(gains, seed=seed)
        rows.append((
            method, judge, len(each), count,
            fmean(one.rank for one in each), fmean(one.control().rank for one in each),
            firsts / count, low, high, fmean(one.control().top1 for one in each),
            fmean(one.mrr for one in each), fmean(one.control().mrr for one in each),
            fmean(gains), gain_low, gain_high,
            permutation_p(found, seed=seed), paired_p(gains, seed=seed),
        ))  # fmt: skip
    chance = Chance(_options(judged))
    said = (
        f"Chance: top-1 {100 * chance.top1:.1f} %, MRR {chance.mrr:.3f}, mean rank {chance.rank:.1f}. "
        "Means are over trojans; the interval of the gain draws trojans again, 95 %."
    )
    return Table(f"Judged galleries ({tier})", _METHODS, tuple(rows), said)


def trojans_table(judged: Sequence[Judged], *, tier: str) -> Table:
    """One row per method, judge and trojan: mean 1 / rank and rank of the truth, on the network and on its twin.

    Raises:
        ArgumentError: as for `methods_table`.
    """
    rows = []
    for (method, judge), each in _grouped(judged).items():
        for one in each:
            twin = one.control()
            rows.append((
                method, judge, one.trojan, one.kind, len(one.verdicts), one.mrr, twin.mrr, one.rank, twin.rank,
                one.top1, twin.top1,
            ))  # fmt: skip
    columns = (
        Column("method"), Column("judge"), Column("trojan"), Column("kind"), Column("seeds"),
        Column("MRR", "", 3), Column("MRR of the twin", "", 3, _TWIN), Column("rank", "", 2),
        Column("rank of the twin", "", 2), Column("top-1", "%", 1), Column("top-1 of the twin", "%", 1),
    )  # fmt: skip
    return Table(f"Judged galleries by trojan ({tier})", columns, tuple(rows))


def prior_table(judged: Sequence[Judged]) -> Table:
    """How often each judge chooses each option on galleries of clean twins: its taste, before anything is planted.

    Raises:
        ArgumentError: as for `methods_table`.
    """
    verdicts: dict[str, list[Verdict]] = {}
    for each in _grouped(judged).values():
        for one in each:
            verdicts.setdefault(one.judge, []).extend(one.control().verdicts)
    rows = [(judge, name, share) for judge, seen in verdicts.items() for name, share in option_prior(seen).items()]
    columns = (Column("judge"), Column("option"), Column("chosen", "%", 1, "share of the galleries that offered it"))
    chance = f"Galleries of clean twins only; chance is {100 * Chance(_options(judged)).top1:.1f} %."
    return Table("Option prior", columns, tuple(rows), chance)


def left_out_table(left_out: Mapping[str, Verdict]) -> Table:
    """The questions that were not asked, because the judge does not know the true trigger when it sees it."""
    rows = tuple((name, verdict.rank, verdict.choice) for name, verdict in left_out.items())
    columns = (Column("question"), Column("rank of the truth", "", 1), Column("chosen instead"))
    return Table(
        "Questions not asked", columns, rows, "The judge was shown the true trigger and did not rank it first."
    )


_METHODS = (
    Column("method"), Column("judge"), Column("trojans"), Column("galleries"),
    Column("rank", "", 2), Column("rank of the twin", "", 2, _TWIN),
    Column("top-1", "%", 1), Column("low", "%", 1), Column("high", "%", 1, "ends of the 95 % Wilson interval of top-1"),
    Column("top-1 of the twin", "%", 1),
    Column("MRR", "", 3, "mean of 1 / rank of the truth"), Column("MRR of the twin", "", 3),
    Column("gain", "", 3, "mean paired difference in 1 / rank, network less twin"),
    Column("gain low", "", 3), Column("gain high", "", 3),
    Column("p", "", 4, "of the MRR when option labels are dealt anew, one-sided"),
    Column("p of the gain", "", 4, "of the paired difference, random signs, one-sided"),
)  # fmt: skip


def _grouped(judged: Sequence[Judged]) -> dict[tuple[str, str], list[Judged]]:
    found: dict[tuple[str, str], list[Judged]] = {}
    for one in judged:
        one.control()  # refuses a score without its twin before anything is written
        group = found.setdefault((one.method, one.judge), [])
        if any(one.trojan == other.trojan for other in group):
            met = f"{one.method} for {one.trojan} twice"
            raise ArgumentError(sentence("judged", met, "each method, trojan and judge once"))
        group.append(one)
    if not found:
        raise ArgumentError(sentence("judged", "none", "at least one judged method"))
    return found


def _options(judged: Sequence[Judged]) -> int:
    return len(judged[0].verdicts[0].names)
