"""first_weights(): the network that a training begins with, where a trained one gives its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..convert.fine_tune import prepare_trained
from ..convert.layers import TRAINED
from ..convert.statistics import Statistic
from ..core.errors import ArgumentError, sentence
from ..core.fill import fill
from ..core.neuron import Neuron
from ..core.processes import together
from .network import Loaded, Network, load_network, save_network

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class First:
    """The network that a training begins with.

    Args:
        model: the network with its weights.
        about: which weights they were.
        classes: number of classes that it was made for; None if nobody says.
        source: description of `Network.pretrained`, see `save_network`.
    """

    model: nn.Module
    about: Mapping[str, Any]
    classes: int | None
    source: Mapping[str, Any] | None


def first_weights(
    network: Network,
    weights: str | None,
    kept: Path,
    calibration: Any = None,
    *,
    statistic: Statistic | None = None,
    data: Path | None = None,
    fabric: Fabric | None = None,
) -> First:
    """The network that is to be trained, with a trained network's weights.

    The trained network has the same layers, or it is the one with plain ReLUs from which the method prepares the
    network: then each threshold is set from data, see `prepare_trained`. A network of neurons takes over weights and
    trained thresholds, see `take_over`.

    Args:
        network: what is to be trained.
        weights: the trained network, see `load_network`; none for `network.pretrained`.
        kept: file of the run that keeps a copy, so that the run can be gone on with alone.
        calibration: training images that set thresholds.
        statistic: of a ReLU's output that becomes its threshold, see `prepare_trained`.
        data: folder of the data sets, for networks that others have trained.
        fabric: several processes, each with its own share of the calibration; the first one writes.

    Raises:
        CheckpointError: if there is no such network, or its layers are not the model's.
        ArgumentError: if neither weights nor a pretrained network are given.
    """
    missing = int(together(torch.tensor(int(not kept.exists())), fabric, "max"))
    if missing:
        source = None if network.pretrained is None else load_network(network.pretrained, data)
        given = load_network(weights, data) if weights is not None else source
        if given is None:
            allowed = "a trained network, or one in Network.pretrained"
            raise ArgumentError(sentence("first_weights.weights", "None", allowed))
        model, recipe = network.build(data), network.prepare
        if network.neurons is not None:
            take_over(model, given.model, f"weights {given.name}")
        elif recipe is not None and _trains_thresholds(model) and not _trains_thresholds(given.model):
            plain = replace(network, prepare=None).build(data)
            _fill(plain, given)
            ready = prepare_trained(plain, recipe, calibration, statistic=statistic, fabric=fabric)
            model.load_state_dict(ready.state_dict())
        else:
            _fill(model, given)
        about = {"weights": given.name, "about": given.description.get("about", {})}
        if fabric is None or fabric.is_global_zero:
            save_network(kept, model, network, about, None if source is None else source.description)
        if fabric is not None:
            fabric.barrier()
    loaded = load_network(kept)
    return First(loaded.model, loaded.description["about"], loaded.classes, loaded.description.get("source"))


def take_over(model: nn.Module, source: nn.Module, who: str) -> None:
    """Give a network of neurons the weights of the same architecture with activations, or with other neurons.

    Where the source has trained the threshold of an activation (`QCFS`), the neuron in its place gets it, as threshold
    and as what one spike delivers; other constants of the neurons stay as they are, unless the source has them, too.
    What only the source's neurons have is left.

    Args:
        model: the network of neurons, a `Spiking` shell.
        source: the trained network.
        who: what to call the source in an error.

    Raises:
        CheckpointError: if the layers differ.

    Source: Hao et al. 2024, "A Progressive Training Framework for Spiking Neural Networks with Learnable
        Multi-hierarchical Model", ICLR 2024, OpenReview g52tgL8jy6: hybrid training.
    """
    given = {name.removeprefix("module."): value for name, value in source.state_dict().items()}
    own = model.state_dict()
    neurons = {name for name, module in model.named_modules() if isinstance(module, Neuron)}
    taken = {f"module.{name}": value for name, value in given.items()}
    taken = {name: value for name, value in taken.items() if name in own or name.rpartition(".")[0] not in neurons}
    for name, value in own.items():
        site, _, constant = name.rpartition(".")
        if site in neurons:
            threshold = taken.get(f"{site}.v_threshold") if constant == "amplitude" else None
            taken[name] = taken.get(name, value if threshold is None else threshold)
    fill(
        model,
        {
            name: value.reshape(own[name].shape) if name in own and value.numel() == 1 else value
            for name, value in taken.items()
        },
        who,
    )


def _fill(model: nn.Module, given: Loaded) -> None:
    fill(model, given.model.state_dict(), f"weights {given.name}")


def _trains_thresholds(model: nn.Module) -> bool:
    return any(isinstance(module, TRAINED) for module in model.modules())
