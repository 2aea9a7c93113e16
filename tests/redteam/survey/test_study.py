"""Studies: written and read back the same, and refused as a whole when anything is broken."""

import json
import sqlite3

import pytest
import torch

from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.redteam.survey import Shown, Store, answers_csv, load_study, results, write_study


def test_what_is_written_is_read_back(folder, make_questions) -> None:
    study = load_study(folder)
    assert len(study.questions) == 13
    assert study.conditions == (
        ("method0", "trojaned"), ("method0", "twin"), ("method1", "trojaned"), ("method1", "twin"),
    )  # fmt: skip
    for made, each in zip(make_questions(), study.questions):
        assert (each.method, each.network, each.trojan) == (made.method, made.network, made.trojan)
        assert each.names[each.truth] == each.trojan
        assert len(each.gallery) == 10
    assert [each.id for each in study.questions if each.attention] == ["q013"]
    assert all(study.of(condition)[-1].attention for condition in study.conditions)


def test_the_same_seed_writes_the_same_bytes(folder, make_questions, tmp_path) -> None:
    write_study(tmp_path / "again", make_questions(), title="What <is> it?", seed=7)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_everything_at_once_is_one_condition(tmp_path, make_questions) -> None:
    study = write_study(tmp_path, make_questions(1), title="t", grouping="all", attention=0)
    assert study.conditions == (("", ""),)
    assert len(study.of(("", ""))) == 6


def edit(folder, change) -> None:
    """Change the content of study.json."""
    data = json.loads((folder / "study.json").read_text())
    change(data)
    (folder / "study.json").write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["questions"][0].update(truth=8), r"question 'q001', truth: got 8; expected a place from 0 to 7"),
        (lambda d: d["questions"][0].update(truth=-1), r"truth: got -1"),
        (lambda d: d["questions"][0].update(truth="0"), r"truth: got '0'"),
        (lambda d: d["questions"][0].update(truth=True), r"truth: got True"),
        (lambda d: d["questions"][0].update(gallery=[]), r"gallery: got no picture"),
        (lambda d: d["questions"][0].update(gallery=["gone.png"]), r"no picture .*gone\.png"),
        (lambda d: d["questions"][0].update(gallery=["../x.png"]), r"the picture name '\.\./x\.png'"),
        (lambda d: d["questions"][0]["options"].pop(), r"7 options with 8 names"),
        (lambda d: d["questions"][0]["options"].__setitem__(0, d["questions"][0]["options"][1]), "the same picture"),
        (lambda d: d["questions"][1].update(id="q001"), r"ids that are empty or come twice: \['q001'\]"),
        (lambda d: d["questions"].clear(), "no question"),
        (lambda d: d.pop("practice"), "a part that is missing or does not fit"),
        (lambda d: d.update(format=2), "format 2; expected format 1"),
        (lambda d: d.update(grouping="x"), "'condition' or 'all'"),
    ],
)
def test_a_broken_study_is_refused(folder, change, says) -> None:
    edit(folder, change)
    with pytest.raises(DataError, match=says):
        load_study(folder)


def test_broken_files_are_refused(folder, tmp_path) -> None:
    with pytest.raises(DataError, match=r"no study\.json in .* or write one with write_study"):
        load_study(tmp_path)
    name = load_study(folder).questions[0].gallery[0]
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(b"GIF89a")
    with pytest.raises(DataError, match="cannot be shown"):
        load_study(folder)
    (folder / name).write_bytes(whole)
    (folder / "study.json").write_text("{")
    with pytest.raises(DataError, match="broken JSON"):
        load_study(folder)


def test_write_study_refuses_what_cannot_be_asked(tmp_path, folder, make_questions) -> None:
    some = make_questions(1)
    with pytest.raises(ArgumentError, match=r"write_study.shown: got none"):
        write_study(tmp_path / "x", [], title="t")
    with pytest.raises(ArgumentError, match="come twice"):
        write_study(tmp_path / "x", [some[0], some[0]], title="t")
    with pytest.raises(ArgumentError, match="attention=9"):
        write_study(tmp_path / "x", some, title="t", attention=9)
    with pytest.raises(DataError, match=r"with study\.json in it"):
        write_study(folder, some, title="t")
    wrong = Shown(method="m", network="n", trojan="t", gallery=torch.zeros(3, 8, 8), question=some[0].question)
    with pytest.raises(ShapeError, match=r"write_study, m for t: got .*\(3, 8, 8\)"):
        write_study(tmp_path / "x", [wrong], title="t")


def test_answers_belong_to_one_study(folder) -> None:
    Store(load_study(folder)).close()
    edit(folder, lambda d: d.update(title="Another"))
    with pytest.raises(DataError, match="answers to another study"):
        Store(load_study(folder))


def test_a_file_that_is_no_database_is_refused(folder) -> None:
    (folder / "answers.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 10)
    with pytest.raises(DataError, match="cannot be used"):
        Store(load_study(folder))


def test_the_answers_are_as_safe_as_sqlite_makes_them(folder) -> None:
    store = Store(load_study(folder))
    pragma = store._base.execute
    assert pragma("PRAGMA journal_mode").fetchone() == ("wal",)
    assert pragma("PRAGMA synchronous").fetchone() == (2,)  # FULL
    rater = store.join()
    assert store.answer(rater, "q001", 1, 0) is True
    assert store.answer(rater, "q001", 2, 0) is False
    with sqlite3.connect(folder / "answers.sqlite") as other:  # another process sees what was acknowledged
        assert other.execute("SELECT choice FROM answers").fetchall() == [(1,)]
    other.close()
    store.close()
    store.close()


def test_whoever_fails_an_attention_check_is_left_out(folder) -> None:
    study = load_study(folder)
    store = Store(study)
    check = study.questions[-1]
    for number in range(3):
        rater = store.join()
        while rater.condition != ("method0", "trojaned"):
            rater = store.join()
        for each in study.of(rater.condition)[:-1]:
            store.show(rater, each.id)
            store.answer(rater, each.id, (each.truth + (number == 1)) % 8, 0)
        store.answer(rater, check.id, (check.truth + (number == 2)) % 8, 0)
    csv = answers_csv(study, store).splitlines()
    store.close()
    by_method, by_trojan, who = results(folder)
    row = dict(zip([column.name for column in by_trojan.columns], by_trojan.rows[0]))
    assert (row["raters"], row["right"], row["right on the twin"], row["chance"]) == (2, 0.5, None, 0.125)
    assert row["low"] < 0.5 < row["high"]
    assert by_method.column("answers") == (6, 0, 0, 0)
    assert ("failed an attention check", 1) in who.rows
    assert len(csv) == 1 + 12
    assert sum(line.split(",")[1] == "0" for line in csv) == 4
    assert not any(store_token in "\n".join(csv) for store_token in [rater.token])


def test_the_twins_share_stands_beside_the_networks(folder) -> None:
    study = load_study(folder)
    store = Store(study)
    for _ in range(4):
        rater = store.join()
        for each in study.of(rater.condition):
            store.answer(rater, each.id, each.truth if each.network != "twin" else (each.truth + 1) % 8, 0)
        store.answer(rater, "q013", study.questions[-1].truth, 0)
    store.close()
    _, by_trojan, _ = results(folder)
    first = dict(zip([column.name for column in by_trojan.columns], by_trojan.rows[0]))
    assert (first["network"], first["right"], first["right on the twin"]) == ("trojaned", 1.0, 0.0)
