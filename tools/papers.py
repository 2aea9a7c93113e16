"""Write docs/papers.md: the catalogue of papers as a page, published figures beside ours."""

from __future__ import annotations

import sys

from page import ROOT, write_or_check

from spikewright.papers import EVIDENCE, Comparison, Paper, compare, load

HEAD = """# Papers

The thirteen papers behind this project: a summary in our own words, what of it exists here, and published
figures beside ours. In a terminal: `spikewright papers`. Written by `make docs` from
`spikewright/papers/catalogue.json`; do not edit.

How sure a published figure is, strongest first:

"""
LINKS = {
    "doi": ("DOI", "https://doi.org/"),
    "arxiv": ("arXiv", "https://arxiv.org/abs/"),
    "openreview": ("OpenReview", "https://openreview.net/forum?id="),
}


def page() -> str:
    """The whole page: how to read it, an overview, a section per paper."""
    text = HEAD + "".join(f"- *{kind}*: {meaning}\n" for kind, meaning in EVIDENCE.items())
    text += "\n| paper | venue | title | here |\n| --- | --- | --- | --- |\n"
    for paper in load():
        here = ", ".join(f"`{name.rsplit('.', 1)[-1]}`" for name in paper.implemented) or "not yet"
        text += f"| [{paper.name}](#{anchor(paper)}) | {paper.venue} {paper.year} | {paper.title} | {here} |\n"
    return text + "".join(section(paper) for paper in load())


def anchor(paper: Paper) -> str:
    """The link target of a paper's heading."""
    return paper.name.lower().replace(" ", "-")


def section(paper: Paper) -> str:
    """One paper: citation, summary, what exists here, figures."""
    ids = [(title, start, getattr(paper, key)) for key, (title, start) in LINKS.items()]
    links = [f"[{title} {value}]({start}{value})" for title, start, value in ids if value]
    links += [f"[code {name}](https://github.com/{name})" for name in paper.code]
    citation = f"{', '.join(paper.authors)}. *{paper.title}.* {paper.venue} {paper.year}."
    parts = [f"\n## {paper.name}\n", f"{citation}\n"]
    parts += [f"{' · '.join(links)}\n"] if links else []
    parts += [f"{paper.summary}\n", f"Topics: {', '.join(paper.topics)}.\n"]
    parts += [f"{related}.\n" for related in paper.related]
    here = ", ".join(f"`{name}`" for name in paper.implemented) or "nothing yet"
    parts.append(f"Here: {here}." + (f" Reproduce: `{paper.command}`\n" if paper.command else "\n"))
    rows = [row(comparison) for comparison in compare(paper)]
    if not rows:
        return "\n".join([*parts, "No figure of this paper could be confirmed.\n"])
    head = "| data | network | setting | measure | published | ours | evidence |\n" + "| --- " * 7 + "|\n"
    return "\n".join([*parts, head + "".join(rows)])


def row(comparison: Comparison) -> str:
    """One line of the table of figures."""
    published, ours = comparison.published, comparison.ours
    case = published or ours
    if case is None:
        raise ValueError("a comparison needs a published figure or one of ours")
    cells = [case.dataset or "not named", case.network or "not named", case.setting, case.metric]
    cells.append(number(published.value, published.spread) if published else "")
    cells.append(f"[{number(ours.value, ours.spread)}](../{ours.result_file})" if ours else "")
    cells.append(f"*{published.evidence}*: {published.source}" if published else "")
    return f"| {' | '.join(cells)} |\n"


def number(value: float, spread: float | None) -> str:
    """A value, with its spread where there is one."""
    return f"{value:.6g}" if spread is None else f"{value:.6g} ± {spread:.3g}"


if __name__ == "__main__":
    sys.exit(write_or_check(ROOT / "docs" / "papers.md", page(), "make docs"))
