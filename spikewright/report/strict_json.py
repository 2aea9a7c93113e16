"""Python values to JSON that every program can read, and back without loss.

Plain JSON knows no nan and no infinity. Here they are the texts "NaN", "Infinity" and "-Infinity"; the rare
real text that reads the same is written as {"$text": "NaN"}.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NoReturn

import numpy as np

from spikewright.report.errors import ReportError

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_TEXT = "$text"


def plain(value: Any, where: str = "value") -> Any:
    """Reduce a value to None, bool, int, float, str, list and dict, the things that JSON has.

    NumPy scalars and arrays, tuples, paths and dataclasses are converted; nan and infinity stay floats.

    Args:
        value: anything that a configuration or a result may hold.
        where: name of the value in the error.

    Raises:
        ReportError: for a thing that has no JSON form, by its name and type.

    Example:
        >>> plain({"eps": np.float64(0.5), "timesteps": (1, 2)})
        {'eps': 0.5, 'timesteps': [1, 2]}
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist(), where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name), f"{where}.{name}") for name in names}
    if isinstance(value, Mapping):
        return {_key(key, where): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise ReportError(
        f"{where}: got {type(value).__name__}; expected a number, text, True, False, None, or a "
        "list, dict or dataclass of them. Convert it first, for instance with .item() or .tolist()."
    )


def _key(key: Any, where: str) -> str:
    if isinstance(key, str) and key != _TEXT:
        return key
    raise ReportError(f"{where}: got the key {key!r}; expected keys that are text, other than {_TEXT!r}.")


def dumps(value: Any, where: str = "value") -> str:
    """Write a value as indented JSON, with every list of plain values on one line.

    Example:
        >>> print(dumps({"rows": [[1, 0.5], [2, math.inf]]}))
        {
          "rows": [
            [1, 0.5],
            [2, "Infinity"]
          ]
        }
    """
    return _pretty(_encode(plain(value, where)), "")


def dumps_line(value: Any, where: str = "value") -> str:
    """Write a value as JSON on one line.

    Example:
        >>> dumps_line({"epoch": 3, "loss": math.nan})
        '{"epoch": 3, "loss": "NaN"}'
    """
    return json.dumps(_encode(plain(value, where)), ensure_ascii=False, allow_nan=False)


def loads(text: str, who: str) -> Any:
    """Read what `dumps` or `dumps_line` wrote.

    Args:
        text: the JSON.
        who: what is being read (a file name), for the error.

    Raises:
        ReportError: for text that is not JSON, with line and column.

    Example:
        >>> loads('[1, "-Infinity"]', "numbers")
        [1, -inf]
    """

    def refuse(constant: str) -> NoReturn:
        raise ReportError(f'{who}: got the bare word {constant}; expected strict JSON, where it is "NaN".')

    try:
        return _decode(json.loads(text, parse_constant=refuse))
    except json.JSONDecodeError as error:
        raise ReportError(
            f"{who}: got broken JSON ({error.msg}, line {error.lineno}, column {error.colno}); "
            "expected a whole JSON text. Restore the file, or run again."
        ) from error


def _encode(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str) and value in _NOT_FINITE:
        return {_TEXT: value}
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encode(item) for item in value]
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, dict):
        return value[_TEXT] if set(value) == {_TEXT} else {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value


def _pretty(value: Any, indent: str) -> str:
    inner = indent + "  "
    if isinstance(value, dict) and value and set(value) != {_TEXT}:
        lines = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_pretty(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, list | dict) and item for item in value):
        lines = [inner + _pretty(item, inner) for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
