"""ThresholdAdaptation: only activity raises thresholds, by the published rule."""

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.neurons import ATLIF, LIF
from spikewright.train.adaptation import ThresholdAdaptation


def network():
    torch.manual_seed(0)
    return Spiking(
        nn.Sequential(nn.Linear(6, 20), ATLIF(decay=0.9), nn.Linear(20, 20), ATLIF(decay=0.9), nn.Linear(20, 3))
    )


def thresholds(model):
    return [module.v_threshold.item() for module in model.modules() if isinstance(module, ATLIF)]


def train(eta, steps=30, seed=0, model=None, learn_thresholds=True):
    """A short training on blobs; the spikes that are left per neuron and step."""
    model = network() if model is None else model
    neurons = [module for module in model.modules() if isinstance(module, ATLIF)]
    adapt = ThresholdAdaptation(eta=eta, timesteps=4)
    weights = [p for name, p in model.named_parameters() if learn_thresholds or "v_threshold" not in name]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(3, 6, generator=generator)
    y = torch.arange(60) % 3
    course = [thresholds(model)]
    for _ in range(steps):
        x = centres[y] + 0.3 * torch.randn(60, 6, generator=generator)
        optimizer.zero_grad()
        for neuron in neurons:
            neuron.v_threshold.grad = None
        nn.functional.cross_entropy(model(x.expand(4, -1, -1)).mean(0), y).backward()
        optimizer.step()
        adapt(model, 0.1)
        course.append(thresholds(model))
    fired = []
    handles = [n.register_forward_hook(lambda m, i, o: fired.append((o != 0).float().mean())) for n in neurons]
    with torch.no_grad():
        model(centres[y].expand(4, -1, -1))
    for handle in handles:
        handle.remove()
    return float(torch.stack(fired).mean()), course


def test_one_step_by_hand():
    model = Spiking(ATLIF())
    # m = 0.5 (silent), then 1.0 + reset none: 0.5 + 0.75 = 1.25 fires with q = 1 - 0.25
    xs = torch.tensor([[[0.5]], [[0.75]]])
    model(xs).sum().backward()
    ThresholdAdaptation(eta=2.0, timesteps=2)(model, 0.1)
    assert model.module.v_threshold.item() == pytest.approx(1 + 0.1 * 2.0 / 2 * 0.75)
    assert model.module.activity.item() == 0


def test_more_strength_leaves_fewer_spikes():
    rates = [sum(train(eta, seed=seed)[0] for seed in range(3)) / 3 for eta in (0.0, 1.0, 10.0)]
    assert rates[1] < 0.9 * rates[0]
    assert rates[2] < 0.9 * rates[1]
    assert rates[2] > 0


def test_thresholds_never_fall_where_the_task_does_not_move_them():
    _, course = train(3.0, learn_thresholds=False)
    assert all(b >= a for before, after in zip(course, course[1:]) for a, b in zip(before, after))
    assert course[-1] > course[0]


def test_without_strength_only_the_task_moves_them():
    _, course = train(0.0, learn_thresholds=False)
    assert course[-1] == course[0] == [1.0, 1.0]


def test_thresholds_stay_below_the_largest():
    model = network()
    adapt = ThresholdAdaptation(eta=1e6, timesteps=4, largest=1.5)
    model(torch.rand(4, 8, 6) * 3).sum().backward()
    adapt(model, 0.1)
    assert max(thresholds(model)) == 1.5


def test_one_step_never_gives_more_spikes_of_a_single_layer():
    neuron, xs = ATLIF(decay=0.9), 1.5 * torch.rand(8, 4, 30, generator=torch.Generator().manual_seed(3))
    before = neuron.over_time(xs)
    before.sum().backward()
    ThresholdAdaptation(eta=20.0, timesteps=8)(neuron, 0.1)
    assert neuron.v_threshold.item() > 1
    assert ((neuron.over_time(xs) != 0).sum(0) <= (before != 0).sum(0)).all()


def test_broken_gradients_of_mixed_precision_are_left_out():
    neuron = ATLIF()
    neuron.activity.grad = torch.tensor(float("inf"))
    ThresholdAdaptation(eta=1.0, timesteps=1)(neuron, 0.1)
    assert neuron.v_threshold.item() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta": -1.0}, "ThresholdAdaptation.eta: got -1.0; expected a finite number of at least 0"),
        ({"timesteps": 0}, "ThresholdAdaptation.timesteps: got 0; expected a whole number of at least 1"),
        ({"largest": 0.0}, "ThresholdAdaptation.largest: got 0.0; expected a number above 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ThresholdAdaptation(**arguments)


def test_a_network_without_such_neurons_is_refused():
    with pytest.raises(
        ArgumentError, match=r"ThresholdAdaptation\.model: got no ATLIF neuron; expected a network of them"
    ):
        ThresholdAdaptation()(Spiking(LIF()), 0.1)
