"""Penalties on activity and logged rates: by hand, with their gradients, on one forward pass."""

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.neurons import ATLIF, IF, LI, SignedIF
from spikewright.profile import count_spikes
from spikewright.sparsity import activity, delivered, logged_rates, rate_band, unit_spikes
from spikewright.train import SGD, FitConfig, fit, rate_cross_entropy

G = torch.Generator()
QUIET = 0.0 * rate_cross_entropy()
"""Says only what the network is given."""


class Numbered(nn.Module):
    """IF with two neurons, then one that doubles, of threshold 2 and amplitude 2, and a read-out."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.read = IF(), IF(v_threshold=2.0, amplitude=2.0), LI()

    def forward(self, x):
        return self.read(self.second(2 * self.first(x)[:, :1])).expand(-1, 2)


XS = torch.tensor([[[0.5, 1.0]], [[0.5, 1.0]], [[0.5, 1.0]], [[0.5, 1.0]]])
"""T = 4: the first neuron fires twice, the second four times; the layer behind it twice, 2 each."""
BATCH = (XS, torch.tensor([0]))


def run(penalty, model=None, batch=BATCH):
    value, numbers = (QUIET + penalty)(Spiking(Numbered()) if model is None else model, batch, G)
    return value.item(), {name: number.item() for name, number in numbers.items()}


def test_activity_by_hand():
    assert run(activity())[0] == 3.0 + 2.0  # (2 + 4) / 2 neurons, and 2 of one neuron
    assert run(activity(measure=delivered))[0] == 3.0 + 4.0
    assert run(0.5 * activity())[1]["activity"] == 5.0


def test_activity_is_a_mean_over_samples():
    twice = (XS.repeat(1, 3, 1), torch.zeros(3, dtype=torch.int64))
    assert run(activity(), batch=twice)[0] == run(activity())[0]


def test_signed_spikes_count_without_their_sign():
    model = Spiking(SignedIF())
    xs = torch.tensor([[[1.0, -1.0]], [[1.0, 1.0]]])
    assert run(activity(), model, (xs, torch.tensor([0])))[0] == 2.0
    assert run(activity(measure=delivered), model, (xs, torch.tensor([0])))[0] == 2.0


def test_rate_band_by_hand():
    """Rates 0.5 and 1 in the first layer, 0.5 in the second."""
    assert run(rate_band(upper=0.5))[0] == pytest.approx(0.25 / 2)
    assert run(rate_band(lower=0.75))[0] == pytest.approx(0.0625 / 2 + 0.0625)
    assert run(rate_band(lower=0.5))[0] == 0.0
    assert run(rate_band(lower=0.25, upper=0.25))[0] == pytest.approx((0.0625 + 0.5625) / 2 + 0.0625)


@pytest.mark.parametrize("penalty", [activity(), activity(measure=delivered), rate_band(lower=0.1, upper=0.2)])
def test_the_gradient_reaches_weights_and_is_that_of_the_spikes(penalty):
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Linear(3, 4), IF(), nn.Linear(4, 2), IF(), nn.Linear(2, 2)))
    with torch.no_grad():
        for i in (0, 2):
            model.module[i].weight.abs_().mul_(3)
    batch = torch.rand(5, 6, 3), torch.zeros(6, dtype=torch.int64)
    (QUIET + penalty)(model, batch, G)[0].backward()
    found = [model.module[i].weight.grad for i in (0, 2)]
    assert all(grad.abs().sum() > 0 for grad in found)
    assert not model.module[4].weight.grad.any()  # it comes after the last spikes


def test_the_gradient_of_activity_is_exact():
    """One IF neuron, one step: the surrogate's derivative at 0.25 below threshold, over one neuron and sample."""
    neuron, x = IF(), torch.tensor([[[0.75]]], requires_grad=True)
    (QUIET + activity())(Spiking(nn.Sequential(neuron, nn.Linear(1, 2))), (x, torch.tensor([0])), G)[0].backward()
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(neuron.spike.derivative(torch.tensor(-0.25)).item())


def test_spikes_that_carry_a_learnt_threshold_are_counted_as_units():
    model = Spiking(nn.Sequential(ATLIF(v_threshold=2.0), nn.Linear(2, 2)))
    xs = torch.full((4, 1, 2), 1.0)
    assert run(activity(), model, (xs, torch.tensor([0])))[0] == 2.0
    assert run(activity(measure=delivered), model, (xs, torch.tensor([0])))[0] == 4.0


def test_rates_are_weighted_by_size_and_agree_with_the_profile():
    numbers = run(logged_rates())[1]
    assert {name: numbers[name] for name in numbers if "firing" in name} == {
        "firing_rate": pytest.approx(2 / 3),
        "firing_rate of first": 0.75,
        "firing_rate of second": 0.5,
    }
    assert numbers["firing_rate"] == pytest.approx(count_spikes(Spiking(Numbered()), XS).firing_rate())


def test_one_forward_pass_serves_all():
    calls = []

    class Watch(Numbered):
        def forward(self, x):
            calls.append(1)
            return super().forward(x)

    total, numbers = (rate_cross_entropy() + 0.1 * activity() + rate_band(upper=0.1) + logged_rates())(
        Spiking(Watch()), BATCH, G
    )
    assert len(calls) == 1
    assert {"loss", "accuracy", "activity", "rate outside band", "firing_rate"} <= set(numbers)
    expected = run(activity())[0] * 0.1 + run(rate_band(upper=0.1))[0] + numbers["loss"].item()
    assert total.item() == pytest.approx(expected)


def test_training_with_the_penalty_makes_spikes_rarer():
    g = torch.Generator().manual_seed(0)
    x = torch.rand(64, 4, generator=g)
    y = (x[:, 0] > x[:, 1]).long()
    rates = []
    for factor in (0.0, 1.0):
        torch.manual_seed(0)
        model = Spiking(nn.Sequential(nn.Linear(4, 16), IF(), nn.Linear(16, 2)))
        loss = rate_cross_entropy(timesteps=4) + factor * activity() + logged_rates()
        config = FitConfig(epochs=30, optimizer=SGD(lr=0.2, weight_decay=0.0))
        rates.append(fit(model, loss, [(x, y)], None, config)[-1]["firing_rate"])
    assert rates[1] < 0.5 * rates[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: activity(measure="spikes"), r"activity\.measure: got 'spikes'; expected a function: unit_spikes or"),
        (lambda: rate_band(lower=-0.1), r"rate_band\.lower: got -0\.1; expected a finite number of at least 0"),
        (lambda: rate_band(upper="1"), r"rate_band\.upper: got '1'"),
        (lambda: rate_band(lower=0.5, upper=0.1), r"rate_band: got lower=0\.5, upper=0\.1; expected lower of at most"),
        (
            lambda: (QUIET + activity(measure=unit_spikes))(Spiking(LI()), BATCH, G),
            r"activity: got a network without neurons that fire; expected at least one layer",
        ),
        (lambda: logged_rates()(Spiking(IF()), BATCH, G), r"logged_rates: got no other loss beside it"),
    ],
)
def test_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
