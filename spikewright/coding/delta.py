"""delta: a changing signal to spikes, +1 where it rose and -1 where it fell by the threshold."""

from __future__ import annotations

from numbers import Real

import torch
from torch import Tensor

from ..core.errors import ArgumentError, sentence
from ..core.temporal import check_sequence
from .checks import check_batch, check_range


def delta(xs: Tensor, threshold: float) -> Tensor:
    """Fire +1 or -1 when a signal has moved by the threshold from a reference, which then follows by it.

        r = x_0 at first        d = x_t - r        s_t = [d >= threshold] - [d <= -threshold]
        r' = r + threshold * s_t

    The first step never fires. As long as the signal moves by at most one threshold per step, x_0 plus the
    running sum of the spikes times the threshold stays within one threshold of the signal; a larger jump is
    caught up with one spike per step. No gradient.

    Args:
        xs: signal over time, [T, N, ...], any finite values.
        threshold: change that makes a spike, above 0, in the unit of xs.

    Returns:
        Spikes -1, 0 or 1, [T, N, ...], in the dtype of xs.

    Raises:
        ArgumentError: if the threshold is not a finite number above 0.
        ShapeError: if xs is no floating-point [T, N, ...].
        DataError: if xs holds NaN or infinite values.

    Source: Kasabov et al. 2016, "Evolving spatio-temporal data machines based on the NeuCube neuromorphic
        framework", Neural Networks 78, step-forward encoding; a pixel of an event camera does the same to the
        logarithm of light.
        Differs: fires at equality. snnTorch's `spikegen.delta` is another: it compares neighbouring steps,
        which misses slow changes.

    Example:
        >>> delta(torch.tensor([0.0, 0.5, 1.0, 1.0, 0.0]).view(5, 1, 1), 1.0).flatten().tolist()
        [0.0, 0.0, 1.0, 0.0, -1.0]
    """
    if not isinstance(threshold, Real) or not 0 < threshold < float("inf"):
        raise ArgumentError(sentence("delta.threshold", repr(threshold), "a finite number above 0"))
    check_sequence(xs, "delta")
    check_batch(xs, "delta")
    check_range(xs, "delta")
    signal = xs.detach()
    reference, spikes = signal[0], []
    for x in signal:
        change = x - reference
        s = (change >= threshold).to(xs.dtype) - (change <= -threshold).to(xs.dtype)
        reference = reference + threshold * s
        spikes.append(s)
    return torch.stack(spikes)
