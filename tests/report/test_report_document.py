"""A report is its JSON: text, page and pictures can be made from it again."""

import functools
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from spikewright.report import Column, FigureSpec, Report, ReportError, Table
from spikewright.report.palette import COLOURS

TABLE = Table(
    "Accuracy & cost",
    (Column("recipe"), Column("T"), Column("accuracy", "%", note="of <all> images")),
    (("QCFS", 1, 0.639), ("QCFS", 32, 0.917), ("ANN", None, 0.918)),
    caption="On 1,000 images.",
)
LONG = Table("Long", (Column("layer"), Column("firing_rate")), tuple((f"l{i}", i / 100) for i in range(50)))


def sample() -> Report:
    return Report(
        "Conversion of <ResNet>",
        "It reaches **91.7 %**.\n\nSecond `paragraph`.",
        {
            "recipe": {"name": "QCFS", "L": 8},
            "timesteps": (1, 32),
            "data": "/mnt/private/cifar10",
            "limit": float("inf"),
        },
        {"date": "2026-03-01T14:05:09+00:00", "commit": "0123456789abcdef", "dirty": True, "device": "cpu", "seed": 0},
        (TABLE, LONG),
        (
            FigureSpec("accuracy", "accuracy_over_time", "Accuracy over T.", TABLE.title),
            FigureSpec("spikes", "raster", "Spikes.", arrays={"spikes": np.eye(3, dtype=np.int8)}, alt="A diagonal."),
        ),
        ("A note.",),
        ("Bu et al. 2022, https://doi.org/10.1/x.",),
        Table("Result", (Column("ANN accuracy", "%", note="test set"),), ((0.918,),)),
    )


@functools.cache
def sample_page() -> str:
    return sample().to_html()


