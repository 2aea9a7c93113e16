"""FigureSpec: everything needed to draw a figure again, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.strict_json import plain
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class FigureSpec:
    """A figure as data: what kind it is, which numbers it shows, and what is said about it.

    Args:
        name: name of its file and its anchor: letters, digits, "_" and "-".
        kind: one of `spikewright.report.plots.PLOTS`.
        caption: what the figure shows, in one or two sentences.
        table_name: title of the table of the report that is drawn; or
        arrays: the arrays that are drawn, by the names under which the plot takes them (raster: spikes).
        options: further keyword arguments of the plot, such as names of columns; plain JSON values.
        alt: the figure in words for people who cannot see it; the caption if left empty.

    Raises:
        ReportError: for a name that no file can have, or for both or neither of table and arrays.

    Example:
        >>> FigureSpec("accuracy", "accuracy_over_time", "Accuracy against T.", "Accuracy").table_name
        'Accuracy'
    """

    name: str
    kind: str
    caption: str
    table_name: str = ""
    arrays: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    alt: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", self.name):
            raise ReportError(f"FigureSpec.name: got {self.name!r}; expected letters, digits, '_' and '-' only.")
        if bool(self.table_name) == bool(self.arrays):
            met = "both" if self.arrays else "neither"
            raise ReportError(f"FigureSpec {self.name!r}: got {met}; expected either table_name or arrays.")
        arrays = {name: _array(values, f"figure {self.name}, {name}") for name, values in self.arrays.items()}
        object.__setattr__(self, "arrays", arrays)
        object.__setattr__(self, "options", plain(dict(self.options), f"figure {self.name}, options"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FigureSpec) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def draw(self, tables: Sequence[Table] = ()) -> Figure:
        """Draw the figure with matplotlib.

        Args:
            tables: tables among which the one it names is found.

        Raises:
            ReportError: for an unknown kind, table or option, or numbers that the plot cannot show.
        """
        from spikewright.report.plots import PLOTS

        if self.kind not in PLOTS:
            raise ReportError(f"Figure {self.name!r}: got the kind {self.kind!r}; expected one of {', '.join(PLOTS)}.")
        given = [table for table in tables if table.title == self.table_name]
        if self.table_name and not given:
            titles = ", ".join(repr(table.title) for table in tables) or "none at all"
            raise ReportError(f"Figure {self.name!r}: got the table {self.table_name!r}; expected one of {titles}.")
        try:
            return PLOTS[self.kind](*given[:1], **self.arrays, **self.options)
        except TypeError as error:
            raise ReportError(f"Figure {self.name!r}: got what {self.kind} does not take ({error}).") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the figure as dicts and lists."""
        arrays = {
            name: {"dtype": str(values.dtype), "shape": list(values.shape), "values": values.tolist()}
            for name, values in self.arrays.items()
        }
        return {
            "name": self.name,
            "kind": self.kind,
            "caption": self.caption,
            "table_name": self.table_name,
            "arrays": arrays,
            "options": dict(self.options),
            "alt": self.alt,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FigureSpec:
        """Rebuild a figure from `to_dict`.

        Raises:
            ReportError: for a part that is missing or does not fit.
        """
        try:
            arrays = {
                name: np.array(array["values"], dtype=array["dtype"]).reshape(array["shape"])
                for name, array in data.get("arrays", {}).items()
            }
            return cls(**{**data, "arrays": arrays})
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ReportError):
                raise
            raise ReportError(
                f"FigureSpec: got a record that does not fit ({error}); expected that of to_dict()."
            ) from error


def _array(values: Any, where: str) -> np.ndarray:
    array = np.array(values)
    if array.dtype.kind not in "biuf":
        raise ReportError(f"{where}: got an array of {array.dtype}; expected numbers or True and False.")
    array.setflags(write=False)
    return array
