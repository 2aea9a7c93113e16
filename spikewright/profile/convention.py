"""Two ways to charge for analog values that are the same at every time step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Convention:
    """How analog work on an input that repeats itself is charged.

    Args:
        name: its name in reports.
        once: whether it is charged at the first step only.
        note: what that assumes of the hardware, one sentence.
    """

    name: str
    once: bool
    note: str


analog_each_step = Convention(
    "analog_each_step",
    False,
    "analog layers before the first neurons are computed anew at every time step",
)
"""The default: nothing is remembered between steps, so a static image costs its first layer T times."""

analog_once = Convention(
    "analog_once",
    True,
    "analog layers whose input is the same at every step are computed at the first step and kept; at every later step "
    "each neuron behind them adds the kept current, one addition",
)
"""For hardware that stores the first layer's currents."""
