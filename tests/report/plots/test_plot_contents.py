"""Each plot shows the numbers it was given, and its words fit."""

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from spikewright.report import Column, ReportError, Table, histogram_table
from spikewright.report.palette import SERIES, STEPS
from spikewright.report.plots import (
    accuracy_over_time,
    adversarial_grid,
    attribution_grid,
    density_per_layer,
    energy_against_accuracy,
    layer_error,
    learning_curve,
    membrane_histogram,
    pareto,
    raster,
    robustness_curve,
)
from spikewright.report.plots.style import distinct, words

STEPS_T, QCFS, OPI = (1, 2, 4, 8, 16, 32), (0.639, 0.733, 0.834, 0.898, 0.913, 0.917), (0.3, 0.5, 0.7, 0.84, 0.9, 0.91)
CURVES = Table(
    "Curves",
    (Column("recipe"), Column("T"), Column("accuracy", "%"), Column("energy", "J")),
    (
        *(("QCFS", t, a, t * 4e-6) for t, a in zip(STEPS_T[::-1], QCFS[::-1])),
        *(("OPI", t, a, t * 4e-6) for t, a in zip(STEPS_T, OPI)),
        ("ANN", None, 0.918, 1.9e-4),
    ),
)
LONG_NAMES = [f"backbone.stages.{i // 10}.blocks.{i % 10}.downsample_and_expand.activation" for i in range(60)]


def lines(ax: Axes) -> list[tuple[list[float], list[float]]]:
    return [(list(map(float, x)), list(map(float, y))) for line in ax.lines for x, y in [line.get_data()] if len(x) > 2]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def ticks(ax: Axes, axis: str) -> list[str]:
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


def assert_fits(figure: Figure) -> None:
    """Nothing is cut off, and the legend covers no axes."""
    figure.draw_without_rendering()
    whole = figure.bbox
    tight = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert tight.x0 > -2
    assert tight.y0 > -2
    assert tight.x1 < whole.x1 + 2
    assert tight.y1 < whole.y1 + 2
    for shown in figure.legends:
        for ax in figure.axes:
            assert not shown.get_window_extent().overlaps(ax.get_window_extent())


def test_accuracy_is_drawn_over_log2_of_t_in_order() -> None:
    figure = accuracy_over_time.draw(CURVES)
    (ax,) = figure.axes
    drawn = lines(ax)
    assert drawn[0] == (list(STEPS_T), pytest.approx([100 * a for a in QCFS]))
    assert drawn[1] == (list(STEPS_T), pytest.approx([100 * a for a in OPI]))
    level = ax.lines[-1]
    assert list(level.get_ydata()) == pytest.approx([91.8, 91.8])
    assert level.is_dashed()
    assert ax.get_xscale() == "log"
    assert ticks(ax, "x") == ["1", "2", "4", "8", "16", "32"]
    assert legend(figure) == ["QCFS", "OPI", "ANN (91.8 %)"]
    low, high = ax.get_ylim()
    assert low < 30
    assert 91.8 < high < 101.1
    assert_fits(figure)


def test_accuracy_interval_is_shaded() -> None:
    columns = (Column("T"), Column("accuracy", "%"), Column("low", "%"), Column("high", "%"))
    figure = accuracy_over_time.draw(Table("A", columns, ((1, 0.5, 0.4, 0.6), (2, 0.7, 0.65, 0.72))))
    (ax,) = figure.axes
    (band,) = ax.collections
    corners = {(float(x), round(float(y), 6)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(1.0, 40.0), (1.0, 60.0), (2.0, 65.0), (2.0, 72.0)}
    assert not figure.legends


def test_accuracy_refuses_t_below_one() -> None:
    table = Table("A", (Column("T"), Column("accuracy", "%")), ((0, 0.1),))
    with pytest.raises(ReportError, match="Table 'A', column 'T': got 0; expected time steps of 1 or more"):
        accuracy_over_time.draw(table)


def test_columns_can_have_other_names() -> None:
    table = Table("A", (Column("steps"), Column("top5", "%"), Column("model")), ((2, 0.5, "x"), (4, 0.6, "x")))
    figure = accuracy_over_time.draw(table, timesteps="steps", accuracy="top5", series="model")
    assert list(map(float, figure.axes[0].lines[0].get_xdata())) == [2, 4]
    assert legend(figure) == ["x"]


def test_many_series_stay_apart_and_beside_the_legend() -> None:
    rows = tuple((f"recipe {i} with a rather long name", t, 0.3 + i / 40) for i in range(12) for t in (1, 2, 4))
    figure = accuracy_over_time.draw(Table("A", CURVES.columns[:3], rows))
    looks = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in figure.axes[0].lines}
    assert len(looks) == 12
    assert_fits(figure)


