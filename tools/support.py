"""Write docs/support.md: which layers every conversion method copes with, by converting a small network of each."""

from __future__ import annotations

import sys

import torch
from page import ROOT, write_or_check
from support_cases import CASES, CLOSE, LONG, Verdict, fitting, judge

from spikewright.convert.recipes import RECIPES

HEAD = f"""# Support

What becomes of a layer under each conversion method. Every cell was made by converting a small network with this layer
and running it: a layer counts as supported only if the mean output of the spiking network comes within {CLOSE:.0%}
of its source after {LONG} steps, and closer than after a few. The tests convert the same networks. Written by
`make docs`; do not edit. `spikewright check MODEL` says the same of every layer of a network of yours. (SRP runs here
without its rehearsal, which is made for few steps and at many takes wanted spikes away.)

*stays*: the operation is linear in the activity and is left as it is. *to be trained*: `prepare(model, recipe)` puts it
in before training, and `convert` puts neurons in place of activations afterwards. *gate*: the max pool is kept; each
window lets the input through that has received most so far. *analog*: real numbers at every step instead of spikes,
counted as multiply-accumulates.
"""


def page() -> str:
    """The table, and below it what to do about each refusal."""
    torch.set_num_threads(1)  # networks this small only wait for each other
    verdicts = {(case.name, name): judge(case, fitting(kind)) for case in CASES for name, kind in RECIPES.items()}
    wrong = [(key, verdict) for key, verdict in verdicts.items() if verdict.converts and not verdict.approaches]
    if wrong:
        raise SystemExit(f"support: {wrong} convert, but do not approach their source.")
    lines = [HEAD, f"| layer | {' | '.join(RECIPES)} |", f"| --- |{' --- |' * len(RECIPES)}"]
    for case in CASES:
        lines.append(f"| {case.name} | {' | '.join(_cell(verdicts[case.name, name]) for name in RECIPES)} |")
    lines += ["", "## What to do about a refusal", "", "| layer | method | advice |", "| --- | --- | --- |"]
    for case in CASES:
        said: dict[str, list[str]] = {}
        for name in RECIPES:
            if not verdicts[case.name, name].converts:
                said.setdefault(verdicts[case.name, name].text, []).append(name)
        for text, names in said.items():
            methods = "every" if len(names) == len(RECIPES) else ", ".join(names)
            lines.append(f"| {case.name} | {methods} | {text} |")
    return "\n".join([*lines, ""])


def _cell(verdict: Verdict) -> str:
    return verdict.text if verdict.converts else "**refused**"


if __name__ == "__main__":
    sys.exit(write_or_check(ROOT / "docs" / "support.md", page(), "make docs"))
