"""Firing rates while a network is trained: logged beside the loss, of the whole network and of every layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..core.layer_outputs import LayerOutput
from ..core.loss import Batch, Loss, Pass, Result, pass_loss
from .penalties import firing_layers


@torch.no_grad()
def firing_rates(layers: Sequence[LayerOutput]) -> tuple[dict[str, Tensor], Tensor]:
    """Spikes per neuron and step, 0..1 for neurons that fire at most once a step.

    Args:
        layers: what layers of neurons gave, at least one.

    Returns:
        The rate of each layer, by name, and that of all neurons: the mean of the layers' rates, each as often as it has
        neurons. A signed spike counts as one, whatever it delivers.

    Example:
        >>> from spikewright.neurons import IF
        >>> small, large = (LayerOutput(name, IF(), torch.zeros(1, 1, n)) for name, n in (("a", 1), ("b", 3)))
        >>> small.out.fill_(1.0)
        tensor([[[1.]]])
        >>> firing_rates([small, large])
        ({'a': tensor(1.), 'b': tensor(0.)}, tensor(0.2500))
    """
    rates = {layer.name: layer.spikes.mean() for layer in layers}
    spikes = sum(rates[layer.name] * layer.neurons for layer in layers)
    return rates, torch.as_tensor(spikes / sum(layer.neurons for layer in layers))


def logged_rates(prefix: str = "firing_rate") -> Loss:
    """Nothing to minimise: it logs firing rates beside the loss that it is added to.

    `prefix` is that of all neurons, "`prefix` of `layer`" that of one layer. On data of one's choice, with silent and
    dead neurons: `spikewright.profile.count_spikes`.

    Example:
        >>> from spikewright.train import rate_cross_entropy
        >>> loss = rate_cross_entropy(timesteps=4) + logged_rates()
    """

    def of(seen: Pass, batch: Batch) -> Result:
        rates, whole = firing_rates(firing_layers(seen, "logged_rates"))
        log = {prefix: whole} | {f"{prefix} of {name}": rate for name, rate in rates.items()}
        return seen.output.new_zeros(()), log

    return pass_loss(of, "logged_rates", watches=True)
