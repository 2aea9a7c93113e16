"""Start potentials compared over random deep networks: order of the errors, convergence, delay."""

import math

import pytest
import torch
from torch import Tensor

from spikewright.neurons import IF

D = torch.float64
NETS, SAMPLES, TIMESTEPS = 60, 8, 16
STARTS = (0.0, 0.25, 0.5, 0.75)


@pytest.fixture(scope="module")
def runs() -> tuple[dict[float, Tensor], dict[float, list[Tensor]]]:
    """Start -> RMSE of the read-out after 1..T steps; start -> spikes of the four layers.

    60 random networks with four spiking layers, against the ANN whose ReLUs are clipped at the thresholds, which
    are the 90th percentile of each activation. All networks run at once: [T, net, sample, feature].
    """
    g = torch.Generator().manual_seed(0)
    widths = [16, 32, 32, 32, 32, 8]
    weights = [torch.randn(NETS, i, o, dtype=D, generator=g) * math.sqrt(2 / i) for i, o in zip(widths, widths[1:])]
    biases = [0.1 * torch.randn(NETS, 1, o, dtype=D, generator=g) for o in widths[1:]]
    x = torch.rand(NETS, SAMPLES, 16, dtype=D, generator=g)
    a, thresholds = x, []
    for weight, bias in zip(weights[:-1], biases[:-1]):
        z = (a @ weight + bias).clamp(min=0)
        thresholds.append(torch.quantile(z.flatten(1), 0.9, dim=1).view(-1, 1, 1))
        a = torch.minimum(z, thresholds[-1])
    expected = a @ weights[-1] + biases[-1]
    errors, spikes = {}, {}
    for start in STARTS:
        s, layers = x.expand(TIMESTEPS, *x.shape), []
        for weight, bias, level in zip(weights[:-1], biases[:-1], thresholds):
            s = IF(v_threshold=level, amplitude=level, start=start).over_time(s @ weight + bias)
            layers.append(s != 0)
        steps = torch.arange(1, TIMESTEPS + 1, dtype=D).view(-1, 1, 1, 1)
        out = (s @ weights[-1] + biases[-1]).cumsum(0) / steps
        errors[start] = (out - expected).square().mean((1, 2, 3)).sqrt()
        spikes[start] = layers
    return errors, spikes


def test_half_the_threshold_is_the_best_start(runs) -> None:
    """OPI 7: averaged over nets and inputs, 1/2 beats 0, 1/4 and 3/4 at every T = 1..8."""
    errors, _ = runs
    for other in (0.0, 0.25, 0.75):
        assert (errors[0.5][:8] < errors[other][:8]).all()


def test_a_start_at_zero_costs_more_than_twice_the_steps(runs) -> None:
    """OPI 7: from T = 4 on the error of start 0 is more than twice that of 1/2, as in one layer."""
    errors, _ = runs
    assert (errors[0.0][3:8] > 2 * errors[0.5][3:8]).all()


@pytest.mark.parametrize("start", STARTS)
def test_the_error_falls_with_time(runs, start: float) -> None:
    """OPI 6: in deep nets the error decreases on average with T."""
    errors, _ = runs
    at = errors[start][[0, 1, 3, 7, 15]]
    assert (at.diff() < 0).all()
    assert at[-1] < at[0] / 3


def test_first_spikes_come_earlier(runs) -> None:
    """OPI 8: the mean first-spike time of every layer is clearly earlier with 1/2 than with 0."""
    _, spikes = runs

    def mean_first(s: Tensor) -> float:
        never = torch.ones_like(s[:1])
        return float(torch.cat([s, never]).to(torch.uint8).argmax(0).double().mean())

    for without, with_half in zip(spikes[0.0], spikes[0.5], strict=True):
        assert mean_first(with_half) < mean_first(without) - 0.5
