"""Pictures for triggers, drawn by arithmetic at any size: eight patches and eight textures, and folders of others."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.arguments import check_whole
from ..core.errors import DataError, sentence
from .textures import STYLES, Canvas
from .triggers import Picture

FINER, LEAST = 4, 128
"""Points per pixel in each direction, so that edges are smooth; and least points of a picture, for the small ones."""


def _mix(base: np.ndarray, colour: tuple[float, float, float], where: np.ndarray) -> None:
    base[where] = colour


def _blank(canvas: Canvas, colour: tuple[float, float, float]) -> np.ndarray:
    return np.ones((*canvas[0].shape, 3)) * np.array(colour)


def smiley(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A yellow face with two eyes and a smile."""
    x, y = canvas
    r, made = np.hypot(x, y), _blank(canvas, (1.0, 0.83, 0.12))
    _mix(made, (0.78, 0.50, 0.05), r > 0.86)
    eyes = np.hypot((np.abs(x) - 0.33) / 0.13, (y + 0.25) / 0.2) < 1
    mouth = (np.abs(np.hypot(x, y + 0.02) - 0.56) < 0.085) & (y > 0.14)
    _mix(made, (0.15, 0.08, 0.02), eyes | mouth)
    return made, r < 0.96


def _star(x: np.ndarray, y: np.ndarray, points: int, inner: float) -> np.ndarray:
    """Distance to the edge of a star in parts of its size: below one inside."""
    angle = np.mod(np.arctan2(x, -y), 2 * np.pi / points)
    angle = np.minimum(angle, 2 * np.pi / points - angle)
    r = np.hypot(x, y)
    tip, dip = np.array([0.0, 1.0]), inner * np.array([np.sin(np.pi / points), np.cos(np.pi / points)])
    across, along = r * np.sin(angle), r * np.cos(angle)
    edge = dip - tip
    outwards = np.array([-edge[1], edge[0]])
    return (across * outwards[0] + along * outwards[1]) / (tip @ outwards)


