"""The environment says what ran, and nothing private."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spikewright.report import environment
from spikewright.report.paths import shorten, shorten_all


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@e", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_versions_date_and_machine() -> None:
    found = environment(["numpy", "no-such-thing"])
    assert found["versions"] == {"numpy": __import__("numpy").__version__, "no-such-thing": None}
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found["date"])).total_seconds()) < 60
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["cpu"]
    assert 1 <= found["cores_usable"] <= found["cores"]
    assert json.loads(json.dumps(found)) == found


def test_commit_of_a_checkout_and_whether_it_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    assert environment(source=source)["commit"] is None
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    clean = environment(source=source)
    monkeypatch.delenv("GIT_DIR")
    assert clean["commit"] == git(tmp_path, "rev-parse", "HEAD")
    assert clean["dirty"] is False
    source.write_text("x = 2\n")
    assert environment(source=source)["dirty"] is True


def test_an_installed_copy_inside_another_checkout_has_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    copy = tmp_path / "site-packages" / "a.py"
    copy.parent.mkdir()
    copy.write_text("")
    found = environment(source=copy)
    assert (found["commit"], found["dirty"]) == (None, None)


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment()["commit"] is None


def test_command_line_without_private_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir(tmp_path)
    words = ["/home/somebody/venv/bin/spikewright", "train", "--data=/mnt/disk7/cifar10", str(tmp_path / "runs/a")]
    monkeypatch.setattr(sys, "argv", words)
    assert environment()["command"] == ["spikewright", "train", "--data=…/cifar10", "runs/a"]


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("/home/somebody/data/x.bin", "~/data/x.bin"),
        ("/home/somebody", "~"),
        ("/home/somebodyelse/x", "…/x"),
        ("a=/x/y,/p/q", "a=…/y,…/q"),
        (r"C:\Users\me\data", "…/data"),
        (r"\\server\share\data", "…/data"),
        ("https://host.org/a/b", "https://host.org/a/b"),
        ("https://me:word@host.org/a", "https://host.org/a"),
        ("runs/a/b", "runs/a/b"),
        ("1/255", "1/255"),
        ("8/255 or /2", "8/255 or /2"),
        ("a / b", "a / b"),
    ],
)
def test_shorten(monkeypatch: pytest.MonkeyPatch, text: str, short: str) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert shorten(text) == short
    assert shorten(short) == short


def test_shorten_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shorten_all({"a": [str(tmp_path / "x"), str(tmp_path)], "b": 1}) == {"a": ["x", "."], "b": 1}


def test_import_of_report_alone_wakes_neither_matplotlib_nor_torch() -> None:
    code = (
        "import sys, types\n"
        "alone = types.ModuleType('spikewright')\n"
        "alone.__path__ = ['spikewright']\n"
        "sys.modules['spikewright'] = alone\n"
        "import spikewright.report, spikewright.report.plots, spikewright.report.page\n"
        "print([m for m in ('matplotlib', 'torch', 'rich', 'PIL', 'spikewright.core') if m in sys.modules])"
    )
    root = Path(environment.__code__.co_filename).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)

    assert done.stdout.strip() == "[]"
