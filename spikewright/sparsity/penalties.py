"""Penalties on activity, as losses to be added: the number of spikes, and firing rates outside of a band."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real

import torch
from torch import Tensor

from ..core.arguments import named
from ..core.errors import ArgumentError, sentence
from ..core.layer_outputs import LayerOutput
from ..core.loss import Batch, Loss, Pass, Result, pass_loss

Measure = Callable[[LayerOutput], Tensor]
"""A layer's output -> what counts of it, [T, N, *F]."""


def unit_spikes(layer: LayerOutput) -> Tensor:
    """Every spike counts one, whatever it delivers: [T, N, *F]."""
    return layer.spikes


def delivered(layer: LayerOutput) -> Tensor:
    """A spike counts as much as it delivers, e.g. its threshold where spikes carry it (`ATLIF`, `LMH`): [T, N, *F]."""
    unit = layer.spikes
    amplitude: Tensor = layer.neuron.amplitude  # pyright: ignore[reportAssignmentType]
    return unit * amplitude.to(unit.dtype)


def activity_of(spikes: Tensor) -> Tensor:
    """Spikes per neuron in all steps, mean over samples: sum over t of the mean over N and neurons of [T, N, *F].

    Example:
        >>> activity_of(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]]))
        tensor(1.5000)
    """
    return spikes.flatten(1).mean(1).sum()


def activity(*, measure: Measure = unit_spikes) -> Loss:
    """How many spikes a neuron fires in T steps, summed over layers; to be added to a loss with a small factor.

        sum over layers of sum_t mean over samples and neurons of o_t

    Its gradient reaches the weights through the surrogate, also of neurons that nearly fired.

    Args:
        measure: what counts, `unit_spikes` or `delivered`.

    Returns:
        A loss that logs "activity".

    Raises:
        ArgumentError: for a measure that is none, or, when called, for a model without neurons that fire.

    Source: Bu, Shi and Yu 2025, "Activity Pruning for Efficient Spiking Neural Networks", NeurIPS 2025, OpenReview
        zjOXZEXQKZ, the activity regulariser, which counts what is `delivered`.

    Example:
        >>> from spikewright.train import rate_cross_entropy
        >>> loss = rate_cross_entropy(timesteps=4) + 0.1 * activity()
    """
    if not callable(measure):
        raise ArgumentError(sentence("activity.measure", named(measure), "a function: unit_spikes or delivered"))

    def of(seen: Pass, batch: Batch) -> Result:
        value = torch.stack([activity_of(measure(layer)) for layer in firing_layers(seen, "activity")]).sum()
        return value, {"activity": value.detach()}

    return pass_loss(of, "activity", watches=True)


def outside_band(rates: Tensor, *, lower: float, upper: float) -> Tensor:
    """Mean square of how far rates are outside of a band: mean of max(0, lower - r)^2 + max(0, r - upper)^2.

    Example:
        >>> outside_band(torch.tensor([0.0, 0.5, 1.0, 0.75]), lower=0.25, upper=0.75)  # 2 * 0.25^2 / 4
        tensor(0.0312)
    """
    return ((lower - rates).clamp(min=0).square() + (rates - upper).clamp(min=0).square()).mean()


def rate_band(*, lower: float = 0.0, upper: float = 1.0) -> Loss:
    """How far neurons' firing rates are outside of a band, summed over layers; lower = upper is a target rate.

        sum over layers of mean over neurons of  max(0, lower - r)^2 + max(0, r - upper)^2

    with r the spikes per step of a neuron, mean over steps and samples. A lower end keeps neurons from falling silent.

    Args:
        lower, upper: spikes per neuron and step, 0 <= lower <= upper.

    Returns:
        A loss that logs "rate outside band".

    Raises:
        ArgumentError: for numbers out of range, or, when called, for a model without neurons that fire.

    Source: Zenke and Vogels 2021, "The Remarkable Robustness of Surrogate Gradient Learning for Instilling Complex
        Function in Spiking Neural Networks", Neural Computation 33(4), lower and upper activity regularisers.
        Differs: both ends hold for each neuron, in spikes per step, and both are squared.

    Example:
        >>> from spikewright.train import rate_cross_entropy
        >>> loss = rate_cross_entropy(timesteps=4) + rate_band(lower=0.01, upper=0.2)
    """
    for name, value in (("lower", lower), ("upper", upper)):
        if not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
            raise ArgumentError(sentence(f"rate_band.{name}", repr(value), "a finite number of at least 0"))
    if lower > upper:
        raise ArgumentError(sentence("rate_band", f"lower={lower}, upper={upper}", "lower of at most upper"))

    def of(seen: Pass, batch: Batch) -> Result:
        rates = [layer.spikes.mean((0, 1)) for layer in firing_layers(seen, "rate_band")]
        value = torch.stack([outside_band(rate, lower=lower, upper=upper) for rate in rates]).sum()
        return value, {"rate outside band": value.detach()}

    return pass_loss(of, "rate_band", watches=True)


def firing_layers(seen: Pass, who: str) -> tuple[LayerOutput, ...]:
    """The layers of neurons that a pass has seen.

    Raises:
        ArgumentError: if there is none.
    """
    if not seen.layers:
        raise ArgumentError(sentence(who, "a network without neurons that fire", "at least one layer of them"))
    return seen.layers
