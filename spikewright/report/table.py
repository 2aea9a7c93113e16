"""Table and Column: named numbers with units, written as Markdown, CSV, JSON or on the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.numbers import Cell, format_column, is_number

if TYPE_CHECKING:
    from rich.table import Table as RichTable


@dataclass(frozen=True)
class Column:
    """One column: what it is called, in which unit its values are stored, and how exactly they are shown.

    Args:
        name: the heading; unique in its table.
        unit: "" for none. "%" means that the values are stored as fractions (0.917) and shown as per cent
            (91.7). An SI unit (J, s, W, V, A, Hz, B) is shown with a fitting prefix (µJ).
        digits: decimals shown; None chooses them (see `spikewright.report.numbers`).
        note: one sentence on what is counted; printed below the table.

    Example:
        >>> Column("accuracy", unit="%").heading("%")
        'accuracy [%]'
    """

    name: str
    unit: str = ""
    digits: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ReportError(f"Column.name: got {self.name!r}; expected a text that is not empty.")
        if self.digits is not None and not (isinstance(self.digits, int) and 0 <= self.digits <= 15):
            raise ReportError(f"Column.digits: got {self.digits!r}; expected 0 to 15, or None.")

    def heading(self, shown_unit: str) -> str:
        """Return the name with the unit in which the values are shown."""
        return f"{self.name} [{shown_unit}]" if shown_unit else self.name


@dataclass(frozen=True)
class Table:
    """Rows of numbers and words under named columns; the form in which every result leaves a method.

    Args:
        title: the name of the table; figures refer to it.
        columns: at least one, with different names.
        rows: one tuple per row, one cell per column; a cell is text, a number, True, False or None (not
            known). NumPy scalars become Python numbers.
        caption: one or two sentences: what was measured, on what.
        notes: further remarks, printed below.

    Raises:
        ReportError: for a row of the wrong length, two columns of one name, or a cell of another type.

    Example:
        >>> table = Table("Accuracy", (Column("T"), Column("accuracy", "%")), ((1, 0.639), (32, 0.917)))
        >>> table.column("accuracy")
        (0.639, 0.917)
        >>> print(table.to_markdown(heading=""))
        | T | accuracy [%] |
        | ---: | ---: |
        | 1 | 63.9 |
        | 32 | 91.7 |
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.title, str) or not self.title.strip():
            raise ReportError(f"Table.title: got {self.title!r}; expected a text that is not empty.")
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "notes", (self.notes,) if isinstance(self.notes, str) else tuple(self.notes))
        names = [column.name for column in self.columns]
        if not names or len(set(names)) < len(names):
            raise ReportError(f"Table {self.title!r}: got the columns {names}; expected different names.")
        object.__setattr__(self, "rows", tuple(self._checked(i, row) for i, row in enumerate(self.rows)))

    def _checked(self, i: int, row: Sequence[Cell]) -> tuple[Cell, ...]:
        if isinstance(row, str) or len(row) != len(self.columns):
            raise ReportError(
                f"Table {self.title!r}, row {i}: got {len(row)} cells; expected {len(self.columns)}, "
                f"one for each of {[column.name for column in self.columns]}."
            )
        cells = tuple(cell.item() if isinstance(cell, np.generic) else cell for cell in row)
        for column, cell in zip(self.columns, cells):
            if cell is not None and not isinstance(cell, str | int | float):
                raise ReportError(
                    f"Table {self.title!r}, row {i}, column {column.name!r}: got "
                    f"{type(cell).__name__}; expected text, a number, True, False or None. Convert it first, "
                    "for instance with .item()."
                )
        return cells

    @classmethod
    def from_records(
        cls, title: str, columns: Sequence[Column], records: Iterable[Mapping[str, Any]], caption: str = ""
    ) -> Table:
        """Make a table of dicts, such as the lines of metrics.jsonl; what a dict lacks is not known (None).

        Example:
            >>> Table.from_records("Loss", [Column("epoch"), Column("loss")], [{"epoch": 1}]).rows
            ((1, None),)
        """
        rows = (tuple(record.get(column.name) for column in columns) for record in records)
        return cls(title, tuple(columns), tuple(rows), caption)

    def has(self, name: str) -> bool:
        """Say whether there is a column of this name."""
        return any(column.name == name for column in self.columns)

    def described(self, name: str) -> Column:
        """Return the description of a column; the error names those there are."""
        for column in self.columns:
            if column.name == name:
                return column
        names = ", ".join(repr(column.name) for column in self.columns)
        raise ReportError(f"Table {self.title!r}: got the column name {name!r}; expected one of {names}.")

    def column(self, name: str) -> tuple[Cell, ...]:
        """Return the cells of one column from top to bottom.

        Raises:
            ReportError: if there is no such column.
        """
        i = self.columns.index(self.described(name))
        return tuple(row[i] for row in self.rows)

    def numeric(self, name: str) -> bool:
        """Say whether a column holds numbers and nothing else; cells that are not known do not count."""
        known = [cell for cell in self.column(name) if cell is not None]
        return bool(known) and all(is_number(cell) for cell in known)

    def shown(self) -> tuple[list[tuple[Column, str]], list[list[str]]]:
        """Return what people read: each column with its shown unit, and the rows as text."""
        texts = [format_column(self.column(c.name), c.unit, c.digits) for c in self.columns]
        heads = [(column, unit) for column, (unit, _) in zip(self.columns, texts)]
        return heads, [list(cells) for cells in zip(*(cells for _, cells in texts))]

    def remarks(self) -> list[str]:
        """Return the notes of the columns, then those of the table."""
        return [f"{column.name}: {column.note}" for column in self.columns if column.note] + list(self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Return the table as dicts and lists; `strict_json.dumps` writes them without loss."""
        return {
            "title": self.title,
            "caption": self.caption,
            "columns": [asdict(column) for column in self.columns],
            "rows": [list(row) for row in self.rows],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Table:
        """Rebuild a table from `to_dict`.

        Raises:
            ReportError: for a part that is missing or does not fit.
        """
        try:
            columns = tuple(Column(**column) for column in data["columns"])
            rows = tuple(tuple(row) for row in data["rows"])
            return cls(data["title"], columns, rows, data.get("caption", ""), tuple(data.get("notes", ())))
        except (KeyError, TypeError) as error:
            raise ReportError(
                f"Table: got a record that does not fit ({error}); expected that of to_dict()."
            ) from error

    def to_csv(self) -> str:
        """Return the stored values in full precision, for programs; per cent columns stay fractions.

        Example:
            >>> print(Table("A", (Column("T"), Column("accuracy", "%")), ((1, 0.6392),)).to_csv(), end="")
            T,accuracy [fraction]
            1,0.6392
        """
        file = io.StringIO()
        write = csv.writer(file, lineterminator="\n").writerow
        write([column.heading("fraction" if column.unit == "%" else column.unit) for column in self.columns])
        for row in self.rows:
            write(["" if cell is None else cell for cell in row])
        return file.getvalue()

    def to_markdown(self, *, heading: str = "###", limit: int | None = None) -> str:
        """Return the table in Markdown.

        Args:
            heading: the marks before the title; "" leaves title, caption and notes away.
            limit: the most rows to print; None prints all.
        """
        heads, rows = self.shown()
        shown = rows if limit is None else rows[:limit]
        lines = ["| " + " | ".join(_cell(column.heading(unit)) for column, unit in heads) + " |"]
        lines += ["| " + " | ".join("---:" if self.numeric(c.name) else "---" for c in self.columns) + " |"]
        lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in shown]
        if not heading:
            return "\n".join(lines)
        blocks = [f"{heading} {self.title}", self.caption, "\n".join(lines)]
        if len(shown) < len(rows):
            blocks.append(f"The first {len(shown)} of {len(rows)} rows.")
        blocks.append("\n".join(f"- {remark}" for remark in self.remarks()))
        return "\n\n".join(block for block in blocks if block)

    def to_rich(self) -> RichTable:
        """Return an aligned table for the terminal: numbers to the right, notes below."""
        from rich.box import SIMPLE_HEAD
        from rich.markup import escape
        from rich.table import Table as RichTable

        heads, rows = self.shown()
        below = "\n".join(escape(text) for text in (self.caption, *self.remarks()) if text)
        table = RichTable(
            title=escape(self.title),
            caption=below or None,
            box=SIMPLE_HEAD,
            title_justify="left",
            caption_justify="left",
        )
        for column, unit in heads:
            justify = "right" if self.numeric(column.name) else "left"
            table.add_column(escape(column.heading(unit)), justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*(escape(text) for text in row))
        return table


def _cell(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(escaped.split())
