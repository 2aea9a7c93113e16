"""list, papers and check: what there is, what was published, and what converts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikewright.attack import BUDGETS, GRADIENT_RULES, SEARCHES
from spikewright.cli.list import OWN
from spikewright.convert.recipes import RECIPES
from spikewright.data import DATASETS
from spikewright.experiments import EXPERIMENTS
from spikewright.experiments.control_published import CONTROL_EXPERIMENTS
from spikewright.experiments.hardening import HARDENINGS
from spikewright.experiments.network import embedded
from spikewright.experiments.neuron_choice import NEURON_CHOICES
from spikewright.interpret import METHODS as ATTRIBUTIONS
from spikewright.models import MODELS
from spikewright.neurons import NEURONS, PARALLEL_NEURONS
from spikewright.papers import load
from spikewright.redteam.synthesis import SYNTHESES
from spikewright.rl import ALGORITHMS, TARGETS

from .conftest import Run

KINDS = {
    "neuron": NEURONS,
    "parallel neuron": PARALLEL_NEURONS,
    "recipe": RECIPES,
    "search": SEARCHES,
    "gradient rule": GRADIENT_RULES,
    "budget": BUDGETS,
    "dataset": DATASETS,
    "model": MODELS,
    "experiment": EXPERIMENTS,
    "hardening": HARDENINGS,
    "control experiment": CONTROL_EXPERIMENTS,
    "control algorithm": ALGORITHMS,
    "control target": TARGETS,
    "attribution": ATTRIBUTIONS,
    "synthesis": SYNTHESES,
    "trainable neuron": NEURON_CHOICES,
    "network": embedded(),
}


@pytest.fixture(autouse=True)
def _no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder without anything, whatever the machine has."""
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("SPIKEWRIGHT_DATA", str(tmp_path / "none"))


def test_list_for_programs_holds_every_part_with_its_source(run: Run) -> None:
    ran = run("list", "--json")
    assert (ran.status, ran.err) == (0, "")
    rows = json.loads(ran.out)
    assert {tuple(row) for row in rows} == {("kind", "name", "what", "source")}
    for kind, registry in KINDS.items():
        assert {row["name"] for row in rows if row["kind"] == kind} == set(registry)
    assert {row["kind"] for row in rows} == {*KINDS, "firing", "statistic", "surrogate", "encoder", "readout"}
    assert [row for row in rows if not row["what"] or not row["source"]] == []
    without = {row["name"]: row["source"] for row in rows if row["source"].startswith("none")}
    assert without == OWN
    named = {(row["kind"], row["name"]) for row in rows}
    assert len(named) == len(rows) == len({(row["kind"], row["name"], row["what"]) for row in rows})


def test_list_shows_networks_that_others_trained(run: Run, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    about = {"name": "tiny", "file": "tiny.safetensors", "sha256": "0", "source": "a journal", "licence": "any"}
    about |= {"normalise": {"scale": 1, "mean": [0], "std": [1]}, "measured": {"digits": {"top1": 0.9125}, "how": "so"}}
    (tmp_path / "weights" / "tiny.json").write_text(json.dumps(about))
    (tmp_path / "weights" / "broken.json").write_text("{")
    ran = run("list", "--json", "--data", tmp_path)
    rows = [row for row in json.loads(ran.out) if row["kind"] == "pretrained network"]
    assert rows[1] == {
        "kind": "pretrained network",
        "name": "tiny",
        "what": "top-1 91.25 % of digits; licence: any",
        "source": "a journal",
    }
    assert rows[0]["name"] == "broken"
    assert "broken.json: got no readable JSON" in rows[0]["what"]
    ran = run("list", "--data", tmp_path)
    assert "pretrained networks" in ran.out
    assert "  tiny  " in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    ran = run("check", "tiny", "--data", tmp_path)
    assert ran.status == 2
    assert "tiny.safetensors: got no readable file" in ran.err


def test_list_for_people_fits_the_terminal(run: Run) -> None:
    ran = run("list")
    assert ran.status == 0
    assert max(map(len, ran.out.splitlines())) <= 80
    assert all(f"  {name}  " in ran.out for registry in KINDS.values() for name in registry)
    assert ran.out.index("neurons") < ran.out.index("recipes") < ran.out.index("experiments")


def ids(out: str) -> set[str]:
    return {paper.id for paper in load() if f"\n  {paper.id} " in out}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), {paper.id for paper in load()}),
        (("--author", "TONG bu"), {paper.id for paper in load() if "Tong Bu" in paper.authors}),
        (("--year", "2022"), {paper.id for paper in load() if paper.year == 2022}),
        (("--venue", "iclr"), {paper.id for paper in load() if paper.venue == "ICLR"}),
        (("--venue", "ICLR 2022"), {"qcfs"}),
        (("potential", "initialization"), {"opi"}),
        (("--query", "optimal ann-snn", "--author", "tong bu", "--year", "2022"), {"qcfs"}),
    ],
)
def test_papers_are_found_by_every_filter(flags: tuple[str, ...], expected: set[str], run: Run) -> None:
    ran = run("papers", *flags)
    assert ran.status == 0
    assert ids(ran.out) == expected
    assert expected
    assert max(map(len, ran.out.splitlines())) <= 80


