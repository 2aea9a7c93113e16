"""Configs survive JSON and the command line without loss, and every mistake in either is named."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.core.config import add_flags, from_json, override, parse, to_json
from spikewright.core.errors import ArgumentError, ConfigError, sentence
from spikewright.train.fit import FitConfig
from spikewright.train.optim import SGD, AdamW, Optimizer


@dataclass(frozen=True)
class Order:
    """A value that stands for itself: its function cannot be written down."""

    name: str
    window: Callable[[float], bool]


inside = Order("inside", lambda u: 0 <= u <= 1)
wide = Order("wide", lambda u: -1 <= u <= 2)


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """Something to choose.

    Args:
        start: where it begins,
            in units of the threshold.
    """

    start: float = 0.5

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ArgumentError(sentence(f"{type(self).__name__}.start", repr(self.start), "at least 0"))

    @abstractmethod
    def run(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Plain(Method):
    """The plain method.

    Args:
        percentile: 99.9 % or so.
    """

    percentile: float = 99.9

    def run(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Levels(Method):
    levels: int = 4
    order: Order = inside
    before: Method | None = None

    def run(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Part:
    """A config inside a config.

    Args:
        low, high: the two ends.
    """

    low: int = 0
    high: int = 9

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ArgumentError(f"Part: got low={self.low}, high={self.high}; expected low <= high.")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Every type of field.

    Args:
        count: how many.
        rate: how fast, in % per step.
        method: the method.

    Example:
        not: an argument.
    """

    count: int = 3
    rate: float = 0.1
    label: str = "x"
    loud: bool = False
    folder: Path = Path("runs")
    widths: tuple[int, ...] = (1, 2)
    labels: tuple[str, ...] = ()
    limit: float | None = None
    note: str | None = None
    maybe: bool | None = None
    old: Optional[int] = None  # noqa: UP045
    back: None | int = None  # noqa: RUF036
    mode: Literal["fast", "slow"] = "fast"
    level: Literal[4, 8] = 4
    order: Order = wide
    method: Method = field(default_factory=Plain)
    extra: Method | None = None
    methods: tuple[Method, ...] = ()
    part: Part = field(default_factory=Part)
    spare: Part | None = None
    cached: int = field(default=7, init=False)


@dataclass(frozen=True, kw_only=True)
class Needy:
    """A config with fields that have no default."""

    model: str
    method: Method
    part: Part


@dataclass(frozen=True, kw_only=True)
class Twice:
    type: str = "a"


@dataclass(frozen=True, kw_only=True)
class Strange:
    table: dict[str, int] = field(default_factory=dict)


REGISTRIES: dict[Any, dict[str, Any]] = {
    Method: {"Plain": Plain, "Levels": Levels},
    Order: {"inside": inside, "wide": wide},
}
OPTIMIZERS = {Optimizer: {"SGD": SGD, "AdamW": AdamW}}


def read(*argv: str, start: Any = Sample) -> Any:
    return parse(start, argv, REGISTRIES)


def refuse(message: str, *argv: str, start: Any = Sample) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse(start, argv, REGISTRIES)


def refuse_json(message: str, data: Any, cls: Any = Sample, registries: Any = REGISTRIES) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        from_json(cls, data, registries)


# Round trips

finite = st.floats(allow_nan=False, allow_infinity=False)
paths = st.text(st.characters(blacklist_characters="\0"), max_size=8).map(Path)
plain = st.builds(Plain, start=st.floats(0, 1e300), percentile=finite)
orders = st.sampled_from([inside, wide])
levels = st.builds(Levels, levels=st.integers(), order=orders, before=st.none() | plain)
parts = st.builds(Part, low=st.integers(max_value=0), high=st.integers(min_value=0))
samples = st.builds(
    Sample,
    count=st.integers(),
    rate=finite,
    label=st.text(),
    loud=st.booleans(),
    folder=paths,
    widths=st.lists(st.integers()).map(tuple),
    labels=st.lists(st.text()).map(tuple),
    limit=st.none() | finite,
    note=st.none() | st.text() | st.just("none"),
    maybe=st.none() | st.booleans(),
    old=st.none() | st.integers(),
    back=st.none() | st.integers(),
    mode=st.sampled_from(["fast", "slow"]),
    level=st.sampled_from([4, 8]),
    order=orders,
    method=plain | levels,
    extra=st.none() | plain | levels,
    methods=st.lists(plain | levels, max_size=3).map(tuple),
    part=parts,
    spare=st.none() | parts,
)


