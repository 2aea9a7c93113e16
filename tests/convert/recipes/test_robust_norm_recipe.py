"""RobustNorm: OPI's thresholds with a start at zero, equal to rescaled weights."""

import pytest
import torch
from torch import nn

from spikewright.convert import OPI, Maximum, Percentile, RobustNorm, convert
from spikewright.core import Spiking
from spikewright.neurons import IF

X = torch.rand(400, 6, generator=torch.Generator().manual_seed(0))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def test_it_is_opi_with_a_start_at_zero() -> None:
    assert RobustNorm().threshold == Percentile(percentile=99.9)
    own = convert(net(), RobustNorm(threshold=Maximum()), X)
    opi = convert(net(), OPI(threshold=Maximum(), start=0.0), X)
    assert all(neuron.start.item() == 0 for neuron in own.neurons().values())
    assert torch.equal(own.model(X.expand(7, 400, 6)), opi.model(X.expand(7, 400, 6)))


def test_thresholds_instead_of_rescaled_weights() -> None:
    """The published form: W' = W before/theta, b' = b/theta, threshold 1, unit spikes; the last layer scales back."""
    source = net().double()
    conversion = convert(source, RobustNorm(threshold=Maximum()), X.double())
    first, second = (float(level) for level in conversion.thresholds.values())
    scaled = net().double()
    for layer, before, level in ((scaled[0], 1.0, first), (scaled[2], first, second), (scaled[4], second, 1.0)):
        layer.weight.data *= before / level
        layer.bias.data /= level
    published = Spiking(nn.Sequential(scaled[0], IF(), scaled[2], IF(), scaled[4]))
    xs = X.double().expand(20, 400, 6)
    assert torch.allclose(conversion.model(xs), published(xs), atol=1e-9)


@pytest.mark.parametrize("timesteps", [2, 4, 8])
def test_it_is_worse_than_opi(timesteps: int) -> None:
    """The baseline's error is larger at every small T, which is what OPI is about."""
    with torch.no_grad():
        expected = net()(X)
        errors = [
            (convert(net(), recipe, X).model(X.expand(timesteps, 400, 6)).mean(0) - expected).square().mean()
            for recipe in (RobustNorm(threshold=Maximum()), OPI(threshold=Maximum()))
        ]
    assert errors[0] > errors[1]
