"""Operations of a network, layer by layer and step by step: synaptic operations, MACs, additions, neuron updates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from numbers import Real
from operator import add

import numpy as np
from torch import Tensor, nn

from ..core.arguments import check_leaves, check_module, named
from ..core.errors import ArgumentError, DataError, ShapeError, sentence
from ..core.input_error import readable_input
from ..core.spiking import Spiking
from ..core.temporal import Temporal
from .batches import FITTING, Batches, inputs, on_device_of, sequences
from .events import Events, check_events, per_output
from .tally import LayerOperations, Operations, Steps
from .walk import Visit, Walk, graph_of
from .wire import Cost


def count_operations(
    model: nn.Module,
    batches: Batches,
    *,
    timesteps: int | None = None,
    input_amplitude: float | None = None,
    leaves: Sequence[type[nn.Module]] = (),
    events: Events = per_output,
) -> Operations:
    """Count what a network does on data; every sample and every time step counts, and nothing is extrapolated.

    A spike costs one synaptic operation for each output it reaches; analog values cost multiply-accumulates. The
    rules are in docs/energy.md. The count runs on a copy in `eval()`; the model itself stays as it is. One run of T
    steps holds the counts of every shorter one.

    Args:
        model: a `Spiking` model on sequences [T, N, ...], or an ordinary network on [N, ...] (one step, T = 1).
        batches: one tensor, or batches (inputs, or tuples that start with them). For a spiking model sequences, or
            images if `timesteps` is given.
        timesteps: repeat each image that often.
        input_amplitude: what one input spike is worth, if the input is spikes (Poisson, event camera); None if it is
            analog.
        leaves: classes of modules to keep whole and to take as activation functions, which cost nothing.
        events: how the outputs of neurons that fire spikes of several sizes are counted, `per_output` or `per_bit`.

    Raises:
        ConversionError: if the network cannot be traced; `count_spikes` needs no graph.
        ShapeError: for an input of the wrong shape or dtype, or an operation that mixes time steps.
        ArgumentError: if a neuron's output cannot be counted, or neurons stand outside a `Spiking` shell.
        DataError: if there is no batch, or batches that do not fit together.

    Example:
        >>> import torch
        >>> from spikewright.neurons import IF
        >>> model = Spiking(nn.Sequential(IF(), nn.Linear(2, 3, bias=False)))
        >>> counted = count_operations(model, torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]]))
        >>> counted.layer("1").synops.tolist()
        [3, 6]
    """
    check_module(model, "count_operations.model", "The order is model, batches")
    check_leaves(leaves, "count_operations.leaves")
    check_events(events, "count_operations")
    if not isinstance(input_amplitude, Real | None):
        raise ArgumentError(sentence("count_operations.input_amplitude", named(input_amplitude), "a number, or None"))
    spiking = isinstance(model, Spiking)
    network = model.module if spiking else model
    if not spiking and any(isinstance(part, Temporal) for part in model.modules()):
        raise ArgumentError(
            sentence(
                "count_operations",
                f"{type(model).__name__}, which holds neurons, outside a Spiking shell",
                "Spiking(network)",
                "Wrap the network",
            )
        )
    if not spiking and timesteps is not None:
        raise ArgumentError(
            sentence("count_operations.timesteps", f"{timesteps} for an ordinary network", "None", "It has no steps")
        )
    walk = Walk(graph_of(network, leaves, "count_operations"), leaves, events)
    counted = (
        _counted(walk, on_device_of(network, xs), input_amplitude)
        for xs in (sequences(batches, timesteps, "count_operations") if spiking else _single_steps(batches))
    )
    first = next(counted, None)
    if first is None:
        raise DataError(sentence("count_operations", "no batch", "at least one"))
    return replace(reduce(add, counted, first), events=events)


def count_macs(model: nn.Module, batches: Batches, *, leaves: Sequence[type[nn.Module]] = ()) -> Operations:
    """Count the multiply-accumulates of an ordinary network, exact (padding taps left out) and dense.

    Args:
        model: an ordinary network, or a graph module.
        batches: one tensor [N, ...], or batches.
        leaves: as in `count_operations`, e.g. (QCFSActivation,).

    Example:
        >>> import torch
        >>> counted = count_macs(nn.Conv2d(1, 1, 3, padding=1, bias=False), torch.zeros(1, 1, 2, 2))
        >>> counted.exact_macs, counted.dense_macs
        (16, 36)
    """
    if isinstance(model, Spiking):
        raise ArgumentError(
            sentence("count_macs", "a Spiking model", "an ordinary network", "Use count_operations for a spiking one")
        )
    return count_operations(model, batches, leaves=leaves)


def _single_steps(batches: Batches) -> Iterator[Tensor]:
    for x in inputs(batches, "count_operations"):
        if x.dim() < 2 or not x.shape[0] or not x.is_floating_point():
            raise ShapeError(
                sentence("count_operations", f"{list(x.shape)}, {x.dtype}", "floating-point inputs [N, ...], N >= 1")
            )
        yield x.unsqueeze(0)


def _counted(walk: Walk, xs: Tensor, amplitude: float | None) -> Operations:
    timesteps, samples = xs.shape[:2]
    with readable_input("count_operations", xs, FITTING):
        visits = walk.visits(xs, amplitude)
    unknown = Counter(visit.operation for visit in visits if visit.cost is None)
    layers = (_layer(visit, visit.cost, timesteps, samples) for visit in visits if visit.cost is not None)
    return Operations(tuple(layers), timesteps, samples, tuple(sorted(unknown.items())))


def _layer(visit: Visit, cost: Cost, timesteps: int, samples: int) -> LayerOperations:
    def steps(per_row: Tensor | int) -> Steps:
        if isinstance(per_row, int):
            return np.full(timesteps, per_row * samples, dtype=np.int64)
        return per_row.view(timesteps, samples).sum(1).cpu().numpy()

    kept = steps(cost.updates if visit.temporal and visit.static else 0)
    kept[0] = 0
    return LayerOperations(
        layer=visit.site,
        operation=visit.operation,
        spiking=visit.spiking,
        static=visit.static,
        synops=steps(cost.synops),
        macs=steps(cost.macs),
        additions=steps(cost.additions),
        updates=steps(cost.updates),
        kept=kept,
        exact_macs=cost.exact,
        dense_macs=cost.dense,
        weights=cost.weights,
    )