@settings(max_examples=50, deadline=None)
@given(samples)
def test_a_config_survives_json(config: Sample) -> None:
    text = json.dumps(to_json(config, REGISTRIES), allow_nan=False)
    again = from_json(Sample, json.loads(text), REGISTRIES)
    assert again == config
    assert again.order is config.order
    assert override(Sample(), json.loads(text), REGISTRIES) == config


def texts(config: Any, prefix: str = "--") -> list[str]:
    """A config as flags, written independently: one `--path=text` per field that has a flag."""
    words: list[str] = []
    for part in dataclasses.fields(config):
        value, flag = getattr(config, part.name), prefix + part.name
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, Method):
            words += [f"{flag}={type(value).__name__}", *texts(value, f"{flag}.")]
        elif isinstance(value, Part):
            words += texts(value, f"{flag}.")
        elif isinstance(value, Order):
            words.append(f"{flag}={value.name}")
        elif isinstance(value, tuple):
            words.append(f"{flag}={','.join(map(str, value))}")
        elif part.init:
            words.append(f"{flag}={'none' if value is None else value}")
    return words


@settings(max_examples=50, deadline=None)
@given(
    samples.map(lambda config: dataclasses.replace(config, labels=(), methods=())),
    st.randoms(use_true_random=False),
)
def test_a_config_survives_flags_in_any_order(config: Sample, random: Any) -> None:
    if config.note is not None and config.note.casefold() == "none":
        config = dataclasses.replace(config, note="some")
    words = texts(config)
    random.shuffle(words)
    assert parse(Sample, words, REGISTRIES) == config


def test_the_form_in_json_is_the_documented_one() -> None:
    config = Sample(method=Levels(levels=8), methods=(Plain(),), spare=Part(low=1), limit=2)
    assert to_json(config, REGISTRIES) == {
        "count": 3,
        "rate": 0.1,
        "label": "x",
        "loud": False,
        "folder": "runs",
        "widths": [1, 2],
        "labels": [],
        "limit": 2.0,
        "note": None,
        "maybe": None,
        "old": None,
        "back": None,
        "mode": "fast",
        "level": 4,
        "order": "wide",
        "method": {"type": "Levels", "start": 0.5, "levels": 8, "order": "inside", "before": None},
        "extra": None,
        "methods": [{"type": "Plain", "start": 0.5, "percentile": 99.9}],
        "part": {"low": 0, "high": 9},
        "spare": {"low": 1, "high": 9},
    }


def test_without_registries_classes_go_by_their_own_name() -> None:
    assert to_json(FitConfig(optimizer=AdamW()))["optimizer"]["type"] == "AdamW"
    with pytest.raises(ConfigError, match=r"order\.window: got <function.*; expected a registered value of type Call"):
        to_json(Sample())


def test_a_registered_name_may_differ_from_the_class() -> None:
    names = {Method: {"simple": Plain}, Order: REGISTRIES[Order]}
    data = to_json(Sample(), names)
    assert data["method"]["type"] == "simple"
    assert from_json(Sample, data, names) == Sample()
    with pytest.raises(ConfigError, match=re.escape("method: got Levels(start=0.5")):
        to_json(Sample(method=Levels()), names)


def test_a_concrete_class_may_be_registered_under_itself() -> None:
    names = {**REGISTRIES, Part: {"Part": Part}}
    data = to_json(Sample(), names)
    assert data["part"] == {"type": "Part", "low": 0, "high": 9}
    assert from_json(Sample, data, names) == Sample()


def test_the_config_of_a_training_survives() -> None:
    config = FitConfig(epochs=3, optimizer=AdamW(lr=0.01))
    assert from_json(FitConfig, to_json(config, OPTIMIZERS), OPTIMIZERS) == config
    assert parse(FitConfig, ["--optimizer", "adamw", "--epochs=3", "--optimizer.lr", "1e-2"], OPTIMIZERS) == config


