"""Legends: long names stay apart."""

from spikewright.report.plots.style import legend, new_figure


def shown(names: list[str]) -> list[str]:
    """The texts of a legend of these names."""
    figure = new_figure(3.0)
    ax = figure.subplots()
    legend(figure, [ax.plot([0], [0])[0] for _ in names], names)
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_short_names_are_shown_whole() -> None:
    assert shown(["OPI", "COS rho=4"]) == ["OPI", "COS rho=4"]


def test_names_that_differ_in_the_middle_stay_apart() -> None:
    names = [
        f"DCGS firing=SingleThreshold() coding={coding}, Percentile 99.9 per channel" for coding in ("rate", "delta")
    ]
    texts = shown(names)
    assert len(set(texts)) == 2
    assert "rate" in texts[0]


def test_what_cannot_be_told_apart_is_numbered() -> None:
    names = [f"{'a' * 200}{middle}{'b' * 200}" for middle in "xy"]
    assert [text[:2] for text in shown(names)] == ["0:", "1:"]
