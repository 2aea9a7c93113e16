"""Retraction: after each update, every weight matrix is drawn towards orthonormal rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, sentence
from ..core.seed import generator
from .matrices import groups_of, linear_maps, matrices


def retracted(m: Tensor, beta: float) -> Tensor:
    """One step of gradient descent of size beta on 1/4 ||M M^T - I||^2, for each matrix of [..., R, C]:

        M' = (1 + beta) M - beta M M^T M        sigma' = sigma + beta sigma (1 - sigma^2)

    Singular vectors stay; of the singular values 0 stays 0, and 1 draws all others below sqrt((2 + beta) / beta).

    Args:
        m: matrices, [..., R, C].
        beta: size of the step, at least 0.

    Source: Cisse et al. 2017, "Parseval Networks: Improving Robustness to Adversarial Examples", ICML 2017,
        arXiv 1704.08847, eq. 11; for spiking networks Ding et al. 2022, "SNN-RAT", NeurIPS 2022, as in the code,
        github.com/putshua/SNN-RAT, d73f105.

    Example:
        >>> retracted(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), 0.1)
        tensor([[1.4000, 0.0000],
                [0.0000, 1.0000]])
    """
    return m + beta * (m - _gram_times(m))


def _gram_times(m: Tensor) -> Tensor:
    """M M^T M by the smaller of the two products of M with itself."""
    return (m @ m.mT) @ m if m.shape[-2] <= m.shape[-1] else m @ (m.mT @ m)


@dataclass(frozen=True, kw_only=True)
class Retraction:
    """What `fit` calls after each update: `retracted` on every convolution and linear layer, the last one included.

    A convolution is the matrix of its kernels, one row per output channel, one matrix per group; its operator is larger
    than that, see `convolution_norm`. Biases, norms and the optimiser's momentum stay as they are. The step does not
    depend on the learning rate. Weight decay would pull against it: use an optimiser without.

    Args:
        beta: size of the step, at least 0; 0 changes nothing.
        row_fraction: share of the rows of a large linear layer that each update takes, as a matrix of its own; rounded
            down.
        row_threshold: rows from which on a linear layer is large.
        seed: of the rows. They follow from it, the layer and the number of the update, so that all processes, and a
            run that is gone on with, take the same.

    Raises:
        ArgumentError: for a number out of range; when called, for a model without such layers, and before anything is
            changed if a singular value is so large that the step would enlarge it: beta sigma^2 >= 2 + beta.

    Source: as `retracted`. Differs: the code draws rows from a global generator.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> _ = layer.weight.data.fill_(2.0)
        >>> Retraction(beta=0.1)(layer, 0.05, step=1)
        >>> layer.weight.data
        tensor([[1.4000]])
    """

    beta: float = 0.004
    row_fraction: float = 0.3
    row_threshold: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.beta, Real) or not 0 <= self.beta < math.inf:
            raise ArgumentError(sentence("Retraction.beta", repr(self.beta), "a finite number of at least 0"))
        if not isinstance(self.row_fraction, Real) or not 0 < self.row_fraction <= 1:
            raise ArgumentError(
                sentence("Retraction.row_fraction", repr(self.row_fraction), "a share above 0, up to 1")
            )
        check_whole("Retraction.row_threshold", self.row_threshold, least=1)
        check_whole("Retraction.seed", self.seed, least=0)

    @torch.no_grad()
    def __call__(self, model: nn.Module, lr: float, *, step: int) -> None:
        """Retract.

        Args:
            model: the network.
            lr: not used.
            step: number of the update.
        """
        if not self.beta:
            return
        parts = []
        for place, (name, layer) in enumerate(linear_maps(model, "Retraction")):
            rows = self.rows(layer, step, place)
            whole = matrices(layer.weight, groups_of(layer))
            parts.append((name, layer, rows, whole if rows is None else whole[:, rows]))
        self._check([(name, m) for name, _, _, m in parts])
        for _, layer, rows, m in parts:
            new = retracted(m, self.beta)
            if rows is None:
                layer.weight.copy_(new.reshape(layer.weight.shape))
            else:
                layer.weight[rows] = new[0]

    def rows(self, layer: Any, step: int, place: int) -> Tensor | None:
        """The rows of a layer that an update takes, in rising order; None for all.

        Args:
            layer: convolution or linear layer.
            step: number of the update.
            place: of the layer in the network.
        """
        count = layer.weight.shape[0]
        if not isinstance(layer, nn.Linear) or count < self.row_threshold or self.row_fraction == 1:
            return None
        drawn = torch.randperm(count, generator=generator(self.seed, step, place))
        return drawn[: math.floor(self.row_fraction * count)].sort().values.to(layer.weight.device)

    def _check(self, parts: list[tuple[str, Tensor]]) -> None:
        """Raise ArgumentError if a step would enlarge a singular value."""
        limit = (2 + self.beta) / self.beta
        # a bound of sigma^2 that needs no decomposition: the Frobenius norm of M M^T
        bounds = torch.stack([_small_gram(m).float().norm(dim=(-2, -1)).amax() for _, m in parts]).tolist()
        for (name, m), bound in zip(parts, bounds):
            if bound < limit:
                continue
            largest = float(torch.linalg.eigvalsh(_small_gram(m).double()).amax()) if math.isfinite(bound) else bound
            if not largest < limit:
                met = f"{name or 'a layer'} with a singular value of {math.sqrt(largest):.4g}"
                allowed = f"less than {math.sqrt(limit):.4g} for beta={self.beta:g}"
                todo = "Lower beta, or the learning rate; beyond it the weights would grow without end"
                raise ArgumentError(sentence("Retraction", met, allowed, todo))


def _small_gram(m: Tensor) -> Tensor:
    """M M^T or M^T M, whichever is smaller: both have the singular values' squares."""
    return m @ m.mT if m.shape[-2] <= m.shape[-1] else m.mT @ m


def largest_singular_values(model: nn.Module) -> dict[str, float]:
    """Largest singular value of every matrix that `Retraction` acts on, by layer: with it they come down towards 1.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        >>> largest_singular_values(nn.Sequential(layer))
        {'0': 3.0}
    """
    with torch.no_grad():
        return {
            name: float(torch.linalg.matrix_norm(matrices(layer.weight, groups_of(layer)).double(), 2).max())
            for name, layer in linear_maps(model, "largest_singular_values")
        }
