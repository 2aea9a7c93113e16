"""Victim: the network under test, checked once, asked in the layout it is fastest in, its gradients watched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from ...core.arguments import named
from ...core.errors import ArgumentError, DataError, ShapeError, sentence
from ...core.evaluating import evaluating
from ...core.input_error import readable_input
from ...core.spiking import Timed
from ...models.classifier import Classifier

PATIENCE = 10
"""Passes without any gradient after which a search gives up."""


@contextmanager
def under_test(network: nn.Module | None, seed: int = 0) -> Iterator[None]:
    """Within the block a network is in `eval()`, its weights need no gradient, and what it draws follows the seed."""
    weights = [weight for weight in network.parameters() if weight.requires_grad] if network is not None else []
    draws = network.seeded(seed) if isinstance(network, Classifier) and network.is_random else nullcontext()
    try:
        for weight in weights:
            weight.requires_grad_(False)
        with evaluating(network), draws:
            yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


class Victim:
    """A network that is asked for logits; it remembers whether gradients came back.

    Args:
        who: the method that asks, for errors.
        network: images [N, 3, H, W] -> logits [N, K].
        target: one of its classes.
        example: a few images of the size that it will be asked about.

    Raises:
        ShapeError: if it cannot take the images, or gives no logits [N, K].
        DataError: if the logits are not finite.
        ArgumentError: if the target is none of its classes, or the network takes sequences.
    """

    def __init__(self, who: str, network: nn.Module, target: int, example: Tensor) -> None:
        if isinstance(network, Timed):
            met, todo = f"{type(network).__name__}, which takes sequences", "Wrap it: Classifier(model, timesteps=T)"
            raise ArgumentError(sentence(f"{who}.network", met, "a network on images", todo))
        self.who, self.network, self.target = who, network, target
        self.layout = fastest_layout(network, example)
        self.passes = self.silent = 0
        with torch.no_grad(), readable_input(who, example):
            logits = network(example)
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(example):
            met = f"an output of shape {list(logits.shape)}" if isinstance(logits, Tensor) else named(logits)
            todo = "A spiking network is seen as Classifier(model, timesteps=T)"
            raise ShapeError(sentence(f"{who}.network", met, "logits [N, K]", todo))
        if not torch.isfinite(logits).all():
            raise DataError(sentence(f"{who}.network", "NaN or infinite logits", "finite logits", "Check its weights"))
        self.classes = logits.shape[1]
        if not 0 <= target < self.classes:
            raise ArgumentError(sentence(f"{who}.target", str(target), f"a class from 0 to {self.classes - 1}"))

    def logits(self, x: Tensor) -> Tensor:
        """Images [N, 3, H, W] -> logits [N, K]; a gradient that comes back through x is looked at."""
        if x.requires_grad:
            x.register_hook(self._look)
        return self.network(x.contiguous(memory_format=self.layout))

    def _look(self, gradient: Tensor) -> None:
        self.passes += 1
        self.silent += not bool(gradient.any())

    def check_gradient(self) -> None:
        """Raise ArgumentError if no pass of the first ones, or of all there were, gave any gradient."""
        if self.passes >= PATIENCE and self.silent == self.passes:
            met = f"a gradient of zero in all of {self.passes} passes"
            todo = (
                "Of a spiking network take a wider surrogate, classifier.seen_by(SurrogateBPTT(surrogate=ATan())), or "
                "more time steps"
            )
            raise ArgumentError(sentence(self.who, met, "logits that change with the image", todo))

    def notes(self) -> tuple[str, ...]:
        """What a reader should know about the gradients."""
        if 2 * self.silent <= self.passes:
            return ()
        share = f"{self.silent} of {self.passes} passes"
        return (f"no gradient in {share}: the pictures hardly moved; a wider surrogate or other backgrounds may help",)


def fastest_layout(network: nn.Module, example: Tensor) -> torch.memory_format:
    """`channels_last`, in which convolutions take about half the time, unless the network cannot take it.

    A network that calls `view` on feature maps cannot; the values are the same either way.
    """
    try:
        with torch.no_grad():
            network(example[:2].contiguous(memory_format=torch.channels_last))
    except (RuntimeError, ValueError):
        return torch.contiguous_format
    return torch.channels_last
