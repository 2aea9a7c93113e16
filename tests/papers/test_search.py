"""Finding papers by word, author, venue and year."""

import pytest

from spikewright.core.errors import ArgumentError
from spikewright.papers import COLUMNS, Paper, as_rows, load, nearest_authors, search


def ids(papers: list[Paper]) -> list[str]:
    """The ids of the papers, in order."""
    return [paper.id for paper in papers]


def test_without_conditions_all_papers_are_found() -> None:
    assert search() == list(load())


@pytest.mark.parametrize("query", ["dcgs", "DCGS", " Training-FREE  coding differential "])
def test_words_are_found_in_id_and_title_in_any_order(query: str) -> None:
    assert ids(search(query)) == ["dcgs"]


def test_words_are_found_in_topics_summary_authors_and_name() -> None:
    assert ids(search("reinforcement learning")) == ["proxy_target"]
    assert ids(search("heat maps edge detector")) == ["red_team"]
    assert ids(search("hadfield-menell")) == ["red_team"]
    assert ids(search("h-mt")) == ["hmt"]


def test_all_words_must_occur() -> None:
    assert search("conversion dendrite") == []
    assert set(ids(search("conversion offset"))) == {"cos"}


def test_an_author_is_the_whole_name_regardless_of_case_and_accents() -> None:
    assert len(search(author="TONG BU")) == 13
    assert ids(search(author="wei fang")) == ["qcfs", "dcgs"]
    assert ids(search(author="  Stéphen   Càsper ")) == ["red_team"]
    assert search(author="Bu") == []
    assert search(author="Tong B") == []


def test_venue_with_and_without_year() -> None:
    assert set(ids(search(venue="iclr"))) == {"qcfs", "cos", "lmh", "hart"}
    assert ids(search(venue="ICLR 2024")) == ["lmh", "hart"]
    assert search(venue="ICLR 2021") == []
    assert search(venue="IC") == []


def test_conditions_combine() -> None:
    assert ids(search(year=2022)) == ["opi", "qcfs", "snn_rat"]
    assert ids(search("conversion", author="Jianhao Ding", venue="AAAI", year=2023)) == ["srp"]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"author": " "}, "papers.search author: got ' '; expected a name, or None for any"),
        ({"venue": ""}, "papers.search venue: got ''; expected a name, or None for any"),
        ({"year": "2022"}, "papers.search year: got '2022'; expected a whole number, or None for any"),
        ({"year": True}, "papers.search year: got True; expected a whole number"),
    ],
)
def test_impossible_conditions_are_refused(conditions: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        search(**conditions)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("Tonk Bu", "Tong Bu"),
        ("Bu, Tong", "Tong Bu"),
        ("bu", "Tong Bu"),
        ("Zaofei Yu", "Zhaofei Yu"),
        ("Steven Casper", "Stephen Casper"),
        ("Hadfield Menell", "Dylan Hadfield-Menell"),
    ],
)
def test_the_meant_author_comes_first(asked: str, meant: str) -> None:
    assert nearest_authors(asked)[0] == meant


def test_nearest_authors_is_bounded_and_may_be_empty() -> None:
    assert nearest_authors("Huang") == ["Tiejun Huang", "Zihan Huang"]
    assert nearest_authors("Huang", count=1) == ["Tiejun Huang"]
    assert nearest_authors("qqqq") == []
    assert nearest_authors("") == []


def test_rows_match_the_columns() -> None:
    rows = as_rows(search(year=2022))
    assert COLUMNS == ("id", "title", "authors", "venue", "implemented", "command")
    assert all(len(row) == len(COLUMNS) for row in rows)
    row = dict(zip(COLUMNS, rows[0], strict=True))
    assert row["authors"] == "Tong Bu, Jianhao Ding, Zhaofei Yu, Tiejun Huang"
    assert row["venue"] == "AAAI 2022"
    assert row["implemented"] == "OPI"


def test_rows_say_when_nothing_exists_yet() -> None:
    paper = next(p for p in load() if not p.implemented and p.command is None)
    assert as_rows([paper])[0][-2:] == ("not yet", "-")