def test_energy_is_shown_with_a_prefix_and_labelled_with_t() -> None:
    figure = energy_against_accuracy.draw(CURVES)
    (ax,) = figure.axes
    assert ax.get_xlabel() == "energy [µJ]"
    assert lines(ax)[0] == (pytest.approx([4 * t for t in STEPS_T]), pytest.approx([100 * a for a in QCFS]))
    assert [text.get_text() for text in ax.texts] == ["T = 1", "2", "4", "8", "16", "32"] * 2
    assert ax.get_xscale() == "log"
    ann = ax.lines[-1]
    assert (list(ann.get_xdata()), list(ann.get_ydata())) == (pytest.approx([190]), pytest.approx([91.8]))
    assert legend(figure) == ["QCFS", "OPI", "ANN"]
    assert_fits(figure)


def test_energy_on_a_plain_axis_where_the_range_is_small_or_holds_zero() -> None:
    near = Table("A", CURVES.columns, (("a", 1, 0.5, 1e-6), ("a", 2, 0.6, 2e-6)))
    assert energy_against_accuracy.draw(near).axes[0].get_xscale() == "linear"
    zero = Table("A", CURVES.columns, (("a", 1, 0.5, 0.0), ("a", 2, 0.6, 2e-6)))
    assert energy_against_accuracy.draw(zero).axes[0].get_xlim()[0] == 0


SWEPT = Table(
    "Sweep",
    (
        Column("recipe"),
        Column("threshold"),
        Column("T"),
        Column("accuracy", "%"),
        Column("energy", "J"),
        Column("front"),
    ),
    (
        ("ANN", None, None, 0.918, 1.9e-4, None),
        ("OPI", "Maximum", 1, 0.5, 2e-6, True),
        ("OPI", "Maximum", 2, 0.6, 5e-6, False),
        ("COS", "Maximum", 1, 0.7, 4e-6, True),
        ("COS", "Maximum", 2, 0.9, 4e-5, True),
    ),
)


def test_the_pareto_front_is_joined_by_steps_and_named() -> None:
    figure = pareto.draw(SWEPT)
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "energy [µJ] (log scale)"
    assert [text.get_text() for text in ax.texts] == ["OPI, T = 1", "COS, T = 1", "COS, T = 2"]
    (steps,) = (line for line in ax.lines if line.get_drawstyle() == "steps-post")
    assert (list(steps.get_xdata()), list(steps.get_ydata())) == (
        pytest.approx([2, 4, 40]),
        pytest.approx([50, 70, 90]),
    )
    faint = [list(line.get_xdata()) for line in ax.lines if line.get_alpha() == 0.35]
    assert faint == [[pytest.approx(5)], []]
    assert legend(figure) == ["ANN (91.8 %)", "OPI", "COS"]
    assert_fits(figure)
    assert legend(pareto.draw(SWEPT, series=["recipe", "threshold"]))[1:] == ["OPI, Maximum", "COS, Maximum"]


def test_many_points_on_a_front_are_told_apart() -> None:
    """Texts do not cover one another, stay inside, and twelve series differ in colour or marker."""
    rows = tuple(
        (f"recipe {i % 12} of many", "Percentile 99.9 per channel", i + 1, 0.9 + i / 1e4, (i + 1) * 1e-6, True)
        for i in range(24)
    )
    figure = pareto.draw(Table("A", SWEPT.columns, rows), series=["recipe", "threshold"])
    (ax,) = figure.axes
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    assert len(boxes) == 24
    assert all(box.x0 >= ax.bbox.x0 for box in boxes)
    dots = {(line.get_color(), line.get_marker()) for line in ax.lines if line.get_alpha() == 0.35}
    assert len(dots) == 12
    assert_fits(figure)


def test_a_cost_of_nothing_has_no_place_on_a_log_scale() -> None:
    figure = pareto.draw(Table("A", SWEPT.columns, (("a", "b", 1, 0.5, 0.0, True), ("a", "b", 2, 0.5, 1e-6, False))))
    assert [text.get_text() for text in figure.axes[0].texts] == []


