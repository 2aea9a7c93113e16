"""Parallel spiking neurons: no reset, so all steps are computed at once, each from inputs of many steps."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.params import param
from ..core.past import Remembering
from ..core.surrogate import ATan
from ..core.temporal import check_sequence
from ..core.types import SpikeFn


def parallel_membrane(xs: Tensor, weight: Tensor) -> Tensor:
    """Membrane potentials of all steps, each from the inputs of all steps.

        v_t = sum over i of weight[t, i] x_i

    Args:
        xs: input, [T, N, *F].
        weight: [T, T].

    Source: Fang et al. 2023, "Parallel Spiking Neurons with High Efficiency and Ability to Learn Long-term
        Dependencies", NeurIPS 2023, arXiv 2304.12760, PSN.

    Example:
        >>> parallel_membrane(torch.tensor([1.0, 2.0]).view(2, 1, 1), torch.tensor([[1.0, 0.5], [0.0, 1.0]])).flatten()
        tensor([2., 2.])
    """
    return torch.tensordot(weight, xs, 1)


def banded_membrane(padded: Tensor, weight: Tensor) -> Tensor:
    """Membrane potentials of all steps, each from the inputs of its last k steps.

        v_t = sum over j < k of weight[t, j] x_(t - k + 1 + j)

    Args:
        padded: input with that of the k - 1 steps before it, [k - 1 + T, N, *F].
        weight: [T, k], the oldest input first.

    Source: Fang et al. 2023, NeurIPS 2023, arXiv 2304.12760, masked PSN; with equal rows sliding PSN.

    Example:
        >>> xs = torch.tensor([0.0, 1.0, 2.0]).view(3, 1, 1)
        >>> banded_membrane(xs, torch.tensor([[0.5, 1.0], [0.5, 1.0]])).flatten()
        tensor([1.0000, 2.5000])
    """
    steps = len(weight)
    terms = (_by_step(column, padded) * padded[j : j + steps] for j, column in enumerate(weight.unbind(1)))
    return torch.stack(list(terms)).sum(0)


def _by_step(numbers: Tensor, xs: Tensor) -> Tensor:
    """[T] in the form that broadcasts to [T, N, *F]."""
    return numbers.view(-1, *[1] * (xs.dim() - 1))


class ParallelNeuron(Remembering):
    """Abstract: neurons without a step of their own. They fire where the potential reaches the threshold.

    Unrolls and recordings of membranes need a step, and pass them by; the event runtime leaves them to torch.

    Args:
        v_threshold: threshold at the beginning, above 0; trained.
        amplitude: what one spike delivers.
        spike: spike function, e.g. `ATan()`.
    """

    levels: tuple[float, ...] | None = (0.0, 1.0)
    amplitude: Tensor

    def __init__(self, thresholds: int, v_threshold: float, amplitude: float, spike: SpikeFn | None) -> None:
        super().__init__()
        who = type(self).__name__
        for name, value in (("v_threshold", v_threshold), ("amplitude", amplitude)):
            number: Any = value
            if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < float("inf"):
                raise ArgumentError(sentence(f"{who}.{name}", repr(value), "a finite number above 0"))
        if spike is not None and (not callable(spike) or isinstance(spike, type)):
            raise ArgumentError(sentence(f"{who}.spike", named(spike), "a function: ATan()"))
        self.spike = ATan() if spike is None else spike
        self.v_threshold = nn.Parameter(torch.full((thresholds,), float(v_threshold)))
        self.register_buffer("amplitude", param(amplitude))

    @abstractmethod
    def membrane(self, xs: Tensor) -> tuple[Tensor, Tensor]:
        """Input [T, N, *F] -> potentials [T, N, *F], and the threshold of each step, [T] or [1]."""

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Input [T, N, *F] -> amplitude times spikes, [T, N, *F].

        Raises:
            ShapeError: if xs is no floating-point [T, N, *F] of a length that the neurons were made for.
        """
        v, threshold = self.membrane(xs)
        return self.spike(v - _by_step(threshold.to(xs.dtype), xs)) * self.amplitude.to(xs.dtype)


