"""Pruning: both rules by hand, schedules, state dicts, the training loop, and what the profile counts of it."""

import copy

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.neurons import IF
from spikewright.profile import count_macs, count_operations
from spikewright.sparsity import (
    MagnitudePruning,
    SoftThresholdPruning,
    globally,
    per_layer,
    permanent,
    soft_threshold,
    weights_left,
)
from spikewright.sparsity.prune import cubic
from spikewright.sparsity.soft_threshold import half_sine
from spikewright.train import SGD, FitConfig, cross_entropy, fit


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


X, Y = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1, 2])


def shares(model):
    return weights_left(model).column("not zero")


# the soft threshold


def test_soft_threshold_by_hand():
    w = torch.tensor([1.0, -0.5, 0.25, -0.125, 0.0], requires_grad=True)
    out = soft_threshold(w, torch.tensor(0.25))
    assert out.tolist() == [0.75, -0.25, 0.0, 0.0, 0.0]
    out.backward(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert w.grad is not None
    assert w.grad.tolist() == [1.0, 2.0, 3.0, 4.0, 0.0]  # straight through, but for exact zeros


def test_no_width_changes_nothing_and_zeros_only_become_more():
    w = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(soft_threshold(w, torch.tensor(0.0)), w)
    zeros = [int((soft_threshold(w, torch.tensor(c)) == 0).sum()) for c in (0.0, 0.1, 0.2, 0.5, 1.0, 4.0)]
    assert zeros == sorted(zeros)
    assert zeros[0] == 0
    assert zeros[-1] == 100


def test_half_sine_by_hand():
    assert [half_sine(n, 2, end=1.0) for n in range(4)] == pytest.approx([0.0, 0.5, 1.0, 1.0])


# magnitudes


def test_masks_by_hand():
    weights = [torch.tensor([[4.0, -1.0]]), torch.tensor([0.5, 3.0, -2.0, 0.25])]
    assert [mask.tolist() for mask in per_layer(weights, 0.5)] == [[[1.0, 0.0]], [0.0, 1.0, 1.0, 0.0]]
    assert [mask.tolist() for mask in globally(weights, 0.5)] == [[[1.0, 0.0]], [0.0, 1.0, 1.0, 0.0]]
    assert [mask.tolist() for mask in globally(weights, 0.34)] == [[[1.0, 1.0]], [0.0, 1.0, 1.0, 0.0]]


def test_cubic_by_hand():
    assert [cubic(n, start=1, steps=2, end=1.0) for n in range(5)] == [0.0, 0.0, 0.875, 1.0, 1.0]


@pytest.mark.parametrize("masks", [per_layer, globally])
def test_the_share_follows_the_schedule(masks):
    model, pruning = network(), MagnitudePruning(end=0.75, steps=4, start=1, every=2, masks=masks)
    pruning.prepare(model)
    left = []
    for _ in range(7):
        pruning(model, 0.1)
        left.append(shares(model)[-1])
    total = 36 + 48
    half = total - sum(int(0.65625 * n) for n in ((36, 48) if masks is per_layer else (84,)))
    assert left == [total, total, half, half, total // 4, total // 4, total // 4]


def test_what_is_masked_gets_no_gradient_and_keeps_its_raw_value():
    layer = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    model, pruning = nn.Sequential(layer), MagnitudePruning(end=0.5, steps=1)
    pruning.prepare(model)
    pruning(model, 0.1)
    model(torch.ones(1, 4)).sum().backward()
    raw = layer.parametrizations.weight.original
    assert layer.weight.tolist() == [[0.0, 0.0, 3.0, 4.0]]
    assert raw.grad.tolist() == [[0.0, 0.0, 1.0, 1.0]]
    assert raw.tolist() == [[1.0, 2.0, 3.0, 4.0]]


# both


PRUNINGS = [SoftThresholdPruning(end=0.15, steps=8), MagnitudePruning(end=0.5, steps=8, every=3, masks=globally)]


@pytest.mark.parametrize("pruning", PRUNINGS, ids=["soft", "magnitude"])
def test_it_changes_nothing_when_it_is_prepared(pruning):
    model, before = network(), network()
    pruning.prepare(model)
    assert torch.equal(model(X), before(X))


@pytest.mark.parametrize("pruning", PRUNINGS, ids=["soft", "magnitude"])
def test_it_trains_survives_the_state_dict_and_becomes_permanent(pruning):
    model = network()
    pruning.prepare(model)
    config = FitConfig(epochs=8, optimizer=SGD(lr=0.05))
    history = fit(model, cross_entropy(), [(X, Y)], None, config, after_step=pruning)
    assert len(history) == 8
    left, (*_, total) = shares(model), shares(network())
    assert 0 < left[-1] < total
    twin = network(seed=1)
    pruning.prepare(twin)
    twin.load_state_dict(copy.deepcopy(model.state_dict()))
    assert torch.equal(twin(X), model(X))
    expected = model(X)
    permanent(model)
    assert torch.equal(model(X), expected)
    assert shares(model) == left
    assert {name for name, _ in model.named_parameters()} == {name for name, _ in network().named_parameters()}
    assert type(model[0]) is nn.Conv2d
    pruning(twin, 0.1)  # the schedule is over
    assert shares(twin) == left


@pytest.mark.parametrize("pruning", PRUNINGS, ids=["soft", "magnitude"])
def test_a_run_that_was_stopped_ends_alike(pruning, tmp_path):
    config = FitConfig(epochs=8, optimizer=SGD(lr=0.05), ema_decay=0.5)
    results = []
    for stops in (False, True):
        folder = tmp_path / str(stops)
        for minutes in (0.0, float("inf")) if stops else (float("inf"),):
            model = network()
            pruning.prepare(model)
            fit(model, cross_entropy(), [(X, Y)], None, config, folder=folder, after_step=pruning, minutes=minutes)
        results.append(model.state_dict())
    assert results[0].keys() == results[1].keys()
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


# what the profile counts


@pytest.mark.parametrize("bias", [True, False])
def test_zero_weights_cost_nothing_in_a_linear_layer(bias):
    layer = nn.Linear(2, 3, bias=bias)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))  # fan-out 3 and 1
    xs = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]], [[0.0, 1.0]]])
    counted = count_operations(Spiking(nn.Sequential(IF(), layer)), xs).layer("1")
    assert counted.synops.tolist() == [3, 4, 1]
    assert (counted.exact_macs, counted.dense_macs, counted.weights) == (4, 6, 6)
    assert count_macs(layer, torch.ones(1, 2)).exact_macs == 4


