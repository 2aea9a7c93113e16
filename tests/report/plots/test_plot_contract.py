"""What every plot must do: draw from nothing and from one row, and leave its input and the world alone."""

import functools
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from spikewright.report import Column, FigureSpec, Report, Table
from spikewright.report.plots import PLOTS
from spikewright.report.svg import to_png, to_svg

COLUMNS = {
    "recipe": "QCFS",
    "layer": "layer1.0.relu",
    "T": 4,
    "accuracy": 0.9,
    "low": 0.88,
    "high": 0.92,
    "firing_rate": 0.1,
    "energy": 1e-6,
    "relative_error": 0.2,
    "epoch": 1,
    "train_loss": 0.5,
    "left": 0.0,
    "right": 0.5,
    "neurons": 3,
    "v_threshold": 1.0,
    "front": True,
    "attack": "FGSM",
    "eps": 0.1,
    "task": "Hopper-v4",
    "method": "PT-LIF",
    "step": 5000,
    "IQM": 300.0,
    "seed 0": 310.0,
    "seed 1": 290.0,
    "MRR": 0.6,
    "MRR of the twin": 0.4,
}


def table(*rows: dict) -> Table:
    units = {"accuracy": "%", "energy": "J"}
    columns = tuple(Column(name, units.get(name, "")) for name in COLUMNS)
    return Table("All", columns, tuple(tuple(row.values()) for row in rows))


NOT_KNOWN = {name: value if isinstance(value, str) else None for name, value in COLUMNS.items()}
NAN = {name: float("nan") if isinstance(value, float) else value for name, value in COLUMNS.items()}
ODD = {**COLUMNS, "recipe": "_$x_2$ {a}", "layer": "层 $\\frac{1}$ & <b> " * 9}
TABLES = {
    "empty": table(),
    "one row": table(COLUMNS),
    "not known": table(NOT_KNOWN),
    "nan": table(NAN),
    "odd names": table(COLUMNS, ODD),
    "zeros": table({name: 0 if isinstance(value, float) else value for name, value in COLUMNS.items()}),
}
SPIKES = {
    "empty": np.zeros((0, 0)),
    "no neurons": np.zeros((4, 0)),
    "silent": np.zeros((4, 3)),
    "one row": np.ones((1, 1)),
    "signed": np.array([[1, -1, 0], [0, -1, 1]]),
    "nan": np.full((2, 2), np.nan),
}
IMAGES = {
    "empty": np.zeros((0, 3, 2, 2)),
    "one row": np.full((1, 3, 2, 2), 100),
    "grey": np.full((2, 1, 4, 4), 7),
    "two channels": np.full((9, 2, 3, 3), 300),
}
ARRAYS = {
    "raster": {name: {"spikes": spikes} for name, spikes in SPIKES.items()},
    "episode_returns": {
        "empty": {"step": [], "total": [], "run": []},
        "one row": {"step": [100], "total": [-3.5], "run": [0]},
        "nan": {"step": [100, 250_000], "total": [np.nan, 4.0], "run": [0, 1]},
    },
    "frame_strip": {
        "empty": {"frames": np.zeros((0, 4, 6, 3), np.uint8)},
        "one row": {"frames": np.full((1, 4, 6, 3), 7, np.uint8)},
        "tall": {"frames": np.zeros((6, 9, 2, 3), np.uint8)},
    },
    "gallery": {
        "empty": {"pictures": np.zeros((2, 3, 0, 0, 3), np.uint8)},
        "one row": {"pictures": np.full((2, 3, 5, 5, 3), 90, np.uint8), "truth": np.zeros((8, 8, 3), np.uint8)},
        "wide": {"pictures": np.full((2, 3, 2, 9, 3), 250, np.uint8)},
    },
    "adversarial_grid": {
        name: dict.fromkeys(("clean", "adversarial", "difference"), images) for name, images in IMAGES.items()
    },
    "attribution_grid": {
        name: {"images": images, "maps": np.stack([images[:, 0], np.nan * images[:, 0]])}
        for name, images in IMAGES.items()
    },
}
"""Plots that are drawn from arrays, and their cases."""
OPTIONS: dict[str, dict] = {
    "episode_returns": {"names": ["_seed $0$", "seed 1"]},
    "frame_strip": {"steps": [0, 20]},
    "gallery": {"rows": ["_$a$", "b" * 40], "groups": [["ordinary, twin", 2], ["b" * 40, 1]]},
    "attribution_grid": {"methods": ["_$a$", "IntegratedGradients(steps=16)"], "labels": ["b" * 40]},
    "adversarial_grid": {"largest": 0.1, "before": ["_$a$"], "after": ["b" * 40, "c"], "by": ["FGSM"]},
}
CASES = [(kind, name) for kind in PLOTS for name in ARRAYS.get(kind, TABLES)]
OF_TABLES = pytest.mark.parametrize("kind", [kind for kind in PLOTS if kind not in ARRAYS])


