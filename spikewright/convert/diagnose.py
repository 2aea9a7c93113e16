"""diagnose(conversion, images): where the spiking network leaves its source, layer by layer, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..coding.encode import repeat
from ..core.arguments import named
from ..core.carry import carry_state
from ..core.errors import ArgumentError, ConversionError, DataError, ShapeError, sentence
from ..core.input_error import readable_input
from ..core.neuron import Neuron
from ..core.observe import observe
from ..core.temporal import unfold
from ..report.table import Column, Table
from .operations import Site, depends_on_input
from .recipe import Conversion
from .rules import sites
from .statistics import WatchedRun


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
    """

    site: str
    activation: float
    rate: float
    error: float
    own: float
    clipped: float
    saturated: float
    silent: float


@dataclass(frozen=True)
class Diagnosis:
    """The errors of all layers, and the first one that goes wrong.

    Args:
        layers: in order of execution.
        timesteps: T of the run.
        samples: number of images.
        tolerance: error above which a layer counts as wrong.
    """

    layers: tuple[LayerError, ...]
    timesteps: int
    samples: int
    tolerance: float

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
        if wrong.own > 0.5 * wrong.error:
            return (
                f"{start}, and {wrong.own:.0%} of the activation arises in this layer: too few steps for its "
                "threshold. Try more time steps, a lower threshold (lower percentile, or one per channel), or a source "
                "trained with QCFS."
            )
        return (
            f"{start}, but only {wrong.own:.0%} of the activation arises here; the rest comes from the layers before "
            "it, whose errors add up. Try more time steps, or a source trained with QCFS."
        )

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
        rows = tuple(tuple(vars(layer).values()) for layer in self.layers)
        caption = f"T = {self.timesteps}, {self.samples} images. {self.verdict()}"
        return Table("Error by layer", columns, rows, caption=caption)


@torch.inference_mode()
def diagnose(conversion: Conversion, images: Tensor, timesteps: int, *, tolerance: float = 0.5) -> Diagnosis:
    """Compare every activation of the source with the mean output of the neurons that took its place.

    Args:
        conversion: a converted network.
        images: [N, ...].
        timesteps: T, at least 1.
        tolerance: error, as a share of the activation, above which a layer counts as wrong.

    Raises:
        ArgumentError: if T is no whole number of at least 1, the tolerance is not above 0, or the first argument is
            no conversion.
        ShapeError: if `images` is no floating-point batch, or the source network cannot take it.
        DataError: if an image holds NaN or infinite values.
        ConversionError: if the conversion holds no neurons.
    """
    if not isinstance(conversion, Conversion):
        raise ArgumentError(sentence("diagnose.conversion", named(conversion), "what convert() returns"))
    if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 1:
        raise ArgumentError(sentence("diagnose.timesteps", repr(timesteps), "a whole number of at least 1"))
    if not isinstance(images, Tensor):
        raise ShapeError(sentence("diagnose.images", named(images), "a tensor [N, ...]"))
    if not images.is_floating_point() or images.dim() < 2 or not len(images):
        raise ShapeError(
            sentence("diagnose.images", f"{list(images.shape)} of {images.dtype}", "a floating-point batch [N, ...]")
        )
    if not torch.isfinite(images).all():
        raise DataError(sentence("diagnose.images", "NaN or infinite values", "finite images", "Check the data"))
    if not isinstance(tolerance, Real) or not 0 < tolerance < float("inf"):
        raise ArgumentError(sentence("diagnose.tolerance", repr(tolerance), "a finite number above 0"))
    neurons = conversion.neurons()
    if not neurons:
        raise ConversionError("diagnose: the conversion holds no neurons; expected at least one.")
    origin = {site.name: site for site in sites(conversion.source)}
    with readable_input("diagnose.images", images):
        activations = _activations(conversion.source, {origin[name].node: name for name in neurons}, images)
    phases = conversion.model.phases
    with carry_state(conversion.model):
        for _ in range(phases.rehearsal):
            conversion.model(images.unsqueeze(0))
        with _means(conversion.model, timesteps, len(images)) as means:
            first = max(phases.window, 1)  # what layers replay must come in one piece
            for steps in (first, *[1] * (timesteps - first)):
                conversion.model(repeat(images, steps))
    names = {id(neuron): name for name, neuron in neurons.items()}
    layers = {
        names[id(module)]: _layer_error(names[id(module)], activations[names[id(module)]], z, rate, module, origin)
        for module, (z, rate) in means.items()
        if id(module) in names
    }
    ordered = tuple(layers[name] for name in neurons)
    return Diagnosis(ordered, timesteps, len(images), tolerance)


def _layer_error(
    name: str, a: Tensor, z: Tensor, rate: Tensor, neuron: nn.Module, origin: dict[str, Site]
) -> LayerError:
    norm = float(a.norm()) or 1.0
    v_threshold = neuron.get_buffer("v_threshold") if "v_threshold" in dict(neuron.named_buffers()) else torch.inf
    ceiling = torch.as_tensor(v_threshold)
    active = a > 0
    return LayerError(
        site=name,
        activation=float(a.mean()),
        rate=float(rate.mean()),
        error=float((rate - a).norm()) / norm,
        own=float((rate - apply(origin[name], z)).norm()) / norm,
        clipped=float((a - torch.minimum(a, ceiling.expand_as(a))).norm()) / norm,
        saturated=float((a > ceiling).float().mean()),
        silent=float((active & (rate == 0)).float().sum() / active.float().sum().clamp(min=1)),
    )


def apply(site: Site, z: Tensor) -> Tensor:
    """The source activation of a site on another input, same shape; bounds kept in buffers are looked up."""
    run = fx.Interpreter(site.graph)

    def call(node: fx.Node) -> Any:
        args, kwargs = fx.map_arg((node.args, node.kwargs), value)  # pyright: ignore[reportGeneralTypeIssues]
        return getattr(run, node.op)(node.target, args, kwargs)

    def value(node: fx.Node) -> Any:
        return z.clone() if depends_on_input(node) else call(node)

    return call(site.node)


def _activations(source: fx.GraphModule, wanted: dict[fx.Node, str], images: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    keep = {node: partial(seen.__setitem__, name) for node, name in wanted.items()}
    WatchedRun(source, keep).run(images)
    return seen


@contextmanager
def _means(model: nn.Module, timesteps: int, samples: int) -> Iterator[dict[nn.Module, tuple[Tensor, Tensor]]]:
    """Mean input and output over the first `timesteps` steps of every neuron, [N, *F], of those that the block runs."""
    means: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    seen: Counter[nn.Module] = Counter()

    def see(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        steps = output.shape[0] // samples
        new = [unfold(part, steps)[: timesteps - seen[module]].sum(0) / timesteps for part in (inputs[0], output)]
        seen[module] += steps
        old = means.get(module)
        means[module] = (new[0], new[1]) if old is None else (old[0] + new[0], old[1] + new[1])

    with observe(model, lambda module: isinstance(module, Neuron), see):
        yield means