CONVOLUTIONS = {
    "borders": nn.Conv2d(4, 6, 3, padding=1),
    "stride and groups": nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
    "dilation": nn.Conv2d(4, 6, (3, 2), dilation=(1, 2), padding=(0, 1)),
    "circular": nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
    "transposed": nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_zero_weights_cost_nothing_in_a_convolution(name):
    """Spikes times weights of one or zero, added up by torch's own convolution, are the operations."""
    layer, g = copy.deepcopy(CONVOLUTIONS[name]), torch.Generator().manual_seed(0)
    with torch.no_grad():
        layer.weight.copy_((torch.rand(layer.weight.shape, generator=g) < 0.4).float())
        layer.bias.zero_()
    spikes = (torch.rand(3, 2, 4, 5, 6, generator=g) < 0.3).float()
    counted = count_operations(Spiking(nn.Sequential(IF(), layer)), spikes).layer("1")
    assert counted.synops.tolist() == [int(layer(x).sum()) for x in spikes]
    assert counted.exact_macs == int(layer(torch.ones(1, 4, 5, 6)).sum())
    assert counted.dense_macs > counted.exact_macs


def test_a_network_that_is_being_pruned_is_counted_as_the_one_it_becomes():
    model, pruning = nn.Sequential(nn.Conv2d(1, 4, 3), IF(), nn.Flatten(), nn.Linear(16, 3)), PRUNINGS[1]
    torch.manual_seed(0)
    pruning.prepare(model)
    for _ in range(8):
        pruning(model, 0.1)
    counted = count_operations(Spiking(model), X, timesteps=4)
    permanent(model)
    after = count_operations(Spiking(model), X, timesteps=4)
    assert counted.totals() == after.totals()
    assert [layer.operation for layer in counted.layers] == [layer.operation for layer in after.layers]


def test_masking_weights_and_raising_the_threshold_multiply():
    """Half of the weights of every input, and a quarter of the spikes: an eighth of the operations."""
    xs, operations = torch.full((8, 1, 4), 1.0), {}
    for threshold in (1.0, 4.0):
        for share in (0.0, 0.5):
            layer = nn.Linear(4, 6, bias=False)
            with torch.no_grad():
                layer.weight.copy_(torch.arange(1.0, 7.0).unsqueeze(1).expand(6, 4))
            model = Spiking(nn.Sequential(IF(v_threshold=threshold, amplitude=threshold), layer))
            pruning = MagnitudePruning(end=share, steps=1)
            pruning.prepare(model)
            pruning(model, 0.1)
            operations[threshold, share] = int(count_operations(model, xs).layer("1").synops.sum())
    assert operations == {(1.0, 0.0): 192, (1.0, 0.5): 96, (4.0, 0.0): 48, (4.0, 0.5): 24}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SoftThresholdPruning(end=-1, steps=1), r"SoftThresholdPruning\.end: got -1; expected a finite number"),
        (lambda: SoftThresholdPruning(steps=0), r"SoftThresholdPruning\.steps: got 0; expected a whole number of at l"),
        (
            lambda: MagnitudePruning(end=1.0, steps=1),
            r"MagnitudePruning\.end: got 1\.0; expected a number in 0\.\.1, b",
        ),
        (lambda: MagnitudePruning(steps=1, every=0), r"MagnitudePruning\.every: got 0; expected"),
        (
            lambda: MagnitudePruning(steps=1, masks="all"),
            r"MagnitudePruning\.masks: got 'all'; expected a function: per",
        ),
        (
            lambda: MagnitudePruning(steps=1)(network(), 0.1),
            r"MagnitudePruning: got a model without its rules; expected",
        ),
        (lambda: SoftThresholdPruning(steps=1)(network(), 0.1), r"SoftThresholdPruning: got a model without its rules"),
        (
            lambda: PRUNINGS[0].prepare(nn.ReLU()),
            r"SoftThresholdPruning\.model: got a network without a layer to prune",
        ),
        (lambda: PRUNINGS[0].prepare(None), r"SoftThresholdPruning\.model: got None"),
        (lambda: weights_left(nn.ReLU()), r"weights_left\.model: got a network without weights"),
        (
            lambda: MagnitudePruning(steps=1, layers=lambda part: isinstance(part, nn.ReLU)).prepare(network()),
            r"MagnitudePruning\.layers: got '1', which has no weight",
        ),
    ],
)
def test_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_layer_is_pruned_once():
    model = network()
    PRUNINGS[0].prepare(model)
    with pytest.raises(
        ArgumentError, match=r"MagnitudePruning\.model: got '0', which is pruned already; expected each"
    ):
        PRUNINGS[1].prepare(model)