class PSN(ParallelNeuron):
    """Parallel spiking neuron: every step sees all steps, also later ones. It needs sequences of exactly `steps` steps.

    Args:
        steps: T, at least 1.
        v_threshold, amplitude, spike: see `ParallelNeuron`; each step has its threshold.

    Source: Fang et al. 2023, NeurIPS 2023, arXiv 2304.12760, PSN. Differs: weights begin as running sums of the input,
    instead of at random.

    Example:
        >>> PSN(steps=3).over_time(torch.full((3, 1, 1), 0.5)).flatten().tolist()
        [0.0, 1.0, 1.0]
    """

    def __init__(
        self, *, steps: int, v_threshold: float = 1.0, amplitude: float = 1.0, spike: SpikeFn | None = None
    ) -> None:
        check_whole("PSN.steps", steps, least=1)
        super().__init__(steps, v_threshold, amplitude, spike)
        self.weight = nn.Parameter(torch.ones(steps, steps).tril())
        self.window = steps

    def membrane(self, xs: Tensor) -> tuple[Tensor, Tensor]:
        """See `parallel_membrane`."""
        check_sequence(xs, "PSN")
        if len(xs) != len(self.weight) or (self.carry is not None and self.carry.state is not None):
            todo = "Each of its steps sees all the others; for other lengths and for carried states take SlidingPSN"
            raise ShapeError(sentence("PSN", f"{len(xs)} time steps", f"all {len(self.weight)} in one piece", todo))
        if self.carry is not None:
            self.with_past(xs, 0)
        return parallel_membrane(xs, self.weight.to(xs.dtype)), self.v_threshold


class MaskedPSN(ParallelNeuron):
    """Masked parallel spiking neuron: a step sees its last `order` inputs, with weights of its own.

    Args:
        steps: longest T, at least 1.
        order: how many inputs a step sees, its own among them, at least 1.
        v_threshold, amplitude, spike: see `ParallelNeuron`; each step has its threshold.

    Source: Fang et al. 2023, NeurIPS 2023, arXiv 2304.12760, masked PSN. Differs: the mask is there from the first
        update on, instead of growing; weights begin as powers of 1/2, the oldest the smallest.

    Example:
        >>> MaskedPSN(steps=3, order=2).over_time(torch.full((3, 1, 1), 0.75)).flatten().tolist()
        [0.0, 1.0, 1.0]
    """

    def __init__(
        self,
        *,
        steps: int,
        order: int = 2,
        v_threshold: float = 1.0,
        amplitude: float = 1.0,
        spike: SpikeFn | None = None,
    ) -> None:
        check_whole("MaskedPSN.steps", steps, least=1)
        check_whole("MaskedPSN.order", order, least=1)
        super().__init__(steps, v_threshold, amplitude, spike)
        self.weight = nn.Parameter(halves(order).repeat(steps, 1))

    def membrane(self, xs: Tensor) -> tuple[Tensor, Tensor]:
        """See `banded_membrane`."""
        padded, start = self.with_past(xs, self.weight.shape[1] - 1)
        end = start + len(xs)
        if end > len(self.weight):
            todo = "It has weights of its own for each step; for any length take SlidingPSN"
            raise ShapeError(sentence("MaskedPSN", f"{end} time steps", f"at most {len(self.weight)}", todo))
        return banded_membrane(padded, self.weight[start:end].to(xs.dtype)), self.v_threshold[start:end]


class SlidingPSN(ParallelNeuron):
    """Sliding parallel spiking neuron: every step sees its last `order` inputs, with the same weights; any T.

    Args:
        order: how many inputs a step sees, its own among them, at least 1.
        v_threshold, amplitude, spike: see `ParallelNeuron`.

    Source: Fang et al. 2023, NeurIPS 2023, arXiv 2304.12760, sliding PSN; weights begin as powers of 1/2, the oldest
    the smallest, as there.

    Example:
        >>> SlidingPSN(order=2).over_time(torch.full((3, 1, 1), 0.75)).flatten().tolist()
        [0.0, 1.0, 1.0]
    """

    def __init__(
        self, *, order: int = 2, v_threshold: float = 1.0, amplitude: float = 1.0, spike: SpikeFn | None = None
    ) -> None:
        check_whole("SlidingPSN.order", order, least=1)
        super().__init__(1, v_threshold, amplitude, spike)
        self.weight = nn.Parameter(halves(order))

    def membrane(self, xs: Tensor) -> tuple[Tensor, Tensor]:
        """See `banded_membrane`."""
        padded, _ = self.with_past(xs, len(self.weight) - 1)
        return banded_membrane(padded, self.weight.to(xs.dtype).expand(len(xs), -1)), self.v_threshold


def halves(order: int) -> Tensor:
    """Powers of 1/2 that rise to 1, [order].

    Example:
        >>> halves(3)
        tensor([0.2500, 0.5000, 1.0000])
    """
    return 0.5 ** torch.arange(order - 1, -1, -1.0)
