"""The colours of pages and figures, each with its counterpart on a dark background."""

from __future__ import annotations

COLOURS: dict[str, tuple[str, str]] = {
    # name: (on light, on dark)
    "paper": ("#ffffff", "#14181e"),
    "ink": ("#1c2530", "#e3e7ed"),
    "muted": ("#5a6675", "#9ba6b4"),
    "rule": ("#cfd6de", "#38414c"),
    "faint": ("#e8ecf0", "#252c35"),
    # Series, told apart also with a colour vision deficiency (a test simulates it).
    "series-1": ("#0072b2", "#4ea5e0"),
    "series-2": ("#d55e00", "#f58443"),
    "series-3": ("#009e73", "#3cc79b"),
    "series-4": ("#882255", "#c05c92"),
    "series-5": ("#dca400", "#ffd351"),
    "series-6": ("#6fb7e9", "#a9d8f7"),
    # An order (time steps) in one hue, from near the background to far from it.
    "step-1": ("#a9cfe6", "#2b506b"),
    "step-2": ("#7db7da", "#34698f"),
    "step-3": ("#4d9aca", "#3f84b4"),
    "step-4": ("#2279ae", "#5aa2d2"),
    "step-5": ("#135a87", "#8ac2e8"),
    "step-6": ("#0b3a5a", "#c3e2f7"),
}

LIGHT = {name: light for name, (light, _) in COLOURS.items()}
PAPER, INK, MUTED, RULE, FAINT = (LIGHT[name] for name in ("paper", "ink", "muted", "rule", "faint"))
SERIES = tuple(LIGHT[f"series-{i}"] for i in range(1, 7))
STEPS = tuple(LIGHT[f"step-{i}"] for i in range(1, 7))


def css() -> str:
    """Return the colours as CSS variables: light by default and in print, dark where the reader asks for it.

    Example:
        >>> "--ink: #1c2530;" in css()
        True
    """
    light = " ".join(f"--{name}: {pair[0]};" for name, pair in COLOURS.items())
    dark = " ".join(f"--{name}: {pair[1]};" for name, pair in COLOURS.items())
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


def follow_page(svg: str) -> str:
    """Let the colours of a drawing follow the page: each known one becomes its CSS variable.

    Example:
        >>> follow_page('<path style="stroke: #0072b2"/>')
        '<path style="stroke: var(--series-1)"/>'
    """
    for name, colour in LIGHT.items():
        for use in ("fill", "stroke"):
            svg = svg.replace(f"{use}: {colour}", f"{use}: var(--{name})")
    return svg
