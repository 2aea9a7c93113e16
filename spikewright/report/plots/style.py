"""How all figures look: size, type, axes, legends, and the words on them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from spikewright.report.numbers import Cell
from spikewright.report.palette import FAINT, INK, MUTED, PAPER, RULE, SERIES, STEPS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
_OF_THE_MACHINE = {"backend", "backend_fallback", "interactive", "toolbar", "timezone", "date.epoch"}
_STYLE = {
    "font.size": 9.5,
    "font.family": ["DejaVu Sans"],
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.unicode_minus": True,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "svg.fonttype": "none",
    "path.simplify": True,
}

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with the project's settings, whatever the machine's own are, then restore those."""
    import matplotlib

    settings: dict[Any, Any] = dict(matplotlib.rcParamsDefault)
    for key in _OF_THE_MACHINE:
        settings.pop(key, None)
    settings.update(_STYLE)
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        # Names in a script that the drawing font lacks still show in the SVG, with the reader's own fonts.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a draw function run inside `drawing()`."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with drawing():
            return draw(*args, **kwargs)

    return inside


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure in inches, belonging to no window and to no global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # type: ignore[union-attr]
    return figure


def frame(ax: Axes, x: str = "", y: str = "", *, grid: str = "y") -> None:
    """Give axes their labels, quiet lines and a light grid along "x", "y" or neither ("")."""
    ax.set_xlabel(words(x, 80))
    ax.set_ylabel(words(y, 60))
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(which="both", color=RULE, labelcolor=MUTED, labelsize=8.5, length=3)
    ax.tick_params(which="minor", length=0)
    ax.set_axisbelow(True)
    if grid:
        ax.grid(axis=grid, color=FAINT, linewidth=0.8)  # type: ignore[arg-type]


def labelled(name: str, unit: str) -> str:
    """Return the words beside an axis: a name with its unit."""
    return f"{name} [{unit}]" if unit else name


def words(text: str, limit: int) -> str:
    """Prepare any text for a figure: cut in the middle where it is too long, and no part read as a formula.

    Example:
        >>> words("backbone.layer3.block5.conv2.activation", 20)
        'backbone.…activation'
    """
    text = " ".join(text.split())
    if len(text) > limit:
        tail = (limit - 1 + 1) // 2
        text = f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"
    # An underscore at the start would hide an entry from the legend.
    return ("\u200b" if text.startswith("_") else "") + text.replace("$", r"\$")


def distinct(names: Sequence[str], limit: int) -> list[str]:
    """Shorten names that share a long beginning or end so that what tells them apart stays.

    Example:
        >>> distinct(["backbone.stage1.relu_after_add", "backbone.stage2.relu_after_add"], 20)
        ['backbone.stage1…', 'backbone.stage2…']
    """
    if all(len(name) <= limit for name in names):
        return [words(name, limit) for name in names]
    parts = [name.split(".") for name in names]
    shortest = min(len(part) for part in parts) - 1
    first = _shared(parts, shortest)
    last = _shared([part[::-1] for part in parts], shortest - first)
    middles = [list(names)]
    for skipped in range(first + 1):
        if max(len(name) for name in middles[-1]) > limit:
            kept = [".".join(part[skipped : len(part) - last]) for part in parts]
            middles.append(["…" * bool(skipped) + name + "…" * bool(last) for name in kept])
    short = [words(middle, limit) for middle in middles[-1]]
    return short if len(set(short)) == len(set(names)) else [f"{i}: {name}" for i, name in enumerate(short)]


def _shared(parts: Sequence[Sequence[str]], most: int) -> int:
    return next((i for i in range(most) if len({part[i] for part in parts}) > 1), max(most, 0))


def whole_ticks(ax: Axes, axis: str) -> None:
    """Put ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    getattr(ax, f"{axis}axis").set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def _told_apart(names: Sequence[str], limits: Sequence[int]) -> list[str]:
    """Names cut to the first of some limits at which no two become the same; numbered if there is none."""
    short: list[str] = []
    for limit in limits:
        short = [words(name, limit) for name in names]
        if len(set(short)) == len(set(names)):
            return short
    return [f"{i}: {name}" for i, name in enumerate(short)]


def legend(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Put the legend above the axes, where it covers nothing."""
    if not handles:
        return
    across = int(figure.get_figwidth() * 12)
    texts = _told_apart(names, (40, across - 7))
    columns = max(1, min(len(names), 6, across // (max(map(len, texts)) + 7)))
    figure.legend(
        list(handles),
        texts,
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=8.5,
        handlelength=2.2,
        columnspacing=1.6,
        borderaxespad=0.3,
    )


def plain_log(ax: Axes, axis: str) -> None:
    """Make an axis logarithmic with ticks at 1, 2 and 5 of each decade, written as ordinary numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    getattr(ax, f"set_{axis}scale")("log")
    ticks = getattr(ax, f"{axis}axis")
    ticks.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ticks.set_minor_locator(NullLocator())
    ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def steps_axis(largest: float) -> tuple[float, str]:
    """Factor and words of an axis of environment steps.

    Example:
        >>> steps_axis(1_025_000)
        (1e-06, 'environment steps [million]')
    """
    if largest >= 2e5:
        return 1e-6, "environment steps [million]"
    return (1e-3, "environment steps [thousand]") if largest >= 5e3 else (1.0, "environment steps")


def no_data(ax: Axes) -> None:
    """Say in the middle of the axes that there is nothing to show."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, "no data", transform=ax.transAxes, ha="center", va="center", color=MUTED)


def look(i: int) -> dict[str, Any]:
    """Return colour, marker and dash of the i-th line; colour and marker both tell six apart."""
    return {
        "color": SERIES[i % len(SERIES)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": DASHES[(i // len(SERIES)) % len(DASHES)],
        "linewidth": 1.8,
        "markersize": 5.5,
        "markeredgecolor": PAPER,
        "markeredgewidth": 0.8,
    }


def tones(values: Sequence[Cell]) -> list[str]:
    """Return one colour per series: an ordered ramp for numbers, told-apart hues for names."""
    if len(values) > 1 and all(isinstance(value, int | float) for value in values):
        last = len(STEPS) - 1
        return [STEPS[round(i * last / (len(values) - 1))] for i in range(len(values))]
    return [SERIES[i % len(SERIES)] for i in range(len(values))]
