"""row_sums(): a penalty on how far adding, or taking away, spikes can move a membrane potential in one step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.loss import Batch, Loss, Result
from .matrices import groups_of, linear_maps, matrices


def one_sided_row_sums(m: Tensor) -> Tensor:
    """Largest sum of a row's positive weights, plus largest sum of a row's negative ones, of matrices [..., R, C]:

        max_i sum_j max(W_ij, 0) + max_i sum_j max(-W_ij, 0)

    The first is the largest rise of a potential when spikes are only added, the second the largest fall. Together they
    bound the induced infinity norm max_i sum_j |W_ij|. A weight of 0 has the subgradient 0; of equal rows one counts.

    Source: Ding et al. 2022, "SNN-RAT", NeurIPS 2022, in the code, which never calls it: github.com/putshua/SNN-RAT,
        d73f105.

    Example:
        >>> one_sided_row_sums(torch.tensor([[1.0, -2.0], [3.0, -0.5]]))
        tensor(5.)
    """
    up, down = F.relu(m).sum(-1).flatten(), F.relu(-m).sum(-1).flatten()
    return up.max(0).values + down.max(0).values


def row_sums() -> Loss:
    """`one_sided_row_sums` of every convolution and linear layer, added up; to be added to another loss.

    Biases do not count. Kernels are rows as for `Retraction`.

    Returns:
        A loss that logs "row sums" and runs no forward pass.

    Raises:
        ArgumentError: when called, for a model without such layers.

    Source: as `one_sided_row_sums`.

    Example:
        >>> from spikewright.train import rate_cross_entropy
        >>> loss = rate_cross_entropy(timesteps=4) + 0.001 * row_sums()
    """

    def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        found = linear_maps(model, "row_sums")
        value = torch.stack([one_sided_row_sums(matrices(layer.weight, groups_of(layer))) for _, layer in found]).sum()
        return value, {"row sums": value.detach()}

    return Loss(run)
