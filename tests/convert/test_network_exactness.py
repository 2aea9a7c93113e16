"""Converted networks against their sources: exact cases, count balance in depth, folding of time and batch norm."""

import copy

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert import OPI, QCFS, Conversion, convert, prepare
from spikewright.convert.driver import trace_for_inference
from spikewright.convert.layers import QCFSActivation
from spikewright.core import Record, carry_state, gradient_rule, recorded
from spikewright.core.batch_norm import fold_batch_norm
from spikewright.core.observe import observe
from spikewright.neurons import IF


class Residual(nn.Module):
    """Two blocks with identity and 1x1 shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.first = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 1))
        self.second = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8))
        self.shortcut = nn.Sequential(nn.Conv2d(6, 8, 1, 2), nn.BatchNorm2d(8))
        self.act1, self.act2 = nn.ReLU(), nn.ReLU()
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.act1(self.first(x) + x)
        x = self.act2(self.second(x) + self.shortcut(x))
        return self.head(x)


def mlp() -> nn.Module:
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(128, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU()),
        nn.Linear(24, 5),
    )


def cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)),
    )


NETWORKS = {"mlp": mlp, "cnn": cnn, "residual": Residual}


def prepared(name: str, levels: int, v_threshold: float = 1.0) -> nn.Module:
    """A random network with QCFS activations, in eval(), whose batch norms have seen data."""
    torch.manual_seed(len(name))
    net = prepare(NETWORKS[name](), QCFS(levels=levels, v_threshold=v_threshold))
    net.train()
    with torch.no_grad():
        for _ in range(5):
            net(torch.rand(16, 2, 8, 8))
    return net.eval()


def mean_output(conversion: Conversion, x: Tensor, timesteps: int) -> Tensor:
    with torch.no_grad():
        return conversion.model(x.expand(timesteps, *x.shape)).mean(0)


def images(n: int = 8, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(n, 2, 8, 8, dtype=dtype, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NETWORKS)
def test_one_level_and_one_step_are_equal_at_any_depth(name: str, dtype: torch.dtype) -> None:
    """QCFS 5: any depth, T = L = 1: the spiking network equals the source bit for bit."""
    conversion = convert(prepared(name, levels=1).to(dtype), QCFS())
    x = images(dtype=dtype)
    with torch.no_grad():
        expected = conversion.source(x)
    assert expected.dtype == dtype
    assert torch.equal(conversion.model(x.unsqueeze(0))[0], expected)
    assert expected.std() > 0.01


@pytest.mark.parametrize("levels", [1, 2, 4, 8, 16])
def test_one_spiking_layer_is_exact(levels: int) -> None:
    """QCFS 5: one spiking layer, T = L: the mean output equals the source's, in dyadic numbers bit for bit."""
    g = torch.Generator().manual_seed(levels)
    net = nn.Sequential(nn.Linear(12, 40), QCFSActivation(levels=levels, v_threshold=1.5), nn.Linear(40, 6))
    for parameter in (net[0].weight, net[0].bias, net[2].weight, net[2].bias):
        parameter.data = torch.randint(-8, 9, parameter.shape, generator=g) / 16
    x = torch.randint(0, 17, (32, 12), generator=g) / 16
    conversion = convert(net, QCFS())
    with torch.no_grad():
        assert torch.equal(mean_output(conversion, x, levels), net(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [2, 3, 4, 7, 8])
def test_one_spiking_layer_of_any_weights_has_equal_counts(levels: int, dtype: torch.dtype) -> None:
    """QCFS 5: for general weights the counts agree and the read-out differs by rounding only."""
    torch.manual_seed(levels)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3), QCFSActivation(levels=levels, v_threshold=0.7), nn.Flatten(), nn.Linear(216, 5)
    ).to(dtype)
    conversion, x, record = convert(net, QCFS()), images(dtype=dtype), Record()
    with torch.no_grad(), gradient_rule(conversion.model, recorded(record)):
        out = conversion.model(x.expand(levels, *x.shape)).mean(0)
        expected = net(x)
        activation = net[1](net[0](x))
    counts = (activation * levels / net[1].v_threshold.detach()).round()
    assert torch.equal(record.spikes[0].sum(0), counts)
    assert torch.allclose(out, expected, atol=1e-6 if dtype == torch.float32 else 1e-14)


