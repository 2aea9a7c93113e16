"""gain() and the thresholds where it is 1: the least squared error of a neuron's levels for a Gaussian input."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .levels import Levels

HALVINGS = 60
"""Bisections of the logarithm of a threshold; its range is a few powers of e, so the last ones move nothing."""
CONSTANT = 1e6
"""From this ratio of mean and standard deviation on, an input counts as constant."""
SEVERAL = 3.0
"""From this ratio on, the error may have several minima; they are looked for on a grid."""
GRID, MINIMA = 192, 4
"""Points of that grid, and how many minima are compared, from the lowest threshold up."""

_PART = 1 << 20  # numbers in a tensor of groups and levels; more groups are taken in parts
_SERIES = 50.0  # from here on 1/sqrt(pi) - w erfcx(w) loses more digits than its series


def level(x: Tensor, theta: Tensor | float, levels: Levels) -> Tensor:
    """What a neuron says of a constant input: the level that is nearest to it.

        f(x) = theta / n * c(x),    c(x) = clip(floor(n x / theta + 1/2), a, b)

    Args:
        x: input, any shape.
        theta: threshold above 0, broadcastable to x.
        levels: n, a and b.

    Source: Zhang et al. 2026, AAAI 2026, eq. (6).

    Example:
        >>> level(torch.tensor([-1.0, 0.2, 0.3, 9.0]), 2.0, Levels(4, 0, 4))
        tensor([0.0000, 0.0000, 0.5000, 2.0000])
    """
    return theta / levels.density * (levels.density * x / theta + 0.5).floor().clamp(levels.lowest, levels.highest)


def gain(theta: Tensor, mu: Tensor, sigma: Tensor, levels: Levels) -> Tensor:
    """The best rescaling of a neuron's levels for a Gaussian input x, the cells between them held fixed.

        k = E[x c] / (theta / n E[c^2]),    c = clip(floor(n x / theta + 1/2), a, b),    x ~ N(mu, sigma^2)

    The mean squared error E[(theta / n c - x)^2] has the derivative 2 theta / n^2 E[c^2] (1 - k) in theta: it falls
    where k > 1. With borders t_j = (2j - 1) theta / (2n) the expectations are sums over the tails above them,

        E[x c] = sum_j E[x; x > t_j],    E[c^2] = sum_j (2j - 1) P(x > t_j),    j = 1..b,

    and the same of -x with j = 1..-a. All terms are above 0, and each is divided by the size of the largest tail, so
    that nothing is lost to subtraction, and nothing underflows for an input that hardly ever leaves its cell.

    Args:
        theta: threshold above 0, [G].
        mu: mean of the input, [G].
        sigma: its standard deviation, above 0, [G].
        levels: n, a and b.

    Returns:
        k, float64 [G].

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025, arXiv
        2503.00301 (a = 0, b = n); Zhang et al. 2026, AAAI 2026 (any a and b).
        Differs: both sum erf and subtract the sum from a and b, which is 0 / 0 where an input hardly ever leaves its
        cell; here complements of erf are summed.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> gain(theta=2.551 * one, mu=0 * one, sigma=one, levels=Levels(8, 0, 8)).round(decimals=3)
        tensor([1.], dtype=torch.float64)
    """
    first, second, _ = _moments(theta, mu, sigma, levels)
    return first / (theta.double() / levels.density * second)


def gaussian_error(theta: Tensor, mu: Tensor, sigma: Tensor, levels: Levels) -> Tensor:
    """E[(f(x) - x)^2] for x ~ N(mu, sigma^2), see `level`; to within 1e-14 of E[x^2].

    For levels from 0 on it differs from the error for ReLU, E[(f(x) - max(x, 0))^2], by E[x^2; x < 0], which does not
    depend on theta.

    Args:
        theta: threshold above 0, [G].
        mu: mean of the input, [G].
        sigma: its standard deviation, above 0, [G].
        levels: n, a and b.

    Returns:
        Float64 [G].

    Source: Zhang et al. 2026, AAAI 2026, eq. (6).

    Example:
        >>> theta, one = torch.tensor([2.0, 2.551, 3.0]).double(), torch.ones(3).double()
        >>> gaussian_error(theta, 0 * one, one, Levels(8, 0, 8)) - 0.5
        tensor([0.0083, 0.0052, 0.0060], dtype=torch.float64)
    """
    first, second, log_scale = _moments(theta, mu, sigma, levels)
    step, scale = theta.double() / levels.density, torch.exp(log_scale)
    square = mu.double() ** 2 + sigma.double() ** 2
    return (square + scale * (step * step * second - 2 * step * first)).clamp(min=0)


def optimal_threshold(mu: Tensor, sigma: Tensor, levels: Levels) -> Tensor:
    """The threshold with the least `gaussian_error`, a root of `gain` = 1, by bisection of its logarithm.

    At the root theta / n = E[x c] / E[c^2] is a mean of x / c with weights c^2. That keeps it above the mean size of
    the inputs of a sign, divided by the number of its levels, and below 2 (|mu| + 3 sigma): the bracket.

    The paper states one root. A narrow input far from 0 has several, near n mu / m for every level m, as each of
    these thresholds has a level at the mean; the least error of the lowest four is taken then.

    What comes out at the borders:

    * an input that is hardly ever above 0 (mu far below 0, levels from 0 on): the root for the little that is, of the
      size of n sigma^2 / |mu|, to full precision down to 1e6 standard deviations;
    * a constant input (sigma below 1e-6 |mu|, or 0): the threshold whose outermost level is the input; 0 where there
      is no level of its sign, or the input is 0.

    Args:
        mu: mean of the input, [G].
        sigma: its standard deviation, at least 0, [G].
        levels: n, a and b.

    Returns:
        Thresholds, float64 [G]; finite for every finite input.

    Source: Zhang et al. 2026, AAAI 2026; Huang et al. 2025, ICML 2025, arXiv 2503.00301.
        Differs: the papers iterate, see `iterated_threshold`, which is far from the root after the published number
        of iterations where levels are many.

    Example:
        >>> mu, sigma = torch.tensor([0.0, 0.1, -5.0, 3.0]), torch.tensor([1.0, 0.1, 0.0, 0.0])
        >>> optimal_threshold(mu, sigma, Levels.of_if(8)).round(decimals=3)
        tensor([2.5510, 0.3290, 0.0000, 3.0000], dtype=torch.float64)
    """
    mu, sigma = mu.double(), sigma.double()
    outermost = torch.where(mu > 0, levels.highest, -levels.lowest)
    constant = torch.where(outermost > 0, levels.density * mu.abs() / outermost.clamp(min=1), 0.0)
    varies = sigma * CONSTANT > mu.abs()
    size = max(1, _PART // (levels.highest - levels.lowest))
    found = constant.clone()
    for part in varies.nonzero().squeeze(1).split(size):
        found[part] = sigma[part] * _root(mu[part] / sigma[part], levels)  # of unit width: scales exactly
    return found


def iterated_threshold(
    mu: Tensor, sigma: Tensor, levels: Levels, iterations: int, start: float = 1.0, epsilon: float = 0.0
) -> Tensor:
    """The published iteration: theta <- k(theta) theta, a fixed number of times from a fixed start.

    The error never rises from one to the next, but k - 1 is small where levels are much finer than sigma, so that the
    result depends on both numbers; see `optimal_threshold` for the limit.

    Args:
        mu: mean of the input, [G].
        sigma: its standard deviation, above 0, [G].
        levels: n, a and b.
        iterations: 100 in the code of Huang et al., 1500 in that of Zhang et al.
        start: threshold before the first iteration; 1 in both.
        epsilon: added to the variance; 1e-8 in the code of Zhang et al.

    Returns:
        Thresholds, float64 [G]; 1 where the published quotient is 0 / 0, as the input is not above the lowest border
        with a probability that erf can tell from 0.

    Source: Huang et al. 2025, ICML 2025, arXiv 2503.00301, algorithm 1; Zhang et al. 2026, AAAI 2026.

    Example:
        >>> one, levels = torch.ones(1), Levels.of_if(64)
        >>> float(iterated_threshold(0 * one, one, levels, 100)), float(optimal_threshold(0 * one, one, levels))
        (3.19..., 3.61...)
    """
    mu, sigma = mu.double(), (sigma.double() ** 2 + epsilon).sqrt()
    theta = torch.full_like(mu, start)
    for _ in range(iterations):
        first, second, log_scale = _moments(theta, mu, sigma, levels)
        k = first / (theta / levels.density * second)
        theta = theta * torch.where(torch.exp(log_scale) * second < 2.0**-54, torch.nan, k)
    return theta.nan_to_num(nan=1.0)


def _moments(theta: Tensor, mu: Tensor, sigma: Tensor, levels: Levels) -> tuple[Tensor, Tensor, Tensor]:
    """E[x c] and E[c^2], both divided by the exponential of the third, [G]."""
    theta, mu, sigma = theta.double(), mu.double(), sigma.double()
    nearest = (theta / (2 * levels.density) - _outward(mu, levels)) / (math.sqrt(2) * sigma)
    s = nearest.clamp(min=0)
    first, second = torch.zeros_like(s), torch.zeros_like(s)
    for mean, count in ((mu, levels.highest), (-mu, -levels.lowest)):
        if count:
            odd = 2 * torch.arange(1, count + 1, dtype=torch.float64, device=mu.device) - 1
            shares, parts = _tails(odd * (theta / (2 * levels.density)).unsqueeze(1), mean, sigma, s)
            first, second = first + parts.sum(1), second + (odd * shares).sum(1)
    return first, second, -s * s


def _outward(mu: Tensor, levels: Levels) -> Tensor:
    """The mean as seen from 0 towards the levels that it is nearest to."""
    return mu.abs() if levels.lowest and levels.highest else mu if levels.highest else -mu


def _tails(t: Tensor, mu: Tensor, sigma: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """P(x > t) and E[x; x > t] of x ~ N(mu, sigma^2), both times exp(s^2).

    With w = (t - mu) / (sqrt(2) sigma),

        P = erfc(w) / 2,    E = mu P + sigma exp(-w^2) / sqrt(2 pi) = t P + sigma exp(-w^2) g(w) / sqrt(2),
        g(w) = 1 / sqrt(pi) - w erfcx(w)

    of which the first form of E is taken below the mean and the second above, so that both terms are above 0.

    Args:
        t: borders above or at 0, [G, m].
        mu, sigma: [G].
        s: at most the lowest w, at least 0, [G].
    """
    mu, sigma, s = mu.unsqueeze(1), sigma.unsqueeze(1), s.unsqueeze(1)
    w = (t - mu) / (math.sqrt(2) * sigma)
    size = w.abs()
    scaled, density = torch.special.erfcx(size), torch.exp((s - size) * (s + size))
    above, tail = w > 0, density * scaled / 2  # below the mean s is 0, and erfc(w) is 2 - erfc(-w)
    shares = torch.where(above, tail, 1 - tail)
    beyond = sigma * density * _excess(size, scaled) / math.sqrt(2)
    return shares, torch.where(above, t * shares + beyond, mu * shares + sigma * density / math.sqrt(2 * math.pi))


def _excess(w: Tensor, scaled: Tensor) -> Tensor:
    """1 / sqrt(pi) - w erfcx(w) for w >= 0, given erfcx(w)."""
    q = 1 / (2 * w.clamp(min=_SERIES) ** 2)
    series = q * (1 - 3 * q * (1 - 5 * q * (1 - 7 * q))) / math.sqrt(math.pi)
    return torch.where(w < _SERIES, 1 / math.sqrt(math.pi) - w * scaled, series)


def _root(mu: Tensor, levels: Levels) -> Tensor:
    """The optimal threshold for sigma = 1."""
    low, high = _bracket(mu, levels)
    one = torch.ones_like(mu)

    def falls(log_theta: Tensor, place: Tensor) -> Tensor:
        return gain(torch.exp(log_theta), mu[place], one[place], levels) > 1

    everywhere = torch.arange(len(mu), device=mu.device)
    far = (mu.abs() > SEVERAL).nonzero().squeeze(1)
    found = torch.exp(_bisected(falls, low, high, everywhere))
    if len(far) and levels.highest - levels.lowest > 1:
        found[far] = _best_of_several(falls, low[far], high[far], far, mu, levels, found[far])
    return found


def _bracket(mu: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
    """Logarithms of two thresholds between which the optimum lies, for sigma = 1; see `optimal_threshold`."""
    zero, one = torch.zeros_like(mu).unsqueeze(1), torch.ones_like(mu)
    sides = [mean for mean, count in ((mu, levels.highest), (-mu, -levels.lowest)) if count]
    if levels.lowest == -levels.highest:
        size = sum(_tails(zero, mean, one, 0 * mu)[1] for mean in sides)  # of either sign
    else:
        tails = [_tails(zero, mean, one, (-mean / math.sqrt(2)).clamp(min=0)) for mean in sides]
        size = torch.stack([part / share for share, part in tails]).amin(0)
    most = max(levels.highest, -levels.lowest)
    low = levels.density * torch.as_tensor(size).squeeze(1) / most
    return torch.log(low * (1 - 1e-9)), torch.log(2 * levels.density * (mu.abs() + 3))


Falls = Callable[[Tensor, Tensor], Tensor]
"""(logarithms of thresholds [m], their groups [m]) -> whether the error falls there [m]."""


def _bisected(falls: Falls, low: Tensor, high: Tensor, groups: Tensor) -> Tensor:
    """Where the error stops falling between two logarithms of thresholds, the first of which it falls at, [m]."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        falling = falls(middle, groups)
        low, high = torch.where(falling, middle, low), torch.where(falling, high, middle)
    return (low + high) / 2


