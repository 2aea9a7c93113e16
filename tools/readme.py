"""Write the blocks of README.md that hold measured figures, from the result files."""

from __future__ import annotations

import sys
from pathlib import Path

from page import ROOT, write_or_check
from results import PAPER_OF, case_of, method_of, network_of, phase_of, published, results, rows_of, setting_of

from spikewright.report import Report


def accuracy_block() -> str:
    """One table per data set, architecture and number of images; a line per result with the accuracy at every T."""
    cases: dict[tuple[str, str, int], list[tuple[Path, Report]]] = {}
    for path, report in results():
        cases.setdefault((*case_of(report), _images(report)), []).append((path, report))
    most_images_first = sorted(cases, key=lambda case: (case[0], case[1], -case[2]))
    return "\n\n".join(_table(*case, cases[case]) for case in most_images_first) or "No result file yet."


def _images(report: Report) -> int:
    # config.judging.images is none for "all there are", and how many there are depends on the machine's copy of the
    # data: the caption of the result table alone says what was judged
    return int(report.tables[0].caption.split(" images")[0].replace(",", ""))


def _table(dataset: str, network: str, images: int, found: list[tuple[Path, Report]]) -> str:
    times = {row["T"] or 0: setting_of(row) for _, report in found for row in rows_of(report)}
    settings = [times[t] for t in sorted(times)]
    lines = [
        f"| {dataset}, {network}, {images:,} images | {' | '.join(settings)} |",
        f"| --- |{' ---: |' * len(settings)}",
    ]
    for path, report in found:
        values = {setting_of(row): f"{100 * row['accuracy']:.2f}" for row in rows_of(report)}
        name = f"[{network_of(report)}, {method_of(report)}]({path.relative_to(ROOT)})"
        lines.append(f"| {name} | {' | '.join(values.get(s, '') for s in settings)} |")
    for method, paper in PAPER_OF.items():
        theirs = published(paper, dataset, network)
        for phase in dict.fromkeys(
            phase_of(report) for _, report in found if report.config["recipe"]["type"] == method
        ):
            keys = [s if s == "ANN" else phase + s for s in settings]
            cells = [f"{theirs[key]:.2f}" if key in theirs else "" for key in keys]
            if any(cells[1:]):
                lines.append(f"| *published, {phase}{method}* | {' | '.join(cells)} |")
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
