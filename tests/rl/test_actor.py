"""Actors: what the published equations say, in small numbers, and what a policy must not do."""

import math

import pytest
import torch

from spikewright.coding import repeat
from spikewright.coding.population import Population, population
from spikewright.core import Record, StraightThrough, recorded, to_zero
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.neurons import DN, IF, LIF
from spikewright.rl import NEURONS, OrdinaryActor, Space, SpikingActor
from spikewright.rl.actor import ENCODER_THRESHOLD, Decoder

SPACE = Space(3, (-1.0, -2.0), (1.0, 4.0))


def encoder():
    return IF(v_threshold=ENCODER_THRESHOLD, spike=StraightThrough(fires=torch.gt))


@pytest.mark.parametrize("timesteps", [1, 5, 16])
def test_the_encoder_counts(timesteps):
    activity = torch.linspace(0.01, 0.995, 200).view(1, -1)
    counts = encoder().over_time(repeat(activity, timesteps)).sum(0)
    expected = (timesteps * activity.double() / ENCODER_THRESHOLD).floor()
    exact = (timesteps * activity.double() / ENCODER_THRESHOLD % 1).sub(0.5).abs() < 0.49  # away from ties
    assert torch.equal(counts[exact].double(), expected[exact])
    assert encoder().over_time(repeat(torch.ones(1, 1), timesteps)).sum() == timesteps


def test_the_encoder_has_the_straight_gradient():
    activity = torch.tensor([[0.3, 0.9]], requires_grad=True)
    encoder().over_time(repeat(activity, 5)).sum().backward()
    expected = sum((1 - 0.001**t) / 0.999 for t in range(1, 6))
    torch.testing.assert_close(activity.grad, torch.full((1, 2), expected))


def test_population_by_hand():
    z = torch.tensor([[0.5, 0.0]])
    centres, widths = torch.tensor([[0.5, 0.0], [0.0, 1.0]]), torch.tensor([[0.2, 0.5], [0.2, -1.0]])
    expected = torch.tensor([[1.0, math.exp(-0.5), 1.0, math.exp(-0.5)]])
    torch.testing.assert_close(population(z, centres, widths), expected)


def test_a_population_begins_evenly_spread():
    module = Population(2, 5)
    torch.testing.assert_close(module.centres[0], torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))
    torch.testing.assert_close(module.widths, torch.full((2, 5), math.sqrt(0.05)))


