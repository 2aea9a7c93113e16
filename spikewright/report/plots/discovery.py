"""How well each tool shows a planted bug: its score on the trojaned network beside that on the clean twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spikewright.report.errors import ReportError
from spikewright.report.plots.layers import layer_figure, place
from spikewright.report.plots.reading import finite, numbers
from spikewright.report.plots.style import MUTED, frame, legend, no_data, styled, tones
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def draw(
    table: Table,
    *,
    method: str = "method",
    judge: str = "judge",
    score: str = "MRR",
    twin: str = "MRR of the twin",
    chance: float | None = None,
) -> Figure:
    """Draw one row per method, in the order of the table from top to bottom: bars for the network and for its twin.

    Args:
        table: one row per method and judge.
        method: column with the names of the methods.
        judge: column with the names of the judges; where there are several they stand behind the methods.
        score: column with the scores on the trojaned network.
        twin: column with those on the clean twin, which must be known for every row.
        chance: the score of guessing, drawn as a line.

    Raises:
        ReportError: for text in a column of numbers, or a score without that of the twin.
    """
    names, judges = [str(cell) for cell in table.column(method)], []
    if table.has(judge):
        judges = [str(cell) for cell in table.column(judge)]
    if len(set(judges)) > 1:
        names = [f"{name} ({seen})" for name, seen in zip(names, judges)]
    scores, twins = numbers(table, score), numbers(table, twin)
    for name, one, other in zip(names, scores, twins):
        if finite([one]) and not finite([other]):
            raise ReportError(
                f"Table {table.title!r}, {name}: got a score without that of the clean twin; expected both. "
                "Run the same method on the twin."
            )
    figure, ax = layer_figure(names, rows_each=2)
    frame(ax, score, grid="x")
    if not names:
        no_data(ax)
        return figure
    ax.set_xlim(0, max([*finite(scores), *finite(twins), chance or 0], default=0) * 1.08 or 1)
    handles = []
    for i, (values, tone) in enumerate(zip((scores, twins), tones(["network", "twin"]))):
        offset, height = place(i, 2)
        handles.append(ax.barh([at + offset for at in range(len(names))], values, height, color=tone))
    words = ["trojaned network", "clean twin"]
    if chance is not None:
        handles.append(ax.axvline(chance, color=MUTED, linewidth=1.2, linestyle=(0, (4, 2))))
        words.append("chance")
    legend(figure, handles, words)
    return figure