def densities(layers: list[str], series: tuple, name: str = "T") -> Table:
    rows = tuple(
        (layer, value, 0.01 * (i + 1) + 0.1 * k) for i, layer in enumerate(layers) for k, value in enumerate(series)
    )
    return Table("D", (Column("layer"), Column(name), Column("firing_rate")), rows)


def test_density_bars_stand_in_the_row_of_their_layer() -> None:
    figure = density_per_layer.draw(densities(["a", "b"], ("QCFS", "OPI"), "recipe"), series="recipe")
    (ax,) = figure.axes
    bars = [(bar.get_width(), bar.get_y() + bar.get_height() / 2) for bar in ax.patches]
    assert [width for width, _ in bars] == pytest.approx([0.01, 0.02, 0.11, 0.12])
    assert [round(middle) for _, middle in bars] == [0, 1, 0, 1]
    assert ticks(ax, "y") == ["a", "b"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert legend(figure) == ["QCFS", "OPI"]
    colours = {matplotlib.colors.to_hex(bar.get_facecolor()) for bar in ax.patches}
    assert colours == {SERIES[0], SERIES[1]}
    assert_fits(figure)


def test_density_of_many_t_is_dots_in_an_ordered_colour() -> None:
    figure = density_per_layer.draw(densities(["a", "b", "c"], STEPS_T))
    (ax,) = figure.axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [dot.get_color() for dot in dots] == list(STEPS)
    assert list(map(float, dots[0].get_xdata())) == pytest.approx([0.01, 0.02, 0.03])
    assert legend(figure) == [f"T = {t}" for t in STEPS_T]
    assert_fits(figure)


@pytest.mark.parametrize(
    ("layers", "series"),
    [(["conv"], (8,)), (["conv"], STEPS_T), (LONG_NAMES, STEPS_T), (["x" * 200, "y" * 200], (8,))],
)
def test_any_number_of_layers_and_any_names_fit(layers: list[str], series: tuple) -> None:
    figure = density_per_layer.draw(densities(layers, series))
    shown = ticks(figure.axes[0], "y")
    assert len(set(shown)) == len(layers)
    assert_fits(figure)


def test_first_layer_above_the_limit_is_marked() -> None:
    table = Table(
        "E", (Column("layer"), Column("relative_error", "%")), (("a", 0.02), ("b", None), ("c", 0.3), ("d", 0.4))
    )
    figure = layer_error.draw(table, limit=0.1)
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([2, 0, 30, 40])
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in ax.patches]
    assert colours == [SERIES[0], SERIES[0], SERIES[1], SERIES[1]]
    assert [bar.get_alpha() for bar in ax.patches] == [None, None, None, 0.45]
    texts = {text.get_text(): text.xy for text in ax.texts}  # type: ignore[attr-defined]
    assert texts == {"not known": (0, 1), "limit 10 %": (10, 1), "first above the limit": (30, 2)}
    assert ax.get_yticklabels()[2].get_fontweight() == "bold"
    assert_fits(figure)


def test_nothing_is_marked_without_a_limit_or_without_an_error() -> None:
    table = Table("E", (Column("layer"), Column("relative_error", "%")), (("a", 0.02), ("b", 0.1)))
    for limit in (None, 0.1):
        (ax,) = layer_error.draw(table, limit=limit).axes
        assert {matplotlib.colors.to_hex(bar.get_facecolor()) for bar in ax.patches} == {SERIES[0]}
        assert "first above the limit" not in [text.get_text() for text in ax.texts]


def test_raster_has_one_mark_per_spike() -> None:
    spikes = np.zeros((4, 3))
    spikes[0, 1], spikes[3, 2], spikes[2, 0] = 1, 1, -1
    figure = raster.draw(spikes, layers=[["a", 2], ["b", 1]])
    (ax,) = figure.axes
    (x, y), (x_negative, y_negative) = lines(ax)
    assert x[::3] == [1, 4]
    assert [(a + b) / 2 for a, b in zip(y[::3], y[1::3])] == pytest.approx([1, 2])
    assert (x_negative[0], (y_negative[0] + y_negative[1]) / 2) == (3, pytest.approx(0))
    assert legend(figure) == ["spike", "negative spike"]
    assert [text.get_text() for text in ax.texts] == ["a", "b"]
    assert_fits(figure)


