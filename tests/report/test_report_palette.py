"""The colours of series can be told apart by everybody, on light and on dark."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from spikewright.report.palette import COLOURS

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> np.ndarray:
    rgb = np.clip(np.array(VISIONS[vision]) @ linear(colour), 0, 1)
    t = TO_XYZ @ rgb / (TO_XYZ @ np.ones(3))
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(a: str, b: str) -> float:
    high, low = sorted((float(TO_XYZ[1] @ linear(colour)) for colour in (a, b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("shade", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", list(VISIONS))
def test_series_differ_for_every_vision(vision: str, shade: int) -> None:
    series = [COLOURS[f"series-{i}"][shade] for i in range(1, 7)]
    distances = {
        (i + 1, j + 1): float(np.linalg.norm(lab(series[i], vision) - lab(series[j], vision)))
        for i, j in combinations(range(6), 2)
    }
    assert min(distances.values()) > 13, distances


@pytest.mark.parametrize("shade", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(shade: int) -> None:
    paper = COLOURS["paper"][shade]
    assert contrast(COLOURS["ink"][shade], paper) > 7
    assert contrast(COLOURS["muted"][shade], paper) > 4.5
    assert contrast(COLOURS["series-1"][shade], paper) > 4.5


@pytest.mark.parametrize("shade", [0, 1], ids=["light", "dark"])
def test_steps_move_away_from_the_background_one_by_one(shade: int) -> None:
    paper = COLOURS["paper"][shade]
    contrasts = [contrast(COLOURS[f"step-{i}"][shade], paper) for i in range(1, 7)]
    assert contrasts == sorted(contrasts)
    assert all(b / a > 1.15 for a, b in pairwise(contrasts))
