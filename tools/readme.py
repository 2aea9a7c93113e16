"""Write the blocks of README.md that hold measured figures, from the result files."""

from __future__ import annotations

import sys

from page import ROOT, write_or_check
from results import PAPER_OF, case_of, method_of, published, results, rows_of, setting_of


def accuracy_block() -> str:
    """One line per result: accuracy of the source network and of the spiking one at every T that is shown."""
    found = results()
    if not found:
        return "No result file yet."
    settings = [setting_of(row) for row in rows_of(found[0][1])]
    lines = [f"| network, method | {' | '.join(settings)} |", f"| --- |{' ---: |' * len(settings)}"]
    for path, report in found:
        dataset, network = case_of(report)
        values = {setting_of(row): f"{100 * row['accuracy']:.2f}" for row in rows_of(report)}
        name = f"[{report.config['model']}, {method_of(report)}]({path.relative_to(ROOT)})"
        lines.append(f"| {name} | {' | '.join(values.get(s, '') for s in settings)} |")
    for method, paper in PAPER_OF.items():
        theirs = published(paper, dataset, network)
        if theirs:
            cells = (f"{theirs[s]:.2f}" if s in theirs else "" for s in settings)
            lines.append(f"| *published, {network} {method}, 300 epochs* | {' | '.join(cells)} |")
    return "\n".join(lines)


BLOCKS = {"accuracy": accuracy_block}


def main() -> int:
    """Bring every block of README.md up to date, or only compare it."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for name, block in BLOCKS.items():
        start, end = f"<!-- begin {name} -->\n", f"\n<!-- end {name} -->"
        before, _, rest = text.partition(start)
        text = before + start + block() + end + rest.partition(end)[2]
    return write_or_check(path, text, "make docs")


if __name__ == "__main__":
    sys.exit(main())
