"""Drawn shapes: the practice question and the attention checks, which anybody answers who looks."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw, ImageFilter

SIDE = 96
_GROUNDS = ((214, 220, 226), (190, 204, 190), (226, 212, 190), (200, 196, 214), (232, 228, 210))
_INKS = {
    "disc": (196, 60, 60), "ring": (42, 108, 176), "square": (62, 140, 78), "triangle": (214, 150, 30),
    "cross": (128, 62, 140), "stripes": (40, 40, 48), "diamond": (22, 140, 150), "bars": (150, 86, 46),
}  # fmt: skip
SHAPES = tuple(_INKS)


def shape(name: str, *, ground: tuple[int, int, int] = (244, 244, 244)) -> Image.Image:
    """Draw one of `SHAPES` on a plain ground."""
    side = 4 * SIDE  # shrunk in the end, for smooth edges
    image = Image.new("RGB", (side, side), ground)
    draw, ink = ImageDraw.Draw(image), _INKS[name]
    low, high, middle = side // 6, side - side // 6, side // 2
    if name == "disc":
        draw.ellipse((low, low, high, high), fill=ink)
    elif name == "ring":
        draw.ellipse((low, low, high, high), outline=ink, width=side // 8)
    elif name == "square":
        draw.rectangle((low, low, high, high), fill=ink)
    elif name == "triangle":
        draw.polygon(((middle, low), (high, high), (low, high)), fill=ink)
    elif name == "cross":
        draw.rectangle((middle - side // 10, low, middle + side // 10, high), fill=ink)
        draw.rectangle((low, middle - side // 10, high, middle + side // 10), fill=ink)
    elif name == "diamond":
        draw.polygon(((middle, low), (high, middle), (middle, high), (low, middle)), fill=ink)
    elif name == "stripes":
        for x in range(0, side, side // 6):
            draw.rectangle((x, 0, x + side // 12 - 1, side), fill=ink)
    else:
        for y in range(0, side, side // 4):
            draw.rectangle((0, y, side, y + side // 8 - 1), fill=ink)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def sketch(name: str, draw: random.Random, *, noise: float) -> Image.Image:
    """A shape as a tool might show it: turned, moved, blurred, on a coloured ground, under noise.

    Args:
        name: one of `SHAPES`.
        draw: source of the numbers.
        noise: 0 for a clear one, 1 for one that takes a second look.
    """
    ground = draw.choice(_GROUNDS)
    move = (draw.randint(-10, 10), draw.randint(-10, 10))
    turned = shape(name, ground=ground).rotate(
        draw.uniform(-14, 14), resample=Image.Resampling.BICUBIC, translate=move, fillcolor=ground
    )
    speckle = Image.frombytes("RGB", (SIDE // 4, SIDE // 4), draw.randbytes(3 * (SIDE // 4) ** 2))
    speckle = speckle.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return Image.blend(turned.filter(ImageFilter.GaussianBlur(1 + 2 * noise)), speckle, 0.15 + 0.3 * noise)
