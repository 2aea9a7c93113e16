"""A drawn figure as SVG: a file of its own, or a part of a page that follows the page's colours."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING

from spikewright.report.palette import follow_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RASTER_DPI = 200
_FONTS = "font-family: 'DejaVu Sans', Verdana, sans-serif"


def to_svg(figure: Figure, name: str) -> str:
    """Return the figure as an SVG file; the same figure always gives the same text.

    Args:
        figure: what a plot returned.
        name: name of the figure; makes the ids in the drawing differ from those of other figures.
    """
    import matplotlib

    from spikewright.report.plots.style import drawing

    file = io.StringIO()
    with drawing(), matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    return file.getvalue().replace("font-family: 'DejaVu Sans'", _FONTS)


def to_png(figure: Figure) -> bytes:
    """Return the figure as a PNG picture with 200 dots per inch."""
    from spikewright.report.plots.style import drawing

    file = io.BytesIO()
    with drawing():
        figure.savefig(file, format="png", dpi=RASTER_DPI, metadata={"Software": None})
    return file.getvalue()


def inline(svg: str, name: str, alt: str) -> str:
    """Turn an SVG file into an element of a page: own ids, the page's colours, words for the blind.

    Args:
        svg: what `to_svg` returned.
        name: name of the figure; begins all ids.
        alt: what the figure shows, in words.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>|\s*<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\sid="|xlink:href="#|url\(#)', rf"\g<1>{name}--", body)
    head = f'<svg role="img" aria-label="{html.escape(alt, quote=True)}"'
    return follow_page(body.replace("<svg", head, 1)).strip()
