"""A report as one self-contained HTML page: for the screen, light or dark, wide or narrow, and for paper."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewright.report.figure import FigureSpec
from spikewright.report.markdown import LONG, highlight_texts, settings_table
from spikewright.report.palette import css
from spikewright.report.svg import inline
from spikewright.report.table import Table

if TYPE_CHECKING:
    from spikewright.report.report import Report

# The page may load nothing at all; whatever a name or a caption holds, no script runs.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
"""
# A longer table is folded away below its figure, which says the same at a glance.
LONG_BESIDE_FIGURE = 16
_ADDRESS = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:)\]]")


def report_page(report: Report, drawings: Mapping[str, str]) -> str:
    """Write the page from top to bottom; see `Report.to_html`."""
    style = css() + Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    head = _HEAD.format(policy=_POLICY, title=html.escape(report.title), style=style)
    return head + "\n".join(_parts(report, drawings)) + "\n</main>\n</body>\n</html>\n"


def sentence_html(text: str) -> str:
    """Write a line of text: `code`, **bold**, *italics* and web addresses; everything else as it stands.

    Example:
        >>> sentence_html("**T** < 4, see https://doi.org/10.1/x.")
        '<strong>T</strong> &lt; 4, see <a href="https://doi.org/10.1/x">https://doi.org/10.1/x</a>.'
    """
    parts = re.split(r"(`[^`\n]+`|\*\*[^*\n]+\*\*|(?<!\w)\*[^*\s][^*\n]*\*|https?://\S+)", text)
    return "".join(_word(part) for part in parts)


def _word(part: str) -> str:
    if len(part) > 2 and part[0] == part[-1] == "`":
        return f"<code>{html.escape(part[1:-1])}</code>"
    if len(part) > 4 and part.startswith("**") and part.endswith("**"):
        return f"<strong>{html.escape(part[2:-2])}</strong>"
    if len(part) > 2 and part[0] == part[-1] == "*":
        return f"<em>{html.escape(part[1:-1])}</em>"
    address = _ADDRESS.match(part)
    if address:
        link = html.escape(address.group())
        return f'<a href="{link}">{link}</a>{html.escape(part[address.end() :])}'
    return html.escape(part)


def _parts(report: Report, drawings: Mapping[str, str]) -> Iterator[str]:
    yield f"<header>\n<h1>{html.escape(report.title)}</h1>"
    line = _meta(report.environment)
    if line:
        yield f'<p class="meta">{line}</p>'
    yield "</header>"
    for paragraph in re.split(r"\n\s*\n", report.summary.strip()):
        yield f'<p class="summary">{sentence_html(paragraph)}</p>'
    if report.highlights is not None:
        yield _highlights(report.highlights)
    yield from _results(report, drawings)
    if report.notes:
        yield '<section id="notes">\n<h2>Notes</h2>\n<ul>'
        yield from (f"<li>{sentence_html(note)}</li>" for note in report.notes)
        yield "</ul>\n</section>"
    if report.references:
        yield '<section id="references">\n<h2>References</h2>\n<ol>'
        yield from (f"<li>{sentence_html(reference)}</li>" for reference in report.references)
        yield "</ol>\n</section>"
    settings = {"Configuration": report.config, "Environment": report.environment}
    if any(settings.values()):
        yield '<section id="settings">\n<h2>How it was run</h2>'
        for title, values in settings.items():
            if values:
                grid = _grid(settings_table(title, values), title)
                yield f"<details>\n<summary>{title}</summary>\n{grid}\n</details>"
        yield "</section>"


def _results(report: Report, drawings: Mapping[str, str]) -> Iterator[str]:
    anchors, number, tables = report.table_files(), 0, 0
    for table, figures in report.arrangement():
        if table is None:
            yield '<section id="figures">\n<h2>Figures</h2>'
        else:
            tables += 1
            yield f'<section id="table-{anchors[table.title]}">\n<h2>{html.escape(table.title)}</h2>'
            yield _table(table, f"Table {tables}", below=bool(figures))
        for figure in figures:
            number += 1
            yield _figure(figure, number, drawings[figure.name])
        if table is not None and figures and len(table.rows) > LONG_BESIDE_FIGURE:
            yield _long(table, f"Table {tables}")
        yield "</section>"


def _table(table: Table, label: str, *, below: bool) -> str:
    caption = f'<p class="caption"><b>{label}.</b> {sentence_html(table.caption)}</p>' if table.caption else ""
    if below and len(table.rows) > LONG_BESIDE_FIGURE:
        return caption
    if len(table.rows) > LONG:
        return caption + _long(table, label)
    notes = "".join(f"<li>{sentence_html(remark)}</li>" for remark in table.remarks())
    return caption + _grid(table, table.title) + (f'<ul class="remarks">{notes}</ul>' if notes else "")


def _long(table: Table, label: str) -> str:
    notes = "".join(f"<li>{sentence_html(remark)}</li>" for remark in table.remarks())
    notes = f'<ul class="remarks">{notes}</ul>' if notes else ""
    words = f"{label}: the numbers, {len(table.rows):,} rows"
    return f"<details>\n<summary>{words}</summary>\n{_grid(table, table.title)}{notes}\n</details>"


def _grid(table: Table, label: str) -> str:
    heads, rows = table.shown()
    kinds = ["number" if table.numeric(column.name) else "word" for column, _ in heads]
    cells = "".join(
        f'<th scope="col" class="{kind}">{html.escape(column.name)}'
        + (f' <span class="unit">{html.escape(unit)}</span>' if unit else "")
        + "</th>"
        for (column, unit), kind in zip(heads, kinds)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<th scope="row" class="{kind}">{html.escape(text)}</th>'
            if i == 0
            else f'<td class="{kind}">{html.escape(text)}</td>'
            for i, (text, kind) in enumerate(zip(row, kinds))
        )
        + "</tr>"
        for row in rows
    )
    wide = ' class="wide"' if len(heads) >= 5 else ""
    if not rows:
        body = f'<tr><td colspan="{len(heads)}">no rows</td></tr>'
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(label, quote=True)}">'
        f"<table{wide}>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _figure(figure: FigureSpec, number: int, svg: str) -> str:
    drawing = inline(svg, figure.name, figure.alt or figure.caption)
    return (
        f'<figure id="figure-{figure.name}">\n<div class="scroll">{drawing}</div>\n'
        f"<figcaption><b>Figure {number}.</b> {sentence_html(figure.caption)}</figcaption>\n</figure>"
    )


def _highlights(table: Table) -> str:
    items = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}"
        + (f' <span class="unit">{html.escape(unit)}</span>' if unit else "")
        + (f"<small>{sentence_html(note)}</small>" if note else "")
        + "</dd></div>"
        for name, value, unit, note in highlight_texts(table)
    )
    return f'<dl class="highlights">{items}</dl>'


def _meta(environment: Mapping[str, Any]) -> str:
    date = str(environment.get("date") or "")
    found = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)", date)
    commit = str(environment.get("commit") or "")[:10]
    changed = " with changes" if environment.get("dirty") else ""
    words = [
        f"{found[1]}, {found[2]} UTC" if found else date,
        f"commit {commit}{changed}" if commit else "",
        str(environment.get("device") or environment.get("cpu") or ""),
        f"seed {environment['seed']}" if environment.get("seed") is not None else "",
    ]
    return " · ".join(html.escape(word) for word in words if word)
