"""What every layer of neurons gives in one call of a network, by name, in order, with its gradient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .observe import observe
from .temporal import Temporal, unfold


def emits_spikes(module: nn.Module) -> bool:
    """Whether a layer's output is spikes: a temporal layer with an amplitude and with `levels` (None marks a read-out).

    Example:
        >>> from spikewright.neurons import IF, LI
        >>> emits_spikes(IF()), emits_spikes(LI()), emits_spikes(nn.ReLU())
        (True, False, False)
    """
    levels = getattr(module, "levels", None)
    return isinstance(module, Temporal) and levels is not None and hasattr(module, "amplitude")


@dataclass(frozen=True)
class LayerOutput:
    """The output of one layer of neurons.

    Args:
        name: where it stands; a second call in one forward pass has a number behind it.
        neuron: the layer.
        out: what it gave, amplitude times spikes, [T, N, *F].
    """

    name: str
    neuron: nn.Module
    out: Tensor

    @property
    def spikes(self) -> Tensor:
        """Unit spikes [T, N, *F], signs dropped, with the gradient of the surrogate."""
        neuron: Any = self.neuron
        unit = self.out / neuron.amplitude.to(self.out.dtype)
        # the derivative of abs at 0 is 0: neurons without a sign would lose that of those that nearly fired
        return unit.abs() if min(neuron.levels) < 0 else unit

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.out[0, 0].numel()


@contextmanager
def layer_outputs(model: nn.Module, timesteps: int) -> Iterator[list[LayerOutput]]:
    """Within the block, the list that is given fills with the outputs of all layers of neurons that are called.

    Args:
        model: a spiking network.
        timesteps: T of the sequences that it is called with.

    Example:
        >>> import torch
        >>> from spikewright.core import Spiking
        >>> from spikewright.neurons import IF
        >>> model = Spiking(nn.Sequential(IF()))
        >>> with layer_outputs(model, 2) as layers:
        ...     _ = model(torch.full((2, 1, 1), 0.5))
        >>> layers[0].name, layers[0].spikes.flatten().tolist()
        ('0', [0.0, 1.0])
    """
    found: list[LayerOutput] = []
    calls: Counter[str] = Counter()

    def see(name: str, module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        name = name.removeprefix("module.")
        calls[name] += 1
        site = name if calls[name] == 1 else f"{name}_{calls[name]}"
        found.append(LayerOutput(site, module, unfold(out, timesteps)))

    with observe(model, emits_spikes, see):
        yield found
