"""COS: every layer replays the beginning of its input and shifts its start potentials until its counts are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...core.arguments import named
from ...core.dynamics import Replayed, fires_at_threshold
from ...core.errors import ArgumentError, sentence
from ...core.layout import on_host
from ...core.neuron import Neuron
from ...core.reset import subtract
from ...core.types import SpikeFn
from ...neurons.if_ import IFState, if_step, if_unroll
from ..neuron_recipe import TrainedRecipe

EPS = 1e-3
"""How far past the decisive potential a start is shifted, in units of the threshold; the authors' value."""

NEVER = 1000.0
"""Stands for the potential of a step that did not occur, in units of the threshold; the authors' value."""


class Replay(NamedTuple):
    """What a layer did over the window, all in units of its threshold, [N, *F]."""

    start: Tensor  # potential before the first step
    v: Tensor  # potential after the last step
    spikes: Tensor  # number of spikes, N
    lowest: Tensor  # lowest potential after a step with a spike; NEVER without one
    highest: Tensor  # highest potential after a step without one; -NEVER without one


def replay(xs: Tensor, start: Tensor, *, v_threshold: Tensor, spike: SpikeFn) -> Replay:
    """Run IF neurons over the window and keep what decides the shift.

    Args:
        xs: input of the window, [rho, N, *F].
        start: potential before the first step in units of the threshold, [N, *F].
        v_threshold: threshold above 0, broadcastable to [N, *F].
        spike: spike function.
    """
    state, spikes = IFState(start * v_threshold), torch.zeros_like(start)
    lowest, highest = torch.full_like(start, NEVER), torch.full_like(start, -NEVER)
    for x in xs:
        state, s = if_step(state, x, v_threshold=v_threshold, spike=spike, reset=subtract)
        fired, v = s > 0, state.v / v_threshold
        lowest = torch.where(fired, torch.minimum(lowest, v), lowest)
        highest = torch.where(fired, highest, torch.maximum(highest, v))
        spikes += s
    return Replay(start, state.v / v_threshold, spikes, lowest, highest)


def offset(run: Replay, rho: int) -> Tensor:
    """How many spikes a neuron has fired too many (above 0) or too few (below 0) over the window, [N, *F].

        wanted k = clip(N + floor(v - start + 1/2), 0, rho)        offset = N - k

    k is the QCFS activation with L = rho of the mean input, in spikes.

    Source: Hao et al. 2023, "Bridging the Gap between ANNs and SNNs by Calibrating Offset Spikes", ICLR 2023,
        arXiv 2302.10685; the form for any start potential is derived, so that the test can be repeated.

    Example:
        >>> one = torch.ones(1)
        >>> offset(Replay(one / 2, -one / 4, 2 * one, 0 * one, 0 * one), 4)  # a negative residual: one too many
        tensor([1.])
    """
    wanted = run.spikes + torch.floor(run.v - run.start + 0.5)
    return run.spikes - wanted.clamp(0, rho)


def offset_unguarded(run: Replay, rho: int) -> Tensor:
    """As `offset`, but a neuron that fired at every step counts as too few if its residual says so.

    Such a neuron cannot fire more often within the window; shifted, it fires at every later step whatever its input.
    """
    wanted = run.spikes + torch.floor(run.v - run.start + 0.5)
    return run.spikes - wanted.clamp(min=0)


@dataclass(frozen=True)
class OffsetRule:
    """Which neurons are shifted.

    Args:
        name: the name in configs and reports.
        offset: (replay, rho) -> spikes too many, above 0, or too few, below 0.
    """

    name: str
    offset: Callable[[Replay, int], Tensor]

    def __repr__(self) -> str:
        return self.name


guarded = OffsetRule("guarded", offset)
"""A neuron that fired at every step of the window is left as it is."""

published = OffsetRule("published", offset_unguarded)
"""The authors' code: such a neuron is shifted too, and fires for ever. Equal within the window, wrong after it."""


def shifted(run: Replay, psi: Tensor) -> Tensor:
    """The start that gives exactly one spike less (psi > 0) or more (psi < 0) over the same window.

        less:  start - max(1, lowest potential after a spike + eps)
        more:  start + max(1, 1 - highest potential without a spike + eps)

    Args:
        run: what the layer did from its present start.
        psi: the offset.

    Returns:
        Start potentials in units of the threshold, [N, *F]; unchanged where psi is 0. They may lie far outside 0..1.

    Source: Hao et al. 2023, "Bridging the Gap between ANNs and SNNs by Calibrating Offset Spikes", ICLR 2023,
        arXiv 2302.10685, shift distance; eps and the placeholder from the authors' code.
    """
    less = run.start - (run.lowest + EPS).clamp(min=1)
    more = run.start + (1 - run.highest + EPS).clamp(min=1)
    return torch.where(psi > 0, less, torch.where(psi < 0, more, run.start))


