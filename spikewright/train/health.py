"""Health of a network at its first batch: layers that never or always fire, gradients that vanish or explode, NaN."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.arguments import check_module, named
from ..core.errors import ArgumentError, sentence
from ..core.layer_outputs import LayerOutput, layer_outputs
from ..core.loss import Batch, Loss
from ..core.seed import generator
from ..report.report import Report
from ..report.table import Column, Table

MANY = 0.9
"""Share of neurons from which on a layer counts as silent or saturated."""

VANISHING, EXPLODING = 1e-6, 1e3
"""Norm of a gradient: over the largest of all layers, and over the norm of the weight."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with a layer, and what to do about it; one sentence each."""

    what: str
    advice: str


def findings_of_spikes(firing_rate: float, silent: float, constant: float) -> tuple[Finding, ...]:
    """What is wrong with a layer of neurons.

    Args:
        firing_rate: spikes per neuron and step.
        silent: share of neurons without a spike for any sample of the batch.
        constant: share of neurons that fire at every step for every sample.

    Example:
        >>> [finding.what for finding in findings_of_spikes(0.0, 1.0, 0.0)]
        ['No neuron fires']
        >>> findings_of_spikes(0.1, 0.2, 0.0)
        ()
    """
    if not math.isfinite(firing_rate):
        return (Finding("Its output is NaN or infinite", "Check the layers before it and the scaling of the input."),)
    if firing_rate == 0:
        advice = "Lower v_threshold, or put a norm (layers.threshold_batch_norm) in front of the neurons."
        return (Finding("No neuron fires", advice),)
    if silent > MANY:
        advice = "Lower v_threshold, or add rate_band(lower=0.01) to the loss, which wakes silent neurons."
        return (Finding(f"{silent:.0%} of the neurons fire for no sample", advice),)
    if constant > MANY:
        advice = "Raise v_threshold, or put a norm in front of the neurons: spikes at every step carry nothing."
        return (Finding(f"{constant:.0%} of the neurons fire at every step for every sample", advice),)
    return ()


def findings_of_gradient(gradient: float | None, weight: float, largest: float) -> tuple[Finding, ...]:
    """What is wrong with the gradient of a weight.

    Args:
        gradient: its norm; None where the loss does not depend on the weight.
        weight: norm of the weight.
        largest: the largest norm of the gradients of all weights.

    Example:
        >>> [finding.what for finding in findings_of_gradient(0.0, 1.0, 0.5)]
        ['Its gradient is zero']
        >>> findings_of_gradient(0.1, 1.0, 0.5)
        ()
    """
    if gradient is None:
        return (Finding("The loss does not depend on it", "Call the layer, or freeze its weight."),)
    if not math.isfinite(gradient) or not math.isfinite(weight):
        return (Finding("Its gradient or weight is NaN or infinite", "Lower the learning rate, and check the input."),)
    if gradient == 0:
        advice = "Wake the neurons before and behind it, or take a surrogate with a wider derivative."
        return (Finding("Its gradient is zero", advice),)
    if gradient < VANISHING * largest:
        advice = "Take a surrogate with a wider derivative, norms between the layers, or shortcuts."
        return (Finding(f"Its gradient vanishes: {gradient / largest:.1g} of the largest", advice),)
    if gradient > EXPLODING * weight > 0:
        advice = "Clip the gradient (FitConfig.clip_norm), or lower the surrogate's height."
        return (Finding(f"Its gradient explodes: {gradient / weight:.1g} times its weight", advice),)
    return ()


