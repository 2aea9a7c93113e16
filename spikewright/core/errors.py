"""The errors a user can cause, and the one sentence form that all of them take."""


class SpikewrightError(Exception):
    """Base of every error that a user can cause; the command line prints it without a traceback."""


class ArgumentError(SpikewrightError, ValueError):
    """A number or choice outside what is allowed."""


class ShapeError(SpikewrightError, ValueError):
    """A tensor of the wrong shape, length or dtype."""


class ConfigError(SpikewrightError, ValueError):
    """An unknown field, name or value in a configuration or on the command line."""


class ConversionError(SpikewrightError):
    """A network, or a part of it, that cannot be converted as asked."""


class DataError(SpikewrightError):
    """A data file or a batch that is missing, broken, empty or holds impossible values."""


class CheckpointError(SpikewrightError):
    """A weights file that is truncated, unsafe, or made for another network."""


class ProcessError(SpikewrightError):
    """Another process of the same job that ended or does not answer, or a job that was started the wrong way."""


def sentence(who: str, met: str, allowed: str, todo: str = "") -> str:
    """Put an error into the one form of this project: who, what was met, what is allowed, what to do.

    Example:
        >>> sentence("LIF.tau", "0", "a number above 0 (time steps)", "For no leak use IF")
        'LIF.tau: got 0; expected a number above 0 (time steps). For no leak use IF.'
    """
    text = f"{who}: got {met}; expected {allowed}."
    return f"{text} {todo.rstrip('.')}." if todo else text