def test_one_paper_is_shown_with_summary_and_command(run: Run) -> None:
    ran = run("papers", "--venue", "ICLR 2022", "--author", "tong bu")
    (paper,) = (paper for paper in load() if paper.id == "qcfs")
    flat = " ".join(ran.out.split())
    assert " ".join(paper.summary.split()) in flat
    assert f"  {paper.command}" in ran.out, "the command is on one line, to be copied"
    assert ", ".join(paper.authors) in flat


def test_unknown_authors_get_the_nearest(run: Run) -> None:
    ran = run("papers", "--author", "Tong Bo")
    assert ran.status == 1
    assert ran.out.splitlines()[0] == "No paper fits."
    assert "Nearest authors: Tong Bu" in ran.out
    assert run("papers", "--author", "Zzyzx").out == "No paper fits.\nNearest authors: none alike.\n"
    assert run("papers", "perpetual", "motion") == (1, "No paper fits.\n", "")


def test_check_of_a_network_that_converts(run: Run, own: Path) -> None:
    ran = run("check", f"{own}:net")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == f"{own}:net converts with OPI."
    assert "0.1" in ran.out
    assert "becomes IF" in ran.out
    ran = run("check", f"{own}:net", "--recipe", "COS")
    assert ran.out.splitlines()[-1].endswith("converts with COS once prepare() has changed it and it is trained.")
    ran = run("check", f"{own}:net", "--recipe", "COS", "--recipe.threshold", "Maximum")
    assert ran.out.splitlines()[-1].endswith("converts with COS.")


def test_check_of_a_network_that_decides_on_shapes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "deciding.py"
    path.write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def forward(self, x):\n"
        "        return super().forward(x[..., 1:] if x.shape[-1] % 2 else x)\n"
        "def net():\n"
        "    return Net(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(84, 2))\n"
    )
    ran = run("check", f"{path}:net")
    assert ran.status == 2
    assert "Net: cannot be traced into a graph" in ran.err
    assert run("check", f"{path}:net", "--image", "1,9,9").status == 0


def test_check_of_networks_that_do_not_convert(run: Run, own: Path) -> None:
    ran = run("check", f"{own}:smooth", "--recipe", "qcfs")
    assert (ran.status, ran.err) == (1, "")
    assert ran.out.splitlines()[-1] == f"{own}:smooth does not convert with QCFS: 1 operation is not handled."
    assert "it is not a count of spikes" in " ".join(ran.out.split())
    ran = run("check", "--model", f"{own}:straight")
    assert ran.status == 1
    assert ran.out.splitlines()[-1] == (
        f"{own}:straight does not convert with OPI: nothing becomes a neuron. "
        "A network without activations is linear and needs no spikes."
    )
    ran = run("check", f"{own}:smooth", "--recipe", "DCGS")
    assert ran.status == 1
    assert 'nothing becomes a neuron. With encode="everything" every wire' in ran.out.splitlines()[-1]
