"""ATLIF: leaky integrate-and-fire neuron whose threshold is learnt, grows with activity, and weights the spikes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.dynamics import Leaky
from ..core.errors import ArgumentError, sentence
from ..core.neuron import Neuron
from ..core.reset import to_zero
from ..core.surrogate import Triangle
from .decay import decay as decay_of


class ATLIFState(NamedTuple):
    """State of adaptive-threshold neurons."""

    v: Tensor  # membrane potential, [N, *F]


class _Current(torch.autograd.Function):
    """v_threshold * [v >= v_threshold], with the derivatives that `at_lif_step` states."""

    @staticmethod
    def forward(v: Tensor, v_threshold: Tensor, activity: Tensor) -> Tensor:
        return v_threshold * (v >= v_threshold).to(v.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        v, v_threshold, activity = inputs
        ctx.save_for_backward(v, v_threshold)
        ctx.shapes = v_threshold.shape, activity.shape

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        v, v_threshold = ctx.saved_tensors
        q = (1 - (v - v_threshold).abs() / v_threshold).clamp(min=0)
        threshold, activity = ctx.shapes
        pushed = q * (v >= v_threshold).to(v.dtype)
        return grad * q, -_mean_to(grad * q * q, threshold), _mean_to(pushed, activity)


def _mean_to(x: Tensor, shape: torch.Size) -> Tensor:
    """The mean of all that a constant of such a shape is shared by."""
    total = x.to(torch.promote_types(x.dtype, torch.float32)).sum_to_size(shape)  # a sum of halves may overflow
    return (total / (x.numel() / total.numel())).to(x.dtype)


def at_lif_step(
    state: ATLIFState, x: Tensor, *, decay: Tensor, v_threshold: Tensor, activity: Tensor
) -> tuple[ATLIFState, Tensor]:
    """Advance adaptive-threshold neurons by one time step: charge, fire, reset to zero.

        v' = decay * v + x          s = [v' >= v_threshold]          v'' = (1 - s) * v'

    The spikes are to be weighted with the threshold: o = v_threshold * s. Backward, with G the gradient that arrives
    at o, also through the reset, and q = max(0, 1 - |v' - v_threshold| / v_threshold):

        gradient of v' = G q      of v_threshold = - mean(G q^2)      of activity = mean(s q)

    with means over all that share the constant: samples and neurons of a layer. The last is no gradient of the output,
    it is how much the neurons that fired just above the threshold ask to raise it; see `ThresholdAdaptation`.

    Args:
        state: membrane potential before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        decay: share of the potential kept per step, 0..1; broadcastable to x.
        v_threshold: threshold above 0, broadcastable to x.
        activity: any number, which nothing depends on; it receives the gradient above.

    Returns:
        The state after the reset, and the spikes, 0 or 1, [N, *F].

    Source: Bu, Shi and Yu 2025, "Activity Pruning for Efficient Spiking Neural Networks", NeurIPS 2025, OpenReview
        zjOXZEXQKZ. Differs: there the activity is summed over the samples of a batch, here it is their mean.

    Example:
        >>> half, one = torch.tensor([0.5]), torch.tensor(1.0)
        >>> state, s = at_lif_step(ATLIFState(half), torch.ones(1), decay=one, v_threshold=one, activity=one)
        >>> s, state.v
        (tensor([1.]), tensor([0.]))
    """
    v = decay * state.v + x
    s = _Current.apply(v, v_threshold, activity) / v_threshold.detach()  # pyright: ignore[reportOperatorIssue]
    return ATLIFState(to_zero(v, s, v_threshold)), s


class ATLIF(Neuron):
    """Leaky integrate-and-fire neuron with a learnt threshold that its spikes carry.

    The surrogate is a triangle as wide as the threshold, so that silent neurons go on learning while it grows. For use
    on hardware the threshold, one number per layer, goes into the weights behind the neuron: there are binary spikes.

    Args:
        decay: share of the potential kept per step, above 0, at most 1; the tau of the publication. Give it instead of
            `tau`.
        tau: membrane time constant in time steps, of which decay = exp(-1/tau).
        v_threshold: first threshold, above 0; a number, or a tensor broadcastable to [N, *F] for several per layer.
        amplitude: what one spike delivers in units of the threshold.
        learn: "gain", which is the amplitude in units of the threshold, can be learnt besides the threshold.

    Example:
        >>> neuron = ATLIF(v_threshold=2.0)
        >>> neuron.over_time(torch.ones(4, 1, 1)).flatten().tolist(), neuron.amplitude.item()
        ([0.0, 2.0, 0.0, 2.0], 2.0)
    """

    decay: Tensor
    gain: Tensor
    v_threshold: Tensor
    activity: Tensor
    learnable = ("gain",)
    follows_spike = False

    def __init__(
        self,
        *,
        decay: float | Tensor | None = None,
        tau: float | Tensor | None = None,
        v_threshold: float | Tensor = 1.0,
        amplitude: float | Tensor = 1.0,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=None, spike=Triangle(), reset=to_zero, learn=learn)
        if decay is not None and tau is not None:
            raise ArgumentError(sentence("ATLIF", "decay and tau", "one of them"))
        kept = decay_of(tau, "ATLIF.tau") if tau is not None else 1.0 if decay is None else decay
        self.hold("decay", kept, above=0)
        if bool((self.decay > 1).any()):
            raise ArgumentError(sentence("ATLIF.decay", repr(decay), "numbers above 0 and at most 1"))
        self.hold("gain", amplitude)
        self._check_constant("v_threshold", v_threshold, above=0)
        fresh = torch.as_tensor(v_threshold, dtype=None if isinstance(v_threshold, Tensor) else torch.float32)
        self.v_threshold = nn.Parameter(fresh.detach().clone())
        self.activity = nn.Parameter(torch.zeros_like(fresh))

    @property
    def amplitude(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What one spike delivers, in the unit of the input; the threshold's gradient comes with the spike."""
        return self.gain * self.v_threshold.detach()

    def init_state(self, x: Tensor) -> ATLIFState:
        return ATLIFState(torch.zeros_like(x))

    def dynamics(self) -> Leaky:
        one = torch.ones_like(self.decay)
        return Leaky(self.v_threshold, 0 * one, self.decay, one, self.reset, activity=self.activity)

    def step(self, state: ATLIFState, x: Tensor) -> tuple[ATLIFState, Tensor]:
        return at_lif_step(
            state,
            x,
            decay=self.decay.to(x.dtype),
            v_threshold=self.v_threshold.to(x.dtype),
            activity=self.activity.to(x.dtype),
        )
