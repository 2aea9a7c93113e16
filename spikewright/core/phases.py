"""Phases: the steps that a spiking network needs besides the T steps that it is judged on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phases:
    """What has to happen before the first output that counts.

    Args:
        rehearsal: leading steps that the whole network runs and whose output does not count.
        window: steps of its input that a layer must have seen before it gives its first output; it replays them.
        layers: how many layers have such a window.

    Example:
        >>> srp, cos = Phases(rehearsal=4), Phases(window=4, layers=19)
        >>> srp.steps(2), srp.latency(2), srp.pipeline(2)
        (6, 6, 6)
        >>> cos.steps(2), cos.latency(2), cos.pipeline(2)
        (4, 6, 78)
    """

    rehearsal: int = 0
    window: int = 0
    layers: int = 0

    def steps(self, timesteps: int) -> int:
        """Length of the input sequence that gives `timesteps` outputs that count."""
        return self.rehearsal + max(timesteps, self.window)

    def latency(self, timesteps: int) -> int:
        """Steps in all as the papers count them: every layer looks at its window at the same time."""
        return self.rehearsal + self.window + timesteps

    def pipeline(self, timesteps: int) -> int:
        """Steps in all on hardware that cannot look ahead: each layer's window begins after the one before it."""
        return self.rehearsal + self.layers * self.window + timesteps
