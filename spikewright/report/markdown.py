"""A report as Markdown, with links to its figures and long tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from spikewright.report.numbers import Cell
from spikewright.report.strict_json import dumps_line
from spikewright.report.table import Column, Table

if TYPE_CHECKING:
    from spikewright.report.report import Report

LONG, SHOWN_OF_LONG = 40, 12


def report_markdown(report: Report, figures: str, tables: str) -> str:
    """Write the report from top to bottom; see `Report.to_markdown`."""
    return "\n\n".join(block for block in _blocks(report, figures, tables) if block) + "\n"


def flat(values: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """Return nested settings as pairs of dotted name and one-line value.

    Example:
        >>> flat({"fit": {"lr": 0.1, "steps": [1, 2]}, "seed": None})
        [('fit.lr', 0.1), ('fit.steps', '1, 2'), ('seed', None)]
    """
    pairs: list[tuple[str, Cell]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            pairs += [(f"{name}.{inner}", cell) for inner, cell in flat(value)]
        elif isinstance(value, list | Mapping):
            simple = isinstance(value, list) and not any(isinstance(item, list | dict) for item in value)
            pairs.append((name, ", ".join(map(str, value)) if simple else dumps_line(value)))
        else:
            pairs.append((name, value))
    return pairs


def settings_table(title: str, values: Mapping[str, Any]) -> Table:
    """Return settings as a table of names and values, every value as it would be typed."""
    rows = [(name, "–" if cell is None else str(cell)) for name, cell in flat(values)]
    return Table(title, (Column("name"), Column("value")), tuple(rows))


def highlight_texts(table: Table) -> list[tuple[str, str, str, str]]:
    """Return name, value, unit and note of each number of a one-row table."""
    heads, (row,) = table.shown()
    return [(column.name, text, unit, column.note) for (column, unit), text in zip(heads, row)]


def _blocks(report: Report, figures: str, tables: str) -> Iterator[str]:
    yield f"# {report.title}"
    yield report.summary
    if report.highlights is not None:
        best = highlight_texts(report.highlights)
        lines = (
            f"- {name}: **{f'{value} {unit}'.strip()}**" + (f" ({note})" if note else "")
            for name, value, unit, note in best
        )
        yield "\n".join(lines)
    files, number = report.table_files(), 0
    for table, drawn in report.arrangement():
        if table is None:
            yield "## Figures"
        else:
            long = len(table.rows) > LONG
            yield table.to_markdown(heading="##", limit=SHOWN_OF_LONG if long else None)
            if long:
                yield f"All rows: [{files[table.title]}.csv]({tables}/{files[table.title]}.csv)"
        for figure in drawn:
            number += 1
            alt = " ".join((figure.alt or figure.caption).replace("[", "(").replace("]", ")").split())
            yield f"![{alt}]({figures}/{figure.name}.svg)"
            yield f"*Figure {number}.* {figure.caption}"
    if report.notes:
        yield "## Notes"
        yield "\n".join(f"- {note}" for note in report.notes)
    if report.references:
        yield "## References"
        yield "\n".join(f"{i}. {reference}" for i, reference in enumerate(report.references, 1))
    for title, values in (("Configuration", report.config), ("Environment", report.environment)):
        if values:
            yield f"## {title}"
            yield settings_table(title, values).to_markdown(heading="")