@pytest.mark.parametrize("timesteps", [1, 4, 7, 16])
@pytest.mark.parametrize("name", NETWORKS)
def test_count_difference_in_deep_networks(name: str, timesteps: int) -> None:
    """QCFS 6: N - k = -floor(v(T)/theta), with k the count for the mean input that the layer really received."""
    conversion = convert(prepared(name, levels=4, v_threshold=0.25).double(), QCFS())
    record, inputs = Record(), []
    x = images(dtype=torch.float64)

    def see(path: str, module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        inputs.append(given[0].unflatten(0, (timesteps, -1)))

    with torch.no_grad(), gradient_rule(conversion.model, recorded(record)):
        with observe(conversion.model, lambda module: isinstance(module, IF), see):
            conversion.model(x.expand(timesteps, *x.shape))
    neurons = list(conversion.neurons().values())
    uneven = 0
    for neuron, xs, spikes, states in zip(neurons, inputs, record.spikes, record.states, strict=True):
        theta = neuron.v_threshold
        k = torch.floor((xs.sum(0) + theta / 2) / theta)
        left = torch.floor(states.v[-1] / theta)
        checked = (k >= 0) & (k <= timesteps) & ((states.v[-1] / theta - left - 0.5).abs() < 0.5 - 1e-9)
        assert checked.float().mean() > 0.05
        assert torch.equal((spikes.sum(0) - k)[checked], -left[checked])
        uneven += int((left[checked] != 0).sum())
    assert uneven > 0 or timesteps < 16  # else nothing but the trivial case was seen


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NETWORKS)
def test_step_by_step_equals_time_folded(name: str, dtype: torch.dtype) -> None:
    """QCFS 9: both ways of execution give identical spikes, and outputs equal up to the order of a product's sum."""
    conversion, x = convert(prepared(name, levels=4).to(dtype), QCFS()), images(dtype=dtype)
    whole, steps = Record(), Record()
    with torch.no_grad():
        with gradient_rule(conversion.model, recorded(whole)):
            folded = conversion.model(x.expand(6, *x.shape))
        with gradient_rule(conversion.model, recorded(steps)), carry_state(conversion.model):
            single = torch.cat([conversion.model(x.unsqueeze(0)) for _ in range(6)])
    layers = len(whole.spikes)
    for layer, spikes in enumerate(whole.spikes):
        assert torch.equal(torch.cat(steps.spikes[layer::layers]), spikes)
    assert torch.allclose(single, folded, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_prefix_of_a_converted_network(name: str) -> None:
    """OPI 9, QCFS 10: the first T' outputs do not depend on T."""
    conversion, x = convert(prepared(name, levels=4).double(), QCFS()), images(dtype=torch.float64)
    with torch.no_grad():
        whole = conversion.model(x.expand(12, *x.shape))
        for t in (1, 3, 8):
            assert torch.allclose(conversion.model(x.expand(t, *x.shape)), whole[:t], atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_opi_is_the_same_network(name: str) -> None:
    """OPI 10: with equal weights and thresholds, OPI and QCFS inference agree bit for bit."""
    trained = prepared(name, levels=4)
    g = torch.Generator().manual_seed(0)
    for parameter_name, parameter in trained.named_parameters():
        if parameter_name.endswith("v_threshold"):
            parameter.data = 0.5 + torch.rand((), generator=g)
    qcfs = convert(trained, QCFS())
    plain = NETWORKS[name]().eval()
    weights = {key: value for key, value in trained.state_dict().items() if not key.endswith("v_threshold")}
    plain.load_state_dict(weights)
    thresholds = {
        key.removesuffix(".v_threshold"): value for key, value in trained.state_dict().items() if "v_threshold" in key
    }
    opi = convert(plain, OPI(), thresholds=thresholds)
    assert list(opi.neurons()) == list(qcfs.neurons())
    x = images().expand(9, -1, -1, -1, -1)
    records = Record(), Record()
    with torch.no_grad():
        outputs = []
        for conversion, record in zip((opi, qcfs), records, strict=True):
            with gradient_rule(conversion.model, recorded(record)):
                outputs.append(conversion.model(x))
    assert torch.equal(*outputs)
    assert all(torch.equal(a, b) for a, b in zip(records[0].spikes, records[1].spikes, strict=True))
    assert sum(float(spikes.sum()) for spikes in records[0].spikes) > 0


@pytest.mark.parametrize("name", ["cnn", "residual"])
def test_batch_norm_folding(name: str) -> None:
    """QCFS 11: folding changes nothing beyond rounding, in the source and in the spikes."""
    net = prepared(name, levels=4).double()
    folded = trace_for_inference(net)
    paths = fold_batch_norm(folded)
    x = images(dtype=torch.float64)
    assert paths == [path for path, module in net.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert not [module for module in folded.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        assert torch.allclose(folded(x), net(x), atol=1e-10)


def test_deep_networks_at_equal_length_differ_only_by_unevenness() -> None:
    """QCFS 6: at T = L a deep network is close to, but not equal to, its source; the first layer is exact."""
    conversion, x = convert(prepared("mlp", levels=8).double(), QCFS()), images(dtype=torch.float64)
    seen: dict[str, Tensor] = {}
    names = {id(neuron): site for site, neuron in conversion.neurons().items()}

    def see(path: str, module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        seen[names[id(module)]] = output.unflatten(0, (8, -1)).mean(0)

    with torch.no_grad(), observe(conversion.model, lambda module: isinstance(module, IF), see):
        out = conversion.model(x.expand(8, *x.shape)).mean(0)
        activations, a = {}, x
        for path, module in conversion.source.named_children():
            a = module(a)
            activations[path] = a
    first, *later = conversion.neurons()
    assert torch.equal(seen[first], activations[first])
    assert any(not torch.equal(seen[site], activations[site]) for site in later)
    assert (out - a).square().mean() < 0.5 * a.square().mean()


def test_the_source_of_a_conversion_is_a_copy() -> None:
    net = prepared("cnn", levels=4)
    before = copy.deepcopy(net.state_dict())
    conversion = convert(net, QCFS())
    conversion.source.load_state_dict({key: value * 0 for key, value in conversion.source.state_dict().items()})
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert mean_output(conversion, images(), 4).abs().sum() > 0
