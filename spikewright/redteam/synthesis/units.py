"""Inner units of a network: what they feel, [N, D]; of spiking neurons the input averaged over time, not the spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...core.errors import ArgumentError, sentence
from ...core.layer_outputs import emits_spikes
from ...core.observe import observe
from ...core.temporal import unfold
from .victim import Victim

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Hardswish)
LEAK = 0.1
_NAME_IT = "Name a layer and its units, e.g. FourierInner(layer='features.3', units=(0, 1))"


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units of one layer.

    Args:
        module: the layer.
        before: whether its input counts, as for spiking neurons, or its output.
        weights: how much each unit speaks for each class, [K, D]; None if the layer was named.
        leak: slope below 0 of what counts; 1 leaves it as it is.
    """

    module: nn.Module
    before: bool
    weights: Tensor | None = None
    leak: float = 1.0

    def felt(self, victim: Victim, x: Tensor) -> Tensor:
        """What the units feel for images [N, 3, H, W]: averaged over time and space, [N, D]."""
        seen: list[Tensor] = []

        def look_before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[0].clone() if getattr(module, "inplace", False) else inputs[0])

        def look_after(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
            seen.append(out)

        register = self.module.register_forward_pre_hook if self.before else self.module.register_forward_hook
        handle = register(look_before if self.before else look_after)  # pyright: ignore[reportArgumentType]
        try:
            victim.logits(x)
        finally:
            handle.remove()
        values = seen[-1] if self.leak == 1 else F.leaky_relu(seen[-1], self.leak)
        return features(values, len(x))

    def strongest(self, target: int, count: int) -> tuple[int, ...]:
        """The units that speak loudest for a class, largest weight first."""
        if self.weights is None:
            raise ArgumentError(sentence("Units", "a named layer without units", "the units' numbers", _NAME_IT))
        return tuple(self.weights[target].topk(min(count, self.weights.shape[1])).indices.tolist())


def features(values: Tensor, images: int) -> Tensor:
    """Values of a layer, time folded into the batch or not -> [N, D], averaged over time and space.

    Example:
        >>> features(torch.ones(4, 3, 2, 2), 2).shape
        torch.Size([2, 3])
    """
    over_time = unfold(values, len(values) // images).mean(0)
    return over_time.flatten(2).mean(2) if over_time.dim() > 2 else over_time


@dataclass(frozen=True, kw_only=True)
class Called:
    """A layer that was called in a probing pass, and how many channels its input has."""

    module: nn.Module
    channels: int


def calls(victim: Victim, x: Tensor) -> list[Called]:
    """The layers of a network that are called, in order, without those that hold others."""
    found: list[Called] = []

    def see(name: str, module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].dim() > 1:
            found.append(Called(module=module, channels=inputs[0].shape[1]))

    with torch.no_grad(), observe(victim.network, _alone, see):
        victim.logits(x)
    return found


def _alone(part: nn.Module) -> bool:
    return emits_spikes(part) or next(part.children(), None) is None


def penultimate(victim: Victim, example: Tensor) -> Units:
    """The units that the last layer of weights reads: pooled features; of spiking neurons before it, their input.

    Args:
        victim: the network.
        example: one image or more, [N, 3, H, W].

    Raises:
        ArgumentError: if no layer with an output per class is found, or the neurons before it do not fit its weights.
    """
    before, module, weights = _readout(victim, example)
    neurons = [call for call in before if emits_spikes(call.module)]
    if not neurons:
        return Units(module=module, before=True, weights=weights)
    if weights.shape[1] % neurons[-1].channels:
        met = f"{weights.shape[1]} inputs of the last layer after {neurons[-1].channels} channels of neurons"
        raise ArgumentError(sentence(victim.who, met, "a whole number of inputs for each channel", _NAME_IT))
    return Units(module=neurons[-1].module, before=True, weights=_per_channel(weights, neurons[-1].channels))


def visible(victim: Victim, example: Tensor) -> Units:
    """The same units as something to climb: before the last activation and with a leak, so that silent ones can wake.

    Where the activation is no module, or the layers do not fit, the units are those of `penultimate`.
    """
    before, _, weights = _readout(victim, example)
    bends = [call for call in before if isinstance(call.module, ACTIVATIONS)]
    if any(emits_spikes(call.module) for call in before) or not bends or weights.shape[1] % bends[-1].channels:
        return penultimate(victim, example)
    per_channel = _per_channel(weights, bends[-1].channels)
    return Units(module=bends[-1].module, before=True, weights=per_channel, leak=LEAK)


def _readout(victim: Victim, example: Tensor) -> tuple[list[Called], nn.Module, Tensor]:
    """What is called before the last layer of weights, that layer, and its weights [K, D]."""
    found = calls(victim, example)
    for place in reversed(range(len(found))):
        module = found[place].module
        if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.shape[0] == victim.classes:
            weights = module.weight.detach()
            return found[:place], module, weights if weights.dim() == 2 else weights.sum((2, 3))
    met = f"no linear layer or convolution with {victim.classes} outputs"
    raise ArgumentError(sentence(victim.who, met, "one, whose inputs are the units", _NAME_IT))


def _per_channel(weights: Tensor, channels: int) -> Tensor:
    return weights.unflatten(1, (channels, -1)).sum(2)


def named_layer(victim: Victim, layer: str, units: Sequence[int], example: Tensor) -> Units:
    """The units of a layer by its name, its output; of spiking neurons their input.

    Raises:
        ArgumentError: if there is no such layer, it is not called, or it has no such units.
    """
    modules = dict(victim.network.named_modules())
    if layer not in modules:
        names = ", ".join(name for name in list(modules)[1:6])
        raise ArgumentError(sentence(f"{victim.who}.layer", repr(layer), f"a layer of the network, e.g. {names}"))
    found = Units(module=modules[layer], before=emits_spikes(modules[layer]))
    try:
        with torch.no_grad():
            channels = found.felt(victim, example).shape[1]
    except IndexError:
        raise ArgumentError(sentence(f"{victim.who}.layer", repr(layer), "a layer that is called")) from None
    if not units or not all(0 <= unit < channels for unit in units):
        met = f"units {tuple(units)} of layer {layer!r}"
        raise ArgumentError(sentence(f"{victim.who}.units", met, f"at least one, each from 0 to {channels - 1}"))
    return found
