"""The whole red-team benchmark on small pictures: what is kept, resumed, refused, and asked of people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright.attack import PGD, Linf
from spikewright.cli.main import main
from spikewright.core.config import to_json
from spikewright.core.errors import ArgumentError, CheckpointError, ConfigError, DataError
from spikewright.data import load_dataset
from spikewright.experiments.hardening import RAT, SGR, Adversarial, Hardening, Watch
from spikewright.experiments.network import load_network
from spikewright.experiments.red_team_galleries import load_gallery
from spikewright.experiments.red_team_networks import prune_layers
from spikewright.experiments.red_team_report import answer
from spikewright.experiments.red_team_tuning import under_attack
from spikewright.experiments.red_teaming import RedTeamRun, run_red_team
from spikewright.experiments.registries import REGISTRIES
from spikewright.report import RunFolder
from spikewright.robust import Attacked
from spikewright.train import AdamW, FitConfig

NETWORK = """
import torch
from torch import nn


def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(24, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 4),
    )
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> RedTeamRun:
    folder = tmp_path_factory.mktemp("network")
    (folder / "small.py").write_text(NETWORK)
    return RedTeamRun(
        model=f"{folder / 'small.py'}:small", dataset="synthetic", trojans="three", side=7, rate=0.2, timesteps=2, success_at=(1, 2),
        fit=FitConfig(epochs=25, optimizer=AdamW(lr=1e-2)), batch_size=50, augment=None, attribution=("Saliency", "Occlusion"),
        attributed=2, synthesis=("FourierTarget", "AdversarialPatch"), pictures=2, backgrounds=8, judges=("pixels",),
        out=folder / "runs",
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(config):
    with RunFolder.begin(config.out, "redteam", {}, {}) as folder:
        said: list[str] = []
        return run_red_team(config, folder, said.append), folder, said


def titled(report, start):
    return [table for table in report.tables if table.title.startswith(start)]


def test_the_report_has_every_part_for_both_networks(done):
    report, _, _ = done
    for start in ("Implanted trojans", "Judged galleries (", "Judged galleries by trojan", "Option prior"):
        assert [("ordinary" in table.title, "spiking" in table.title) for table in titled(report, start)] == [
            (True, False), (False, True),
        ], start  # fmt: skip
    (over_time,) = titled(report, "Success of the trojans")
    assert over_time.column("T") == (None, *(1, 2) * 4)
    assert list(dict.fromkeys(over_time.column("conversion"))) == [
        "", "HMT, Maximum, clean", "HMT, Maximum, poisoned", "HMT, GaussianOptimal, clean",
        "HMT, GaussianOptimal, poisoned",
    ]  # fmt: skip
    (compared,) = titled(report, "Is a trojan easier")
    assert compared.column("method") == ("FourierTarget", "AdversarialPatch", "all together")


def test_only_trojans_that_work_in_both_networks_are_looked_for(done):
    report, _, _ = done
    left_out = [dict(zip(t.column("trojan"), t.column("left out"))) for t in titled(report, "Implanted trojans")]
    works = [name for name in left_out[0] if not any(table[name] for table in left_out)]
    assert works
    for table in titled(report, "Judged galleries by trojan"):
        assert set(table.column("trojan")) <= set(works)
    assert [figure.name for figure in report.figures] == [f"gallery-{name.replace(' ', '-')}" for name in works]


def test_a_run_that_is_resumed_makes_nothing_anew_and_reports_the_same(done, config):
    report, folder, _ = done
    said: list[str] = []
    before = {path: path.stat().st_mtime_ns for path in (folder.path / "galleries").iterdir()}
    again = run_red_team(config, folder, said.append)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not [line for line in said if " s" in line[-4:]], "no gallery was made"
    assert again.tables == report.tables


def test_networks_say_that_they_hold_faults_on_purpose(done):
    from spikewright.models.checkpoint import load

    _, folder, _ = done
    assert "faults on purpose" in load(folder.path / "trojaned.safetensors")[1]["warning"]
    assert "twin" in load(folder.path / "twin.safetensors")[1]["warning"]


def test_its_networks_can_be_loaded_by_other_commands(done):
    _, folder, _ = done
    loaded = load_network(folder.path / "trojaned.safetensors")
    assert loaded.model(torch.rand(1, 3, 16, 16)).shape == (1, 4)


def test_the_same_seed_gives_the_same_pictures_and_another_does_not(done, config, tmp_path):
    _, folder, _ = done
    galleries = {}
    for seed in (0, 1):
        other = replace(config, seed=seed, synthesis=("FourierTarget",), attribution=(), networks=("ordinary",))
        with RunFolder.begin(tmp_path / str(seed), "redteam", {}, {}) as again:
            run_red_team(other, again)
        galleries[seed] = {path.name: load_gallery(path) for path in (again.path / "galleries").iterdir()}
    name = next(iter(galleries[0]))
    mine = load_gallery(folder.path / "galleries" / name)
    assert torch.equal(galleries[0][name].pictures, mine.pictures)
    assert not any(torch.equal(each.pictures, mine.pictures) for each in galleries[1].values())


def test_people_can_be_asked_and_their_answers_are_told(done, capsys):
    _, folder, _ = done
    assert (folder.path / "survey" / "study.json").is_file()
    assert main(["redteam", "--results", str(folder.path)]) == 0
    assert "FourierTarget" in capsys.readouterr().out
    assert main(["redteam", "--csv", str(folder.path)]) == 0
    assert capsys.readouterr().out.startswith("rater,attentive,question")


def test_a_broken_gallery_is_named(done, config):
    _, folder, _ = done
    path = next((folder.path / "galleries").iterdir())
    content = path.read_bytes()
    path.write_bytes(content[:40])
    try:
        with pytest.raises(CheckpointError, match=path.name):
            run_red_team(config, folder)
    finally:
        path.write_bytes(content)


def test_a_run_is_gone_on_with_only_as_it_was_begun(config, tmp_path, capsys):
    with RunFolder.begin(tmp_path, "redteam", to_json(config, REGISTRIES), {}) as folder:
        assert main(["redteam", "--resume", str(folder.path), "--pictures", "3"]) == 2
    assert "--resume: got another pictures; expected what the run was begun with" in capsys.readouterr().err


def test_a_run_of_another_command_is_not_gone_on_with(tmp_path, capsys):
    with RunFolder.begin(tmp_path, "interpret", {"methods": []}, {}) as folder:
        assert main(["redteam", "--resume", str(folder.path)]) == 2
    assert "made by another command; expected the folder of a red-team run" in capsys.readouterr().err


def test_a_network_that_never_learnt_a_trojan_ends_in_one_sentence(config, tmp_path):
    short = replace(config, fit=FitConfig(epochs=1, optimizer=AdamW(lr=1e-6)), out=tmp_path)
    with RunFolder.begin(tmp_path, "redteam", {}, {}) as folder, pytest.raises(ArgumentError, match="Train longer"):
        run_red_team(short, folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trojans": "many"}, "names out of twelve, patches, three, each once"), ({"synthesis": ("FGSM",)}, "AdversarialPatch"),
        ({"networks": ()}, "at least one"), ({"judges": ("lite", "lite")}, "each once"), ({"prune": 1.0}, "below 1"),
        ({"rate": 0.0}, "above 0"), ({"harm": 2.0}, "0..1"), ({"backgrounds": 2}, "at least 8"), ({"success_at": (0,)}, "at least 1"), ({"attribution": ("Sobel",)}, "Saliency"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(config, change, says):
    with pytest.raises(ArgumentError, match=says):
        replace(config, **change)


@pytest.mark.parametrize(("change", "says"), [({"side": 17}, "at least 17 pixels")])
def test_data_that_do_not_fit_leave_no_folder(config, tmp_path, change, says):
    wrong = replace(config, out=tmp_path, **change)
    with pytest.raises(ConfigError, match=says), RunFolder.begin(tmp_path, "redteam", {}, {}) as folder:
        run_red_team(wrong, folder)
    assert not list(Path(tmp_path).iterdir())


def test_a_spiking_network_has_no_ordinary_one(config, tmp_path):
    (tmp_path / "spiking.py").write_text(
        "from torch import nn\nfrom spikewright.core import Spiking\nfrom spikewright.neurons import LIF\n\n\n"
        "def net():\n    return Spiking(nn.Sequential(nn.Flatten(), LIF(tau=2.0), nn.Linear(768, 4)))\n"
    )
    wrong = replace(config, model=f"{tmp_path / 'spiking.py'}:net", networks=("ordinary",), out=tmp_path / "runs")
    with (
        RunFolder.begin(wrong.out, "redteam", {}, {}) as folder,
        pytest.raises(ArgumentError, match="--networks spiking"),
    ):
        run_red_team(wrong, folder)


def test_pruning_takes_the_smallest_weights_of_each_layer():
    layer = torch.nn.Linear(10, 10)
    kept = layer.weight.detach().abs().flatten().sort().values[30]
    prune_layers(torch.nn.Sequential(layer), 0.3)
    assert int((layer.weight == 0).sum()) == 30
    left = layer.weight.detach()
    assert float(left.abs()[left != 0].min()) == float(kept)


@pytest.mark.parametrize(
    ("ends", "word"),
    [((0.1, 0.2), "easier to find"), ((-0.2, -0.1), "harder to find"), ((-0.1, 0.1), "no difference shown"),
     ((float("nan"), float("nan")), "no difference shown")],
)  # fmt: skip
def test_what_an_interval_says(ends, word):
    assert answer(*ends) == word


HARDENED = Adversarial(
    examples=Attacked(search=PGD(steps=2, relative_step=0.5), budget=Linf(eps=0.02)),
    watch=Watch(images=24, attack=Attacked(search=PGD(steps=4), budget=Linf(eps=0.1))),
)


def test_a_run_hardened_against_attacks_tells_what_they_do(config, done, tmp_path):
    hard = replace(config, hardening=HARDENED, out=tmp_path / "runs", attribution=(), synthesis=(), harm=1.0)
    with RunFolder.begin(hard.out, "redteam", {}, {}) as folder:
        report = run_red_team(hard, folder)
    (attacked,) = titled(report, "Accuracy under attack")
    assert attacked.column("network") == ("ordinary", "ordinary", "spiking", "spiking")
    assert attacked.column("which") == ("trojaned", "twin") * 2
    assert attacked.column("pictures") == (24,) * 4
    assert attacked.caption.startswith("Attack: type PGD, steps 4, ")
    assert " at 0x" not in attacked.caption
    assert any("against attacks by Adversarial" in note for note in report.notes)
    plain = load_network(str(done[1].path / "twin.safetensors")).model.eval()
    beside = under_attack(hard, {("ordinary", "twin"): plain}, load_dataset("synthetic", None, "test"))
    assert beside is not None
    assert attacked.column("under attack")[1] > beside.column("under attack")[0]


def test_a_trojan_that_no_held_out_picture_fits_ends_the_run_before_the_long_part(config, tmp_path):
    few = replace(config, test_images=2, out=tmp_path / "runs")
    with (
        RunFolder.begin(few.out, "redteam", {}, {}) as folder,
        pytest.raises(DataError, match="more held-out pictures"),
    ):
        run_red_team(few, folder)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("hardening", "says"),
    [
        (RAT(), "a gradient rule with .*, an ordinary network.*--hardening Adversarial or TRADES"),
        (SGR(), "gradient_sparsity with .*, an ordinary network"),
        (Hardening(norm_limit=1.0), "norm_limit with .*, an ordinary network"),
        (Adversarial(watch=Watch(choose=True)), "watch.choose; expected networks of the last epoch"),
    ],
    ids=["RAT", "SGR", "norm_limit", "choose"],
)
def test_a_hardening_that_does_not_fit_is_refused_before_anything_is_kept(config, tmp_path, hardening, says):
    wrong, told = replace(config, hardening=hardening, out=tmp_path / "runs"), []
    with RunFolder.begin(wrong.out, "redteam", {}, {}) as folder, pytest.raises(ArgumentError, match=says):
        run_red_team(wrong, folder, ready=lambda: told.append(folder.path))
    assert not told
