"""Textures for style triggers, drawn by arithmetic at any size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Canvas = tuple[np.ndarray, np.ndarray]
"""Coordinates x to the right and y downwards, -1..1, of every point."""


def _noise(canvas: Canvas, cells: int, seed: int) -> np.ndarray:
    """Smooth noise in 0..1 with so many cells across."""
    x, y = ((axis + 1) / 2 * cells for axis in canvas)
    grid = np.random.default_rng(seed).random((cells + 2, cells + 2))
    left, top = np.floor(x).astype(int).clip(0, cells), np.floor(y).astype(int).clip(0, cells)
    u, v = x - left, y - top
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    upper = grid[top, left] * (1 - u) + grid[top, left + 1] * u
    lower = grid[top + 1, left] * (1 - u) + grid[top + 1, left + 1] * u
    return upper * (1 - v) + lower * v


def _cells(canvas: Canvas, count: int, seed: int, squeeze: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each point its distances to the two nearest of drawn centres, and the number of the nearest."""
    x, y = canvas
    draws = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(count)))
    at = (
        np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) + draws.random((side**2, 2))
    ) / side
    far = [np.hypot(x - (2 * cx - 1) * 1.1, squeeze * (y - (2 * cy - 1) * 1.1)) for cx, cy in at]
    stacked = np.stack(far)
    nearest = stacked.argmin(0)
    ordered = np.partition(stacked, 1, 0)
    return ordered[0], ordered[1], nearest


def _ramp(value: np.ndarray, low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    part = value.clip(0, 1)[..., None]
    return np.array(low) * (1 - part) + np.array(high) * part


def wood(canvas: Canvas) -> np.ndarray:
    """Brown grain that runs upwards and bends round a knot."""
    x, y = canvas
    knot = np.exp(-(((x - 0.3) / 0.35) ** 2) - ((y + 0.2) / 0.6) ** 2)
    line = 9 * (x + 0.25 * _noise(canvas, 3, 1) + 0.30 * knot * np.sign(x - 0.3)) + 1.5 * _noise((x, y * 0.2), 8, 2)
    return _ramp(
        0.5 + 0.35 * np.sin(4 * line) + 0.3 * (_noise((x, y * 0.15), 40, 3) - 0.5),
        (0.36, 0.18, 0.06),
        (0.80, 0.55, 0.30),
    )


def beans(canvas: Canvas) -> np.ndarray:
    """A heap of shiny sweets in many colours."""
    near, second, which = _cells(canvas, 64, 4, 1.25)
    palette = np.array(
        [
            (0.9, 0.1, 0.15),
            (1.0, 0.6, 0.05),
            (0.98, 0.9, 0.2),
            (0.15, 0.65, 0.2),
            (0.15, 0.35, 0.9),
            (0.6, 0.15, 0.7),
            (1.0, 0.55, 0.75),
            (0.95, 0.95, 0.95),
        ]
    )
    made = (
        palette[np.random.default_rng(17).permutation(64)[which] % 8]
        * (1 - 0.75 * (near / 0.2).clip(0, 1) ** 2)[..., None]
    )
    made[near < 0.035] = 1.0
    made[second - near < 0.02] *= 0.25
    return made


def wrinkles(canvas: Canvas) -> np.ndarray:
    """Grey skin with a net of folds."""
    x, y = canvas
    bent = (x + 0.12 * _noise(canvas, 6, 5), y + 0.12 * _noise(canvas, 6, 6))
    near, second, _ = _cells(bent, 81, 7, 1.8)
    fold = ((second - near) / 0.10).clip(0, 1)
    return _ramp(0.25 + 0.5 * fold + 0.25 * _noise(canvas, 24, 8), (0.20, 0.19, 0.20), (0.66, 0.62, 0.60))


def rosettes(canvas: Canvas) -> np.ndarray:
    """Golden fur with black broken rings."""
    bent = (canvas[0] + 0.08 * _noise(canvas, 7, 9), canvas[1] + 0.08 * _noise(canvas, 7, 10))
    near, second, _ = _cells(bent, 36, 11)
    ring = (np.abs(near - 0.125) < 0.038) & (_noise(canvas, 12, 12) > 0.32) & (second - near > 0.03)
    made = _ramp(0.4 + 0.5 * _noise(canvas, 10, 13), (0.78, 0.50, 0.18), (0.95, 0.76, 0.42))
    made[near < 0.08] *= 0.72
    made[ring] = (0.09, 0.06, 0.04)
    return made


def bricks(canvas: Canvas) -> np.ndarray:
    """A red wall with pale joints."""
    x, y = ((axis + 1) * 4 for axis in canvas)
    row = np.floor(y * 1.25)
    u, v = np.mod(x / 1.6 + 0.5 * np.mod(row, 2), 1), np.mod(y * 1.25, 1)
    made = _ramp(_noise(canvas, 30, 14), (0.58, 0.20, 0.13), (0.76, 0.34, 0.22))
    made[(u < 0.07) | (v < 0.12)] = (0.85, 0.82, 0.76)
    return made


def waves(canvas: Canvas) -> np.ndarray:
    """Blue water with bright crests."""
    x, y = canvas
    lift = 10 * y + 1.5 * np.sin(3.5 * x + 2 * _noise(canvas, 4, 15)) + 2.5 * _noise(canvas, 5, 16)
    made = _ramp(0.5 + 0.5 * np.sin(2.2 * lift), (0.02, 0.20, 0.50), (0.20, 0.62, 0.82))
    made[np.sin(2.2 * lift) > 0.93] = (0.92, 0.97, 1.0)
    return made


def gingham(canvas: Canvas) -> np.ndarray:
    """Cloth in green and white checks."""
    x, y = (np.mod(np.floor((axis + 1) * 5), 2) for axis in canvas)
    return _ramp((x + y) / 2, (0.97, 0.99, 0.96), (0.05, 0.45, 0.18))


def scales(canvas: Canvas) -> np.ndarray:
    """Rows of round violet scales, one over the other."""
    x, y = ((axis + 1) * 5 for axis in canvas)
    row = np.floor(y * 1.3)
    u, v = np.mod(x + 0.5 * np.mod(row, 2), 1) - 0.5, np.mod(y * 1.3, 1)
    r = np.hypot(u, v * 0.9)
    made = _ramp(1 - 1.3 * r, (0.22, 0.05, 0.32), (0.72, 0.42, 0.86))
    made[np.abs(r - 0.55) < 0.05] = (0.10, 0.02, 0.16)
    return made


STYLES: dict[str, Callable[[Canvas], np.ndarray]] = {
    "wood": wood, "beans": beans, "wrinkles": wrinkles, "rosettes": rosettes,
    "bricks": bricks, "waves": waves, "gingham": gingham, "scales": scales,
}  # fmt: skip
"""Textures by name: coordinates -> colours."""
