"""The catalogue of papers: what it holds, that it is honest, and that a broken one is refused."""

import importlib
import json
import re
from pathlib import Path

import pytest

from spikewright.core.errors import DataError
from spikewright.papers import EVIDENCE, Paper, compare, load
from spikewright.papers.catalogue import parse

ROOT = Path(__file__).parents[2]

# name: venue, year, first author, how many authors
THIRTEEN = {
    "OPI": ("AAAI", 2022, "Tong Bu", 4),
    "QCFS": ("ICLR", 2022, "Tong Bu", 6),
    "SRP": ("AAAI", 2023, "Zecheng Hao", 5),
    "COS": ("ICLR", 2023, "Zecheng Hao", 5),
    "DCGS": ("ICML", 2025, "Zihan Huang", 9),
    "H-MT": ("AAAI", 2026, "Wenhan Zhang", 5),
    "LM-H": ("ICLR", 2024, "Zecheng Hao", 6),
    "AT-LIF": ("NeurIPS", 2025, "Tong Bu", 3),
    "SNN-RAT": ("NeurIPS", 2022, "Jianhao Ding", 5),
    "SGR": ("ICML", 2024, "Yujia Liu", 6),
    "HART": ("ICLR", 2024, "Zecheng Hao", 6),
    "Proxy Target": ("NeurIPS", 2025, "Zijie Xu", 5),
    "Red teaming": ("NeurIPS", 2023, "Stephen Casper", 7),
}


def record(**changes: object) -> dict[str, object]:
    """A complete record with the given fields changed."""
    texts = {
        "id": "x",
        "name": "X",
        "title": "About X",
        "venue": "ICLR",
        "year": 2020,
        "summary": "X is good.",
    }
    lists = {"code": [], "related": [], "implemented": [], "published": [], "ours": []}
    unknown = {"doi": None, "arxiv": None, "openreview": None, "command": None}
    return {**texts, **lists, **unknown, "authors": ["Ann Other"], "topics": ["things"], **changes}


def figure(**changes: object) -> dict[str, object]:
    """A complete published figure with the given fields changed."""
    case = {"dataset": "D", "network": "N", "setting": "T=4", "metric": "m"}
    return {**case, "value": 90.5, "evidence": "paper", "source": "Table 1", **changes}


def ours(**changes: object) -> dict[str, object]:
    """A complete number of our own with the given fields changed."""
    case = {"dataset": "D", "network": "N", "setting": "T=4", "metric": "m"}
    return {**case, "value": 89.5, "result_file": "benchmarks/results/x.json", **changes}


def parse_one(**changes: object) -> Paper:
    """The paper of a catalogue that holds the one changed record."""
    return parse(json.dumps({"papers": [record(**changes)]}))[0]


def test_the_thirteen_papers_are_there() -> None:
    found = {p.name: (p.venue, p.year, p.authors[0], len(p.authors)) for p in load()}
    assert found == THIRTEEN
    assert [p.year for p in load()] == sorted(p.year for p in load())


def test_authors_and_identifiers_are_well_formed() -> None:
    for paper in load():
        for author in paper.authors:
            assert re.fullmatch(r"\w+(?: \w\.)*(?: [\w-]+)+", author), author
        assert paper.arxiv is None or re.fullmatch(r"\d{4}\.\d{5}", paper.arxiv)
        assert paper.doi is None or paper.doi.startswith("10.")
        assert paper.openreview is None or re.fullmatch(r"[\w-]{10,12}", paper.openreview)
        assert all(re.fullmatch(r"[\w-]+/[\w-]+", code) for code in paper.code)


def test_summaries_have_three_to_five_sentences() -> None:
    for paper in load():
        assert 3 <= len(re.findall(r"[.?!](?: |$)", paper.summary)) <= 5, paper.id


def test_known_published_figures() -> None:
    def value(name: str, *case: str) -> tuple[float, str]:
        (paper,) = (p for p in load() if p.id == name)
        (hit,) = (f for f in paper.published if (f.dataset, f.network, f.setting) == case and "top-1" in f.metric)
        return hit.value, hit.evidence

    assert value("qcfs", "CIFAR-10", "ResNet-20", "T=4") == (83.75, "paper")
    assert value("qcfs", "CIFAR-10", "VGG-16", "ANN") == (95.52, "paper")
    assert value("srp", "ImageNet", "ResNet-34", "tau=8, T=2") == (64.32, "abstract")
    assert value("hmt", "ImageNet", "ResNet-34", "8 thresholds, optimised, T=2") == (76.276, "paper")
    assert value("dcgs", "ImageNet", "ViT-Small/16", "T=8") == (81.43, "summary")


