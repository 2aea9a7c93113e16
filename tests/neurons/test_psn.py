"""Parallel spiking neurons: by hand, as leaky neurons without a reset, and what every one of them must do."""

import copy
import math

import pytest
import torch
from torch import nn

from spikewright.core import Spiking, carry_state, none
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.neurons import LIF, PARALLEL_NEURONS, PSN, MaskedPSN, SlidingPSN
from spikewright.profile import count_spikes
from spikewright.train import accuracy_over_time

T = 6
MAKE = {
    "PSN": lambda **given: PSN(steps=T, **given),
    "MaskedPSN": lambda **given: MaskedPSN(steps=T, order=3, **given),
    "SlidingPSN": lambda **given: SlidingPSN(order=3, **given),
}
every = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
causal = pytest.mark.parametrize("make", list(MAKE.values())[1:], ids=list(MAKE)[1:])


def sequence(timesteps=T, batch=3, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (2.5 * torch.rand(timesteps, batch, 2, 4, generator=generator, dtype=torch.float64) - 0.75).to(dtype)


def test_all_are_registered():
    assert set(MAKE) == set(PARALLEL_NEURONS)


def test_psn_by_hand():
    neuron, xs = PSN(steps=2), torch.tensor([1.0, 3.0]).view(2, 1, 1)
    with torch.no_grad():
        neuron.weight.copy_(torch.tensor([[0.25, 0.25], [1.0, -0.5]]))
        neuron.v_threshold.copy_(torch.tensor([1.0, 0.0]))
    v, _ = neuron.membrane(xs)
    assert v.flatten().tolist() == [1.0, -0.5]
    assert neuron.over_time(xs).flatten().tolist() == [1.0, 0.0]  # equality fires


def test_masked_by_hand():
    neuron, xs = MaskedPSN(steps=3, order=2), torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1)
    with torch.no_grad():
        neuron.weight.copy_(torch.tensor([[9.0, 1.0], [0.5, 1.0], [-1.0, 0.25]]))
    assert neuron.membrane(xs)[0].flatten().tolist() == [1.0, 2.5, -1.0]


def test_with_powers_of_a_decay_it_is_a_leaky_neuron_without_reset():
    leaky, xs = LIF(tau=1 / math.log(2), reset=none), sequence()
    assert torch.equal(MaskedPSN(steps=T, order=T).over_time(xs), leaky.over_time(xs))
    assert torch.equal(SlidingPSN(order=T).over_time(xs), leaky.over_time(xs))
    psn = PSN(steps=T)
    with torch.no_grad():
        places = torch.arange(float(T))
        psn.weight.copy_((0.5 ** (places.unsqueeze(1) - places)).tril())
    torch.testing.assert_close(psn.membrane(xs)[0], SlidingPSN(order=T).membrane(xs)[0])


@every
def test_shapes_values_and_dtypes(make):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        out = make(amplitude=2.0).over_time(sequence(dtype=dtype))
        assert out.dtype == dtype
        assert set(out.flatten().tolist()) == {0.0, 2.0}
    assert make().to("meta").over_time(sequence().to("meta")).device.type == "meta"
    for batch in (1, 5):
        assert make().over_time(sequence(batch=batch)).shape == (T, batch, 2, 4)


@every
def test_everything_learns_alike_in_train_and_eval(make):
    found = []
    for training in (True, False):
        neuron, xs = make().train(training), sequence().requires_grad_()
        (neuron.over_time(xs) * sequence(seed=1)).sum().backward()
        found.append([xs.grad, *(parameter.grad for parameter in neuron.parameters())])
    assert all(torch.equal(a, b) and a.abs().sum() > 0 for a, b in zip(*found))


@every
def test_constants_survive_copies_and_the_state_dict(make):
    source, target, xs = make(), make(), sequence()
    with torch.no_grad():
        source.weight.mul_(0.75)
    assert not torch.equal(source.over_time(xs), target.over_time(xs))
    target.load_state_dict(source.state_dict())
    assert torch.equal(source.over_time(xs), target.over_time(xs))
    assert torch.equal(copy.deepcopy(source).over_time(xs), source.over_time(xs))
    assert source.double().over_time(xs.double()).dtype == torch.float64


@every
def test_samples_and_units_do_not_mix(make):
    neuron, xs, order = make(), sequence(batch=4), torch.tensor([3, 0, 2, 1])
    assert torch.equal(neuron.over_time(xs[:, order]), neuron.over_time(xs)[:, order])
    assert torch.equal(neuron.over_time(xs[..., order]), neuron.over_time(xs)[..., order])


@causal
@pytest.mark.parametrize("cuts", [[1] * 6, [2, 4], [5, 1]])
def test_whole_and_carried_runs_are_equal_and_nothing_is_kept(make, cuts):
    neuron, xs = make(), sequence()
    with torch.no_grad():
        neuron.weight.uniform_(-1, 2)
    whole = neuron.over_time(xs)
    with carry_state(neuron):
        parts = [neuron.over_time(part) for part in xs.split(cuts)]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(neuron.over_time(xs[:4]), whole[:4])


@every
def test_it_is_counted_and_judged_in_a_shell(make):
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Flatten(), make(), nn.Linear(8, 3)))
    assert count_spikes(model, sequence()).layers[0].spikes.sum() > 0
    batches = [(sequence()[0], torch.tensor([0, 1, 2]))]
    assert len(accuracy_over_time(model, batches, T, rows=4).correct) == T


def test_a_step_of_psn_sees_later_ones_so_it_takes_all_in_one_piece():
    neuron, xs = PSN(steps=T), sequence()
    with pytest.raises(ShapeError, match=r"PSN: got 5 time steps; expected all 6 in one piece\. .*SlidingPSN"):
        neuron.over_time(xs[:5])
    with carry_state(neuron):
        neuron.over_time(xs)
        with pytest.raises(ShapeError, match=r"PSN: got 6 time steps; expected all 6 in one piece"):
            neuron.over_time(xs)
    with pytest.raises(ShapeError, match=r"MaskedPSN: got 7 time steps; expected at most 6"):
        MAKE["MaskedPSN"]().over_time(sequence(7))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PSN(steps=0), r"PSN\.steps: got 0; expected a whole number of at least 1"),
        (lambda: MaskedPSN(steps=2, order=0), r"MaskedPSN\.order: got 0"),
        (lambda: SlidingPSN(order=1.5), r"SlidingPSN\.order: got 1\.5"),
        (lambda: SlidingPSN(v_threshold=0), r"SlidingPSN\.v_threshold: got 0; expected a finite number above 0"),
        (lambda: PSN(steps=1, amplitude=math.inf), r"PSN\.amplitude: got inf"),
        (lambda: PSN(steps=1, spike="ATan"), r"PSN\.spike: got 'ATan'; expected a function: ATan\(\)"),
    ],
)
def test_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
