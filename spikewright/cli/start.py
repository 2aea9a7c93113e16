"""Where a verb's config begins: an experiment, a JSON file, or its defaults; flags come on top."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from ..core.config import from_json, parse
from ..core.errors import ConfigError, sentence
from ..core.registry import pick
from ..experiments.registries import REGISTRIES

C = TypeVar("C")


def take(argv: Sequence[str], flag: str) -> tuple[str | None, list[str]]:
    """The value of one flag, and the words without it.

    Raises:
        ConfigError: if the flag stands last, without a value.
    """
    words = list(argv)
    for place, word in enumerate(words):
        if word.startswith(f"{flag}="):
            return word.partition("=")[2], words[:place] + words[place + 1 :]
        if word == flag:
            if place + 1 == len(words):
                raise ConfigError(f"{flag}: got no value; expected one after it.")
            return words[place + 1], words[:place] + words[place + 2 :]
    return None, words


def read_config(
    argv: Sequence[str],
    default: C | type[C],
    verb: str,
    experiments: Mapping[str, Callable[[], C]] | None = None,
    also: str = "",
) -> C:
    """A verb's config: `--experiment NAME` or `--config FILE` to begin with, then the flags.

    Args:
        argv: the words after the verb.
        default: where the values begin otherwise.
        verb: for the help.
        experiments: what `--experiment` chooses from; none for a verb without experiments.
        also: a further sentence for the help.

    Raises:
        ConfigError: for an unknown experiment, a file that is no config, or a flag that does not fit.
    """
    start: C | type[C] = default
    name = None
    if experiments is not None:
        name, argv = take(argv, "--experiment")
        if name is not None:
            start = pick(experiments, name, "--experiment")()
    file, argv = take(argv, "--config")
    if file is not None and name is not None:
        raise ConfigError("--config: got --experiment too; expected one place where the values begin.")
    if file is not None:
        start = config_file(Path(file), start if isinstance(start, type) else type(start))
    choice = "--config FILE chooses" if experiments is None else "--experiment NAME or --config FILE chooses"
    description = f"{choice} where the values below begin. {also}"
    return parse(start, argv, REGISTRIES, prog=f"spikewright {verb}", description=description)


def config_file(path: Path, cls: type[C]) -> C:
    """Read a config that a run folder holds.

    Raises:
        ConfigError: if the file is missing, no JSON, or no config of this kind.
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--config {path}: cannot be read ({error}); expected a config.json.") from error
    return from_json(cls, data, REGISTRIES)


def check_same_run(begun: Any, config: Any, another: Collection[str]) -> None:
    """Refuse a config with which a run that was begun would become another one.

    Args:
        begun: the config that the run folder holds.
        config: of the same class, with the flags of now.
        another: names of the fields that may differ.

    Raises:
        ConfigError: names the group of flags.
    """
    for name in (field.name for field in fields(begun)):
        if name not in another and getattr(begun, name) != getattr(config, name):
            todo = "Begin a run of its own, with --config and the config.json of this one"
            raise ConfigError(sentence("--resume", f"another {name}", "what the run was begun with", todo))