def published(name, xs):
    """The published recursions, written out: spikes [T, N]."""
    h, s, c = torch.zeros_like(xs[0]), torch.zeros_like(xs[0]), torch.zeros_like(xs[0])
    u, spikes = torch.zeros_like(h), []
    for x in xs:
        c = 0.5 * c + x if name != "LIF" else x
        if name == "DN":
            h, u = h * (1 - s) + 0.021 * s, u + 0.132 * s
            dv, du = h * h - h - u + c, -0.172 * h + 0.529 * u
            h, u = h + dv, u + du
        else:
            h = 0.75 * h * (1 - s) + c
        s = (h > 0.5).to(h)
        spikes.append(s)
    return torch.stack(spikes)


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_follow_the_published_recursion(name):
    xs = torch.rand(5, 1, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.3
    neuron = NEURONS[name]().double()
    out = neuron.over_time(xs)
    assert torch.equal(out, published(name, xs))
    assert 0.05 < float(out.mean()) < 0.6


@pytest.mark.parametrize("name", NEURONS)
def test_their_gradient_is_one_near_the_threshold_and_passes_through_the_reset(name):
    neuron = NEURONS[name]().double()
    x = torch.tensor([[[0.2]], [[0.35]], [[0.45]]], dtype=torch.float64, requires_grad=True)
    neuron.over_time(x)[0].sum().backward()
    assert x.grad.flatten().tolist() == [1.0, 0.0, 0.0]
    x = torch.tensor([[[0.7]], [[0.45]]], dtype=torch.float64, requires_grad=True)
    record = Record()
    neuron.unroll = recorded(record)
    neuron.over_time(x)[1].sum().backward()
    if name == "LIF":  # d h2 / d h1 = 0.75 (1 - s1) - 0.75 h1 * 1, with s1 = 1 and h1 = 0.7
        assert x.grad.flatten().tolist() == pytest.approx([-0.75 * 0.7, 1.0])


def test_at_the_threshold_it_is_silent():
    assert NEURONS["LIF"]().over_time(torch.full((1, 1, 1), 0.5)).item() == 0


def test_clif_without_a_lasting_current_is_lif():
    clif, lif = NEURONS["CLIF"](), NEURONS["LIF"]()
    clif.decay_syn.zero_()
    xs = torch.rand(5, 3, 40, generator=torch.Generator().manual_seed(0)) - 0.2
    assert torch.equal(clif.over_time(xs), lif.over_time(xs))


def test_dn_below_its_threshold():
    xs = torch.full((4, 1, 1), 0.1, dtype=torch.float64)
    record = Record()
    neuron = DN(v_threshold=100.0).double()
    neuron.unroll = recorded(record)
    neuron.over_time(xs)
    v, u, c, expected = 0.0, 0.0, 0.0, []
    for _ in range(4):
        c = 0.5 * c + 0.1
        v, u = v + v * v - v - u + c, u - 0.172 * v + 0.529 * u
        expected.append(v)
    assert record.states[0].v.flatten().tolist() == pytest.approx(expected)


def test_a_silent_actor_gives_the_bias():
    actor = SpikingActor(SPACE)
    with torch.no_grad():
        for part in actor.network.modules():
            if isinstance(part, torch.nn.Linear):
                part.weight.mul_(0)
                part.bias.fill_(0.1)
    action = actor(torch.randn(4, 3))
    expected = actor.bounded(actor.decoder.bias)
    torch.testing.assert_close(action, expected.expand(4, 2))


def test_the_decoder_by_hand():
    decoder = Decoder(2, 2)
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        decoder.bias.copy_(torch.tensor([0.5, 0.0]))
    assert decoder(torch.tensor([[1.0, 0.5, 0.0, 0.25]])).tolist() == [[2.5, 1.0]]


def test_the_gradient_of_an_action_by_its_rates():
    actor = SpikingActor(SPACE)
    rates = torch.rand(1, 20, requires_grad=True)
    action = actor.bounded(actor.decoder(rates))
    action[0, 1].backward()
    raw = actor.decoder(rates)[0, 1]
    expected = 3.0 * (1 - torch.tanh(raw) ** 2) * actor.decoder.weight[1]
    torch.testing.assert_close(rates.grad[0, 10:], expected.detach())
    assert not rates.grad[0, :10].any()


@pytest.mark.parametrize(
    "make", [*(lambda n=n: SpikingActor(SPACE, n) for n in NEURONS.values()), lambda: OrdinaryActor(SPACE)]
)
def test_actions_are_bounded_and_samples_independent(make):
    torch.manual_seed(0)
    actor, x = make(), 3 * torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    whole = actor(x)
    assert (whole > torch.tensor([-1.0, -2.0])).all()
    assert (whole < torch.tensor([1.0, 4.0])).all()
    torch.testing.assert_close(torch.cat([actor(x[:4]), actor(x[4:])]), whole)
    whole.sum().backward()
    assert all(p.grad is not None for p in actor.parameters())


def test_a_neuron_of_the_library_fits_as_well():
    actor = SpikingActor(SPACE, lambda: LIF(tau=3.0, reset=to_zero), timesteps=3, population=4, hidden=(8,))
    assert actor(torch.zeros(1, 3)).shape == (1, 2)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (
            lambda: Space(3, (-math.inf,), (1.0,)),
            ArgumentError,
            r"Space: got actions from -inf to 1.0; expected finite",
        ),
        (lambda: Space(3, (), ()), ArgumentError, r"Space: got 0 lower and 0 upper bounds"),
        (lambda: Space(0, (0.0,), (1.0,)), ArgumentError, r"Space.observations: got 0"),
        (lambda: SpikingActor(SPACE, timesteps=0), ArgumentError, r"SpikingActor.timesteps: got 0"),
        (
            lambda: SpikingActor(SPACE, hidden=0),
            ArgumentError,
            r"SpikingActor\.hidden: got 0; expected a size for each",
        ),
        (lambda: OrdinaryActor(SPACE, hidden=(4, -1)), ArgumentError, r"OrdinaryActor\.hidden: got -1"),
        (
            lambda: SpikingActor(SPACE, "LIF"),
            ArgumentError,
            r"SpikingActor\.neuron: got 'LIF'; .* Of NEURONS: LIF, CLIF",
        ),
        (
            lambda: SpikingActor(SPACE, DN()),
            ArgumentError,
            r"SpikingActor\.neuron: got DN; expected a function that make",
        ),
        (lambda: Population(2, 1), ArgumentError, r"Population.neurons: got 1"),
        (lambda: Population(2, width=0.0), ArgumentError, r"Population.width: got 0.0"),
        (lambda: SpikingActor(SPACE)(torch.zeros(1, 4)), ShapeError, r"Population: got a tensor of shape \[1, 4\]"),
        (lambda: SpikingActor(SPACE)(torch.full((1, 3), torch.nan)), DataError, r"NaN"),
    ],
)
def test_wrong_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make()