@dataclass(frozen=True)
class LayerHealth:
    """One layer of neurons, or one weight, at the first batch.

    Args:
        layer: its name.
        firing_rate, silent, constant: of a layer of neurons, see `findings_of_spikes`; otherwise None.
        gradient, weight: norms of a weight, see `findings_of_gradient`; otherwise None.
        findings: what is wrong; nothing for most.
    """

    layer: str
    firing_rate: float | None = None
    silent: float | None = None
    constant: float | None = None
    gradient: float | None = None
    weight: float | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Health:
    """How a network does at its first batch.

    Args:
        loss: the value of the loss.
        layers: layers of neurons in order of execution, then weights, which have two axes and more, in order of
            definition.
    """

    loss: float
    layers: tuple[LayerHealth, ...]

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """All that is wrong, with the name of the layer."""
        found = [(layer.layer, finding) for layer in self.layers for finding in layer.findings]
        if not math.isfinite(self.loss):
            advice = "Look at the first layer below whose output or gradient is not finite."
            found.insert(0, ("loss", Finding(f"The loss is {self.loss}", advice)))
        return tuple(found)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def table(self) -> Table:
        """One row per layer of neurons and per weight."""
        columns = (
            Column("layer"),
            Column("firing_rate", digits=4, note="Spikes per neuron and time step."),
            Column("silent", "%", note="Neurons that fire for no sample of the batch."),
            Column("constant", "%", note="Neurons that fire at every step for every sample."),
            Column("gradient", note="Norm of the gradient of the weight."),
            Column("weight", note="Norm of the weight."),
            Column("finding"),
            Column("advice"),
        )
        rows = tuple(
            (
                layer.layer,
                *(_known(getattr(layer, name)) for name in ("firing_rate", "silent", "constant", "gradient", "weight")),
                "; ".join(finding.what for finding in layer.findings),
                " ".join(finding.advice for finding in layer.findings),
            )
            for layer in self.layers
        )
        return Table("Health", columns, rows, caption=f"At the first batch; the loss is {self.loss:.4g}.")

    def report(self) -> Report:
        """The table with a summary, to be written or shown."""
        words = [f"{layer}: {finding.what}. {finding.advice}" for layer, finding in self.findings]
        return Report("Health of the network", "\n\n".join(words) or "Nothing is wrong.", tables=(self.table(),))


def check_health(model: nn.Module, loss: Loss, batch: Batch, *, seed: int = 42) -> Health:
    """Run a loss forward and backward on one batch, and say what is wrong with the network; it stays as it is.

    A copy of the network runs in `train()`, so neither its gradients nor the statistics of its norms change.

    Args:
        model: the network, as it is given to `fit`.
        loss: what will be minimised.
        batch: x and y.
        seed: for the loss's own draws.

    Raises:
        ArgumentError: for a model or loss that is none. Errors of the loss pass through.

    Example:
        >>> from spikewright import IF, Spiking
        >>> from spikewright.train import rate_cross_entropy
        >>> model = Spiking(nn.Sequential(nn.Linear(2, 4), IF(v_threshold=100.0), nn.Linear(4, 2)))
        >>> health = check_health(model, rate_cross_entropy(timesteps=4), (torch.rand(3, 2), torch.tensor([0, 1, 1])))
        >>> health.findings[0][0], health.findings[0][1].what
        ('1', 'No neuron fires')
    """
    check_module(model, "check_health.model", "The order is model, loss, batch")
    if not isinstance(loss, Loss):
        raise ArgumentError(sentence("check_health.loss", named(loss), "a Loss of spikewright.train"))
    model = copy.deepcopy(model).train()
    with torch.random.fork_rng(devices=[]), layer_outputs(model, 1) as layers, torch.enable_grad():
        value, _ = loss(model, batch, generator(seed, 0, 0, 1))
    # without biases, whose gradient is zero in front of a norm; `Spiking` calls its inside "module", which says nothing
    everything = ((name.removeprefix("module."), p) for name, p in model.named_parameters())
    weights = [(name, p) for name, p in everything if p.requires_grad and p.dim() > 1]
    found = torch.autograd.grad(value, [p for _, p in weights], allow_unused=True) if value.requires_grad else ()
    rows = (*(_of_neurons(layer) for layer in layers), *_of_weights(weights, found))
    return Health(float(value.detach()), rows)


def _of_neurons(layer: LayerOutput) -> LayerHealth:
    fired = layer.spikes.detach()[0].flatten(1) != 0  # steps and samples together, [T*N, neurons]
    rate = float(layer.spikes.detach().mean())
    silent, constant = 1 - float(fired.any(0).float().mean()), float(fired.all(0).float().mean())
    return LayerHealth(layer.name, rate, silent, constant, findings=findings_of_spikes(rate, silent, constant))


def _of_weights(weights: Sequence[tuple[str, Tensor]], gradients: Sequence[Tensor | None]) -> list[LayerHealth]:
    gradients = gradients or [None] * len(weights)
    norms = [None if gradient is None else float(gradient.norm()) for gradient in gradients]
    largest = max((norm for norm in norms if norm is not None and math.isfinite(norm)), default=0.0)
    return [
        LayerHealth(name, gradient=norm, weight=size, findings=findings_of_gradient(norm, size, largest))
        for (name, weight), norm in zip(weights, norms)
        for size in [float(weight.detach().norm())]
    ]


def _known(number: float | None) -> float | None:
    """What a table can hold: a number that is not finite is no number."""
    return number if number is not None and math.isfinite(number) else None
