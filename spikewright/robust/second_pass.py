"""repeatable(model): a second pass through a network with the batch statistics and dropout masks of the first one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..core.device import device_of
from ..core.errors import ArgumentError, sentence
from ..core.probe import is_probing
from ..layers import BNTT, TEBN

Again = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Moments:
    """Mean and biased variance of each channel, [C], with their gradients."""

    mean: Tensor
    variance: Tensor


def moments_of(x: Tensor) -> Moments:
    """Of each channel of [N, C, ...].

    Example:
        >>> moments_of(torch.tensor([[0.0], [2.0]]))
        Moments(mean=tensor([1.]), variance=tensor([1.]))
    """
    variance, mean = torch.var_mean(x, [axis for axis in range(x.dim()) if axis != 1], correction=0)
    return Moments(mean, variance)


def normed(norm: Any, seen: deque[Moments], x: Tensor) -> Tensor:
    """A batch norm's output with given moments in place of those of its input; nothing is tracked.

    Args:
        norm: the batch norm.
        seen: moments of its calls, of which the first is taken out.
        x: [N, C, ...].
    """
    moments = seen[0] if is_probing() else seen.popleft()
    shape = (1, -1, *[1] * (x.dim() - 2))
    scale = (moments.variance + norm.eps).rsqrt()
    y = (x - moments.mean.view(shape)) * scale.view(shape)
    return y if norm.weight is None else y * norm.weight.view(shape) + norm.bias.view(shape)


@contextmanager
def repeatable(model: nn.Module, who: str) -> Iterator[Again]:
    """Within the block one pass is run, and then, within `with again():`, another one, whose function is the same.

    A network in training is a function of its whole batch: its batch norms take their statistics from it, and dropout
    draws anew in every pass. In the second pass batch norms have the statistics of the first one, through which the
    gradient passes as in the first, and dropout its masks. Running statistics and random states are afterwards those
    that the first pass alone would have left.

    Args:
        model: the network, in the mode in which it is trained.
        who: for errors.

    Yields:
        What makes the block of the second pass.

    Raises:
        ArgumentError: for norms in training with statistics that cannot be held: those shared by several processes,
            and TEBN and BNTT.

    Example:
        >>> model, x = nn.BatchNorm1d(1), torch.tensor([[0.0], [2.0]])
        >>> with repeatable(model, "example") as again:
        ...     first = model(x)
        ...     with again():
        ...         second = model(x + 1)
        >>> (second - first).flatten().round(decimals=3)
        tensor([1., 1.], grad_fn=...)
    """
    norms = _batch_norms(model, who)
    seen: dict[nn.Module, deque[Moments]] = {norm: deque() for norm in norms}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        if not is_probing():
            seen[norm].append(moments_of(inputs[0]))

    device = device_of(model)
    devices = [device] if device.type == "cuda" else []
    before = torch.get_rng_state(), [torch.cuda.get_rng_state(each) for each in devices]
    hooks = [norm.register_forward_hook(note) for norm in norms]

    @contextmanager
    def again() -> Iterator[None]:
        _remove(hooks)
        with torch.random.fork_rng(devices):
            torch.set_rng_state(before[0])
            for each, state in zip(devices, before[1]):
                torch.cuda.set_rng_state(state, each)
            try:
                for norm in norms:
                    norm.forward = partial(normed, norm, seen[norm])
                yield
            finally:
                for norm in norms:
                    norm.__dict__.pop("forward", None)

    try:
        yield again
    finally:
        _remove(hooks)


def _remove(hooks: list[Any]) -> None:
    for hook in hooks:
        hook.remove()


def _batch_norms(model: nn.Module, who: str) -> list[Any]:
    """The batch norms that take their statistics from the batch."""
    found = []
    for name, part in model.named_modules():
        if isinstance(part, TEBN | BNTT) and part.training:
            met = f"{name} ({type(part).__name__})"
            raise ArgumentError(sentence(f"{who}.model", met, "torch's batch norms, or norms without a batch"))
        if isinstance(part, _BatchNorm) and (part.training or part.running_mean is None):
            if hasattr(part, "processes"):
                met, allowed = "batch norms whose statistics several processes share", "one process"
                raise ArgumentError(sentence(who, met, allowed, "Train on one device, or in eval()"))
            found.append(part)
    return found