def test_a_number_of_the_command_line_may_be_a_fraction() -> None:
    assert parse(FitConfig, ["--optimizer.lr", "1/8", "--optimizer", "sgd"], OPTIMIZERS).optimizer.lr == 0.125
    with pytest.raises(ConfigError, match="--epochs: got '8/2'; expected a whole number"):
        parse(FitConfig, ["--epochs", "8/2"], OPTIMIZERS)


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 10**400])
def test_only_finite_numbers_are_written_and_read(number: float) -> None:
    message = r"^rate: got (-?inf|nan|1000*); expected a finite number\.$"
    with pytest.raises(ConfigError, match=message):
        to_json(Sample(rate=number), REGISTRIES)
    with pytest.raises(ConfigError, match=message):
        from_json(Sample, {"rate": number}, REGISTRIES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 1.5}, "count: got 1.5; expected a whole number."),
        ({"count": True}, "count: got True; expected a whole number."),
        ({"folder": 3}, "folder: got 3; expected a path."),
        ({"widths": [1]}, "widths: got [1]; expected a list of: a whole number."),
        ({"widths": (1, "a")}, "widths[1]: got 'a'; expected a whole number."),
        ({"mode": "medium"}, "mode: got 'medium'; expected one of fast, slow."),
        ({"order": Order("own", bool)}, "order: got Order(name='own'"),
        ({"method": Part()}, "method: got Part(low=0, high=9); expected one of Plain, Levels."),
    ],
)
def test_a_config_that_breaks_its_own_types_is_not_written(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        to_json(dataclasses.replace(Sample(), **changes), REGISTRIES)


# JSON that does not fit


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"cuont": 3}, "cuont: got an unknown field; expected one of count, rate, label,"),
        ({"cuont": 3}, "spare. The nearest is count."),
        ({"cached": 3}, "cached: got an unknown field"),
        ({"part": {"hihg": 3}}, "part.hihg: got an unknown field; expected one of part.low, part.high. The nearest is"),
        ({"zzz": 1}, "part, spare."),
        ({"count": "3"}, "count: got '3'; expected a whole number."),
        ({"count": 3.0}, "count: got 3.0; expected a whole number."),
        ({"count": True}, "count: got True; expected a whole number."),
        ({"count": None}, "count: got None; expected a whole number."),
        ({"count": {"a": 1}}, "count: got an object; expected a whole number."),
        ({"rate": "fast"}, "rate: got 'fast'; expected a finite number."),
        ({"rate": False}, "rate: got False; expected a finite number."),
        ({"limit": "none"}, "limit: got 'none'; expected a finite number, or none."),
        ({"label": 3}, "label: got 3; expected text."),
        ({"loud": 1}, "loud: got 1; expected true or false."),
        ({"folder": []}, "folder: got []; expected a path."),
        ({"widths": 3}, "widths: got 3; expected a list of: a whole number."),
        ({"widths": "3"}, "widths: got '3'; expected a list of: a whole number."),
        ({"widths": [1, None]}, "widths[1]: got None; expected a whole number."),
        ({"mode": "fats"}, "mode: got 'fats'; expected one of fast, slow. The nearest is fast."),
        ({"level": 5}, "level: got 5; expected one of 4, 8."),
        ({"level": 4.0}, "level: got 4.0; expected one of 4, 8."),
        ({"order": "widee"}, "order: got 'widee'; expected one of inside, wide. The nearest is wide."),
        ({"method": "level"}, "method: got 'level'; expected one of Plain, Levels. The nearest is Levels."),
        ({"method": {"type": "lvls"}}, "method: got 'lvls'; expected one of Plain, Levels. The nearest is Levels."),
        ({"method": {"type": "Plain", "levels": 3}}, "method.levels: got an unknown field; expected one of"),
        ({"method": 3}, "method: got 3; expected one of Plain, Levels."),
        ({"method": None}, "method: got None; expected one of Plain, Levels."),
        ({"extra": {"start": 1}}, "extra: got no type; expected one of Plain, Levels, or none."),
        (
            {"extra": {"type": "Levels", "before": "x"}},
            "extra.before: got 'x'; expected one of Plain, Levels, or none.",
        ),
        ({"methods": [{"type": "Plain", "begin": 1}]}, "methods[0].begin: got an unknown field"),
        ({"methods": [{"type": "Plain", "start": -1}]}, "methods[0].start: got -1.0; expected at least 0."),
        ({"methods": [{"start": 1}]}, "methods[0]: got no type; expected one of Plain, Levels."),
        ({"part": 3}, "part: got 3; expected Part, by its fields."),
        ({"part": {"low": 10}}, "part: Part: got low=10, high=9; expected low <= high."),
        ({"method": {"type": "Levels", "start": -1}}, "method.start: got -1.0; expected at least 0."),
        ([1], "Sample: got [1]; expected Sample, by its fields."),
    ],
)
def test_json_that_does_not_fit_is_named(data: Any, message: str) -> None:
    refuse_json(message, data)