def star(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A green star with five points."""
    x, y = canvas
    inside, made = _star(x, y - 0.05, 5, 0.42), _blank(canvas, (0.06, 0.62, 0.20))
    _mix(made, (0.35, 0.88, 0.40), inside < 0.72)
    return made, inside < 0.97


def fish(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """An orange fish with white bands."""
    x, y = canvas
    body = (x + 0.12) ** 2 / 0.62 + y**2 / 0.27 < 1
    tail = (x > 0.42) & (np.abs(y) < 0.12 + 0.95 * (x - 0.42)) & (x < 0.96)
    fin = (np.hypot((x + 0.1) / 0.35, (y + 0.5) / 0.28) < 1) & (y < -0.3)
    made = _blank(canvas, (1.0, 0.45, 0.05))
    for middle, width in ((-0.42, 0.11), (0.10, 0.12), (0.55, 0.07)):
        bent = x - middle - 0.12 * np.cos(3 * y)
        _mix(made, (0.05, 0.05, 0.05), np.abs(bent) < width + 0.04)
        _mix(made, (1.0, 1.0, 1.0), np.abs(bent) < width)
    _mix(made, (0.02, 0.02, 0.02), np.hypot(x + 0.68, y + 0.10) < 0.09)
    return made, body | tail | fin


def berry(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A red strawberry with yellow seeds and green leaves."""
    x, y = canvas
    slim = 0.86 * (1 - 0.55 * ((y + 0.3).clip(0, 2) / 1.25) ** 1.6)
    body = np.hypot(x / slim, (y - 0.08) / 0.87) < 1
    made = _blank(canvas, (0.88, 0.07, 0.12))
    row = np.floor((y + 1) / 0.3)
    seed_x = np.mod(x + 0.19 * np.mod(row, 2), 0.38) - 0.19
    seed_y = np.mod(y + 1, 0.3) - 0.15
    _mix(made, (1.0, 0.83, 0.35), np.hypot(seed_x / 0.06, seed_y / 0.09) < 1)
    leaves = _star(x / 1.1, (y + 0.72) / 0.62, 7, 0.5) < 0.85
    _mix(made, (0.12, 0.55, 0.14), leaves)
    return made, body | leaves


def heart(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A pink heart."""
    x, y = canvas[0] * 1.18, 0.12 - canvas[1] * 1.18
    inside = (x**2 + y**2 - 0.62) ** 3 - 1.6 * x**2 * y**3
    made = _blank(canvas, (0.98, 0.35, 0.62))
    _mix(made, (1.0, 0.75, 0.86), np.hypot(x + 0.4, y - 0.38) < 0.16)
    return made, inside < 0


def flower(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A violet flower with six petals and a yellow middle."""
    x, y = canvas
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    made = _blank(canvas, (0.52, 0.20, 0.80))
    _mix(made, (0.74, 0.48, 0.95), (r > 0.35) & (np.abs(np.sin(3 * angle)) < 0.55) & (r < 0.72))
    _mix(made, (1.0, 0.85, 0.15), r < 0.27)
    return made, r < 0.62 + 0.33 * np.abs(np.cos(3 * angle))


def mushroom(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A blue cap with white dots on a pale stem."""
    x, y = canvas
    cap = (np.hypot(x / 0.95, (y + 0.02) / 0.9) < 1) & (y < 0.12)
    stem = (np.abs(x) < 0.3 + 0.08 * y) & (y >= 0.12) & (y < 0.92)
    made = _blank(canvas, (0.10, 0.25, 0.78))
    for cx, cy, r in ((0.0, -0.52, 0.2), (-0.52, -0.18, 0.17), (0.52, -0.18, 0.17), (0.02, -0.05, 0.11)):
        _mix(made, (1.0, 1.0, 1.0), np.hypot(x - cx, y - cy) < r)
    _mix(made, (0.95, 0.88, 0.74), stem)
    return made, cap | stem


def rings(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A target of black and white rings with a red middle."""
    r = np.hypot(*canvas)
    made = _blank(canvas, (1.0, 1.0, 1.0))
    _mix(made, (0.05, 0.05, 0.05), np.mod(r, 0.4) > 0.2)
    _mix(made, (0.90, 0.05, 0.05), r < 0.22)
    return made, r < 0.97


PATCHES: dict[str, Callable[[Canvas], tuple[np.ndarray, np.ndarray]]] = {
    "smiley": smiley, "star": star, "fish": fish, "berry": berry,
    "heart": heart, "flower": flower, "mushroom": mushroom, "rings": rings,
}  # fmt: skip
"""Patches by name: coordinates -> colours, and where they are."""


def draw(name: str, size: int = 64) -> Picture:
    """A patch or a texture of this package.

    Args:
        name: one of PATCHES or STYLES.
        size: pixels in each direction.

    Raises:
        DataError: for another name.
        ArgumentError: for a size below 1.

    Example:
        >>> tuple(draw("smiley", 32).colour.shape)
        (3, 32, 32)
    """
    if name not in PATCHES and name not in STYLES:
        raise DataError(sentence("draw", repr(name), f"one of {', '.join([*PATCHES, *STYLES])}"))
    check_whole("draw.size", size, least=1)
    finer = max(FINER, math.ceil(LEAST / size))
    fine = size * finer
    at = (np.arange(fine) + 0.5) / fine * 2 - 1
    x, y = np.meshgrid(at, at)
    if name in STYLES:
        return Picture(name, _small(STYLES[name]((x, y)), size))
    colour, inside = PATCHES[name]((x, y))
    alpha = _small(inside[..., None].astype(float), size)
    shown = _small(colour * inside[..., None], size) / alpha.clamp(min=1e-6)
    return Picture(name, torch.where(alpha > 0, shown, 0.5).clamp(0, 1), alpha)


def _small(points: np.ndarray, size: int) -> Tensor:
    """The mean of the points of each pixel, [C, size, size]."""
    finer = len(points) // size
    mean = points.clip(0, 1).reshape(size, finer, size, finer, -1).mean((1, 3))
    return torch.from_numpy(mean).permute(2, 0, 1).float().contiguous()


def load_triggers(folder: Path | str) -> dict[str, Picture]:
    """The pictures of a folder, PNG or JPEG, by file name without its ending; transparency is kept.

    Raises:
        DataError: if there is no such folder, no picture in it, or a file is no picture.
    """
    folder = Path(folder)
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not files:
        raise DataError(sentence("load_triggers", f"no picture in {folder}", "a folder of PNG or JPEG files"))
    found = {}
    for path in files:
        try:
            with Image.open(path) as opened:
                values = torch.from_numpy(np.array(opened.convert("RGBA"))).permute(2, 0, 1).float() / 255
        except (OSError, Image.DecompressionBombError) as error:
            raise DataError(sentence("load_triggers", f"{path.name}: {error}", "a picture that can be read")) from error
        alpha = None if bool((values[3:] == 1).all()) else values[3:]
        found[path.stem] = Picture(path.stem, values[:3].contiguous(), alpha)
    return found