def _best_of_several(
    falls: Falls, low: Tensor, high: Tensor, far: Tensor, mu: Tensor, levels: Levels, found: Tensor
) -> Tensor:
    """The threshold with the least error among the lowest minima that a grid tells apart, for groups `far`, [m]."""
    points = low + (high - low) * torch.linspace(0, 1, GRID, dtype=torch.float64, device=mu.device).unsqueeze(1)
    falling = torch.stack([falls(row, far) for row in points])
    turns = falling[:-1] & ~falling[1:]
    number = turns.cumsum(0)
    best, least = found, gaussian_error(found, mu[far], torch.ones_like(found), levels)
    tie = 1e-13 * (mu[far] ** 2 + 1)
    for k in range(MINIMA, 0, -1):
        here = turns & (number == k)
        there, place = here.any(0), here.to(torch.int8).argmax(0).unsqueeze(0)
        ends = points.gather(0, place).squeeze(0), points.gather(0, place + 1).squeeze(0)
        theta = torch.exp(_bisected(falls, *ends, far))
        error = gaussian_error(theta, mu[far], torch.ones_like(theta), levels)
        better = there & (error <= least + tie)  # of equal ones the lowest
        best, least = torch.where(better, theta, best), torch.where(better, error.minimum(least), least)
    return best
