"""The demo on a few images: two methods, one table, one page."""

from __future__ import annotations

from pathlib import Path

from spikewright.report import Report

from .conftest import Run, only


def test_demo(run: Run, tmp_path: Path) -> None:
    numbers = {"images": 20, "timesteps": 4, "counted_images": 2, "diagnosed_images": 2, "diagnosed_timesteps": 2}
    ran = run("demo", *(f"--judging.{name}={value}" for name, value in numbers.items()), "--out", tmp_path)
    assert (ran.status, ran.err) == (0, "")
    folder = only(tmp_path)
    report = Report.from_json((folder / "report.json").read_text())
    table = report.tables[0]
    assert table.column("recipe") == ("QCFS ANN", *["QCFS"] * 3, "OPI ANN", *["OPI"] * 3)
    assert table.column("T") == (None, 1, 2, 4) * 2
    assert table.caption.startswith("20 images; spikes, operations and energy on the first 2; per_output: ")
    for row in (0, 4):
        assert 0.5 < table.column("accuracy")[row] <= 1  # pyright: ignore[reportOperatorIssue]
        assert table.column("agreement")[row + 3] > table.column("agreement")[row + 1]  # pyright: ignore
        assert 0 < table.column("ratio")[row + 3] < 1  # pyright: ignore[reportOperatorIssue]
    figures = {path.stem for path in (folder / "figures").iterdir()}
    assert figures == {
        "accuracy",
        "energy",
        *(f"{kind}_{m}" for kind in ("density", "layer_error") for m in ("QCFS", "OPI")),
    }
    assert len(report.references) == 3
    lines = ran.out.splitlines()
    assert lines[0] == "cifar10_resnet20_qcfs_l4: converting by QCFS, judging at T = 1..4 ..."
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1] == f"Report: {folder / 'report.html'}"
    flat = " ".join(ran.out.split())
    assert "QCFS: the source network reaches" in flat
    assert "OPI: the source network reaches" in flat
