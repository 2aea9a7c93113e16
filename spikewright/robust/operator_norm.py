"""The operator norm of a convolution at its input's size, exactly, and a limit on it that weights keep in training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, sentence
from ..core.evaluating import evaluating
from ..core.observe import observe
from ..core.seed import generator as seeded
from .matrices import linear_maps


def operator_norm(layer: Any, shape: tuple[int, ...], *, iterations: int, generator: torch.Generator) -> Tensor:
    """Largest factor by which a convolution or linear layer, without its bias, lengthens any input of a shape, []:

        v <- A^T A v / ||A^T A v||,   norm = ||A v||

    This is the norm of the map itself, padding and stride included; the matrix of the kernels alone is smaller, by up
    to sqrt(kh kw) at stride 1.

    Args:
        layer: the layer.
        shape: of one input sample, [C, H, W] for two dimensions; the last axis alone for a linear layer.
        iterations: steps of the power iteration, at least 1. It comes near the norm from below.
        generator: of the first vector.

    Source: power iteration; for convolutions Yoshida and Miyato 2017, "Spectral Norm Regularization for Improving the
        Generalizability of Deep Learning", arXiv 1705.10941; on the map itself Gouk et al. 2021, "Regularisation of
        neural networks by enforcing Lipschitz continuity", Machine Learning 110, arXiv 1804.04368, section 3.3.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        >>> operator_norm(layer, (2,), iterations=20, generator=torch.Generator().manual_seed(0))
        tensor(3.)
    """
    weight = layer.weight.detach()
    v = torch.randn(1, *shape, generator=generator).to(weight)
    for _ in range(iterations):
        v = v / v.norm().clamp(min=torch.finfo(v.dtype).tiny)
        with torch.enable_grad():
            at = v.requires_grad_()
            out = _apply(layer, weight, at)
            (v,) = torch.autograd.grad(out, at, out.detach())
    return v.norm().sqrt()  # ||A^T A v|| for a v of length 1


def _apply(layer: Any, weight: Tensor, x: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return nn.functional.linear(x, weight)
    return layer._conv_forward(x, weight, None)


def input_shapes(model: nn.Module, xs: Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of one input sample of every convolution and linear layer, by name, from one pass.

    Args:
        model: any network.
        xs: an input of it.

    Example:
        >>> input_shapes(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)), torch.zeros(1, 1, 4, 4))
        {'0': (1, 4, 4), '2': (8,)}
    """
    wanted = dict(linear_maps(model, "input_shapes"))
    found: dict[str, tuple[int, ...]] = {}

    def see(name: str, module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        found[name] = tuple(inputs[0].shape[-1:] if isinstance(module, nn.Linear) else inputs[0].shape[1:])

    with torch.no_grad(), evaluating(model), observe(model, lambda part: part in wanted.values(), see):
        model(xs)
    return found


@dataclass(frozen=True, kw_only=True)
class NormLimit:
    """What `fit` calls after each update: layers whose operator norm is above a limit are scaled down to it.

        W <- W / max(1, norm / limit)

    Args:
        limit: largest norm, above 0.
        shapes: of the inputs of the layers, from `input_shapes`; layers that are not named stay as they are.
        iterations: steps of the power iteration in each update.
        seed: of its first vectors.

    Raises:
        ArgumentError: for a number out of range; when called, for a model without one of the layers.

    Source: Gouk et al. 2021, "Regularisation of neural networks by enforcing Lipschitz continuity", Machine Learning
        110, arXiv 1804.04368, algorithm 1. Differs: batch norms stay as they are.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> _ = layer.weight.data.fill_(4.0)
        >>> NormLimit(limit=2.0, shapes={"": (1,)})(layer, 0.1)
        >>> layer.weight.data
        tensor([[2.]])
    """

    limit: float = 1.0
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    iterations: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.limit, Real) or not 0 < self.limit < math.inf:
            raise ArgumentError(sentence("NormLimit.limit", repr(self.limit), "a finite number above 0"))
        check_whole("NormLimit.iterations", self.iterations, least=1)
        check_whole("NormLimit.seed", self.seed, least=0)

    @torch.no_grad()
    def __call__(self, model: nn.Module, lr: float) -> None:
        """Scale the weights."""
        layers = dict(linear_maps(model, "NormLimit"))
        for place, (name, shape) in enumerate(self.shapes.items()):
            if name not in layers:
                raise ArgumentError(sentence("NormLimit.shapes", f"the layer {name!r}", f"one of {', '.join(layers)}"))
            layer, draws = layers[name], seeded(self.seed, place)
            norm = operator_norm(layer, shape, iterations=self.iterations, generator=draws)
            layer.weight.div_((norm / self.limit).clamp(min=1))
