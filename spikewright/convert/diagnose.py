"""diagnose(conversion, images): where the spiking network leaves its source, layer by layer, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from .causes import Causes, causes
from .diagnosis import Diagnosis, LayerError, Parts
from .operations import Site, depends_on_input
from .recipe import Conversion
from .rules import sites
from .statistics import WatchedRun

_ONE_BATCH = "Give one batch of images alone, e.g. images, labels = next(iter(loader))"


@torch.inference_mode()
def diagnose(conversion: Conversion, images: Tensor, timesteps: int, *, tolerance: float = 0.5) -> Diagnosis:
    """Compare every activation of the source with the mean output of the neurons that took its place.

    Args:
        conversion: a converted network.
        images: one batch [N, ...], without labels; some tens are enough, and all are held in memory at once.
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
        raise ShapeError(sentence("diagnose.images", named(images), "a tensor [N, ...]", _ONE_BATCH))
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
    watched = {module: _Watched(origin[name], activations[name], module) for name, module in neurons.items()}
    phases = conversion.model.phases
    with carry_state(conversion.model):
        for _ in range(phases.rehearsal):
            conversion.model(images.unsqueeze(0))
        with _watching(conversion.model, watched, timesteps, len(images)):
            first = max(phases.window, 1)  # what layers replay must come in one piece
            for steps in (first, *[1] * (timesteps - first)):
                conversion.model(repeat(images, steps))
    return Diagnosis(tuple(layer.error() for layer in watched.values()), timesteps, len(images), tolerance, phases)


class _Watched:
    """One layer of neurons: what it received and gave so far, and its error after each step."""

    def __init__(self, site: Site, a: Tensor, neuron: Neuron) -> None:
        self.site, self.a, self.neuron = site, a, neuron
        self.norm = float(a.norm()) or 1.0
        self.z, self.out, self.steps = torch.zeros_like(a), torch.zeros_like(a), 0
        self.over_time: list[float] = []
        self.parts: list[Parts] = []

    def take(self, z: Tensor, out: Tensor) -> None:
        """One step: input and output, [N, *F]."""
        self.z, self.out, self.steps = self.z + z, self.out + out, self.steps + 1
        if self.neuron.sends_corrections and self.neuron.carry is not None:  # what arrived and left are its estimates
            state: Any = self.neuron.carry.state
            self.z, self.out = state.r_in * self.steps, state.r_out * self.steps
        self.over_time.append(self.share(self.rate - self.a))
        split = self.causes()
        if split is not None:
            sizes = (split.inherited, split.clipping, split.quantisation, split.unevenness)
            self.parts.append(Parts(*map(self.share, sizes)))

    @property
    def rate(self) -> Tensor:
        return self.out / self.steps

    def share(self, part: Tensor) -> float:
        return float(part.norm()) / self.norm

    def of_source(self) -> Tensor:
        """The source's activation of the mean input that the neurons really received."""
        return apply(self.site, self.z / self.steps)

    def causes(self) -> Causes | None:
        """The parts of the error so far; None for neurons that do not count up to a threshold."""
        constants = dict(self.neuron.named_buffers(recurse=False))
        if self.neuron.levels != (0.0, 1.0) or not {"v_threshold", "start"} <= set(constants):
            return None
        return causes(
            self.rate,
            self.a,
            self.z / self.steps,
            self.of_source(),
            v_threshold=constants["v_threshold"],
            start=constants["start"],
            timesteps=self.steps,
        )

    def error(self) -> LayerError:
        """The error after all steps."""
        a, rate, split = self.a, self.rate, self.causes()
        constants = dict(self.neuron.named_buffers(recurse=False))
        most = self.neuron.levels[-1] if self.neuron.levels and not self.neuron.sends_corrections else torch.inf
        ceiling = torch.as_tensor(constants.get("v_threshold", torch.inf)) * most
        active = a > 0
        return LayerError(
            site=self.site.name,
            activation=float(a.mean()),
            rate=float(rate.mean()),
            error=self.over_time[-1],
            own=self.share(rate - self.of_source()),
            clipped=self.share(a - torch.minimum(a, ceiling.expand_as(a))),
            saturated=float((a > ceiling).float().mean()),
            silent=float((active & (rate == 0)).float().sum() / active.float().sum().clamp(min=1)),
            over_time=tuple(self.over_time),
            parts=tuple(self.parts),
            cases=() if split is None else split.cases(),
            offsets=() if split is None else split.offsets(),
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
def _watching(model: nn.Module, layers: dict[Neuron, _Watched], timesteps: int, samples: int) -> Iterator[None]:
    """Within the block every layer takes in its first `timesteps` steps, of those that are run."""

    def see(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        layer = layers.get(module)  # pyright: ignore[reportArgumentType, reportCallIssue]
        if layer is None:
            return
        steps = output.shape[0] // samples
        for z, out in zip(unfold(inputs[0], steps), unfold(output, steps)):
            if layer.steps < timesteps:
                layer.take(z, out)

    with observe(model, lambda module: isinstance(module, Neuron), see):
        yield
