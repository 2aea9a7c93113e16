"""The compiled loop against torch: convolutions of every geometry, linear layers, sums, neurons of every kind."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert.recipes.cos import CalibratedIF, OffsetRule, guarded, offset, published
from spikewright.convert.recipes.srp import MaskedIF, MaskRule, authors_code, paper
from spikewright.core import Spiking, carry_state, reset
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.neurons import IF, LIF, PLIF, MultiThresholdIF, SignedIF
from spikewright.neurons.firing import Harmony, MultiThreshold, SingleThreshold
from spikewright.neurons.firing.firing import Sign
from spikewright.runtime import EventNetwork, compile
from spikewright.runtime.layer import Layer
from spikewright.runtime.lists import Concat, Pool
from spikewright.runtime.torch_call import TorchCall

T, N = 5, 3
CONVOLUTIONS = {
    "3x3": (nn.Conv2d(6, 20, 3, padding=1), (6, 7, 5)),
    "1x1": (nn.Conv2d(6, 20, 1), (6, 7, 5)),
    "stride": (nn.Conv2d(6, 20, 3, stride=2, padding=1), (6, 7, 5)),
    "strides": (nn.Conv2d(6, 20, (3, 2), stride=(2, 3), padding=(0, 1)), (6, 7, 8)),
    "dilation": (nn.Conv2d(6, 20, 3, dilation=2, padding=2), (6, 7, 5)),
    "padding as wide as the kernel": (nn.Conv2d(6, 20, 2, padding=1), (6, 3, 3)),
    "no bias": (nn.Conv2d(6, 20, 3, bias=False), (6, 7, 5)),
    "groups": (nn.Conv2d(6, 20, 3, groups=2, padding=1), (6, 7, 5)),
    "depthwise": (nn.Conv2d(6, 6, 3, groups=6, padding=1), (6, 7, 5)),
    "depthwise, wider": (nn.Conv2d(6, 18, 3, groups=6, stride=2), (6, 7, 5)),
    "many inputs": (nn.Conv2d(70, 10, 3, padding=1), (70, 4, 4)),
    "many outputs": (nn.Conv2d(6, 150, 3, padding=1), (6, 4, 4)),
    "one output": (nn.Conv2d(6, 1, 3), (6, 4, 4)),
    "one dimension": (nn.Conv1d(6, 20, 3, stride=2, padding=1), (6, 9)),
    "one dimension, groups": (nn.Conv1d(6, 6, 3, groups=6), (6, 9)),
    "linear": (nn.Linear(30, 40), (30,)),
    "linear behind flatten": (nn.Sequential(nn.Flatten(), nn.Linear(6 * 4 * 3, 40)), (6, 4, 3)),
}


def spikes(shape: tuple[int, ...], density: float, seed: int = 0) -> Tensor:
    """Random spikes [T, N, *shape]."""
    return (torch.rand(T, N, *shape, generator=torch.Generator().manual_seed(seed)) < density).float()


def forced(model: nn.Module, example: Tensor, limit: float) -> EventNetwork:
    """A compiled network that runs everything on events (limit 1) or nothing (limit 0)."""
    network = compile(Spiking(model).eval(), example)
    for operation in network.operations:
        for source in operation.sources if isinstance(operation, Layer) else ():
            source.density_limit = limit
    return network


def same(model: nn.Module, xs: Tensor, limit: float) -> EventNetwork:
    """The compiled network, after a check that it gives what the model gives."""
    network = forced(model, xs, limit)
    with torch.no_grad():
        expected, found = Spiking(model).eval()(xs), network(xs)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    return network


@pytest.mark.parametrize("limit", [1.0, 0.0], ids=["events", "dense"])
@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_layers_give_what_torch_gives(case: str, density: float, limit: float) -> None:
    layer, shape = CONVOLUTIONS[case]
    torch.manual_seed(2)
    network = same(nn.Sequential(IF(v_threshold=0.5, amplitude=0.7), layer), spikes(shape, density), limit)
    assert [type(operation) for operation in network.operations] == [Layer, Layer]


NEURONS = {
    "IF": lambda: IF(v_threshold=0.4, start=0.5, amplitude=0.4),
    "IF, a threshold per channel": lambda: IF(v_threshold=torch.linspace(0.2, 0.9, 20).view(20, 1, 1)),
    "IF, a start per neuron": lambda: IF(v_threshold=0.4, start=torch.linspace(-1, 1, 20 * 30).view(20, 6, 5)),
    "IF, an amplitude per channel": lambda: IF(v_threshold=0.3, amplitude=torch.linspace(-1, 1, 20).view(20, 1, 1)),
    "IF, masked": lambda: IF(v_threshold=0.3, mask=(torch.arange(20) % 2).float().view(20, 1, 1)),
    "IF, reset to zero": lambda: IF(v_threshold=0.3, reset=reset.to_zero),
    "IF, no reset": lambda: IF(v_threshold=0.3, reset=reset.none),
    "LIF": lambda: LIF(v_threshold=0.3, tau=3.0, amplitude=2.0),
    "LIF, reset to zero": lambda: LIF(v_threshold=0.3, tau=3.0, reset=reset.to_zero),
    "PLIF": lambda: PLIF(v_threshold=0.1, tau=2.0),
    "SignedIF": lambda: SignedIF(v_threshold=0.3, amplitude=0.3),
    "MaskedIF": lambda: MaskedIF(v_threshold=0.3, rehearsal=3, amplitude=0.3),
    "MaskedIF, no rehearsal": lambda: MaskedIF(v_threshold=0.3, rehearsal=0),
    "MaskedIF, authors' rule": lambda: MaskedIF(v_threshold=PER_CHANNEL, rehearsal=1, rule=authors_code),
    "CalibratedIF": lambda: CalibratedIF(v_threshold=0.2, window=4, iterations=3, amplitude=0.2),
    "CalibratedIF, no replay": lambda: CalibratedIF(v_threshold=PER_CHANNEL, iterations=0),
    "CalibratedIF, published": lambda: CalibratedIF(v_threshold=PER_CHANNEL, window=2, rule=published),
    "CalibratedIF, a start per neuron": lambda: CalibratedIF(v_threshold=0.3, start=PER_NEURON, window=5),
    "MultiThresholdIF": lambda: MultiThresholdIF(v_threshold=PER_CHANNEL, amplitude=PER_CHANNEL),
    "MultiThresholdIF, budgeted": lambda: MultiThresholdIF(v_threshold=0.5, sign=Sign.BUDGETED, decay=0.8),
    "MultiThresholdIF, Harmony": lambda: MultiThresholdIF(firing=Harmony(thresholds=3), v_threshold=0.1),
    "MultiThresholdIF, up": lambda: MultiThresholdIF(
        firing=MultiThreshold(thresholds=2), v_threshold=0.9, sign=Sign.POSITIVE
    ),
    "MultiThresholdIF, one": lambda: MultiThresholdIF(firing=SingleThreshold(), v_threshold=0.3),
}
PER_CHANNEL = torch.linspace(0.2, 0.9, 20).view(20, 1, 1)
PER_NEURON = torch.linspace(-1, 1, 20 * 30).view(20, 6, 5)


@pytest.mark.parametrize("limit", [1.0, 0.0], ids=["events", "dense"])
@pytest.mark.parametrize("kind", NEURONS)
def test_neurons_give_what_torch_gives(kind: str, limit: float) -> None:
    torch.manual_seed(4)
    model = nn.Sequential(
        IF(v_threshold=0.5), nn.Conv2d(6, 20, 3, padding=1), NEURONS[kind](), nn.Conv2d(20, 12, 3), IF(v_threshold=0.2)
    )
    network = same(model, spikes((6, 6, 5), 0.3), limit)
    assert not any(isinstance(operation, TorchCall) for operation in network.operations)
    assert network(spikes((6, 6, 5), 0.3)).count_nonzero() > 50


@pytest.mark.parametrize("kind", [name for name in NEURONS if name[0] in "MC"] + ["IF", "LIF", "SignedIF"])
def test_every_kind_of_neuron_goes_on_where_it_ended(kind: str) -> None:
    torch.manual_seed(4)
    model = Spiking(nn.Sequential(nn.Conv2d(6, 20, 3, padding=1), NEURONS[kind](), nn.Conv2d(20, 12, 3))).eval()
    xs = torch.cat([spikes((6, 6, 5), 0.3), spikes((6, 6, 5), 0.2, seed=1)])
    network = forced(model.module, xs, 1.0)
    with torch.no_grad(), carry_state(network) as carried, carry_state(model) as expected:
        for part in xs.split([5, 1, 3, 1]):
            torch.testing.assert_close(network(part), model(part), rtol=1e-5, atol=1e-5)
    ours, theirs = carried["graph.1"].state, expected["module.1"].state
    assert ours is not None
    assert theirs is not None
    assert type(ours) is type(theirs)
    for one, other in zip(ours, theirs):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_a_sequence_shorter_than_what_is_replayed_is_refused_until_the_state_is_carried() -> None:
    model = nn.Sequential(nn.Linear(8, 20), CalibratedIF(v_threshold=0.3, window=4), nn.Linear(20, 3))
    network = forced(model, spikes((8,), 0.4), 1.0)
    with pytest.raises(ShapeError, match=r"CalibratedIF: .* begins with 3 time steps; expected at least 4"):
        network(spikes((8,), 0.4)[:3])
    with carry_state(network):
        network(spikes((8,), 0.4))
        assert network(spikes((8,), 0.4)[:1]).shape[0] == 1


def test_a_sequence_that_is_only_a_rehearsal_is_refused_until_the_state_is_carried() -> None:
    model = nn.Sequential(nn.Linear(8, 20), MaskedIF(v_threshold=0.3, rehearsal=3), nn.Linear(20, 3))
    network = forced(model, spikes((8,), 0.4), 1.0)
    with pytest.raises(ShapeError, match=r"EventNetwork: got 3 time steps, all of them rehearsal"):
        network(spikes((8,), 0.4)[:3])
    with carry_state(network):
        assert network(spikes((8,), 0.4)[:3]).shape[0] == 3


class Stricter(MaskedIF):
    """A neuron with a rule of its own."""

    def passes(self, residual: Tensor) -> Tensor:
        return super().passes(residual - 0.1)


LEFT = {
    "a mask rule": MaskedIF(v_threshold=0.3, rehearsal=2, rule=MaskRule("own", lambda v, at: v != at, 0.5)),
    "a mask rule that is overridden": Stricter(v_threshold=0.3, rehearsal=2),
    "an offset rule": CalibratedIF(v_threshold=0.3, window=3, rule=OffsetRule("own", lambda run, n: offset(run, n))),
}


@pytest.mark.parametrize("neuron", LEFT.values(), ids=LEFT)
def test_neurons_with_rules_that_the_loop_does_not_know_are_left_to_torch(neuron: nn.Module) -> None:
    torch.manual_seed(1)
    network = same(nn.Sequential(nn.Linear(8, 20), neuron, nn.Linear(20, 3)), spikes((8,), 0.4), 1.0)
    assert network.explain(spikes((8,), 0.4)).column("path")[1] == "torch"


@pytest.mark.parametrize("rule", [paper, authors_code, guarded, published], ids=repr)
@pytest.mark.parametrize("iterations", [1, 2, 8])
def test_decisions_are_those_of_torch_for_any_current(rule: MaskRule | OffsetRule, iterations: int) -> None:
    made: dict[str, Any] = {"v_threshold": 0.1 + PER_CHANNEL.view(20), "start": torch.linspace(-0.5, 1.5, 20)}
    neuron = (
        MaskedIF(rehearsal=iterations, rule=rule, **made)
        if isinstance(rule, MaskRule)
        else CalibratedIF(window=6, iterations=iterations, rule=rule, **made)
    )
    xs = torch.randn(12, 200, 20, generator=torch.Generator().manual_seed(iterations))
    xs[:, 0] = 0.25  # exact ties
    xs[:, 1] = 0.0
    network = compile(Spiking(nn.Sequential(neuron, nn.Identity())).eval(), xs)
    with torch.no_grad():
        assert torch.equal(network(xs), neuron.over_time(xs))


def test_a_neuron_that_changes_its_steps_is_left_to_torch() -> None:
    class Doubled(IF):
        def step(self, state, x):
            return super().step(state, 2 * x)

    torch.manual_seed(0)
    model = nn.Sequential(IF(v_threshold=0.5), nn.Linear(8, 20), Doubled(v_threshold=0.3), nn.Linear(20, 3))
    network = same(model, spikes((8,), 0.4), 1.0)
    assert [type(operation) for operation in network.operations] == [Layer, Layer, TorchCall, Layer]


class Residual(nn.Module):
    """A block with a shortcut, straight or through a convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.middle, self.last = IF(v_threshold=0.4, amplitude=0.4), IF(v_threshold=0.5, amplitude=0.5)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.middle(self.first(x))) + self.shortcut(x))


