"""LMH: what the published neuron must do; the numbers are worked out by hand or by the formulas of the paper."""

import math

import pytest
import torch

from spikewright.convert.layers.qcfs import QCFSActivation
from spikewright.core import Triangle, detached, none, recorded, subtract
from spikewright.core.errors import ArgumentError
from spikewright.core.unroll import Record
from spikewright.neurons import IF, LIF, LMH
from spikewright.neurons.lmh import LMHState, Unbounded, Within, lmh_step


def inputs(seed=0, steps=8, size=(3, 5), dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(steps, *size, generator=generator, dtype=torch.float64) - 0.5).to(dtype)


def run(neuron, xs):
    record = Record()
    neuron.unroll = recorded(record)
    return neuron.over_time(xs), record.states[0]


def test_three_steps_by_hand():
    neuron = LMH(a1=0.25, b1=-0.25, a2=0.5 + 0.25, b2=1.25).double()
    out, states = run(neuron, torch.tensor([[[1.0]], [[0.5]], [[0.5]]], dtype=torch.float64))
    # d = -0.25*0.5 + 1 = 0.875; v = 0.75*0.5 + 1.25*0.875 = 1.46875, fires, 0.46875
    # d = 0.25*0.875 - 0.25*0.46875 + 0.5 = 0.6015625; v = 0.75*0.46875 + 1.25*0.6015625 = 1.103515625, fires
    # d = 0.25*0.6015625 - 0.25*0.103515625 + 0.5 = 0.62451171875; v = 0.0776... + 0.78063... = 0.8582763671875
    assert out.flatten().tolist() == [1, 1, 0]
    expected = [0.875, 0.6015625, 0.62451171875], [0.46875, 0.103515625, 0.8582763671875]
    for part, values in zip(states, expected):
        torch.testing.assert_close(part.flatten(), torch.tensor(values, dtype=torch.float64), rtol=0, atol=1e-7)


@pytest.mark.parametrize("v_threshold", [1.0, 0.75])
def test_a_fresh_one_is_integrate_and_fire_from_half_the_threshold(v_threshold):
    xs = inputs()
    out, states = run(LMH(v_threshold=v_threshold), xs)
    expected, theirs = run(IF(v_threshold=v_threshold, start=0.5, amplitude=v_threshold), xs)
    assert torch.equal(out, expected)
    assert torch.equal(states.v, theirs.v)


@pytest.mark.parametrize("decay", [0.51, 0.75, 0.9, 1.4])
def test_with_one_factor_it_is_leaky(decay):
    xs = inputs(dtype=torch.float64)
    out, states = run(LMH(a2=decay, start=0.0).double(), xs)
    lif = LIF().double()
    lif.decay.fill_(decay)
    expected, theirs = run(lif, xs)
    assert torch.equal(out, expected)
    torch.testing.assert_close(states.v, theirs.v, rtol=0, atol=1e-6)