def test_a_raster_of_very_many_spikes_becomes_a_picture() -> None:
    from spikewright.report.svg import to_svg

    few, many = np.ones((10, 100)), np.ones((200, 100))
    assert "<image" not in to_svg(raster.draw(few), "a")
    svg = to_svg(raster.draw(many), "a")
    assert "data:image/png;base64" in svg
    assert len(svg) < 500_000


@pytest.mark.parametrize(
    ("spikes", "layers", "message"),
    [
        (np.zeros(3), (), r"raster: got an array of shape \(3,\); expected \[T, neurons\]"),
        (np.zeros((2, 3)), [["a", 4]], "raster: got layers of 4 neurons in all; expected at most 3"),
    ],
)
def test_raster_refuses_what_it_cannot_show(spikes, layers, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        raster.draw(spikes, layers=layers)


@pytest.mark.parametrize("names", [["conv1"], ["conv1", "conv2"], LONG_NAMES[:9]])
def test_histograms_have_one_panel_per_layer_with_its_threshold(names: list[str]) -> None:
    samples = {name: np.linspace(-1, 1 + i, 50) for i, name in enumerate(names)}
    figure = membrane_histogram.draw(histogram_table(samples, v_threshold=dict.fromkeys(names, 0.5), bins=5))
    panels = [ax for ax in figure.axes if ax.patches]
    assert len(panels) == len(names)
    assert len({ax.get_title(loc="left") for ax in panels}) == len(names)
    assert list(panels[0].lines[0].get_xdata()) == [0.5, 0.5]
    corners = panels[0].patches[0].get_xy()
    assert corners[:, 0].min() == pytest.approx(-1)
    assert corners[:, 1].max() == 10
    assert legend(figure) == ["neurons", "threshold"]
    assert_fits(figure)


def test_learning_curve_parts_losses_from_accuracies() -> None:
    columns = (Column("epoch"), Column("train_loss"), Column("test_loss"), Column("test_accuracy", "%"))
    table = Table("L", columns, ((1, 2.0, 2.1, 0.3), (2, 1.0, None, None), (3, 0.5, 0.9, 0.7), (4, 0.4, 0.8, 0.8)))
    figure = learning_curve.draw(table)
    left, right = figure.axes
    assert lines(left) == [([1, 2, 3, 4], [2.0, 1.0, 0.5, 0.4]), ([1, 3, 4], [2.1, 0.9, 0.8])]
    assert lines(right) == [([1, 3, 4], pytest.approx([30, 70, 80]))]
    assert left.lines[1].get_color() == right.lines[0].get_color()
    assert legend(figure) == ["train", "test"]
    assert_fits(figure)
    (only,) = learning_curve.draw(table, loss=["test_loss"], accuracy=[]).axes
    assert len(only.lines) == 1


def test_long_names_keep_what_tells_them_apart() -> None:
    assert distinct(["a", "b"], 10) == ["a", "b"]
    assert distinct(["net.body.1.relu", "net.body.2.relu"], 12) == ["net.body.1…", "net.body.2…"]
    assert distinct(["long.shared.part.1.relu", "long.shared.part.2.relu"], 9) == ["…part.1…", "…part.2…"]
    assert distinct(["x" * 9 + "a" + "x" * 9, "x" * 9 + "b" + "x" * 9], 9) == ["0: xxxx…xxxx", "1: xxxx…xxxx"]
    assert words("_a $x$", 20) == "\u200b_a \\$x\\$"


SIZES = (0.0, 0.01, 0.02, 1.0)
UNDER_ATTACK = Table(
    "Under attack",
    (Column("attack"), Column("eps"), Column("accuracy", "%"), Column("low", "%"), Column("high", "%")),
    tuple(
        (name, eps, share, share - 0.05, share + 0.05)
        for name, shares in (
            ("noise", (0.9, 0.9, 0.8, 0.2)),
            ("RGA", (0.9, 0.5, 0.3, 0.1)),
            ("worst case", (0.9, 0.4, 0.2, 0.05)),
        )
        for eps, share in zip(SIZES, shares)
    ),
)


def test_robustness_is_drawn_over_eps_with_zero_at_the_left() -> None:
    figure = robustness_curve.draw(UNDER_ATTACK, mark=0.02)
    (ax,) = figure.axes
    drawn = lines(ax)
    assert [height for _, height in drawn] == [
        pytest.approx([90, 90, 80, 20]), pytest.approx([90, 50, 30, 10]), pytest.approx([90, 40, 20, 5])
    ]  # fmt: skip
    places = drawn[0][0]
    assert places == sorted(places)
    assert places[2] - places[1] == pytest.approx(1)
    assert ticks(ax, "x") == ["0", "0.01", "0.02", "1"]
    assert ax.get_xlabel() == "eps (log scale)"
    assert legend(figure) == ["noise", "RGA", "worst case"]
    assert ax.lines[0].is_dashed()
    assert matplotlib.colors.same_color(ax.lines[1].get_color(), SERIES[0])
    (band,) = ax.collections
    assert {round(float(y)) for _, y in band.get_paths()[0].vertices} >= {0, 10, 85, 95}
    assert ax.lines[-1].get_xdata()[0] == places[2]
    assert_fits(figure)


def test_robustness_on_a_plain_axis_where_the_range_is_small() -> None:
    narrow = Table("A", UNDER_ATTACK.columns, UNDER_ATTACK.rows[:3])
    figure = robustness_curve.draw(narrow, label="size")
    assert figure.axes[0].get_xlabel() == "size"
    assert lines(figure.axes[0])[0][0] == [0.0, 0.01, 0.02]


def test_attacked_images_stand_below_each_other() -> None:
    clean, attacked = np.full((2, 3, 4, 4), 100), np.full((2, 3, 4, 4), 110)
    change = np.full((2, 3, 4, 4), 127)
    change[1] = 0
    figure = adversarial_grid.draw(
        clean, attacked, change, largest=10 / 255, before=["cat", "dog"], after=["frog", "ship"], by=["FGSM", "PGD"]
    )
    pictures = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert [int(picture.max()) for picture in pictures] == [100, 100, 255, 128, 110, 110]
    assert figure.axes[4].get_ylabel() == "change\n× 13"
    assert [ax.get_title() for ax in figure.axes[:2]] == ["cat", "dog"]
    assert [ax.get_xlabel() for ax in figure.axes[4:6] + figure.axes[8:10]] == ["FGSM", "PGD", "frog", "ship"]
    assert_fits(figure)


def test_maps_stand_beside_their_images_around_white_and_what_has_none_is_grey() -> None:
    images, maps = np.full((2, 3, 4, 4), 100), np.zeros((3, 2, 4, 4))
    maps[0, :, 1, 1], maps[0, :, 2, 2] = 8.0, -4.0
    mask = np.zeros((2, 4, 4))
    mask[:, 1:3, 1:3] = 1
    names = ["Occlusion", "InputXGradient", "LRP"]
    figure = attribution_grid.draw(
        images, maps, methods=names, labels=["cat", "dog"], outlines=mask, known=[True, True, False]
    )
    first = figure.axes[:4]
    assert [ax.get_title() for ax in first] == ["", "Occlusion", "Input\nXGradient", "LRP"]
    assert [figure.axes[place].get_ylabel() for place in (0, 4)] == ["cat", "dog"]
    shown = first[1].images[0].get_array()
    assert (shown.max(), shown.min(), first[1].images[0].get_clim()) == (1.0, -0.5, (-1.0, 1.0))
    assert first[1].images[0].cmap(0.5)[:3] == pytest.approx((1.0, 1.0, 1.0), abs=0.01)
    assert not first[3].images
    assert first[3].texts[0].get_text() == "n/a"
    assert_fits(figure)


def test_maps_that_do_not_fit_their_images_are_refused() -> None:
    images, maps = np.zeros((2, 3, 4, 4)), np.zeros((1, 2, 4, 5))
    with pytest.raises(ReportError, match=r"attribution_grid: got images .*; expected \[N, C, H, W\]"):
        attribution_grid.draw(images, maps, methods=["a"])
    with pytest.raises(ReportError, match="0 names"):
        attribution_grid.draw(images, maps[..., :4], methods=[])
    with pytest.raises(ReportError, match="outlines"):
        attribution_grid.draw(images, maps[..., :4], methods=["a"], outlines=np.zeros((1, 4, 4)))


def test_attacked_images_of_different_shapes_are_refused() -> None:
    one, two = np.zeros((1, 1, 2, 2)), np.zeros((2, 1, 2, 2))
    with pytest.raises(ReportError, match=r"adversarial_grid: got arrays of shape \(1, 1, 2, 2\), \(2, 1, 2, 2\)"):
        adversarial_grid.draw(one, two, one, largest=1.0)