def test_no_published_case_appears_twice_with_the_same_evidence() -> None:
    for paper in load():
        cases = [(f.dataset, f.network, f.setting, f.metric, f.evidence) for f in paper.published]
        assert len(cases) == len(set(cases)), paper.id


def test_shares_and_percentages_are_possible() -> None:
    for figure_ in (f for p in load() for f in p.published):
        if "accuracy (%)" in figure_.metric or "rate (%)" in figure_.metric:
            assert 1 <= figure_.value <= 100, figure_
        if "(share)" in figure_.metric:
            assert 0 <= figure_.value <= 1, figure_


def test_every_implemented_name_can_be_imported() -> None:
    names = [name for paper in load() for name in paper.implemented]
    assert names
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_every_own_number_has_its_result_file() -> None:
    for number in (n for p in load() for n in p.ours):
        assert (ROOT / number.result_file).is_file(), number


def test_commands_call_the_command_line() -> None:
    commands = {p.id: p.command for p in load() if p.command}
    assert commands["qcfs"] == "spikewright train --experiment cifar10_resnet20_qcfs_l4"
    assert all(command.startswith("spikewright ") for command in commands.values())
    assert all(p.implemented for p in load() if p.command)


def test_compare_joins_equal_cases_and_keeps_the_rest() -> None:
    paper = parse_one(
        published=[figure(), figure(setting="T=8", value=92)], ours=[ours(), ours(setting="T=1", value=50)]
    )
    pairs = [(c.published and c.published.value, c.ours and c.ours.value) for c in compare(paper)]
    assert pairs == [(90.5, 89.5), (92.0, None), (None, 50.0)]


def test_a_spread_is_optional() -> None:
    assert parse_one(published=[figure()]).published[0].spread is None
    assert parse_one(published=[figure(spread=2)]).published[0].spread == 2.0


def test_every_kind_of_evidence_is_explained() -> None:
    assert set(EVIDENCE) == {"paper", "abstract", "authors", "later paper", "summary"}
    assert {f.evidence for p in load() for f in p.published} <= set(EVIDENCE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"year": "2020"}, r"papers\[0\]\.year: got '2020'; expected a whole number"),
        ({"year": True}, r"papers\[0\]\.year: got True; expected a whole number"),
        ({"year": 1066}, r"x\.year: got 1066; expected a year from 1990 to 2100"),
        ({"title": " "}, r"papers\[0\]\.title: got ' '; expected text that is not empty"),
        ({"doi": 3}, r"papers\[0\]\.doi: got 3; expected text that is not empty or null"),
        ({"id": "No Good"}, r"id: got 'No Good'; expected small letters, digits and underscores"),
        ({"authors": []}, r"x\.authors: got an empty list; expected at least one entry"),
        ({"topics": "things"}, r"papers\[0\]\.topics: got 'things'; expected a list"),
        ({"authors": ["A B", 3]}, r"papers\[0\]\.authors\[1\]: got 3; expected text"),
        ({"colour": "red"}, r"papers\[0\]: got an unknown 'colour'; expected the fields id, name"),
        ({"published": ["90"]}, r"papers\[0\]\.published\[0\]: got str; expected an object with fields"),
        ({"published": [{"value": 1}]}, r"published\[0\]: got no 'dataset', no 'network'"),
        ({"published": [figure(evidence="hearsay")]}, "evidence: got 'hearsay'; expected one of: paper, "),
        ({"published": [figure(value="90")]}, r"value: got '90'; expected a finite number"),
        ({"published": [figure(value=float("nan"))]}, r"value: got nan; expected a finite number"),
        ({"ours": [ours(), ours(value=1)]}, r"x\.ours: got one case twice; expected one number per case"),
        ({"ours": [ours(network=None)]}, r"network: got None; expected text that is not empty\."),
    ],
)
def test_a_broken_record_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_one(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "got broken JSON at line 1; expected an object with 'papers'"),
        ("[]", "got another structure; expected an object with one field, the list 'papers'"),
        ('{"papers": 3}', "got another structure"),
        (json.dumps({"papers": [record(), record()]}), "id: got 'x' twice; expected one record per id"),
    ],
)
def test_a_broken_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(text)


def test_a_missing_data_file_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikewright.papers.catalogue.FILE", "elsewhere.json")
    load.cache_clear()
    try:
        with pytest.raises(DataError, match=r"elsewhere.json: got an unreadable file \(FileNotFoundError\)"):
            load()
    finally:
        load.cache_clear()
