"""Leaky ReLUs, sigmoids and products in a conversion: which rule, which threshold, and the source in the limit."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert import (
    OPI,
    QCFS,
    SRP,
    Maximum,
    RobustNorm,
    convert,
    diagnose,
    per_channel,
    prepare,
    product_to_expectation,
    sigmoid_to_expectation,
)
from spikewright.convert.layers import Expectation
from spikewright.core.errors import ConversionError
from spikewright.neurons import SignedMemoryIF
from spikewright.profile import count_operations, count_spikes

IMAGES = torch.rand(120, 2, 6, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """An operation of choice behind a convolution, with pre-activations of both signs."""

    def __init__(self, run) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(2, 4, 3), nn.Linear(64, 3)
        self.squeeze, self.excite = nn.Linear(4, 2), nn.Linear(2, 4)
        self.layer = nn.Identity()
        self.slope = nn.Parameter(torch.tensor([0.5, 0.1, 0.3, 0.25]))
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.run(self, self.conv(x - 0.5)).flatten(1))


def excited(net: Net, h: Tensor, gate=torch.sigmoid) -> Tensor:
    h = F.relu(h)
    s = F.relu(net.squeeze(h.mean((2, 3))))
    return h * gate(net.excite(s)).unsqueeze(-1).unsqueeze(-1)


LEAKY = {
    "LeakyReLU": (lambda net, h: net.layer(h), nn.LeakyReLU(0.2), 0.2),
    "PReLU": (lambda net, h: net.layer(h), nn.PReLU(init=0.3), 0.3),
    "PReLU per channel": (lambda net, h: net.layer(h), nn.PReLU(4, init=0.3), [0.3] * 4),
    "F.leaky_relu": (lambda net, h: F.leaky_relu(h), None, 0.01),
    "F.leaky_relu with slope": (lambda net, h: F.leaky_relu(h, negative_slope=0.3), None, 0.3),
    "F.leaky_relu inplace": (lambda net, h: F.leaky_relu(h, 0.3, inplace=True), None, 0.3),
    "F.prelu": (lambda net, h: F.prelu(h, net.slope), None, [0.5, 0.1, 0.3, 0.25]),
    "torch.prelu": (lambda net, h: torch.prelu(h, net.slope), None, [0.5, 0.1, 0.3, 0.25]),
    "Tensor.prelu": (lambda net, h: h.prelu(net.slope), None, [0.5, 0.1, 0.3, 0.25]),
}


def net_of(run, layer: nn.Module | None = None) -> Net:
    net = Net(run).eval()
    net.layer = net.layer if layer is None else layer
    return net


def close_after(conversion, timesteps: int, atol: float) -> None:
    x = IMAGES[:10]
    with torch.no_grad():
        expected, out = conversion.source(x), conversion.model(x.expand(timesteps, *x.shape)).cumsum(0)
    late, early = out[-1] / timesteps - expected, out[1] / 2 - expected
    assert late.abs().max() < atol
    assert late.square().mean() < early.square().mean()


@pytest.mark.parametrize("name", LEAKY)
@pytest.mark.parametrize("recipe", [OPI(threshold=Maximum()), RobustNorm(threshold=Maximum())], ids=["OPI", "Robust"])
def test_every_form_of_leaky_relu_becomes_a_signed_neuron(name: str, recipe) -> None:
    run, layer, slope = LEAKY[name]
    net = net_of(run, layer)
    conversion = convert(net, recipe, IMAGES)
    (neuron,) = conversion.neurons().values()
    assert isinstance(neuron, SignedMemoryIF)
    assert torch.allclose(neuron.slope, torch.tensor(slope))
    with torch.no_grad():
        assert torch.allclose(conversion.source(IMAGES), net(IMAGES), atol=1e-6)
        assert neuron.v_threshold == net.conv(IMAGES - 0.5).abs().max()
    close_after(conversion, 256, 0.02)


def test_thresholds_per_channel_are_measured_on_both_signs() -> None:
    net = net_of(lambda net, h: net.layer(h), nn.PReLU(4, init=0.3))
    conversion = convert(net, OPI(threshold=Maximum(groups=per_channel)), IMAGES)
    with torch.no_grad():
        expected = net.conv(IMAGES - 0.5).abs().amax((0, 2, 3))
    assert torch.equal(conversion.thresholds["layer"], expected.view(4, 1, 1))
    close_after(conversion, 256, 0.02)


def test_a_slope_that_is_computed_is_refused() -> None:
    with pytest.raises(ConversionError, match="mul: is computed at every call; expected a parameter, a buffer or a"):
        convert(net_of(lambda net, h: F.prelu(h, net.slope * 2)), OPI(threshold=Maximum()), IMAGES)


def test_signed_neurons_are_diagnosed_and_counted() -> None:
    conversion = convert(net_of(lambda net, h: net.layer(h), nn.LeakyReLU(0.2)), OPI(threshold=Maximum()), IMAGES)
    (layer,) = diagnose(conversion, IMAGES[:8], 64).layers
    assert layer.error < 0.05
    spikes = count_spikes(conversion.model, IMAGES[:8], timesteps=6)
    operations = count_operations(conversion.model, IMAGES[:8], timesteps=6)
    assert spikes.layers[0].spikes.sum() > 0
    assert operations.layer("fc").synops.sum() == 3 * spikes.layers[0].spikes.sum()


GATES = {
    "torch.sigmoid": torch.sigmoid,
    "F.sigmoid": F.sigmoid,
    "Tensor.sigmoid": lambda z: z.sigmoid(),
    "F.hardsigmoid": F.hardsigmoid,
}


@pytest.mark.parametrize("name", GATES)
@pytest.mark.filterwarnings("ignore:nn.functional.sigmoid")
def test_squeeze_and_excitation(name: str) -> None:
    conversion = convert(net_of(lambda net, h: excited(net, h, GATES[name])), OPI(threshold=Maximum()), IMAGES)
    assert [row.rule for row in conversion.replaced] == [
        *("ReLU -> IF", "ReLU -> IF", "sigmoid -> expectation (analog)", "product -> expectation (analog)")
    ]
    assert len(conversion.neurons()) == 2
    close_after(conversion, 256, 0.02)


@pytest.mark.parametrize("layer", [nn.Sigmoid(), nn.Hardsigmoid()])
def test_sigmoid_layers(layer: nn.Module) -> None:
    conversion = convert(net_of(lambda net, h: net.layer(F.relu(h)), layer), RobustNorm(threshold=Maximum()), IMAGES)
    made = conversion.model.module.get_submodule("layer")
    assert isinstance(made, Expectation)
    x = torch.randn(5)
    assert torch.equal(made.function(x), layer(x))
    close_after(conversion, 256, 0.02)


def test_a_square_and_a_constant_factor() -> None:
    conversion = convert(
        net_of(lambda net, h: (2 * F.relu(h)) * F.relu(h) + F.relu(h).mul(1.5)), OPI(threshold=Maximum()), IMAGES
    )
    assert [row.site for row in conversion.replaced if "expectation" in row.rule] == ["mul_1"]
    close_after(conversion, 512, 0.02)

    def squared(net: Net, h: Tensor) -> Tensor:
        h = F.relu(h)
        return h * h

    close_after(convert(net_of(squared), OPI(threshold=Maximum()), IMAGES), 512, 0.02)


def test_qcfs_takes_the_rules_as_extra_ones() -> None:
    with pytest.warns(UserWarning, match="QCFS has no rule for 2 operations"):
        made = prepare(net_of(excited), QCFS(levels=256, v_threshold=2.0)).eval()
    with pytest.raises(ConversionError, match=r"QCFS: no rule handles 2 operations"):
        convert(made, QCFS())
    conversion = convert(made, QCFS(), extra=(sigmoid_to_expectation, product_to_expectation))
    assert [row.rule.split(" -> ")[1] for row in conversion.replaced] == ["IF", "IF", *["expectation (analog)"] * 2]
    close_after(conversion, 256, 0.02)


def test_what_goes_on_from_step_to_step_does_not_go_with_a_rehearsal() -> None:
    with pytest.warns(UserWarning, match="SRP has no rule for 2 operations"):
        made = prepare(net_of(excited), SRP(v_threshold=2.0)).eval()
    rules = (sigmoid_to_expectation, product_to_expectation)
    with pytest.raises(
        ConversionError, match=r"SRP: rehearses 4 steps, .* but sigmoid \(Expectation\) goes on; expected"
    ):
        convert(made, SRP(), extra=rules)
    assert convert(made, SRP(tau=0), extra=rules).neurons()
    leaky = net_of(lambda net, h: F.relu(net.layer(h)), nn.LeakyReLU(0.2))
    with pytest.raises(ConversionError, match=r"layer \(LeakyReLU\): use OPI or RobustNorm"):
        convert(leaky, SRP(threshold=Maximum()), IMAGES)


def test_a_quotient_of_two_activities_stays_refused() -> None:
    with pytest.raises(ConversionError, match=r"truediv.*a product or quotient of two activities is not linear"):
        convert(net_of(lambda net, h: F.relu(h) / (1 + F.relu(h))), OPI(threshold=Maximum()), IMAGES)
