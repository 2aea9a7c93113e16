"""Report: what was done, on what, with which result; JSON first, then text, then a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spikewright.report.errors import ReportError
from spikewright.report.figure import FigureSpec
from spikewright.report.paths import shorten_all
from spikewright.report.strict_json import dumps, loads, plain
from spikewright.report.table import Table

FORMAT = 1


@dataclass(frozen=True)
class Report:
    """Everything that is said about a run; text and pictures are functions of its JSON.

    Args:
        title: what was done, in a few words.
        summary: the result in a few sentences; an empty line parts paragraphs; `code`, **bold** and *italics*
            are known, here and in captions, notes and references.
        config: the configuration of the run; dataclasses, paths and tuples become plain values.
        environment: what `environment()` returned, with device and seed.
        tables: results, in reading order, with different titles.
        figures: drawn from those tables or from arrays, with different names; each stands below its table.
        notes: what a reader has to know to judge the numbers, one paragraph each.
        references: sources, one line each; web addresses become links.
        highlights: a table of one row: the numbers that stand first, at most about five.

    Absolute paths in config and environment are shortened: a report is for others to read. The run folder's
    config.json keeps them.

    Raises:
        ReportError: for two tables or figures of one name, or a figure whose table is not there.

    Example:
        >>> from spikewright.report.table import Column
        >>> table = Table("Accuracy", (Column("T"), Column("accuracy", "%")), ((1, 0.639), (32, 0.917)))
        >>> report = Report("Conversion", "It works.", {"recipe": "QCFS"}, {"python": "3.11"}, (table,))
        >>> Report.from_json(report.to_json()) == report
        True
    """

    title: str
    summary: str
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    figures: tuple[FigureSpec, ...] = ()
    notes: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    highlights: Table | None = None

    def __post_init__(self) -> None:
        for name in ("config", "environment"):
            given = plain(getattr(self, name), name)
            if not isinstance(given, dict):
                raise ReportError(f"Report.{name}: got {type(given).__name__}; expected a dict or a dataclass.")
            object.__setattr__(self, name, shorten_all(given))
        for name in ("tables", "figures", "notes", "references"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        titles = [table.title for table in self.tables]
        _all_different("tables", titles)
        _all_different("figures", [figure.name for figure in self.figures])
        for figure in self.figures:
            if figure.table_name and figure.table_name not in titles:
                raise ReportError(
                    f"Report.figures, {figure.name!r}: got the table {figure.table_name!r}; "
                    f"expected one of {titles}. Add the table to the report."
                )
        if self.highlights is not None and len(self.highlights.rows) != 1:
            raise ReportError(f"Report.highlights: got {len(self.highlights.rows)} rows; expected a table of one.")

    def arrangement(self) -> list[tuple[Table | None, list[FigureSpec]]]:
        """Return the reading order: each table with its figures, at the end the figures without a table."""
        parts: list[tuple[Table | None, list[FigureSpec]]] = [
            (table, [figure for figure in self.figures if figure.table_name == table.title]) for table in self.tables
        ]
        free = [figure for figure in self.figures if not figure.table_name]
        return [*parts, (None, free)] if free else parts

    def table_files(self) -> dict[str, str]:
        """Return the title of each table -> the name of its file, without ending, and its anchor."""
        return {
            table.title: f"{i:02d}-{re.sub('[^a-z0-9]+', '-', table.title.lower()).strip('-')[:60]}"
            for i, table in enumerate(self.tables, 1)
        }

    def to_json(self) -> str:
        """Return the report as JSON without loss."""
        record = {
            "format": FORMAT,
            "title": self.title,
            "summary": self.summary,
            "highlights": None if self.highlights is None else self.highlights.to_dict(),
            "tables": [table.to_dict() for table in self.tables],
            "figures": [figure.to_dict() for figure in self.figures],
            "notes": list(self.notes),
            "references": list(self.references),
            "config": dict(self.config),
            "environment": dict(self.environment),
        }
        return dumps(record, "report") + "\n"

    @classmethod
    def from_json(cls, text: str, who: str = "report.json") -> Report:
        """Read what `to_json` wrote.

        Args:
            text: the JSON.
            who: where it comes from, for the error.

        Raises:
            ReportError: for broken JSON, a later format, or parts that are missing or do not fit.
        """
        data = loads(text, who)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            met = repr(data.get("format")) if isinstance(data, dict) else type(data).__name__
            raise ReportError(f"{who}: got the format {met}; expected {FORMAT}, a report of this version.")
        try:
            best = data["highlights"]
            return cls(
                data["title"],
                data["summary"],
                data["config"],
                data["environment"],
                tuple(Table.from_dict(table) for table in data["tables"]),
                tuple(FigureSpec.from_dict(figure) for figure in data["figures"]),
                tuple(data["notes"]),
                tuple(data["references"]),
                None if best is None else Table.from_dict(best),
            )
        except (KeyError, TypeError) as error:
            raise ReportError(
                f"{who}: got a report that lacks a part ({error}); expected that of to_json()."
            ) from error

    def to_markdown(self, figures: str = "figures", tables: str = "tables") -> str:
        """Return the report in Markdown; figures and long tables are links to files in those folders."""
        from spikewright.report.markdown import report_markdown

        return report_markdown(self, figures, tables)

    def drawings(self) -> dict[str, str]:
        """Draw every figure: its name -> an SVG file.

        Raises:
            ReportError: for a figure that cannot be drawn.
        """
        from spikewright.report.svg import to_svg

        return {figure.name: to_svg(figure.draw(self.tables), figure.name) for figure in self.figures}

    def to_html(self, drawings: Mapping[str, str] | None = None) -> str:
        """Return the report as one page that needs nothing else: figures, colours and type are inside.

        Args:
            drawings: what `drawings()` returned, if it is at hand.

        Raises:
            ReportError: for a figure that cannot be drawn.
        """
        from spikewright.report.page import report_page

        return report_page(self, self.drawings() if drawings is None else drawings)


def _all_different(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ReportError(f"Report.{what}: got {', '.join(map(repr, twice))} twice; expected different names.")
