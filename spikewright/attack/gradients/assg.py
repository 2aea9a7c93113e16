"""ASSG: every neuron and step has a surrogate as wide as its own potentials were during the attack so far."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ...core.errors import ArgumentError, sentence
from ...core.neuron import Neuron
from ...core.surrogate import ATan, Surrogate
from ...core.types import State
from ...models.classifier import Run
from ..rule import UnrollRule, check_spike, surrogate_of_potentials

KEPT, DEVIATIONS, SMALL = 0.9, 1.5, 1e-4
"""Share of the means that an iteration keeps; mean deviations that the width spans; what keeps it above 0."""


def running_means(size: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Means after one more iteration, of a neuron's distance from the threshold and of its deviation from that.

        M' = 0.9 M + 0.1 |u|        D' = 0.9 D + 0.1 | |u| - M' |

    Example:
        >>> running_means(torch.tensor(0.5), torch.tensor(1.0), torch.tensor(0.0))
        (tensor(0.9500), tensor(0.0450))
    """
    mean = KEPT * mean + (1 - KEPT) * size
    return mean, KEPT * deviation + (1 - KEPT) * (size - mean).abs()


class Memory:
    """Running means of every call of every neuron, [T, N, *F] each.

    Args:
        known: the means so far, by neuron and number of the call in a pass.
        learns: whether a pass changes them.
    """

    def __init__(self, known: dict[tuple[Neuron, int], tuple[Tensor, Tensor]] | None = None, learns: bool = True):
        self.known, self.learns, self.calls = {} if known is None else known, learns, Counter()

    def begin(self) -> None:
        """A pass through the network begins."""
        self.calls.clear()

    def place(self, neuron: Neuron) -> tuple[Neuron, int]:
        """The next call of a neuron in this pass."""
        self.calls[neuron] += 1
        return neuron, self.calls[neuron]


@dataclass(frozen=True, kw_only=True)
class ASSG(UnrollRule):
    """Adaptive sharpness: back-propagation through time with an arctangent, per neuron and step as sharp as fits.

        alpha = a / (M + 1.5 D + 1e-4)        a = 2/pi tan(pi c)

    with the running means M and D of `running_means`, 1 and 0 at first, over the iterations of one attack on one batch:
    at a distance of M + 1.5 D from the threshold the surrogate has risen by c of its 1/2.

    Inside `run_attack` and `perturb` every batch and restart begins anew. Elsewhere, e.g. in another library's attack,
    the means are those after one iteration; `ASSG().fresh()` goes on from pass to pass with a gradient, and begins anew
    where the shape of the batch changes.

    Args:
        c: share of the rise within the width, above 0 and below 1/2; published attacks search 0.41..0.45.
        memory: see `fresh`.

    Source: "Towards Reliable Evaluation of Adversarial Robustness for Spiking Neural Networks", CVPR 2026, adaptive
        sharpness surrogate gradient. Differs: potentials are measured in thresholds, which are 1 there.

    Example:
        >>> round(ASSG(c=0.25).numerator, 4)
        0.6366
    """

    remembers: ClassVar[bool] = True
    c: float = 0.43
    memory: Memory | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.c < 0.5:
            raise ArgumentError(sentence("ASSG.c", repr(self.c), "a number above 0 and below 0.5"))

    @property
    def numerator(self) -> float:
        """The constant a."""
        return 2 / math.pi * math.tan(math.pi * self.c)

    def fresh(self) -> Self:
        return replace(self, memory=Memory())

    def again(self) -> Self:
        return self if self.memory is None else replace(self, memory=Memory(self.memory.known, learns=False))

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        check_spike("ASSG", name, neuron)

    def logits(self, model: nn.Module, run: Run, timesteps: int) -> Tensor:
        if self.memory is not None:
            self.memory.begin()
        return super().logits(model, run, timesteps)

    def __call__(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """Run the steps, each with the sharpness of its means."""
        memory = Memory() if self.memory is None else self.memory
        place = memory.place(neuron)
        means = memory.known.get(place)
        if means is None or means[0].shape != xs.shape:
            means = torch.ones_like(xs), torch.zeros_like(xs)
        learns = memory.learns and torch.is_grad_enabled()
        spikes, after = [], []
        for x, *before in zip(xs, *means):
            with surrogate_of_potentials(neuron, lambda u, before=before: self._choose(u, before, after, learns)):
                state, s = neuron.step(state, x)
            spikes.append(s)
        if learns:
            memory.known[place] = torch.stack(after[::2]).detach(), torch.stack(after[1::2]).detach()
        return state, torch.stack(spikes)

    def _choose(self, u: Tensor, before: list[Tensor], after: list[Tensor], learns: bool) -> Surrogate:
        mean, deviation = running_means(u.abs(), *before) if learns else before
        after += [mean, deviation]
        sharpness: Any = self.numerator / (mean + DEVIATIONS * deviation + SMALL)  # ATan takes a tensor as well
        return ATan(alpha=sharpness)