def calibrate(
    xs: Tensor,
    start: Tensor,
    *,
    v_threshold: Tensor,
    iterations: int,
    spike: SpikeFn,
    rule: OffsetRule = guarded,
) -> Tensor:
    """Start potentials after some rounds of replay and shift; every round takes one spike off each wrong count.

    Args:
        xs: input of the window, [rho, N, *F].
        start: potential before the first step in units of the threshold, [N, *F].
        v_threshold: threshold above 0, broadcastable to [N, *F].
        iterations: number of rounds; rho of them make every count right.
        spike: spike function.
        rule: which neurons are shifted.

    Returns:
        Start potentials in units of the threshold, [N, *F].

    Example:
        >>> from spikewright.core import ATan
        >>> xs = torch.tensor([1.5, -1.5]).view(2, 1, 1)  # the mean input is 0, yet the neuron fires
        >>> calibrate(xs, torch.full((1, 1), 0.5), v_threshold=torch.ones(1), iterations=1, spike=ATan())
        tensor([[-0.5010]])
    """
    for _ in range(iterations):
        run = replay(xs, start, v_threshold=v_threshold, spike=spike)
        psi = rule.offset(run, len(xs))
        if on_host(psi) and not bool((psi != 0).any()):  # the same start comes out in any case
            break
        start = shifted(run, psi)
    return start


class CalibratedIF(Neuron):
    """Integrate-and-fire neuron that corrects its start potential from the beginning of its input.

    It must see `window` steps before its first output, and replays them; the spikes of the replay are not delivered.

    Args:
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        window: rho, steps that are replayed.
        iterations: how often; 0 for an ordinary IF neuron.
        rule: which neurons are shifted.
        start: potential before the first replay, in units of the threshold.
        amplitude: what one spike delivers.
    """

    v_threshold: Tensor
    start: Tensor
    mask = None
    learnable = ()

    def __init__(
        self,
        *,
        v_threshold: float | Tensor = 1.0,
        window: int = 4,
        iterations: int = 1,
        rule: OffsetRule = guarded,
        start: float | Tensor = 0.5,
        amplitude: float | Tensor = 1.0,
    ) -> None:
        super().__init__(amplitude=amplitude)
        self.window, self.replays, self.rule = (window if iterations else 0), iterations, rule
        self.unroll = if_unroll
        self.hold("v_threshold", v_threshold, above=0)
        self.hold("start", start)

    def init_state(self, x: Tensor) -> IFState:
        return IFState(torch.zeros_like(x) + (self.start * self.v_threshold).to(x.dtype))

    @torch.no_grad()
    def first_state(self, xs: Tensor) -> IFState:
        """State before the first step, after the calibration on the first steps of [T, N, *F]."""
        v_threshold = self.v_threshold.to(xs.dtype)
        start = torch.zeros_like(xs[0]) + self.start.to(xs.dtype)
        start = calibrate(
            xs[: self.window],
            start,
            v_threshold=v_threshold,
            iterations=self.replays,
            spike=self.spike,
            rule=self.rule,
        )
        return IFState(start * v_threshold)

    def dynamics(self) -> Replayed | None:
        bounds: dict[Any, float] = {offset: float(self.window), offset_unguarded: float("inf")}
        most = bounds.get(self.rule.offset)
        if most is None or self.reset is not subtract or not fires_at_threshold(self.spike):
            return None
        return Replayed(self.v_threshold, self.start, self.window, self.replays, most, EPS, NEVER)

    def step(self, state: IFState, x: Tensor) -> tuple[IFState, Tensor]:
        return if_step(state, x, v_threshold=self.v_threshold.to(x.dtype), spike=self.spike, reset=self.reset)


@dataclass(frozen=True, kw_only=True)
class COS(TrainedRecipe):
    """Calibrating offset spikes.

    Layer by layer, every neuron replays the first `rho` steps of its input. Its residual potential tells how many
    spikes it fired too many or too few, and its start potential is shifted so that exactly one is taken away or
    added. With as many iterations as the largest offset the network equals its source with L = rho at T = rho.

    A plain ReLU network needs no training where a `threshold` is measured: with the thresholds of the least error at
    T = rho, `ErrorOptimal(timesteps=rho, groups=per_channel)`, it is nearly the same as a QCFS network with L = rho.

    Args:
        levels, v_threshold, order, start: as for `QCFS`, which trains the source.
        rho: steps that every layer replays; the paper uses 4 for CIFAR, 8 for ImageNet.
        iterations: rounds of correction; the published code makes 1; 0 is plain QCFS.
        rule: `guarded`, or `published`, whose stuck neurons fire for ever after the window.

    Source: Hao et al. 2023, "Bridging the Gap between ANNs and SNNs by Calibrating Offset Spikes", ICLR 2023,
        arXiv 2302.10685.
        Differs: neurons that fired at every step are left as they are, any number of iterations may run, and
        thresholds may be measured instead of trained.

    Example:
        >>> import torch
        >>> from spikewright.convert import convert, prepare
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> trained = prepare(net, COS(levels=4))
        >>> convert(trained, COS(rho=4)).model.phases.latency(2)
        6
    """

    rho: int = 4
    iterations: int = 1
    rule: OffsetRule = guarded

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("rho", 1), ("iterations", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ArgumentError(sentence(f"COS.{name}", repr(value), f"a whole number of at least {least}"))
        if not isinstance(self.rule, OffsetRule):
            raise ArgumentError(sentence("COS.rule", named(self.rule), "an OffsetRule, guarded or published"))

    def neuron(self, v_threshold: Tensor) -> CalibratedIF:
        return CalibratedIF(
            v_threshold=v_threshold,
            amplitude=v_threshold,
            start=self.start,
            window=self.rho,
            iterations=self.iterations,
            rule=self.rule,
        )