class Page(HTMLParser):
    """Collects what a browser would see: tags with attributes, ids, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def test_json_round_trip_and_same_text_again() -> None:
    report = sample()
    back = Report.from_json(report.to_json())
    assert back == report
    assert back.to_json() == report.to_json()
    assert back.to_markdown() == report.to_markdown()
    assert back.to_html() == sample_page()
    spikes = back.figures[1].arrays["spikes"]
    assert spikes.dtype == np.int8
    assert np.array_equal(spikes, np.eye(3))


def test_private_paths_do_not_reach_the_report() -> None:
    for text in (sample().to_json(), sample().to_markdown(), sample_page()):
        assert "/mnt/private" not in text
        assert "…/cifar10" in text


def test_markdown_reads_from_top_to_bottom() -> None:
    text = sample().to_markdown()
    order = [
        "# Conversion of <ResNet>",
        "It reaches **91.7 %**.",
        "- ANN accuracy: **91.8 %** (test set)",
        "## Accuracy & cost",
        "| QCFS | 32 | 91.7 |",
        "![Accuracy over T.](figures/accuracy.svg)",
        "*Figure 1.* Accuracy over T.",
        "## Long",
        "The first 12 of 50 rows.",
        "All rows: [02-long.csv](tables/02-long.csv)",
        "## Figures",
        "![A diagonal.](figures/spikes.svg)",
        "## Notes",
        "## References",
        "1. Bu et al. 2022",
        "## Configuration",
        "| recipe.L | 8 |",
        "| timesteps | 1, 32 |",
        "## Environment",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_page_stands_alone() -> None:
    page = Page(sample_page())
    assert not page.open
    assert not page.named("script")
    assert not page.named("link")
    assert not page.named("img")
    sources = [attrs.get(name) or "" for _, attrs in page.tags for name in ("src", "xlink:href", "href")]
    assert [s for s in sources if s and not s.startswith("#")] == ["https://doi.org/10.1/x"]
    assert {a["content"] for a in page.named("meta") if a.get("http-equiv") == "Content-Security-Policy"} == {
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    }
    assert "url(http" not in sample_page()


def test_page_is_accessible() -> None:
    page = Page(sample_page())
    assert page.named("html")[0]["lang"] == "en"
    assert len(page.named("h1")) == 1
    assert all(attrs.get("scope") in ("row", "col") for attrs in page.named("th"))
    drawings = page.named("svg")
    assert [svg["aria-label"] for svg in drawings] == ["Accuracy over T.", "A diagonal."]
    assert all(svg["role"] == "img" for svg in drawings)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_every_reference_inside_the_drawings_leads_somewhere() -> None:
    text = sample_page()
    ids = set(re.findall(r'\sid="([^"]+)"', text))
    used = set(re.findall(r'xlink:href="#([^"]+)"|url\(#([^)]+)\)', text))
    assert used
    assert {a or b for a, b in used} <= ids


def test_drawings_follow_the_colours_of_the_page() -> None:
    text = sample_page()
    body = text[text.index("</style>") :]
    assert not re.findall(r"(?:fill|stroke): #\w+", body)
    names = set(re.findall(r"var\(--([\w-]+)\)", text))
    assert {"paper", "ink", "series-1"} <= names <= set(COLOURS)
    assert "prefers-color-scheme: dark" in text


def test_page_shows_text_as_text() -> None:
    report = Report(
        "<script>alert(1)</script>",
        "a < b & `x<y` and *so* **it** is, 2 * 3 * 4",
        tables=(Table("T", (Column("<b>"),), (("</td><script>",),)),),
        figures=(
            FigureSpec(
                "f", "density_per_layer", '"><script>', "D", {}, {"layer": "<b>", "density": "x", "series": "s"}
            ),
        )[:0],
    )
    text = report.to_html()
    assert "<script" not in text
    assert "a &lt; b &amp; <code>x&lt;y</code> and <em>so</em> <strong>it</strong> is, 2 * 3 * 4" in text


def test_names_in_a_figure_cannot_break_out_of_it() -> None:
    name = "</text></svg><script>alert(1)</script>"
    table = Table("D", (Column("layer"), Column("firing_rate")), ((name, 0.5),))
    report = Report("A", "B", tables=(table,), figures=(FigureSpec("d", "density_per_layer", '"><script>', "D"),))
    assert not Page(report.to_html()).named("script")


def test_long_tables_are_folded_away_below_their_figure() -> None:
    report = replace(sample(), figures=(FigureSpec("d", "density_per_layer", "Density.", "Long"),))
    text = report.to_html()
    assert text.index("Density.") < text.index("Table 2: the numbers, 50 rows") < text.index('class="word">l49<')


def test_empty_report_is_a_page_too() -> None:
    report = Report("Nothing", "")
    assert Report.from_json(report.to_json()) == report
    assert report.to_markdown() == "# Nothing\n"
    assert not Page(report.to_html()).open


FIGURE = FigureSpec("a", "raster", "c", arrays={"spikes": [[1]]})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Report("A", "", tables=(TABLE, TABLE)), r"Report\.tables: got 'Accuracy & cost' twice"),
        (lambda: Report("A", "", figures=(FIGURE, FIGURE)), r"Report\.figures: got 'a' twice"),
        (lambda: Report("A", "", config=3), r"Report\.config: got int; expected a dict"),  # type: ignore[arg-type]
        (
            lambda: Report("A", "", figures=(FigureSpec("a", "raster", "c", "B"),)),
            r"'a': got the table 'B'; expected one of \[\]. Add the table",
        ),
        (lambda: Report("A", "", highlights=TABLE), r"Report\.highlights: got 3 rows; expected a table of one"),
        (lambda: FigureSpec("a/b", "raster", "c", "T"), r"FigureSpec\.name: got 'a/b'; expected letters"),
        (lambda: FigureSpec("a", "raster", "c"), r"'a': got neither; expected either table_name or arrays"),
        (lambda: FigureSpec("a", "raster", "c", "T", {"spikes": [1]}), r"'a': got both"),
        (lambda: FigureSpec("a", "raster", "c", arrays={"spikes": ["x"]}), r"figure a, spikes: got an array of <U1"),
        (
            lambda: FigureSpec("a", "rastr", "c", arrays={"x": [1]}).draw(),
            r"'a': got the kind 'rastr'; expected one of",
        ),
        (lambda: FigureSpec("a", "raster", "c", "T").draw((TABLE,)), r"got the table 'T'; expected one of 'Accuracy"),
        (lambda: FigureSpec("a", "raster", "c", arrays={"x": [[1]]}).draw(), r"'a': got what raster does not take"),
        (lambda: FigureSpec.from_dict({"name": "a"}), r"FigureSpec: got a record that does not fit"),
        (lambda: Report.from_json("[]"), r"report\.json: got the format list; expected 1"),
        (lambda: Report.from_json('{"format": 2}'), r"report\.json: got the format 2; expected 1"),
        (lambda: Report.from_json('{"format": 1}', "x"), r"x: got a report that lacks a part \('highlights'\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        make()
