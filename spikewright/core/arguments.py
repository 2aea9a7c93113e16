"""What many entry points ask of an argument, a network or classes of layers; and what a wrong one is called."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .errors import ArgumentError, sentence


def named(value: object) -> str:
    """What a value is, in the words of an error: None, a class, or an object of a class.

    Example:
        >>> named(None), named(int), named(3.5), named("relu")
        ('None', 'the class int', 'float', "'relu'")
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return repr(value) if value is None or isinstance(value, str) else type(value).__name__


def check_module(model: object, who: str, todo: str = "") -> None:
    """Raise ArgumentError unless it is a module: an object, not its class, its name or its weights."""
    if isinstance(model, nn.Module):
        return
    if isinstance(model, type) and issubclass(model, nn.Module):
        todo = f"Make an object of it: {model.__name__}(...)"
    raise ArgumentError(sentence(who, named(model), "a network, i.e. a torch.nn.Module", todo))


def check_leaves(leaves: object, who: str) -> None:
    """Raise ArgumentError unless these are classes of layers in a tuple or list."""
    if not isinstance(leaves, Sequence) or not all(isinstance(leaf, type) for leaf in leaves):
        raise ArgumentError(sentence(who, named(leaves), "a tuple of classes, e.g. (MyActivation,)"))


def check_whole(who: str, value: object, *, least: int, most: int | None = None) -> None:
    """Raise ArgumentError unless it is a whole number in a range.

    Example:
        >>> check_whole("MultiThreshold.thresholds", 4, least=1)
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ArgumentError(sentence(who, repr(value), f"a whole number {allowed}"))


def check_switch(who: str, value: object) -> None:
    """Raise ArgumentError unless it is True or False; a word such as "no" would count as True."""
    if not isinstance(value, bool):
        raise ArgumentError(sentence(who, repr(value), "True or False"))
