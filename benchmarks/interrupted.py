"""Trainings that a time limit ended: the last epoch that each has finished, out of its metrics."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from spikewright.report.table import Column, Table

CASE = "direct-training-gpu"


def collect(folders: list[Path]) -> dict[str, Any]:
    """The result of some run folders, as stored."""
    runs = []
    for folder in folders:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        epochs = [row for row in map(json.loads, lines) if "eval_accuracy" in row]
        runs.append({"name": config["name"], "epochs": config["fit"]["epochs"], "history": epochs, "config": config})
    return {
        "case": CASE,
        "what": "ResNet-20 of neurons on CIFAR-10, T = 4, all 50,000 training and 8,000 test images, seed 42",
        "environment": json.loads((folders[0] / "environment.json").read_text(encoding="utf-8")),
        "runs": runs,
    }


def table(result: dict[str, Any]) -> Table:
    """One row per run."""
    rows = tuple(
        (run["name"].removeprefix("cifar10_resnet20_"), last["epoch"], run["epochs"], last["lr"], last["eval_accuracy"])
        for run in result["runs"]
        for last in run["history"][-1:]
    )
    columns = (
        Column("training"),
        Column("epoch", note="the last one that was finished"),
        Column("of", note="epochs that the learning rate was planned for"),
        Column("learning rate", "", 4, note="at its end"),
        Column("accuracy", "%", 2),
    )
    return Table("Trainings cut short", columns, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.write_text(json.dumps(collect(given.folders), indent=1) + "\n", encoding="utf-8")
