"""gradient_sparsity(): a penalty on the summed size of the input gradient, by one finite difference along its signs."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor, nn

from ..coding.readout import mean
from ..core.arguments import named
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.loss import Batch, Loss, PassLoss, Result
from ..train.spiking_losses import Readout
from .second_pass import repeatable


def strongest_rival(logits: Tensor, y: Tensor) -> Tensor:
    """The class with the largest logit besides the true one, [N].

    Example:
        >>> strongest_rival(torch.tensor([[5.0, 1.0, 2.0]]), torch.tensor([0]))
        tensor([2])
    """
    return logits.scatter(1, y[:, None], -math.inf).argmax(1)


def against_rival(logits: Tensor, y: Tensor, rival: Tensor) -> Tensor:
    """Probability of the true class if only it and one rival were there, [N], in single precision or finer:

        p = e^{z_y} / (e^{z_y} + e^{z_j}) = sigmoid(z_y - z_j)

    Example:
        >>> against_rival(torch.tensor([[1e4, 0.0], [3.0, 3.0]]), torch.tensor([0, 1]), torch.tensor([1, 0]))
        tensor([1.0000, 0.5000])
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return (wide.gather(1, y[:, None]) - wide.gather(1, rival[:, None]))[:, 0].sigmoid()


def squared_quotient(p1: Tensor, p2: Tensor, step: float) -> Tensor:
    """Mean over samples of ((p2 - p1) / h)^2: with p2 at x + h sign(gradient), the square of the gradient's l1 norm.

    Example:
        >>> squared_quotient(torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.5]), 0.5)
        tensor(0.1250)
    """
    return ((p2 - p1) / step).square().mean()


def gradient_sparsity(loss: Loss, *, weight: float, step: float = 0.01, readout: Readout = mean) -> Loss:
    """A loss plus a penalty that makes the gradient of the true class's probability by the input sparse:

        z  = f(x),  j = argmax_{k != y} z_k,  p1 = sigmoid(z_y - z_j)
        v  = sign(d p1 / d x)                              held fixed
        z' = f(x + h v),             p2 = sigmoid(z'_y - z'_j)
        L  = loss(z, y) + weight * mean ((p2 - p1) / h)^2

    The quotient is the l1 norm of the gradient as h goes to 0, without a second derivative through the spikes; x + h v
    may leave the range of the data. Both passes have a gradient. A spiking network's difference is exactly 0 where no
    spike flips and jumps where one does, so that only the mean over many samples behaves like a derivative; the share
    of samples without any difference is logged.

    Args:
        loss: of the labels, of one forward pass, e.g. `rate_cross_entropy(timesteps=4)`; it shares the first pass.
        weight: lambda, at least 0; at 0 the penalty is left out. Large ones make a network that answers nothing.
        step: h, in the units of the input before any scaling inside the network, those of eps.
        readout: output [T, N, K] -> logits [N, K].

    Returns:
        A loss that logs, besides what it is given, "gradient penalty", before it is weighted, and "unchanged", the
        share of samples with p2 = p1.

    Raises:
        ArgumentError: for arguments of another kind or out of range; when called, if no gradient reaches the input, or
            for batch norms whose statistics cannot be held, see `repeatable`. ShapeError, when called, for another
            output than [T, N, K] with two classes or more.

    Source: Liu et al. 2024, "Enhancing Adversarial Robustness in SNNs with Sparse Gradients", ICML 2024, arXiv
        2405.20355; as in the code, github.com/putshua/gradient_reg_defense, 2e0fc36: two classes instead of all, and
        the square of the norm. Differs: the second pass has the batch statistics of the first one and leaves the
        running ones alone, where the code takes new ones, so that part of its penalty is their change.

    Example:
        >>> from spikewright.train import rate_cross_entropy
        >>> loss = gradient_sparsity(rate_cross_entropy(timesteps=4), weight=0.002)
    """
    for name, value, least in (("weight", weight, "at least 0"), ("step", step, "above 0")):
        if not isinstance(value, Real) or not 0 <= value < math.inf or (name == "step" and not value):
            raise ArgumentError(sentence(f"gradient_sparsity.{name}", repr(value), f"a finite number {least}"))
    if not isinstance(loss, PassLoss):
        todo = "Put it around the loss of the labels, and other losses around it"
        raise ArgumentError(sentence("gradient_sparsity.loss", named(loss), "a loss of one forward pass", todo))
    if not weight:
        return loss

    def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        x, y = batch[0].detach().requires_grad_(), batch[1]
        draws = generator.clone_state()  # a random encoder draws the same numbers in both passes
        with repeatable(model, "gradient_sparsity") as again:
            seen = loss.seen(model, (x, y), generator)
            value, log = loss.of(seen, (x, y))
            logits = _logits(readout(seen.output))
            rival = strongest_rival(logits.detach(), y)
            p1 = against_rival(logits, y, rival)
            v = _direction(p1, x)
            with again():
                output = model(loss.feed(model, (x.detach() + step * v, y), draws))  # pyright: ignore
        p2 = against_rival(_logits(readout(output)), y, rival)
        penalty = squared_quotient(p1, p2, step)
        log = log | {"gradient penalty": penalty.detach(), "unchanged": (p2 == p1).float().mean()}
        return value + weight * penalty, log

    return Loss(run)


def _direction(p1: Tensor, x: Tensor) -> Tensor:
    """Signs of the gradient of every sample's probability by its input, without a gradient of their own."""
    (gradient,) = torch.autograd.grad(p1.sum(), x, retain_graph=True, allow_unused=True)
    if gradient is None:
        todo = "Take an encoder that a gradient passes, e.g. repeat"
        raise ArgumentError(sentence("gradient_sparsity", "no gradient at the input", "one", todo))
    return gradient.sign()


def _logits(logits: Tensor) -> Tensor:
    if logits.dim() != 2 or logits.shape[1] < 2:
        met = f"a read-out of shape {list(logits.shape)}"
        raise ShapeError(sentence("gradient_sparsity", met, "logits [N, K] of two classes or more"))
    return logits
