"""ATLIF: what the published neuron must do, and the gradients that it states."""

import pytest
import torch
from torch import nn

from spikewright.core import Record, Triangle, recorded, to_zero
from spikewright.core.errors import ArgumentError
from spikewright.neurons import ATLIF, LIF


def inputs(seed=0, steps=8, size=(3, 5), dtype=torch.float32, low=-0.5):
    generator = torch.Generator().manual_seed(seed)
    return (low + 2 * torch.rand(steps, *size, generator=generator, dtype=torch.float64)).to(dtype)


def trace(neuron, xs):
    """Potentials before the reset, unit spikes, output."""
    record = Record()
    neuron.unroll = recorded(record)
    out = neuron.over_time(xs)
    before = torch.cat([torch.zeros_like(xs[:1]), record.states[0].v[:-1]])
    return (neuron.decay * before + xs).detach(), record.spikes[0], out


def test_three_steps_by_hand():
    out = ATLIF(decay=0.5, v_threshold=2.0).over_time(torch.tensor([[[1.5]], [[1.25]], [[1.5]]]))
    assert out.flatten().tolist() == [0, 2, 0]  # 1.5; 0.75 + 1.25 = 2 fires, 0; 1.5


def test_with_threshold_one_it_is_a_leaky_neuron_with_a_triangle():
    xs, twin, g = inputs().requires_grad_(), inputs().requires_grad_(), inputs(1)
    lif = LIF(spike=Triangle(), reset=to_zero)
    lif.decay.fill_(0.75)
    out, expected = ATLIF(decay=0.75).over_time(xs), lif.over_time(twin)
    (g * out).sum().backward()
    (g * expected).sum().backward()
    assert torch.equal(out, expected)
    torch.testing.assert_close(xs.grad, twin.grad, rtol=0, atol=1e-6)


def test_the_threshold_goes_into_the_weights_behind():
    neuron, linear = ATLIF(v_threshold=1.7), nn.Linear(5, 4)
    _, spikes, out = trace(neuron, inputs())
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    assert set(out.detach().unique().tolist()) == {0.0, neuron.v_threshold.item()}
    folded = nn.Linear(5, 4)
    folded.weight.data, folded.bias.data = neuron.v_threshold.detach() * linear.weight.data, linear.bias.data
    torch.testing.assert_close(folded(spikes), linear(out.detach()), rtol=0, atol=1e-5)


def reference(neuron, xs, g):
    """The gradients of the docstring, by their formulas."""
    m, spikes, _ = trace(neuron, xs)
    theta, decay = neuron.v_threshold.item(), neuron.decay.item()
    q = (1 - (m - theta).abs() / theta).clamp(min=0)
    arrived, gm, of_theta = torch.zeros_like(xs), torch.zeros_like(xs), 0.0
    after = torch.zeros_like(xs[0])  # gradient of the potential after the reset
    for t in reversed(range(len(xs))):
        arrived[t] = g[t] - after * m[t] / theta
        gm[t] = arrived[t] * q[t] + after * (1 - spikes[t])
        of_theta -= float((arrived[t] * q[t] ** 2).mean())
        after = decay * gm[t]
    return gm, of_theta, sum(float((s * p).mean()) for s, p in zip(spikes, q))


@pytest.mark.parametrize("v_threshold", [1.0, 0.6])
def test_its_gradients_are_those_of_the_paper(v_threshold):
    neuron, g = ATLIF(decay=0.8, v_threshold=v_threshold).double(), inputs(1, dtype=torch.float64)
    xs = inputs(dtype=torch.float64).requires_grad_()
    (g * neuron.over_time(xs)).sum().backward()
    of_x, of_threshold, activity = reference(neuron, xs.detach(), g)
    torch.testing.assert_close(xs.grad, of_x, rtol=0, atol=1e-6)
    assert float(neuron.v_threshold.grad) == pytest.approx(of_threshold, abs=1e-6)
    assert float(neuron.activity.grad) == pytest.approx(activity, abs=1e-6)
    assert activity > 0


def test_gradients_of_threshold_and_activity_are_means():
    gradients = []
    for repeats in (1, 2):
        neuron, xs = ATLIF(), inputs().repeat(1, repeats, 1)
        (neuron.over_time(xs) * inputs(1).repeat(1, repeats, 1)).sum().backward()
        gradients.append((neuron.v_threshold.grad, neuron.activity.grad))
    for one, two in zip(*gradients):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


def test_a_silent_layer_asks_for_nothing():
    neuron = ATLIF(v_threshold=50.0)
    neuron.over_time(inputs().requires_grad_()).sum().backward()
    assert neuron.activity.grad.item() == 0


def test_a_higher_threshold_never_gives_more_spikes_for_input_of_one_sign():
    xs, before = inputs(steps=40, size=(1, 300), low=0.0), None
    for v_threshold in (0.25, 0.5, 0.8, 1.1, 2.0, 5.0):
        _, spikes, _ = trace(ATLIF(decay=0.9, v_threshold=v_threshold), xs)
        count = spikes.sum(0)
        assert before is None or (count <= before).all()
        before = count


@pytest.mark.parametrize("c", [0.25, 8.0])
def test_scaling_input_and_threshold_scales_the_output_alone(c):
    found = []
    for scale in (1.0, c):
        neuron, xs = ATLIF(decay=0.75, v_threshold=scale), (scale * inputs()).requires_grad_()
        out = neuron.over_time(xs)
        out.sum().backward()
        found.append((out.detach() / scale, neuron.activity.grad))
    assert all(torch.equal(a, b) for a, b in zip(*found))


def test_a_threshold_per_channel_learns_by_its_own_mean():
    neuron, single = ATLIF(v_threshold=torch.ones(5)), ATLIF()
    (neuron.over_time(inputs()) * inputs(1)).sum().backward()
    (single.over_time(inputs()) * inputs(1)).sum().backward()
    assert neuron.activity.grad.shape == (5,)
    torch.testing.assert_close(neuron.activity.grad.mean(), single.activity.grad)
    torch.testing.assert_close(neuron.v_threshold.grad.mean(), single.v_threshold.grad)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decay": 0.9, "tau": 2.0}, "ATLIF: got decay and tau; expected one of them"),
        ({"decay": 1.5}, "ATLIF.decay: got 1.5; expected numbers above 0 and at most 1"),
        ({"decay": 0.0}, "ATLIF.decay: got 0; expected numbers above 0"),
        ({"v_threshold": -1.0}, "ATLIF.v_threshold: got -1; expected numbers above 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ATLIF(**arguments)