def test_a_missing_field_is_named() -> None:
    refuse_json("model: got no value; expected text.", {}, Needy)
    refuse_json("method: got no value; expected one of Plain, Levels.", {"model": "a"}, Needy)
    refuse_json("modle: got an unknown field; expected one of model, method, part. The", {"modle": "a"}, Needy)
    assert from_json(Needy, {"model": "a", "method": "plain"}, REGISTRIES).part == Part()


def test_a_type_without_registry_is_named() -> None:
    refuse_json("method: got 'Plain'; expected a registered value of type Method.", {"method": "Plain"}, registries={})
    refuse_json("table: got an object; expected a registered value of", {"table": {}}, Strange)


def test_the_names_that_flags_and_json_use_cannot_be_fields() -> None:
    with pytest.raises(ConfigError, match=re.escape("Twice.type: got a name of another meaning; expected another")):
        to_json(Twice())


# Flags


@pytest.mark.parametrize(
    ("argv", "changes"),
    [
        ("", {}),
        ("--count 4", {"count": 4}),
        ("--count=4 --count 5", {"count": 5}),
        ("--rate -1e-3", {"rate": -0.001}),
        ("--rate .5", {"rate": 0.5}),
        ("--loud", {"loud": True}),
        ("--loud --no-loud", {"loud": False}),
        ("--loud=TRUE", {"loud": True}),
        ("--maybe", {"maybe": True}),
        ("--no-maybe", {"maybe": False}),
        ("--maybe none", {"maybe": None}),
        ("--label=--x", {"label": "--x"}),
        ("--label=a=b", {"label": "a=b"}),
        ("--label none", {"label": "none"}),
        ("--note None", {"note": None}),
        ("--folder a/b", {"folder": Path("a/b")}),
        ("--widths 3,4,5", {"widths": (3, 4, 5)}),
        ("--widths -3,-4", {"widths": (-3, -4)}),
        ("--widths=", {"widths": ()}),
        ("--labels 3,a", {"labels": ("3", "a")}),
        ("--limit 3", {"limit": 3.0}),
        ("--mode SLOW", {"mode": "slow"}),
        ("--level 8", {"level": 8}),
        ("--order Inside", {"order": inside}),
        ("--method levels", {"method": Levels()}),
        ("--method.levels 8 --method LEVELS", {"method": Levels(levels=8)}),
        ("--method.start 1", {"method": Plain(start=1.0)}),
        ("--method levels --method.before plain --method.before.start 2", {"method": Levels(before=Plain(start=2.0))}),
        ("--extra plain", {"extra": Plain()}),
        ("--methods plain,levels", {"methods": (Plain(), Levels())}),
        ("--part.low 2", {"part": Part(low=2)}),
        ("--spare.low 2", {"spare": Part(low=2)}),
        ("--spare part", {"spare": Part()}),
    ],
)
def test_flags_change_what_they_name(argv: str, changes: dict[str, Any]) -> None:
    assert read(*argv.split()) == dataclasses.replace(Sample(), **changes)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--cuont 3", "--cuont: got an unknown flag; expected one of --count, --rate,"),
        ("--cuont 3", "The nearest is --count."),
        ("--low 3", "--low: got an unknown flag; expected one of --count"),
        ("--low 3", "The nearest is --part.low."),
        ("--method.levels 3", "--method.levels: got an unknown flag; expected one of --method.start, --method.perc"),
        ("--method.strt 3", "expected one of --method.start, --method.percentile. The nearest is --method.start."),
        ("--label.x 3", "--label.x: got an unknown flag; expected one of --count, --rate,"),
        ("--label.x 3", "The nearest is --label."),
        ("--zzz 3", "--method, --extra, --methods, --spare."),
        ("--cached 3", "--cached: got an unknown flag"),
        ("--label --loud", "--label: got no value; expected text."),
        ("--no-loud=x", "--no-loud: got an unknown flag"),
        ("--no-cuont", "--cuont: got an unknown flag"),
        ("--extra.start 3", "--extra.start: got an unknown flag"),
        ("--count", "--count: got no value; expected a whole number."),
        ("--no-count", "--count: got no value; expected a whole number."),
        ("--no-count 3", "command line: got '3'; expected --flag VALUE, --flag or --no-flag."),
        ("--method", "--method: got no value; expected one of Plain, Levels."),
        ("--loud yes", "--loud: got 'yes'; expected true or false."),
        ("3", "command line: got '3'; expected --flag VALUE, --flag or --no-flag."),
        ("--count 3 4", "command line: got '4'; expected --flag"),
        ("-c 3", "command line: got '-c'; expected --flag"),
        ("--count 3.5", "--count: got '3.5'; expected a whole number."),
        ("--count none", "--count: got 'none'; expected a whole number."),
        ("--rate fast", "--rate: got 'fast'; expected a finite number."),
        ("--rate 8/0", "--rate: got '8/0'; expected a finite number."),
        ("--rate 8/255/1", "--rate: got '8/255/1'; expected a finite number."),
        ("--rate inf", "--rate: got inf; expected a finite number."),
        ("--limit nan", "--limit: got nan; expected a finite number, or none."),
        ("--widths 3,x", "--widths[1]: got 'x'; expected a whole number."),
        ("--widths 3,", "--widths[1]: got ''; expected a whole number."),
        ("--mode fats", "--mode: got 'fats'; expected one of fast, slow. The nearest is fast."),
        ("--level 5", "--level: got '5'; expected one of 4, 8."),
        ("--order wid", "--order: got 'wid'; expected one of inside, wide. The nearest is wide."),
        ("--method level", "--method: got 'level'; expected one of Plain, Levels. The nearest is Levels."),
        ("--methods plain,x", "--methods[1]: got 'x'; expected one of Plain, Levels."),
        ("--part x", "--part: got 'x'; expected Part, by its fields."),
        ("--method.start -1", "--method.start: got -1.0; expected at least 0."),
        ("--part.low 10", "--part: Part: got low=10, high=9; expected low <= high."),
    ],
)
def test_flags_that_do_not_fit_are_named(argv: str, message: str) -> None:
    refuse(message, *argv.split())


