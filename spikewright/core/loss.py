"""Losses: (model, batch, generator) -> (scalar, numbers to log). They add up, scale, and share forward passes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from .errors import ArgumentError, sentence
from .input_error import readable_input
from .layer_outputs import LayerOutput, layer_outputs
from .spiking import Timed

Batch = tuple[Tensor, Tensor]

Result = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Loss:
    """A function of model, batch and generator, which can be added to others and multiplied by a number.

    Example:
        >>> from spikewright.train import cross_entropy
        >>> both = cross_entropy() + 0.5 * cross_entropy(label_smoothing=0.1)
    """

    run: Callable[[nn.Module, Batch, torch.Generator], Result]

    def __call__(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        """Scalar to minimise, and named scalars to log (means over the batch)."""
        return self.run(model, batch, generator)

    def __add__(self, other: Loss) -> Loss:
        def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
            (a, log_a), (b, log_b) = self(model, batch, generator), other(model, batch, generator)
            return a + b, log_a | log_b

        return Loss(run)

    def __rmul__(self, factor: float) -> Loss:
        def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
            value, log = self(model, batch, generator)
            return factor * value, log

        return Loss(run)


@dataclass(frozen=True)
class Pass:
    """One forward pass.

    Args:
        output: what the network gave.
        layers: what its layers of neurons gave, in order; empty unless a loss asked for them.
    """

    output: Tensor
    layers: tuple[LayerOutput, ...] = ()


class Feed(Protocol):
    """What of a batch a network is given. Losses whose feeds are equal share one forward pass."""

    def __call__(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
        """The input of the model."""
        ...


def whole(model: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
    """The feed of an ordinary network: x as it is."""
    return batch[0]


@dataclass(frozen=True)
class PassLoss(Loss):
    """A loss that asks nothing of the model but one forward pass: a sum of such losses on equal feeds runs it once.

    Args:
        of: forward pass and batch -> scalar, numbers to log.
        who: what to call it where the model cannot take a batch.
        feed: what the model is given; None for a loss that takes whatever the one that it is added to gives.
        watches: whether it needs the outputs of the layers of neurons.
    """

    of: Callable[[Pass, Batch], Result]
    who: str
    feed: Feed | None
    watches: bool

    def __add__(self, other: Loss) -> Loss:
        if not isinstance(other, PassLoss) or (None not in (self.feed, other.feed) and self.feed != other.feed):
            return super().__add__(other)

        def of(seen: Pass, batch: Batch) -> Result:
            (a, log_a), (b, log_b) = self.of(seen, batch), other.of(seen, batch)
            return a + b, log_a | log_b

        first = self if self.feed is not None else other
        return pass_loss(of, first.who, first.feed, watches=self.watches or other.watches)

    def __rmul__(self, factor: float) -> Loss:
        def of(seen: Pass, batch: Batch) -> Result:
            value, log = self.of(seen, batch)
            return factor * value, log

        return pass_loss(of, self.who, self.feed, watches=self.watches)

    def seen(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Pass:
        """The one forward pass that the loss asks for.

        Raises:
            ArgumentError: without a feed of its own, or where layers are to be watched and the model is no spiking
                network.
        """
        if self.feed is None:
            todo = "Add it to a loss that says what the network is given: rate_cross_entropy(timesteps=4) + ..."
            raise ArgumentError(sentence(self.who, "no other loss beside it", "a sum of losses", todo))
        x = self.feed(model, batch, generator)
        watched = layer_outputs(spiking_part(model, self.who), len(x)) if self.watches else nullcontext(())
        with watched as layers, readable_input(self.who, batch[0]):
            output = model(x)
        return Pass(output, tuple(layers))


def pass_loss(
    of: Callable[[Pass, Batch], Result], who: str, feed: Feed | None = None, *, watches: bool = False
) -> PassLoss:
    """A loss of one forward pass; see `PassLoss`.

    Raises:
        ArgumentError: when called without a feed of its own, or where layers are to be watched and the model is no
            spiking network.
    """

    def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        return of(made.seen(model, batch, generator), batch)

    made = PassLoss(run, of, who, feed, watches)
    return made


def spiking_part(model: nn.Module, who: str) -> Timed:
    """The spiking network of a module that is one, or that wraps one for a device or several processes.

    Raises:
        ArgumentError: if there is none.
    """
    found = next((part for part in model.modules() if isinstance(part, Timed)), None)
    if found is None:
        todo = "Wrap a network of neurons: Spiking(network)"
        raise ArgumentError(sentence(f"{who}.model", type(model).__name__, "a Spiking network", todo))
    return found
