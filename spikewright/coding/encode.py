"""Values to spikes: repeat (analog, the same every step), Poisson (rate), latency (one spike); or as they are."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.arguments import named
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.temporal import check_sequence
from .checks import check_batch, check_range, check_timesteps


def repeat(x: Tensor, timesteps: int) -> Tensor:
    """Give the same analog input at every step; the network's first layer turns it into spikes.

    Args:
        x: input, [N, ...], any finite values.
        timesteps: T, at least 1.

    Returns:
        [T, N, ...], a view of x that takes no memory; do not write into it.

    Raises:
        ArgumentError: if timesteps is no whole number of at least 1.
        ShapeError: if x is not floating-point or holds nothing.
        DataError: if x holds NaN or infinite values.

    Source: Rueckauer et al. 2017, "Conversion of continuous-valued deep networks to efficient event-driven
        networks for image classification", Frontiers in Neuroscience 11:682, "analog input".

    Example:
        >>> repeat(torch.tensor([[0.25, 0.5]]), 3).shape
        torch.Size([3, 1, 2])
    """
    check_timesteps(timesteps, "repeat")
    check_batch(x, "repeat")
    check_range(x, "repeat")
    return x.unsqueeze(0).expand(timesteps, *x.shape)


def poisson(x: Tensor, timesteps: int, generator: torch.Generator) -> Tensor:
    """Draw at every step a spike with probability x, independently: a Bernoulli process.

    The gradient is that of the expectation, d E[s] / dx = 1 at every step, for attacks on the input. The
    spikes of the first steps do not depend on T, nor any of them on the device of x.

    Args:
        x: spike probability per step, [N, ...], in 0..1.
        timesteps: T, at least 1.
        generator: source of the random numbers; its device does not matter.

    Returns:
        Spikes 0 or 1, [T, N, ...], in the dtype of x.

    Raises:
        ArgumentError: if timesteps is no whole number of at least 1, or generator no torch.Generator.
        ShapeError: if x is not floating-point or holds nothing.
        DataError: if x holds NaN or values outside 0..1.

    Source: Heeger 2000, "Poisson Model of Spike Generation", Stanford handout; gradient of the expectation:
        Bengio, Léonard and Courville 2013, arXiv 1308.3432.

    Example:
        >>> from spikewright.core.seed import generator
        >>> poisson(torch.tensor([[0.0, 1.0]]), 2, generator(0)).tolist()
        [[[0.0, 1.0]], [[0.0, 1.0]]]
    """
    check_timesteps(timesteps, "poisson")
    check_batch(x, "poisson")
    check_range(x, "poisson", 0, 1)
    if not isinstance(generator, torch.Generator):
        todo = "Make one: torch.Generator().manual_seed(0)"
        raise ArgumentError(sentence("poisson.generator", named(generator), "a torch.Generator", todo))
    # one draw per step keeps the first steps independent of T; float32 draws lie in [0, 1), so 1 always fires
    draws = (torch.rand(x.shape, generator=generator, device=generator.device) for _ in range(timesteps))
    spikes = torch.stack([(draw.to(x.device) < x.detach()).to(x.dtype) for draw in draws])
    return spikes + (x - x.detach())


def latency(x: Tensor, timesteps: int) -> Tensor:
    """Give one spike per value, the earlier the larger the value; 0 never fires. No gradient.

        step = floor((1 - x) * T), counted from 0;  x = 1 fires in the first step, the smallest in the last

    Args:
        x: values, [N, ...], in 0..1.
        timesteps: T, at least 1.

    Returns:
        Spikes 0 or 1, [T, N, ...], in the dtype of x, at most one along T.

    Raises:
        ArgumentError: if timesteps is no whole number of at least 1.
        ShapeError: if x is not floating-point or holds nothing.
        DataError: if x holds NaN or values outside 0..1.

    Source: Kheradpisheh and Masquelier 2020, "Temporal Backpropagation for Spiking Neural Networks with One
        Spike per Neuron", International Journal of Neural Systems 30(6), arXiv 1910.09495,
        time-to-first-spike coding with t_max = T. Differs: a value of 0, which is due at step T, is after the
        end and never fires.

    Example:
        >>> latency(torch.tensor([[1.0, 0.5, 0.0]]), 2).tolist()
        [[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]]
    """
    check_timesteps(timesteps, "latency")
    check_batch(x, "latency")
    check_range(x, "latency", 0, 1)
    values = x.detach().double()  # in half precision 1 - x would lose small values
    due = ((1 - values) * timesteps).floor().clamp(max=timesteps - 1)
    steps = torch.arange(timesteps, device=x.device).view(-1, *[1] * x.dim())
    return ((steps == due) & (values > 0)).to(x.dtype)


def as_given(xs: Tensor, timesteps: int) -> Tensor:
    """Give what has a time axis already, such as frames of events, unchanged; its first steps where it has more.

    Args:
        xs: sequence, [at least T, N, ...], any finite values.
        timesteps: T, at least 1.

    Returns:
        [T, N, ...], a view of xs.

    Raises:
        ArgumentError: if timesteps is no whole number of at least 1.
        ShapeError: if xs is no floating-point [T, N, ...], or has fewer steps.

    Example:
        >>> as_given(torch.zeros(4, 1, 2), 3).shape
        torch.Size([3, 1, 2])
    """
    check_timesteps(timesteps, "as_given")
    check_sequence(xs, "as_given")
    if len(xs) < timesteps:
        todo = "Ask for fewer steps, or make frames with more"
        raise ShapeError(sentence("as_given", f"a sequence of {len(xs)} steps", f"at least {timesteps}", todo))
    return xs[:timesteps]