def test_an_error_of_the_whole_config_names_the_flag_or_itself() -> None:
    with pytest.raises(ConfigError, match=r"^--epochs: got 0; expected a whole number of at least 1\.$"):
        parse(FitConfig, ["--epochs", "0"], OPTIMIZERS)
    with pytest.raises(ConfigError, match=r"^--optimizer\.lr: got -1\.0; expected a number above 0\.$"):
        parse(FitConfig, ["--optimizer.lr", "-1"], OPTIMIZERS)
    with pytest.raises(ConfigError, match=r"^FitConfig: got clip_norm=-1\.0"):
        parse(FitConfig, ["--clip_norm", "-1"], OPTIMIZERS)


def test_a_required_field_is_a_required_flag() -> None:
    refuse("--model: got no value; expected text.", start=Needy)
    refuse("--modle: got an unknown flag", "--modle", "a", start=Needy)
    assert read("--model", "a", "--method", "plain", start=Needy) == Needy(model="a", method=Plain(), part=Part())


# What goes over what


def test_flags_go_over_file_over_experiment_over_defaults() -> None:
    def experiment() -> Sample:
        return Sample(count=10, rate=10.0, label="experiment", method=Levels(levels=16, start=0.25))

    file = {"rate": 20.0, "label": "file", "method": {"type": "Levels", "start": 0.75}}
    config = parse(override(experiment(), file, REGISTRIES), ["--label", "flag"], REGISTRIES)
    assert config == Sample(count=10, rate=20.0, label="flag", method=Levels(levels=16, start=0.75))


def test_the_same_name_refines_and_another_begins_anew() -> None:
    start = Sample(method=Plain(start=0.25, percentile=90.0))
    assert read("--method", "plain", "--method.percentile", "80", start=start).method == Plain(
        start=0.25, percentile=80
    )
    assert read("--method", "levels", start=start).method == Levels()
    assert read("--extra", "none", start=Sample(extra=Plain())).extra is None
    assert read("--spare", "none", start=Sample(spare=Part(low=3))).spare is None
    assert read("--spare.high", "5", start=Sample(spare=Part(low=3))).spare == Part(low=3, high=5)
    assert override(start, {"method": {"percentile": 70.0}}, REGISTRIES).method == Plain(start=0.25, percentile=70.0)


