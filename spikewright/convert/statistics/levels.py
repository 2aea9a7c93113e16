"""Levels: what a neuron can say in T steps, as whole numbers of one step height."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import ArgumentError, sentence


@dataclass(frozen=True)
class Levels:
    """A neuron that can say lowest..highest, each a whole number of threshold / density, in all its steps together.

    An IF neuron that may fire once in each of T steps has density T and says 0..T. A neuron whose finest spike is
    threshold / 2^(n-1) and that sends at most twice the threshold a step has density T 2^(n-1); with a sign of its
    own it says as much below 0 as above.

    Args:
        density: n, how many levels make up one threshold.
        lowest: a, at most 0: 0 for an activation that is never negative, as ReLU's.
        highest: b, at least 0 and above `lowest`.

    Source: Zhang et al. 2026, "Generalized Threshold Optimization with Harmony Multi-Threshold Neurons for Accurate
        ANN-to-SNN Conversion", AAAI 2026, eq. (6).

    Example:
        >>> Levels.of_if(8)
        Levels(density=8, lowest=0, highest=8)
        >>> Levels.of_if(8).mirrored()
        Levels(density=8, lowest=-8, highest=8)
    """

    density: int
    lowest: int
    highest: int

    def __post_init__(self) -> None:
        for name, allowed in (("density", "at least 1"), ("lowest", "at most 0"), ("highest", "at least 0")):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or (value < 1 if name == "density" else value > 0 if name == "lowest" else value < 0):
                raise ArgumentError(sentence(f"Levels.{name}", repr(value), f"a whole number of {allowed}"))
        if self.lowest == self.highest:
            met = "0, as is the lowest"
            raise ArgumentError(sentence("Levels.highest", met, "a number above the lowest", "One level says nothing"))

    @classmethod
    def of_if(cls, timesteps: int) -> Levels:
        """The levels of an IF neuron over T steps: 0..T, T of which are one threshold."""
        if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 1:
            allowed = "a whole number of at least 1"
            raise ArgumentError(sentence("Levels.of_if.timesteps", repr(timesteps), allowed))
        return cls(timesteps, 0, timesteps)

    def mirrored(self) -> Levels:
        """The same levels with their mirror images below 0."""
        most = max(self.highest, -self.lowest)
        return Levels(self.density, -most, most)