def spec(kind: str, name: str) -> tuple[FigureSpec, tuple[Table, ...]]:
    if kind in ARRAYS:
        return FigureSpec("a", kind, "c", arrays=ARRAYS[kind][name], options=OPTIONS.get(kind, {})), ()
    return FigureSpec("a", kind, "c", "All"), (TABLES[name],)


@functools.cache
def drawn(kind: str, name: str) -> str:
    figure, tables = spec(kind, name)
    return to_svg(figure.draw(tables), "a")


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_draws_and_changes_nothing(kind: str, name: str) -> None:
    figure, tables = spec(kind, name)
    before = repr([figure.to_dict(), [t.to_dict() for t in tables], dict(matplotlib.rcParams)])
    svg = to_svg(figure.draw(tables), "a")
    assert repr([figure.to_dict(), [t.to_dict() for t in tables], dict(matplotlib.rcParams)]) == before
    assert "</svg>" in svg
    if name == "one row":
        assert drawn(kind, name) == svg


@pytest.mark.parametrize("kind", PLOTS)
def test_says_so_where_there_is_nothing(kind: str) -> None:
    assert ">no data</text>" in drawn(kind, "empty")
    assert ">no data</text>" not in drawn(kind, "one row")


@pytest.mark.parametrize("kind", PLOTS)
def test_survives_json(kind: str) -> None:
    figure, tables = spec(kind, "one row")
    report = Report("A", "", tables=tables, figures=(figure,))
    assert Report.from_json(report.to_json()).drawings() == {"a": drawn(kind, "one row")}


@pytest.mark.parametrize("kind", PLOTS)
def test_draws_the_same_whatever_the_machines_settings_are(kind: str) -> None:
    figure, tables = spec(kind, "one row")
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9, "text.usetex": True}):
        assert to_svg(figure.draw(tables), "a") == drawn(kind, "one row")


def test_is_written_as_a_picture_too() -> None:
    figure, tables = spec("accuracy_over_time", "one row")
    assert to_png(figure.draw(tables)).startswith(b"\x89PNG")


@OF_TABLES
def test_text_in_a_column_of_numbers_is_refused(kind: str) -> None:
    words = table(dict.fromkeys(COLUMNS, "word"))
    with pytest.raises(ValueError, match=r"Table 'All', row 0, column '\w+': got 'word'; expected a number or None"):
        PLOTS[kind](words)


@OF_TABLES
def test_a_missing_column_is_named(kind: str) -> None:
    other = Table("Other", (Column("x"), Column("loss")), ((1, 2.0),))
    with pytest.raises(ValueError, match=r"Table 'Other': got the column name '\w+'; expected one of 'x', 'loss'"):
        PLOTS[kind](other)


def test_no_window_and_no_global_figures() -> None:
    code = (
        "import sys, types\n"
        "alone = types.ModuleType('spikewright')\n"
        "alone.__path__ = ['spikewright']\n"
        "sys.modules['spikewright'] = alone\n"
        "from spikewright.report import FigureSpec\n"
        "from spikewright.report.svg import to_svg\n"
        "to_svg(FigureSpec('a', 'raster', 'c', arrays={'spikes': [[1, 0], [0, 1]]}).draw(), 'a')\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    root = Path(sys.modules["spikewright.report"].__file__ or "").parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "True False"
