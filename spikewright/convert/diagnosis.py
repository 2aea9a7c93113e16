"""Diagnosis: how far every layer is from its source, from which causes, and the first layer that goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.phases import Phases
from ..report.table import Column, Table
from .causes import CASES, OFFSETS


@dataclass(frozen=True)
class Parts:
    """L2 norms of the parts of a layer's error over that of the activation; see `causes.Causes`. They do not add up.

    Args:
        inherited: from the layers before.
        clipping: input above the threshold.
        quantisation: whole spikes in T steps.
        unevenness: spikes too many or too few because of the order in which the input arrived.
    """

    inherited: float
    clipping: float
    quantisation: float
    unevenness: float


@dataclass(frozen=True)
class LayerError:
    """How far one neuron layer is from its source activation. All errors are L2 norms over that of the activation.

    Args:
        site: the layer.
        activation: mean of the source activation a.
        rate: mean output of the neurons over time, in units of the activation.
        error: |rate - a| / |a|: all that is wrong here, own and inherited.
        own: |rate - f(z)| / |a| with z the mean input the neurons really received and f the source activation:
            what this layer adds.
        clipped: |a - min(a, threshold)| / |a|: what no number of steps can represent.
        saturated: share of neurons and samples with a above the threshold.
        silent: share of neurons and samples with a > 0 that never fired.
        over_time: the error after 1, 2, ..., T steps.
        parts: the parts of the error after 1, 2, ..., T steps; empty for neurons that are no integrate-and-fire ones.
        cases: share of neurons and samples in each of `causes.CASES` after T steps; empty likewise.
        offsets: share of neurons and samples with each of `causes.OFFSETS` after T steps; empty likewise.
    """

    site: str
    activation: float
    rate: float
    error: float
    own: float
    clipped: float
    saturated: float
    silent: float
    over_time: tuple[float, ...] = ()
    parts: tuple[Parts, ...] = ()
    cases: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """The errors of all layers, and the first one that goes wrong.

    Args:
        layers: in order of execution.
        timesteps: T of the run.
        samples: number of images.
        tolerance: error above which a layer counts as wrong.
        phases: steps that the network needs besides T, which tell what already corrects it.
    """

    layers: tuple[LayerError, ...]
    timesteps: int
    samples: int
    tolerance: float
    phases: Phases = field(default_factory=Phases)

    @property
    def first_wrong(self) -> LayerError | None:
        """The first layer whose error is above the tolerance, or None."""
        return next((layer for layer in self.layers if layer.error > self.tolerance), None)

    def verdict(self) -> str:
        """One or two sentences: which layer goes wrong first, from which cause, and what to try."""
        wrong = self.first_wrong
        if wrong is None:
            worst = max(self.layers, key=lambda layer: layer.error)
            return f"No layer's error exceeds {self.tolerance:.0%}; the largest is {worst.error:.0%} at {worst.site}."
        start = f"{wrong.site} is the first layer to go wrong: its error is {wrong.error:.0%} of its activation"
        if wrong.clipped > 0.5 * wrong.own:
            return (
                f"{start}, and {wrong.clipped:.0%} is activation above the threshold, which no number of steps can "
                "represent. Raise the threshold: a higher percentile, the maximum, or one threshold per channel."
            )
        if wrong.own <= 0.5 * wrong.error:
            return (
                f"{start}, but only {wrong.own:.0%} of the activation arises here; the rest comes from the layers "
                "before it, whose errors add up. Try more time steps, or a source trained with QCFS."
            )
        if wrong.parts and wrong.parts[-1].unevenness > wrong.parts[-1].quantisation:
            often = sum(share for offset, share in zip(OFFSETS, wrong.offsets) if offset > 0)
            seldom = sum(share for offset, share in zip(OFFSETS, wrong.offsets) if offset < 0)
            return (
                f"{start}, and {wrong.own:.0%} of the activation arises in this layer, most of it from the order in "
                f"which its input arrives: {often:.0%} of its neurons fire too often, {seldom:.0%} too seldom. "
                f"{self._for_unevenness()}, or take more time steps."
            )
        return (
            f"{start}, and {wrong.own:.0%} of the activation arises in this layer: too few steps for its "
            "threshold. Try more time steps, a lower threshold (lower percentile, or one per channel), or a source "
            "trained with QCFS (with more levels, if it was)."
        )

    def _for_unevenness(self) -> str:
        """What is there against it besides more time steps, and is not in use already."""
        if self.phases.window:
            return "Calibrate over more steps, a larger rho"
        return "Calibrate with COS" if self.phases.rehearsal else "Calibrate with COS, mask with SRP"

    def table(self) -> Table:
        """One row per layer."""
        columns = (
            Column("layer"),
            Column("activation", "", 4, "mean of the source activation"),
            Column("rate", "", 4, "mean output of the neurons over time"),
            Column("error", "%", 1, "|rate - activation| over |activation|"),
            Column("own", "%", 1, "the part that arises in this layer, given the input it received"),
            Column("clipped", "%", 1, "the part above the threshold"),
            Column("saturated", "%", 2, "activations above the threshold"),
            Column("silent", "%", 1, "active in the source, never fired"),
        )
        names = ("site", "activation", "rate", "error", "own", "clipped", "saturated", "silent")
        rows = tuple(tuple(getattr(layer, name) for name in names) for layer in self.layers)
        caption = f"T = {self.timesteps}, {self.samples} images. {self.verdict()}"
        return Table("Error by layer", columns, rows, caption=caption)

    def over_time(self) -> Table:
        """One row per layer and number of steps: the error and its parts."""
        columns = (
            Column("layer"),
            Column("T", "steps"),
            Column("error", "%", 1, "|rate - activation| over |activation|"),
            Column("inherited", "%", 1, "from the layers before"),
            Column("clipping", "%", 1, "input above the threshold"),
            Column("quantisation", "%", 1, "whole spikes in T steps, for an input spread evenly"),
            Column("unevenness", "%", 1, "spikes too many or too few, from the order in which the input arrives"),
        )
        rows = []
        for layer in self.layers:
            for step, error in enumerate(layer.over_time):
                parts = tuple(vars(layer.parts[step]).values()) if layer.parts else (None,) * 4
                rows.append((layer.site, step + 1, error, *parts))
        return Table("Error over time", columns, tuple(rows), caption=f"{self.samples} images.")

    def causes(self) -> Table:
        """One row per layer and part of its error after T steps, for a figure."""
        rows = [
            (layer.site, name, share)
            for layer in self.layers
            for name, share in (vars(layer.parts[-1]).items() if layer.parts else ())
        ]
        columns = (Column("layer"), Column("cause"), Column("error", "%", 1, "L2 norm over that of the activation"))
        note = "The parts have signs and may cancel: they add up to the error neuron by neuron, not in this norm."
        return Table("Causes", columns, tuple(rows), caption=f"T = {self.timesteps}.", notes=(note,))

    def offsets(self) -> Table:
        """One row per layer and number of spikes too many or too few after T steps; right counts are left out."""
        ends = {OFFSETS[0]: f"{OFFSETS[0]} or less", OFFSETS[-1]: f"+{OFFSETS[-1]} or more"}
        rows = [
            (layer.site, ends.get(offset, f"{offset:+d}"), share)
            for layer in self.layers
            for offset, share in zip(OFFSETS, layer.offsets)
            if offset
        ]
        columns = (
            Column("layer"),
            Column("offset", "spikes"),
            Column("neurons", "%", 2, "share of neurons and images"),
        )
        return Table("Offset spikes", columns, tuple(rows), caption=f"T = {self.timesteps}.")

    def cases(self) -> Table:
        """One row per layer: how many neurons are in each case of unevenness after T steps."""
        columns = (Column("layer"), *(Column(case, "%", 2, "share of neurons and images") for case in CASES))
        rows = tuple((layer.site, *layer.cases) for layer in self.layers if layer.cases)
        return Table("Cases of unevenness", columns, rows, caption=f"T = {self.timesteps}.")
