"""Frozen dataclass <-> JSON <-> command-line flags, all read off the fields; classes and values go by name.

A field is an int, float, str, bool, Path, Literal, another config, a registered type, a tuple[T, ...] of these,
or any of them `| None`. A registered type is chosen by name and then refined: `--recipe opi --recipe.percentile
99.9`, in JSON {"recipe": {"type": "OPI", "percentile": 99.9}}. The name that is there already keeps its values;
another one begins with its own defaults.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ArgumentError, ConfigError, sentence
from .fraction import fraction

C = TypeVar("C")
Registries = Mapping[Any, Mapping[str, Any]]
"""Type of a field -> name -> a dataclass, to be built from its fields, or a value that stands for itself."""

_PLAIN = {
    int: ("a whole number", int),
    float: ("a finite number", int | float),
    str: ("text", str),
    bool: ("true or false", bool),
    Path: ("a path", str | Path),
}
_OBJECT: dict[str, Any] = {}


def to_json(config: Any, registries: Registries | None = None) -> dict[str, Any]:
    """A config as dicts, lists and plain values, every field written out; `from_json` gives an equal one back.

    Args:
        config: a dataclass instance.
        registries: as for `from_json`; without them only classes can be written, each by its own name.

    Raises:
        ConfigError: for inf, nan, a value of the wrong type or one that is not registered, by the field's path.
    """
    return _Kind(type(config), registries or {}).encoded(config, "")


def from_json(cls: type[C], data: Mapping[str, Any], registries: Registries) -> C:
    """Build a config from what `to_json` wrote, or from a part of it and the defaults.

    Args:
        cls: the dataclass.
        data: field -> value in the form of JSON.
        registries: what the names stand for, by type of field.

    Raises:
        ConfigError: for an unknown field or name, a missing field, a value of the wrong type or out of range.
    """
    reading = _Reading(_flat(data, ""))
    return reading.complete(reading.of(cls, registries))


def override(config: C, changes: Mapping[str, Any], registries: Registries) -> C:
    """A copy of a config with some changes; errors as in `from_json`.

    Args:
        config: a dataclass instance.
        changes: path -> value, {"fit.epochs": 3, "recipe": OPI()}, or a part of the config in the form of JSON.
        registries: as for `from_json`.
    """
    reading = _Reading(_flat(changes, ""))
    return reading.complete(reading.of(config, registries))


def parse(
    start: type[C] | C, argv: Sequence[str], registries: Registries, *, prog: str = "", description: str = ""
) -> C:
    """Build a config from flags, in any order; of two equal ones the last counts. `--help` prints and exits.

    Args:
        start: a dataclass, or an instance of one whose values are the defaults.
        argv: the words after the command. A value that begins with two dashes is given as `--flag=--value`.
        registries: as for `from_json`.
        prog: name of the command in the help.
        description: text above the flags in the help.

    Raises:
        ConfigError: as `from_json`, and for a missing value or a word that is no flag.
        SystemExit: with code 0, after the help.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Run:
        ...     epochs: int = 100
        ...     widths: tuple[int, ...] = ()
        >>> to_json(parse(Run(epochs=5), ["--widths", "64,10"], {}))
        {'epochs': 5, 'widths': [64, 10]}
    """
    words = [word for word in argv if word not in ("-h", "--help")]
    reading = _Reading(_words(words), "--")
    config = reading.of(start, registries)
    if len(words) < len(argv):
        parser = argparse.ArgumentParser(prog or None, "%(prog)s [FLAGS]", description)
        reading.declare(parser)
        parser.parse_args(["--help"])
    return reading.complete(config)


def add_flags(parser: argparse.ArgumentParser, start: Any, registries: Registries) -> None:
    """Declare on a parser, for its help, the flags that `parse` reads, each with its text from the docstring.

    Args:
        parser: gets a group of flags for each config and chosen class.
        start: a dataclass, or an instance of one whose values are shown as defaults.
        registries: as for `from_json`.
    """
    reading = _Reading({})
    reading.of(start, registries)
    reading.declare(parser)


class _Text(str):
    """What the command line gave, still to be read by the type of its field."""


class _Kind:
    """The type of a field, taken apart, and what values of it look like in JSON and on the command line."""

    def __init__(self, hint: Any, registries: Registries) -> None:
        parts = get_args(hint)
        self.optional = get_origin(hint) in (Union, UnionType) and len(parts) == 2 and NoneType in parts
        self.type = parts[parts[0] is NoneType] if self.optional else hint
        self.registries, parts, origin = registries, get_args(self.type), get_origin(self.type)
        self.item = _Kind(parts[0], registries) if origin is tuple and parts[1:] == (...,) else None
        self.entries = {str(each): each for each in parts} if origin is Literal else registries.get(self.type, {})
        self.is_group = not self.entries and _is_config(self.type)
        self.has_flag = self.optional or not self.is_group
        if self.is_group:
            self.entries = {self.type.__name__: self.type}

    def __str__(self) -> str:
        name = getattr(self.type, "__name__", self.type)
        text, _ = _PLAIN.get(self.type, (f"a registered value of type {name}", ()))
        text = f"one of {', '.join(self.entries)}" if self.entries else text
        text = f"{name}, by its fields" if self.is_group else text
        return (f"a list of: {self.item}" if self.item else text) + ", or none" * self.optional

    def fields(self, cls: Any) -> dict[str, _Kind]:
        """The kind of each field that a config is built from."""
        hints, names = get_type_hints(cls), [part.name for part in fields(cls) if part.init]
        for name in {"type", "help"}.intersection(names):
            raise ConfigError(sentence(f"{cls.__name__}.{name}", "a name of another meaning", "another name"))
        return {name: _Kind(hints[name], self.registries) for name in names}

    def name(self, value: Any) -> str | None:
        """The registered name of a value, of a class, or of the class of an instance."""
        for name, entry in self.entries.items():
            if (type(value) is type(entry) and value == entry) or (type(value) is entry and _is_config(entry)):
                return name
        return None

    def chosen(self, own: Any, base: Any, who: str) -> Any:
        """The entry that a change names; `base` where that is of this class already."""
        if (own is _OBJECT and base is not MISSING and base is not None) or self.name(own) is not None:
            return base if own is _OBJECT else own
        for name, entry in self.entries.items():
            if isinstance(own, str) and name.casefold() == own.casefold():
                return base if type(base) is entry else entry
        met, todo = ("no type", "") if own is _OBJECT else (repr(own), _nearest(str(own), self.entries))
        raise ConfigError(sentence(who, met, str(self), todo))

    def checked(self, value: Any, who: str) -> Any:
        """A plain value; an int serves as a float, text as a path, and text of the command line as any."""
        if isinstance(value, _Text) and self.type in _PLAIN:
            with suppress(KeyError, ValueError):
                read = fraction if self.type is float else self.type
                value = {"true": True, "false": False}[value.casefold()] if self.type is bool else read(value)
        _, kinds = _PLAIN.get(self.type, ("", ()))
        fits = isinstance(value, kinds) and isinstance(value, bool) == (self.type is bool)
        if not fits or (self.type is float and not abs(value) <= sys.float_info.max):  # pyright: ignore[reportArgumentType]
            raise ConfigError(sentence(who, "an object" if value is _OBJECT else repr(value), str(self)))
        return self.type(value)

    def shown(self, value: Any) -> str:
        """A value as the command line takes it."""
        if self.item and isinstance(value, tuple):
            return ",".join(map(self.item.shown, value)) or '""'
        text = self.name(value) or str(value)
        return text.lower() if value is None or isinstance(value, bool) else text

    def encoded(self, value: Any, path: str) -> Any:
        """The JSON of a value."""
        name = self.name(value)
        if value is None and self.optional:
            return None
        if self.entries and name is None:
            raise ConfigError(sentence(path, repr(value), str(self)))
        if name is not None and type(value) is not self.entries[name]:
            return value if get_origin(self.type) is Literal else name
        if name is not None or (is_dataclass(value) and isinstance(self.type, type) and isinstance(value, self.type)):
            parts = self.fields(type(value)).items()
            data = {part: kind.encoded(getattr(value, part), _at(path, part)) for part, kind in parts}
            return data if self.is_group else {"type": name or type(value).__name__} | data
        if self.item and isinstance(value, tuple):
            return [self.item.encoded(part, f"{path}[{i}]") for i, part in enumerate(value)]
        plain = self.checked(value, path)
        return str(plain) if self.type is Path else plain


class _Reading:
    """One walk over the fields of a config that lays changes (path -> value) over a start."""

    def __init__(self, changes: dict[str, Any], dashes: str = "") -> None:
        self.changes, self.dashes = changes, dashes
        self.met: dict[str, tuple[_Kind, Any, type]] = {}  # path -> kind, value or class or MISSING, owner

    def of(self, start: Any, registries: Registries) -> Any:
        """The config that a class or an instance becomes; MISSING if a field lacks a value."""
        cls = start if isinstance(start, type) else type(start)
        return self.value(_Kind(cls, registries), "", MISSING if cls is start else start, cls)

    def complete(self, value: Any) -> Any:
        """The value, once every change has found its field and no field lacks a value."""
        known = [path for path, (kind, _, _) in self.met.items() if path and (kind.has_flag or not self.dashes)]
        for path in self.changes:
            beside = [each for each in known if each.rpartition(".")[0] == path.rpartition(".")[0]] or known
            allowed = f"one of {', '.join(self.dashes + each for each in beside)}" if beside else "none"
            below = [each for each in known if each.endswith(f".{path}")]
            todo = _nearest(path, below or beside, self.dashes, 0.0 if below else 0.6)
            met = "an unknown flag" if self.dashes else "an unknown field"
            raise ConfigError(sentence(self.dashes + path, met, allowed, todo))
        for path, (kind, holds, _) in self.met.items():
            if holds is MISSING:
                raise ConfigError(sentence(self.dashes + path, "no value", str(kind)))
        return value

    def value(self, kind: _Kind, path: str, base: Any, owner: Any) -> Any:
        """What a field becomes: the change at its path, or `base`, with the changes below; MISSING if unknown."""
        who, own = f"{self.dashes}{path}" if path else owner.__name__, self.changes.pop(path, MISSING)
        if self.dashes and isinstance(own, bool) and kind.type is not bool:
            raise ConfigError(sentence(who, "no value", str(kind)))
        below = own is _OBJECT or any(change.startswith(f"{path}.") for change in self.changes)
        if kind.is_group and (base is MISSING or base is None) and (below or not kind.optional):
            base = kind.type
        if kind.optional and (own is None or (isinstance(own, _Text) and own.casefold() == "none")):
            base = None
        elif own is not MISSING:
            base = kind.chosen(own, base, who) if kind.entries else self.plain(kind, own, path)
        self.met[path] = kind, base, owner
        cls = base if isinstance(base, type) else type(base)
        return self.built(cls, kind, path, base) if _is_config(cls) and cls in kind.entries.values() else base

    def built(self, cls: Any, kind: _Kind, path: str, base: Any) -> Any:
        """A class with the changes below a path, over its own defaults or over an instance."""
        values = {}
        for name, part in kind.fields(cls).items():
            slot = cls.__dataclass_fields__[name]
            default = slot.default if slot.default_factory is MISSING else slot.default_factory()
            values[name] = self.value(part, _at(path, name), default if base is cls else getattr(base, name), cls)
        if any(value is MISSING for value in values.values()):
            return MISSING
        try:
            return cls(**values)
        except ArgumentError as error:
            text, where = str(error), f"{self.dashes}{path}: " if path else ""
            named = re.match(r"\w+\.(\w+)(?=: )", text)  # the class checks itself, or has a part of it checked
            if named and named[1] in values:
                text, where = text[named.end() :], self.dashes + _at(path, named[1])
            raise ConfigError(where + text) from error

    def plain(self, kind: _Kind, own: Any, path: str) -> Any:
        """A value without parts of its own, or a tuple of any values."""
        if kind.item and isinstance(own, _Text):
            own = [_Text(part.strip()) for part in own.split(",")] if own.strip() else []
        if not kind.item or not isinstance(own, list | tuple):
            return kind.checked(own, self.dashes + path)
        readings = {f"{path}[{i}]": _Reading(_flat(part, f"{path}[{i}]"), self.dashes) for i, part in enumerate(own)}
        return tuple(each.complete(each.value(kind.item, at, MISSING, None)) for at, each in readings.items())

    def declare(self, parser: argparse.ArgumentParser) -> None:
        """Add a flag for each field that was met to a parser, for its help."""
        groups: dict[str, Any] = {}
        for path, (kind, holds, owner) in self.met.items():
            if not kind.has_flag:
                continue
            head, _, name = path.rpartition(".")
            if head not in groups:
                groups[head] = parser.add_argument_group(f"{head} ({owner.__name__})" if head else owner.__name__)
            how: dict[str, Any] = {"metavar": "VALUE,..." if kind.item else "VALUE"}
            if kind.type is bool:
                how = {"action": argparse.BooleanOptionalAction}
            default = "required" if holds is MISSING else f"default: {kind.shown(holds)}"
            text = f"{_texts(owner).get(name, '')} ({kind}; {default})".strip().replace("%", "%%")
            groups[head].add_argument(f"--{path}", default=argparse.SUPPRESS, help=text, **how)


def _words(words: Sequence[str]) -> dict[str, Any]:
    """The words of a command line as path -> text, or True for a bare --flag and False for --no-flag."""
    changes, last = {}, ""
    for word in words:
        flag, equals, text = word.partition("=")
        if flag.startswith("--") and len(flag) > 2:
            last = flag[2:] if equals else flag[2:].removeprefix("no-")
            changes[last] = _Text(text) if equals else last == flag[2:]
        elif changes.get(last) is True:
            changes[last] = _Text(word)
        else:
            raise ConfigError(sentence("command line", repr(word), "--flag VALUE, --flag or --no-flag"))
    return changes


def _flat(value: Any, path: str) -> dict[str, Any]:
    """JSON as path -> value; at the path of an object stands its type, or the mark of an object."""
    if not isinstance(value, Mapping):
        return {path: value}
    flat = {path: value.get("type", _OBJECT)}
    for name, part in value.items():
        flat |= {} if name == "type" else _flat(part, _at(path, name))
    return flat


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and is_dataclass(kind) and not inspect.isabstract(kind)


def _nearest(name: str, known: Iterable[str], dashes: str = "", cutoff: float = 0.6) -> str:
    """The end of an error about a name that is not known: the one that was probably meant."""
    folded = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), folded, 1, cutoff)
    return f"The nearest is {dashes}{folded[near[0]]}" if near else ""


def _texts(cls: type) -> dict[str, str]:
    """Field -> its text in the Args of the docstring of a class or its bases."""
    texts = {}
    for base in reversed(cls.__mro__):
        args = re.search(r"^Args:\n((?: .*\n?|\n)+)", inspect.cleandoc(base.__doc__ or ""), re.MULTILINE)
        found = re.findall(r"^    (\w[\w, ]*): (.*(?:\n     .*)*)", args[1] if args else "", re.MULTILINE)
        texts |= {name: " ".join(text.split()) for names, text in found for name in names.split(", ")}
    return texts
