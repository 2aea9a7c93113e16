"""SRP: a short rehearsal finds the neurons that should stay silent by their residual potential; the run masks them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from ...core.arguments import named
from ...core.dynamics import Rehearsed, fires_at_threshold
from ...core.errors import ArgumentError, sentence
from ...core.neuron import Neuron
from ...core.reset import subtract
from ...core.types import ResetFn, SpikeFn
from ...core.unroll import bptt
from ...neurons.if_ import IFState, can_integrate, if_step, integrate
from ..neuron_recipe import TrainedRecipe


@dataclass(frozen=True)
class MaskRule:
    """Which neurons may deliver spikes after the rehearsal.

    Args:
        name: the name in configs and reports.
        passes: (residual potential in units of the threshold, mask threshold) -> True where spikes pass.
        mask_threshold: the usual mask threshold, in units of the firing threshold.
    """

    name: str
    passes: Callable[[Tensor, float], Tensor]
    mask_threshold: float

    def __repr__(self) -> str:
        return self.name


paper = MaskRule("paper", operator.ge, 0.0)
"""Residuals below 0 are silenced: the neuron has fired more often than its mean input asks for."""

authors_code = MaskRule("authors_code", operator.gt, 1e-3)
"""Residuals up to 0.001 are silenced, exact zeros of correct neurons among them: the rule of the authors' code."""


class MaskedIFState(NamedTuple):
    """State of masked integrate-and-fire neurons."""

    v: Tensor  # membrane potential, [N, *F]
    passes: Tensor  # whether spikes are delivered, bool [N, *F]
    t: Tensor  # steps done, a whole number


def masked_if_step(
    state: MaskedIFState,
    x: Tensor,
    *,
    v_threshold: Tensor,
    start: Tensor,
    rehearsal: int,
    passes: Callable[[Tensor], Tensor],
    spike: SpikeFn,
    reset: ResetFn,
) -> tuple[MaskedIFState, Tensor]:
    """Advance masked integrate-and-fire neurons by one step; the last step of the rehearsal sets the mask.

        v', s = if_step(v, x)        delivered = mask * s
        at t = rehearsal:  mask = passes(v' / v_threshold),  v'' = start * v_threshold      else  v'' = v'

    A masked neuron goes on to integrate, fire and reset; only its output is 0.

    Args:
        state: potential, mask and number of steps before this one.
        x: input current of this step, [N, *F], in the unit of the threshold.
        v_threshold: threshold above 0, broadcastable to x.
        start: potential at the beginning of the rehearsal and of the run, in units of the threshold.
        rehearsal: tau, length of the rehearsal; 0 for none.
        passes: residual potential in units of the threshold -> True where spikes pass.
        spike: spike function.
        reset: reset function.

    Returns:
        The new state, and the delivered spikes, 0 or 1, [N, *F].

    Source: Hao et al. 2023, "Reducing ANN-SNN Conversion Error through Residual Membrane Potential", AAAI 2023,
        arXiv 2302.02091; order of the stages from the authors' code.
    """
    charged, s = if_step(IFState(state.v), x, v_threshold=v_threshold, spike=spike, reset=reset)
    delivered, t = s * state.passes, state.t + 1
    if int(t) != rehearsal:
        return MaskedIFState(charged.v, state.passes, t), delivered
    first = torch.zeros_like(charged.v) + start * v_threshold
    return MaskedIFState(first, passes(charged.v / v_threshold), t), delivered


class MaskedIF(Neuron):
    """Integrate-and-fire neuron that is silenced after a rehearsal if its residual potential asks for it.

    Args:
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        rehearsal: tau, leading steps whose output does not count; 0 for an ordinary IF neuron.
        rule: which residual potentials pass.
        mask_threshold: border of the residual potential, in units of the threshold; the rule's own if None.
        start: potential at the beginning of both stages, in units of the threshold.
        amplitude: what one spike delivers.
    """

    v_threshold: Tensor
    start: Tensor
    learnable = ()

    def __init__(
        self,
        *,
        v_threshold: float | Tensor = 1.0,
        rehearsal: int = 4,
        rule: MaskRule = paper,
        mask_threshold: float | None = None,
        start: float | Tensor = 0.5,
        amplitude: float | Tensor = 1.0,
    ) -> None:
        super().__init__(amplitude=amplitude)
        self.rehearsal, self.rule = rehearsal, rule
        self.mask_threshold = rule.mask_threshold if mask_threshold is None else mask_threshold
        self.unroll = masked_if_unroll
        self.hold("v_threshold", v_threshold, above=0)
        self.hold("start", start)

    def passes(self, residual: Tensor) -> Tensor:
        """Residual potential in units of the threshold -> True where spikes pass after the rehearsal."""
        return self.rule.passes(residual, self.mask_threshold)

    def init_state(self, x: Tensor) -> MaskedIFState:
        v = torch.zeros_like(x) + (self.start * self.v_threshold).to(x.dtype)
        return MaskedIFState(v, torch.ones_like(x, dtype=torch.bool), torch.tensor(0))

    def dynamics(self) -> Rehearsed | None:
        own = type(self).passes is MaskedIF.passes and self.reset is subtract
        if not own or not fires_at_threshold(self.spike):
            return None
        start = self.start * self.v_threshold
        return Rehearsed(self.v_threshold, start, self.rehearsal, self.rule.passes, self.mask_threshold)

    def step(self, state: MaskedIFState, x: Tensor) -> tuple[MaskedIFState, Tensor]:
        return masked_if_step(
            state,
            x,
            v_threshold=self.v_threshold.to(x.dtype),
            start=self.start.to(x.dtype),
            rehearsal=self.rehearsal,
            passes=self.passes,
            spike=self.spike,
            reset=self.reset,
        )


