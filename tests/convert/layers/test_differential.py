"""Differential coding: what every wire, unit and neuron must keep to, by itself and inside a network."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from spikewright.coding import repeat, running_mean
from spikewright.convert.layers.differential_ends import DifferentialInput, DifferentialOutput
from spikewright.convert.layers.differential_if import DifferentialIF
from spikewright.convert.layers.expectation import Expectation
from spikewright.convert.layers.graded_unit import GradedUnit
from spikewright.core import Spiking, carry_state
from spikewright.core.observe import observe
from spikewright.core.probe import Probed, is_probing
from spikewright.neurons import MultiThresholdIF
from spikewright.neurons.firing import Harmony, MultiThreshold, Sign, SingleThreshold

FIRING = [SingleThreshold(), MultiThreshold(thresholds=1), MultiThreshold(), Harmony(), Harmony(dead_zone=0.75)]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def steps(xs):
    return torch.arange(1, len(xs) + 1, dtype=xs.dtype).view(-1, *[1] * (xs.dim() - 1))


def estimates(ds, start=0.0):
    """What a receiver believes after each step."""
    return start + (ds / steps(ds)).cumsum(0)


def test_the_estimate_is_the_mean_of_the_rate_coded_signal():
    xs = noise(12, 3, 4)
    ds = DifferentialInput().over_time(xs)
    torch.testing.assert_close(estimates(ds), xs.cumsum(0) / steps(xs))
    torch.testing.assert_close(DifferentialOutput().over_time(ds), xs)


def test_a_repeated_image_is_sent_once():
    ds = DifferentialInput().over_time(repeat(noise(3, 4).float(), 9))
    assert ds[0].all()
    assert not ds[1:].any()


@pytest.mark.parametrize("sign", Sign)
@pytest.mark.parametrize("firing", FIRING, ids=repr)
def test_the_memoryless_neuron_equals_the_one_with_a_membrane(firing, sign):
    ds, theta = noise(30, 1, 300, seed=3) * steps(torch.empty(30, 1, 1)).sqrt(), 0.3
    neuron = DifferentialIF(firing=firing, sign=sign, v_threshold=theta, amplitude=theta).double()
    out = neuron.over_time(ds)
    theta = neuron.v_threshold
    start = torch.full_like(ds[0], firing.start(sign))
    v, r_in, r_out, expected = start, torch.zeros_like(ds[0]), torch.zeros_like(ds[0]), []
    for t, d in enumerate(ds, start=1):
        m = v + (d + r_in - r_out) / theta
        s = firing.fire(m, sign, t * r_out / theta)
        v, r_in, r_out = m - s, r_in + d / t, r_out + s * theta / t
        expected.append(s * theta)
        # conservation: what is left is what the receiver does not know yet
        torch.testing.assert_close(theta * (v - start), t * (r_in - r_out), rtol=0, atol=1e-9)
    differing = (torch.stack(expected) != out).any(0).double().mean()
    assert differing <= 0.01  # only ties of the budget, which rounding decides
    if sign is not Sign.BUDGETED:
        assert differing == 0


@pytest.mark.parametrize("firing", FIRING, ids=repr)
def test_a_relu_neuron_never_lets_the_receiver_fall_below_nothing(firing):
    ds = noise(40, 1, 500, seed=5) * steps(torch.empty(40, 1, 1))
    for sign in (Sign.POSITIVE, Sign.BUDGETED):
        out = DifferentialIF(firing=firing, sign=sign, v_threshold=0.2, amplitude=0.2).double().over_time(ds)
        assert (estimates(out) >= -1e-9).all()
    silent = DifferentialIF(firing=firing, sign=Sign.BUDGETED, v_threshold=0.2).double()
    below = torch.zeros(40, 1, 50, dtype=torch.float64)
    below[0] = -torch.linspace(0.2, 3, 50)
    assert not silent.over_time(below).any()


@pytest.mark.parametrize("thresholds", [1, 2, 4, 6, 8])
def test_the_error_for_a_constant_input_is_bounded(thresholds):
    x = 3 * torch.rand(1, 4000, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1.5
    ds = DifferentialInput().over_time(x.expand(40, 1, -1))
    firing, smallest = MultiThreshold(thresholds=thresholds), 2.0 ** (1 - thresholds)
    t = steps(ds)
    for sign, share, wanted in ((Sign.BOTH, 0.75, x), (Sign.BUDGETED, 1.0, x.clamp(min=0))):
        out = DifferentialIF(firing=firing, sign=sign).double().over_time(ds)
        bound = torch.maximum(share * smallest / t, x.abs() / 3.0**t)
        assert ((estimates(out) - wanted).abs() <= bound + 1e-9).all()
        assert ((out != 0).sum(0) <= {1: 4, 2: 5, 4: 6, 6: 7, 8: 8}[thresholds]).all()
    assert DifferentialIF(firing=firing).double().over_time(ds).unique().numel() <= 2 * thresholds + 1


def test_a_single_threshold_is_within_half_of_it():
    x = torch.rand(1, 2000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ds = DifferentialInput().over_time(x.expand(40, 1, -1))
    out = DifferentialIF(firing=SingleThreshold(), sign=Sign.BUDGETED).double().over_time(ds)
    assert ((estimates(out) - x).abs() <= 1 / (2 * steps(ds)) + 1e-9).all()


def test_once_the_input_has_settled_the_error_is_small_again():
    generator, settled, thresholds = torch.Generator().manual_seed(4), 6, 4
    target = 2.4 * torch.rand(1, 3000, generator=generator, dtype=torch.float64) - 1.2
    wavering = target + torch.rand(settled, 1, 3000, generator=generator, dtype=torch.float64) - 0.5
    rate = torch.cat([wavering, target.expand(30, 1, -1)])
    ds = DifferentialInput().over_time(rate)
    ds[settled:] = 0
    ds[settled] = (target - estimates(ds)[settled - 1]) * (settled + 1)
    out = DifferentialIF(firing=MultiThreshold(thresholds=thresholds)).double().over_time(ds)
    error = (estimates(out) - estimates(ds)).abs()
    later = torch.arange(settled + 5, len(ds))
    assert (error[later] <= 2.0 ** (1 - thresholds) / (later + 1).view(-1, 1, 1) + 1e-9).all()


def test_a_clipped_relu_stops_at_its_ceiling():
    x = torch.linspace(-1, 5, 100, dtype=torch.float64).view(1, -1)
    ds = DifferentialInput().over_time(x.expand(60, 1, -1))
    neuron = DifferentialIF(sign=Sign.BUDGETED, ceiling=2.0, v_threshold=1.5, amplitude=1.5).double()
    torch.testing.assert_close(estimates(neuron.over_time(ds))[-1], x.clamp(0, 2), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    "function",
    [torch.tanh, lambda x: torch.softmax(x, -1), lambda x: nn.functional.layer_norm(x, x.shape[-1:]), nn.Sigmoid()],
)
def test_a_graded_unit_is_exact_at_every_step(function):
    ds = noise(20, 2, 5)
    out = GradedUnit(function).over_time(ds)
    torch.testing.assert_close(estimates(out), torch.stack([function(r) for r in estimates(ds)]), rtol=0, atol=1e-12)


def test_a_max_pool_unit_is_exact_at_every_step():
    ds = noise(10, 2, 3, 7, 7)
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    out = GradedUnit(pool).over_time(ds)
    torch.testing.assert_close(estimates(out), torch.stack([pool(r) for r in estimates(ds)]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("product", [torch.mul, torch.matmul])
def test_a_product_unit_is_exact_and_equals_three_products_of_corrections(product):
    left, right = noise(12, 2, 4, 4), noise(12, 2, 4, 4, seed=1)
    out = GradedUnit(product).over_time(left, right)
    a, c = estimates(left), estimates(right)
    torch.testing.assert_close(estimates(out), product(a, c), rtol=0, atol=1e-12)
    for t in range(1, 12):
        three = product(left[t], right[t]) / (t + 1) + product(left[t], c[t - 1]) + product(a[t - 1], right[t])
        torch.testing.assert_close(out[t], three, rtol=0, atol=1e-11)


def identity_neurons(network):
    """The network with every neuron replaced by the exact unit of a ReLU."""
    network = copy.deepcopy(network)
    for i, part in enumerate(network):
        if isinstance(part, DifferentialIF):
            network[i] = GradedUnit(torch.relu)
    return network


def a_network() -> Any:
    torch.manual_seed(0)
    neuron = {"firing": MultiThreshold(thresholds=6), "sign": Sign.BUDGETED}
    layers = nn.Sequential(
        DifferentialInput(),
        nn.Conv2d(2, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        DifferentialIF(**neuron),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 4, 3, padding=1),
        DifferentialIF(**neuron),
        nn.Flatten(),
        nn.Linear(4 * 9, 5),
        GradedUnit(nn.LayerNorm(5)),
        nn.Linear(5, 3),
        DifferentialOutput(),
    )
    layers[2].running_mean.normal_()
    layers[2].bias.data.normal_()
    return layers.double().eval()


def the_source(layers):
    parts = {DifferentialIF: lambda _: nn.ReLU(), GradedUnit: lambda part: part.function}
    ends = (DifferentialInput, DifferentialOutput)
    return nn.Sequential(*(parts.get(type(p), lambda p: p)(p) for p in layers if not isinstance(p, ends)))


def test_with_exact_units_the_network_is_its_source_at_every_step():
    layers, x = a_network(), noise(4, 2, 6, 6)
    out = running_mean(Spiking(identity_neurons(layers))(repeat(x, 5)))
    torch.testing.assert_close(out, the_source(layers)(x).expand(5, -1, -1), rtol=0, atol=1e-12)


def test_with_neurons_it_comes_as_near_as_it_is_given_steps():
    layers, x = a_network(), noise(4, 2, 6, 6)
    source = the_source(layers)(x)
    errors = (running_mean(Spiking(layers)(repeat(x, 256))) - source).abs().amax((1, 2))
    assert errors[255] < 0.25 * errors[15] < 0.1 * errors[0]
    assert errors[255] < 0.01


def test_affine_layers_commute_with_the_coding():
    torch.manual_seed(1)
    affine = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.AvgPool2d(2)).double().eval()
    affine[1].running_mean.normal_()
    xs = noise(7, 3, 2, 6, 6)
    network = Spiking(nn.Sequential(DifferentialInput(), affine, DifferentialOutput()))
    mean = xs.cumsum(0) / steps(xs)
    torch.testing.assert_close(running_mean(network(xs)), torch.stack([affine(r) for r in mean]), rtol=0, atol=1e-12)


def test_without_an_image_every_layer_is_silent_and_learns_what_biases_bring():
    layers, heard = a_network(), {}
    model = Spiking(layers)

    class Listen(nn.Module):
        def forward(self, x):
            if is_probing():
                heard["probe"] = x
            return x

    layers.insert(4, Listen())
    model(repeat(noise(4, 2, 6, 6), 2))
    assert heard["probe"].shape[0] == 1
    assert not heard["probe"].any()


def test_samples_of_a_batch_do_not_touch_each_other():
    model, x = Spiking(a_network()), noise(5, 2, 6, 6)
    whole = model(repeat(x, 6))
    for i in range(5):
        torch.testing.assert_close(model(repeat(x[i : i + 1], 6)), whole[:, i : i + 1], rtol=0, atol=1e-12)


def test_a_call_leaves_nothing_behind():
    model, x = Spiking(a_network()), noise(5, 2, 6, 6)
    first = model(repeat(x, 6))
    assert torch.equal(model(repeat(x, 6)), first)
    assert all(part.constants is None and part.heard is None for part in model.modules() if isinstance(part, Probed))


def test_single_steps_with_carried_states_equal_the_whole_run():
    model, xs = Spiking(a_network()), noise(6, 3, 2, 6, 6)
    whole = model(xs)
    with carry_state(model):
        parts = torch.cat([model(x) for x in xs.split([1, 2, 3])])
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-12)


def test_the_probe_is_remembered_until_a_weight_or_the_shape_changes():
    layers = a_network()
    layers[7], layers[8] = nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.Flatten(), nn.Linear(4, 5).double())
    model, probes = Spiking(layers), []

    class Count(nn.Module):
        def forward(self, x):
            probes.extend([1] * is_probing())
            return x

    layers.insert(1, Count())
    x = noise(4, 2, 6, 6)
    with torch.no_grad():
        before = model(repeat(x, 3))
        model(repeat(x[:2], 5))
        assert len(probes) == 1  # neither the batch nor T matters
        model(repeat(noise(4, 2, 8, 8), 3))
        assert len(probes) == 2
        model(repeat(x, 3))
        assert len(probes) == 3
        layers[2].bias += 0.5
        after = model(repeat(x, 3))
        assert len(probes) == 4
    assert not torch.equal(before, after)
    model.requires_grad_(True)
    model(repeat(x, 3)).sum().backward()  # the constant parts belong to the gradient then
    assert len(probes) == 5
    twin = copy.deepcopy(model)
    with torch.inference_mode():
        assert torch.equal(twin(repeat(x, 3)), after)


def test_what_watches_the_network_does_not_see_the_probe():
    model, seen = Spiking(a_network()), []
    with observe(model, lambda part: isinstance(part, DifferentialIF), lambda *call: seen.append(call[3].shape[0])):
        model(repeat(noise(4, 2, 6, 6), 3))
    assert seen == [12, 12]


def test_gradients_reach_the_image():
    model, x = Spiking(a_network()), noise(2, 2, 6, 6).requires_grad_()
    model(repeat(x, 4)).mean(0).square().sum().backward()
    gradient: Any = x.grad
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


def test_rate_units_and_neurons_are_the_same_function_in_the_mean():
    xs = noise(9, 2, 5)
    rate = Expectation(lambda x: torch.softmax(x, -1)).over_time(xs)
    sent = GradedUnit(lambda x: torch.softmax(x, -1)).over_time(DifferentialInput().over_time(xs))
    torch.testing.assert_close(estimates(sent), rate.cumsum(0) / steps(xs), rtol=0, atol=1e-12)
    made = {"firing": Harmony(thresholds=8), "v_threshold": 0.02, "amplitude": 0.02}
    mean = MultiThresholdIF(**made).double().over_time(xs).cumsum(0) / steps(xs)
    sent = DifferentialIF(**made).double().over_time(DifferentialInput().over_time(xs))
    assert ((estimates(sent) - mean).abs() <= 0.02 / steps(xs) + 1e-9).all()


def test_mt_under_differential_coding_needs_fewer_spikes_for_less_error():
    x = noise(1, 20000)
    wanted, found = x.clamp(min=0), {}
    for timesteps in (2, 4, 8, 16):
        xs = x.expand(timesteps, 1, -1)
        out = MultiThresholdIF(sign=Sign.BUDGETED, v_threshold=2.0, amplitude=2.0).double().over_time(xs)
        rate = (out.mean(0) - wanted).abs().mean(), (out != 0).double().mean() * timesteps
        sent = DifferentialIF(sign=Sign.BUDGETED, v_threshold=2.0, amplitude=2.0).double()
        out = sent.over_time(DifferentialInput().over_time(xs))
        found[timesteps] = (*rate, (estimates(out)[-1] - wanted).abs().mean(), (out != 0).double().sum(0).mean())
    published = {2: (0.0428, 0.91, 0.0214, 0.74), 8: (0.0174, 3.69, 0.0048, 1.09), 16: (0.0128, 7.41, 0.0030, 1.24)}
    for timesteps, expected in published.items():
        torch.testing.assert_close(torch.stack(found[timesteps]), torch.tensor(expected).double(), rtol=0.06, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", Sign)
@pytest.mark.parametrize("firing", FIRING, ids=repr)
def test_compiled_loops_give_the_same_spikes(firing, sign, dtype):
    xs = (noise(6, 3, 4, 5, 7, seed=9) * steps(torch.empty(6, 1, 1, 1, 1)).sqrt() * firing.reach / 2).to(dtype)
    theta = 0.2 + torch.rand(4, 1, 1, generator=torch.Generator().manual_seed(0)).to(dtype)
    made: Any = {"firing": firing, "sign": sign, "v_threshold": theta, "amplitude": theta}
    for neuron in (DifferentialIF(**made, ceiling=2.0), MultiThresholdIF(**made, decay=0.9)):
        for given in (xs, xs.transpose(2, 4).contiguous().transpose(2, 4), xs[:1].expand(6, -1, -1, -1, -1)):
            expected = neuron.over_time(given.clone().requires_grad_()).detach()
            out = neuron.over_time(given)
            assert torch.equal(out, expected)
            with carry_state(neuron):
                assert torch.equal(torch.cat([neuron.over_time(part) for part in given.split([1, 3, 2])]), expected)


@pytest.mark.parametrize("kind", [MultiThresholdIF, DifferentialIF])
def test_constants_may_differ_from_sample_to_sample(kind):
    xs, theta = noise(4, 3, 5), 0.2 + torch.rand(3, 5, generator=torch.Generator().manual_seed(0)).double()
    whole = kind(v_threshold=theta).double().over_time(xs)
    for i in range(3):
        assert torch.equal(kind(v_threshold=theta[i]).double().over_time(xs[:, i : i + 1]), whole[:, i : i + 1])