@pytest.mark.parametrize("limit", [1.0, 0.0], ids=["events", "dense"])
@pytest.mark.parametrize("stride", [1, 2])
def test_residual_blocks_are_one_layer_of_neurons_with_two_sources(stride: int, limit: float) -> None:
    torch.manual_seed(5)
    outputs = 20 if stride == 2 else 12
    model = nn.Sequential(
        IF(v_threshold=0.6, amplitude=0.6),
        Residual(12, outputs, stride),
        nn.Flatten(),
        nn.Linear(outputs * 36 // stride**2, 4),
    )
    network = same(model, spikes((12, 6, 6), 0.3), limit)
    assert [len(operation.sources) for operation in network.operations if isinstance(operation, Layer)] == [1, 1, 2, 1]


POOLS = {
    "windows": nn.AvgPool2d(2),
    "overlapping": nn.AvgPool2d(3, stride=1, padding=1),
    "global": nn.AdaptiveAvgPool2d(1),
    "adaptive": nn.AdaptiveAvgPool2d((3, 2)),
}


@pytest.mark.parametrize("limit", [1.0, 0.0], ids=["events", "dense"])
@pytest.mark.parametrize("neuron", [IF, SignedIF])
@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_average_pools_join_lists(pool: nn.Module, neuron: type[IF], limit: float) -> None:
    torch.manual_seed(6)
    model = nn.Sequential(nn.Conv2d(3, 20, 1), neuron(v_threshold=0.5, amplitude=0.5), pool, nn.Conv2d(20, 7, 1))
    network = same(model, spikes((3, 6, 6), 0.5), limit)
    assert [type(operation) for operation in network.operations] == [Layer, Pool, Layer]


@pytest.mark.parametrize("pool", [nn.AvgPool2d(2, ceil_mode=True), nn.AvgPool2d(2, padding=1, count_include_pad=False)])
def test_average_pools_of_unequal_windows_stay_with_torch(pool: nn.Module) -> None:
    torch.manual_seed(6)
    model = nn.Sequential(nn.Conv2d(3, 20, 1), IF(v_threshold=0.5), pool, nn.Conv2d(20, 7, 1))
    network = same(model, spikes((3, 5, 5), 0.5), 1.0)
    assert isinstance(network.operations[1], TorchCall)


class Branches(nn.Module):
    """Two branches that are concatenated."""

    def __init__(self, neurons: tuple[nn.Module, nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(3, 10, 1), nn.Conv2d(3, 21, 3, padding=1)])
        self.neurons, self.last = nn.ModuleList(neurons), nn.Conv2d(31, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        first, second = (neuron(part(x)) for neuron, part in zip(self.neurons, self.parts))
        return self.last(torch.cat([first, second], dim=1))


@pytest.mark.parametrize("limit", [1.0, 0.0], ids=["events", "dense"])
@pytest.mark.parametrize("kind", [IF, SignedIF])
def test_concatenations_join_lists(kind: type[IF], limit: float) -> None:
    torch.manual_seed(7)
    model = Branches((IF(v_threshold=0.4, amplitude=0.4), kind(v_threshold=0.3, amplitude=2.0)))
    network = same(model, spikes((3, 6, 6), 0.5), limit)
    assert any(isinstance(operation, Concat) for operation in network.operations)


@pytest.mark.parametrize(
    "neuron", [lambda: IF(v_threshold=0.3), lambda: SignedIF(v_threshold=0.3)], ids=["IF", "signed"]
)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [16, 32, 48, 64])
def test_neighbouring_pixels_of_few_channels_are_done_together(
    channels: int, stride: int, neuron: Callable[[], nn.Module]
) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = neuron(), neuron()
            self.conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1)
            self.short = nn.Identity() if stride == 1 else nn.Conv2d(channels, channels, 1, stride=2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return self.second(self.conv(x) + self.short(x))

    torch.manual_seed(3)
    same(nn.Sequential(Block(), nn.Conv2d(channels, 3, 3, padding=1)), spikes((channels, 8, 8), 0.3), 1.0)


@pytest.mark.parametrize(("weights", "error"), [(torch.float16, 2e-3), (torch.int8, 0.05)])
@pytest.mark.parametrize("channels", [3, 16, 40, 130])
@pytest.mark.parametrize("neuron", [IF, SignedIF], ids=["spikes of one size", "valued spikes"])
def test_weights_of_fewer_bits_are_close(
    weights: torch.dtype, error: float, channels: int, neuron: Callable[..., nn.Module]
) -> None:
    torch.manual_seed(4)
    model = Spiking(nn.Sequential(neuron(v_threshold=0.5, amplitude=0.7), nn.Conv2d(30, channels, 3, padding=1))).eval()
    xs = spikes((30, 6, 5), 0.9) - spikes((30, 6, 5), 0.3, seed=1)
    network = compile(model, xs, weights=weights)
    for operation in network.operations:
        for source in operation.sources if isinstance(operation, Layer) else ():
            source.density_limit = 1.0
    with torch.no_grad():
        expected, found = model(xs), network(xs)
    assert (found - expected).abs().max() < error * expected.abs().max()
    assert not torch.equal(found, expected)  # they are rounded


def test_weights_of_other_kinds_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"bfloat16; expected torch\.float32 or torch\.float16 or torch\.int8"):
        compile(Spiking(nn.Linear(2, 2)).eval(), torch.zeros(1, 1, 2), weights=torch.bfloat16)