def test_spaces_around_commas_do_not_count() -> None:
    assert read("--labels", " a, b ,c").labels == ("a", "b", "c")


def test_two_changes_that_only_fit_together_pass() -> None:
    assert read("--part.low", "20", "--part.high", "30").part == Part(low=20, high=30)


def test_override_takes_paths_objects_and_json() -> None:
    start = Sample(part=Part(low=3))
    changes = {"count": 4, "widths": (7,), "folder": Path("a"), "method": Levels(levels=8), "method.start": 1}
    assert override(start, changes, REGISTRIES) == Sample(
        count=4, widths=(7,), folder=Path("a"), method=Levels(levels=8, start=1.0), part=Part(low=3)
    )
    assert override(start, {"part": Part(high=5), "order": inside}, REGISTRIES) == Sample(
        part=Part(high=5), order=inside
    )
    assert override(start, {"methods": (Plain(start=1.0), "levels"), "spare": {}}, REGISTRIES) == Sample(
        part=Part(low=3), methods=(Plain(start=1.0), Levels()), spare=Part()
    )
    assert start == Sample(part=Part(low=3))


def test_override_names_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match=re.escape("part.lwo: got an unknown field; expected one of part.low, part")):
        override(Sample(), {"part.lwo": 3}, REGISTRIES)
    with pytest.raises(ConfigError, match=re.escape("count: got '3'; expected a whole number.")):
        override(Sample(), {"count": "3"}, REGISTRIES)
    with pytest.raises(ConfigError, match=re.escape("part: got Plain(start=0.5, percentile=99.9); expected Part, by")):
        override(Sample(), {"part": Plain()}, REGISTRIES)


# Help


def help_of(capsys: pytest.CaptureFixture[str], *argv: str, **options: Any) -> str:
    with pytest.raises(SystemExit) as stop:
        parse(options.pop("start", Sample), argv, REGISTRIES, **options)
    assert stop.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_shows_text_type_and_default_of_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, "--help", prog="spikewright try", description="What it does.")
    assert text.startswith("usage: spikewright try [FLAGS] What it does.")
    for line in (
        "--count VALUE how many. (a whole number; default: 3)",
        "--rate VALUE how fast, in % per step. (a finite number; default: 0.1)",
        "--loud, --no-loud (true or false; default: false)",
        "--widths VALUE,... (a list of: a whole number; default: 1,2)",
        '--labels VALUE,... (a list of: text; default: "")',
        "--limit VALUE (a finite number, or none; default: none)",
        "--mode VALUE (one of fast, slow; default: fast)",
        "--order VALUE (one of inside, wide; default: wide)",
        "--method VALUE the method. (one of Plain, Levels; default: Plain)",
        "method (Plain): --method.start VALUE where it begins, in units of the threshold. (a finite number; default",
        "--method.percentile VALUE 99.9 % or so. (a finite number; default: 99.9)",
        "part (Part): --part.low VALUE the two ends. (a whole number; default: 0)",
        "--part.high VALUE the two ends.",
        "--spare VALUE (Part, by its fields, or none; default: none)",
    ):
        assert line in text
    assert "--part VALUE" not in text
    assert "--cached" not in text
    assert "not: an argument" not in text


def test_help_is_about_the_class_that_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, "--help", "--method", "levels", "--count", "5", start=Sample(rate=2.0))
    assert "method (Levels): --method.start VALUE where it begins, in units of the threshold." in text
    assert "--method.levels VALUE (a whole number; default: 4)" in text
    assert "--method.percentile" not in text
    assert "--rate VALUE how fast, in % per step. (a finite number; default: 2.0)" in text


def test_help_needs_no_required_flag(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, "-h", start=Needy)
    assert "--model VALUE (text; required)" in text
    assert "--method VALUE (one of Plain, Levels; required)" in text


def test_flags_can_be_declared_on_any_parser() -> None:
    parser = argparse.ArgumentParser(prog="own")
    add_flags(parser, FitConfig(epochs=5), OPTIMIZERS)
    text = " ".join(parser.format_help().split())
    assert "--epochs VALUE passes over the training data, at least 1. (a whole number; default: 5)" in text
    assert "optimizer (SGD): --optimizer.lr VALUE" in text
    assert vars(parser.parse_args(["--optimizer.lr", "1"])) == {"optimizer.lr": "1"}
