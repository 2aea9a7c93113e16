"""collect(namespace, base): name -> class, read off the imports of an __init__; the imports are the registry."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from .errors import ConfigError

Base = TypeVar("Base")
Value = TypeVar("Value")


def collect(namespace: Mapping[str, Any], base: type[Base]) -> dict[str, type[Base]]:
    """Every final class derived from `base` among the names of a package, by name, sorted.

    Args:
        namespace: `globals()` of the package.
        base: the abstract class of the kind.

    Example:
        >>> from spikewright.core.surrogate import ATan, Surrogate
        >>> collect({"ATan": ATan, "Surrogate": Surrogate, "x": 3}, Surrogate)
        {'ATan': <class 'spikewright.core.surrogate.ATan'>}
    """
    return {
        name: value
        for name, value in sorted(namespace.items())
        if inspect.isclass(value) and issubclass(value, base) and not inspect.isabstract(value) and value is not base
    }


def pick(registry: Mapping[str, Value], name: str, kind: str) -> Value:
    """The entry of that name, whatever the case.

    Raises:
        ConfigError: naming what was asked for and all that there is.
    """
    folded = {key.casefold(): value for key, value in registry.items()}
    if not isinstance(name, str) or name.casefold() not in folded:
        raise ConfigError(f"{kind}: got {name!r}; expected one of {', '.join(registry)}.")
    return folded[name.casefold()]