def masked_if_unroll(neuron: Neuron, state: MaskedIFState, xs: Tensor) -> tuple[MaskedIFState, Tensor]:
    """`bptt`, and where no gradient is asked for the same steps in place: equal bits.

    Args:
        neuron: a `MaskedIF`.
        state: state before the first step.
        xs: input, [T, N, *F].
    """
    if not isinstance(neuron, MaskedIF) or not can_integrate(neuron):
        return bptt(neuron, state, xs)
    done = int(state.t)
    rehearsing = min(max(neuron.rehearsal - done, 0), len(xs))
    first, rest = xs[:rehearsing], xs[rehearsing:]
    v, passes, v_threshold = state.v.clone(), state.passes, neuron.v_threshold.to(xs.dtype)
    parts = []
    if len(first):
        parts.append(integrate(v, first, v_threshold, neuron.spike))  # pyright: ignore[reportArgumentType]
        if done + len(first) == neuron.rehearsal:
            passes = neuron.passes(v / v_threshold)
            v = neuron.init_state(v).v
    if len(rest):
        parts.append(integrate(v, rest, v_threshold, neuron.spike).mul_(passes))  # pyright: ignore[reportArgumentType]
    return MaskedIFState(v, passes, state.t + len(xs)), torch.cat(parts)


@dataclass(frozen=True, kw_only=True)
class SRP(TrainedRecipe):
    """Strategy based on the residual membrane potential.

    A QCFS network runs `tau` steps as a rehearsal, all layers together. Neurons whose potential is then negative have
    fired more often than their mean input asks for; most of them should not have fired at all. Potentials start anew,
    and in the run those neurons deliver nothing. The mask is made for every image. It helps at few steps; at many,
    where it also takes away wanted spikes, plain QCFS is better.

    Args:
        levels, v_threshold, order, start: as for `QCFS`, which trains the source.
        tau: steps of the rehearsal; 0 is plain QCFS. The paper uses 4 for CIFAR, 8 and 14 for ImageNet.
        rule: `paper`, or `authors_code`, which also silences residuals from 0 to 0.001.
        mask_threshold: border of the residual potential in units of the threshold; the rule's own if none.

    Source: Hao et al. 2023, "Reducing ANN-SNN Conversion Error through Residual Membrane Potential", AAAI 2023,
        arXiv 2302.02091.
        Differs: by default the rule of the paper, v < 0; the authors' code also silences exact zeros.

    Example:
        >>> import torch
        >>> from spikewright.convert import convert, prepare
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> trained = prepare(net, SRP(levels=4))
        >>> convert(trained, SRP(tau=4)).model.phases.steps(2)
        6
    """

    tau: int = 4
    rule: MaskRule = paper
    mask_threshold: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.tau, bool) or not isinstance(self.tau, int) or self.tau < 0:
            raise ArgumentError(sentence("SRP.tau", repr(self.tau), "a whole number of at least 0"))
        if not isinstance(self.rule, MaskRule):
            raise ArgumentError(sentence("SRP.rule", named(self.rule), "a MaskRule, paper or authors_code"))
        border = self.mask_threshold
        if border is not None and not (isinstance(border, Real) and abs(border) < float("inf")):
            raise ArgumentError(sentence("SRP.mask_threshold", repr(self.mask_threshold), "none or a finite number"))

    def neuron(self, v_threshold: Tensor) -> MaskedIF:
        return MaskedIF(
            v_threshold=v_threshold,
            amplitude=v_threshold,
            start=self.start,
            rehearsal=self.tau,
            rule=self.rule,
            mask_threshold=self.mask_threshold,
        )
