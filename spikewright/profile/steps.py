"""How many of a run's time steps are meant."""

from __future__ import annotations

from ..core.errors import ArgumentError, sentence


def checked_steps(timesteps: int | None, most: int) -> int:
    """A number of steps of a run of `most`, None for all.

    Raises:
        ArgumentError: if it is no whole number of 1 up to `most`.

    Example:
        >>> checked_steps(None, 8), checked_steps(4, 8)
        (8, 4)
    """
    steps = most if timesteps is None else timesteps
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= most:
        raise ArgumentError(
            sentence("timesteps", repr(timesteps), f"1..{most}, the steps that were run", "Run the model longer")
        )
    return steps