@pytest.mark.parametrize("levels", [2, 4, 8])
def test_it_takes_over_from_a_quantised_activation(levels):
    x = torch.linspace(-1, 4, 997, dtype=torch.float64).reshape(1, -1)
    activation = QCFSActivation(levels=levels, v_threshold=2.5).double()
    x = x[:, ((x[0] / 2.5 * levels + 0.5) % 1 - 0.5).abs() < 0.499]  # away from ties of rounding
    out = LMH(v_threshold=2.5).double().over_time(x.expand(levels, *x.shape))
    torch.testing.assert_close(out.mean(0), activation(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_its_mean_is_half_a_spike_off_at_most(steps):
    x = torch.linspace(-1, 4, 997, dtype=torch.float64).reshape(1, -1)
    out = LMH(v_threshold=2.5).double().over_time(x.expand(steps, *x.shape))
    assert (out.mean(0) - x.clamp(0, 2.5)).abs().max() <= 2.5 / (2 * steps) + 1e-6


def test_its_gradients_are_those_of_the_paper():
    neuron = LMH(v_threshold=0.8, a1=0.2, b1=-0.3, a2=0.7, b2=1.3).double()
    xs, g = inputs(dtype=torch.float64).requires_grad_(), inputs(1, dtype=torch.float64)
    out, states = run(neuron, xs)
    (g * out).sum().backward()
    a1, b1, a2, b2 = (f.item() for f in neuron.factors())
    theta, start = 0.8, torch.full_like(xs[0], 0.4)
    before_d = torch.cat([torch.zeros_like(xs[:1]), states.d[:-1]])
    before_v = torch.cat([start[None], states.v[:-1]]).detach()
    dd, dm = torch.zeros_like(xs[0]), torch.zeros_like(xs[0])
    sums, dx = dict.fromkeys(("a1", "b1", "a2", "b2"), 0.0), []
    for t in reversed(range(len(xs))):
        m = a2 * before_v[t] + b2 * states.d[t]
        k = theta * (1 - (m - theta).abs()).clamp(min=0)
        dm = g[t] * k + a2 * dm + b1 * dd
        dd = b2 * dm + a1 * dd
        dx.append(dd)
        sums["a1"] += float((dd * before_d[t]).sum())
        sums["b1"] += float((dd * before_v[t]).sum())
        sums["a2"] += float((dm * before_v[t]).sum())
        sums["b2"] += float((dm * states.d[t]).sum())
    torch.testing.assert_close(xs.grad, torch.stack(dx[::-1]).detach(), rtol=0, atol=1e-6)
    for name, total in sums.items():
        raw = getattr(neuron, f"raw_{name}")
        p = torch.sigmoid(raw).item()
        assert float(raw.grad) == pytest.approx(total * p * (1 - p), abs=1e-6)


def test_the_smooth_step_passes_a_gradient_check():
    def smooth(d, v, x, a1, b1, a2, b2):
        theta = torch.tensor(0.8, dtype=torch.float64)
        how = {"a1": a1, "b1": b1, "a2": a2, "b2": b2, "v_threshold": theta}
        state = LMHState(d, v)
        outs = []
        for part in x:
            state, s = lmh_step(state, part, **how, spike=Triangle().primitive, reset=subtract)
            outs.append(s)
        return (*state, *outs)

    parts = inputs(2, 4, (2, 3), torch.float64)
    factors = [torch.tensor(value, dtype=torch.float64) for value in (0.2, -0.3, 0.7, 1.3)]
    arguments = [
        value.requires_grad_() for value in (parts[0], parts[1], inputs(3, 3, (2, 3), torch.float64), *factors)
    ]
    assert torch.autograd.gradcheck(smooth, arguments)


@pytest.mark.parametrize(("start", "moved"), [(0.0, {"b2"}), (0.5, {"b1", "a2", "b2"})])
def test_what_a_single_step_teaches(start, moved):
    neuron, xs = LMH(start=start), inputs(steps=1)
    neuron.over_time(xs).sum().backward()
    learning = {name for name in ("a1", "b1", "a2", "b2") if getattr(neuron, f"raw_{name}").grad.abs() > 0}
    assert learning == moved


@pytest.mark.parametrize("c", [0.25, 8.0])
def test_scaling_input_and_threshold_scales_the_output(c):
    xs = inputs()
    factors = {"a1": 0.2, "b1": -0.3, "a2": 0.7, "b2": 1.3}
    assert torch.equal(LMH(v_threshold=c, **factors).over_time(c * xs), c * LMH(**factors).over_time(xs))


def test_four_scalars_stay_within_their_bounds_and_the_threshold_is_not_learnt():
    neuron = LMH()
    assert sum(p.numel() for p in neuron.parameters()) == 4
    optimizer = torch.optim.SGD(neuron.parameters(), lr=100.0)
    for seed in range(20):
        optimizer.zero_grad()
        (neuron.over_time(inputs(seed)) * inputs(seed + 1)).sum().backward()
        optimizer.step()
        for factor, middle in zip(neuron.factors(), (0, 0, 1, 1)):
            assert abs(factor.item() - middle) <= 0.5
    assert neuron.v_threshold.item() == 1.0
    assert not neuron.v_threshold.requires_grad


def test_without_bound_the_factors_are_the_raw_numbers():
    neuron = LMH(bound=Unbounded(), a1=0.9, b1=-2.0, a2=0.25, b2=3.0)
    assert [round(f.item(), 6) for f in neuron.factors()] == [0.9, -2.0, 0.25, 3.0]
    assert [round(f.item(), 6) for f in LMH(a1=0.3, b2=0.6).factors()] == [0.3, 0.0, 1.0, 0.6]


def test_no_gradient_passes_the_reset_unless_asked_for():
    assert LMH().reset == detached(subtract)
    found = []
    for reset in (detached(subtract), subtract, none):
        neuron, xs = LMH(reset=reset), inputs().requires_grad_()
        (neuron.over_time(xs) * inputs(1)).sum().backward()
        found.append(xs.grad)
    assert not torch.equal(found[0], found[1])
    assert torch.equal(LMH(reset=subtract).over_time(inputs()), LMH().over_time(inputs()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a1": 0.5}, r"LMH.a1: got 0.5; expected one number between -0.5 and 0.5. Or take bound=Unbounded\(\)"),
        ({"a2": 0.5}, r"LMH.a2: got 0.5; expected one number between 0.5 and 1.5"),
        ({"b1": math.nan}, r"LMH.b1: got nan; expected finite numbers"),
        ({"b2": torch.ones(2)}, r"LMH.b2: .* expected one number between 0.5 and 1.5"),
        ({"bound": torch.sigmoid}, r"LMH.bound: .* expected Within\(\) or Unbounded\(\)"),
        ({"v_threshold": 0.0}, r"LMH.v_threshold: got 0; expected numbers above 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        LMH(**arguments)


def test_a_bound_is_undone_by_its_inverse():
    for bound in (Within(), Unbounded()):
        distance = torch.tensor([-0.4, 0.0, 0.3])
        torch.testing.assert_close(bound(bound.inverse(distance)), distance)
