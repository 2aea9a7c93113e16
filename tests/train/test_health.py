"""Health at the first batch: each fault planted and found, with its advice; and a sound network left as it is."""

import copy
import math

import pytest
import torch
from torch import nn

from spikewright.core import Rectangle, Spiking
from spikewright.core.errors import ArgumentError
from spikewright.layers import threshold_batch_norm
from spikewright.neurons import IF
from spikewright.sparsity import activity
from spikewright.train import Loss, check_health, cross_entropy, rate_cross_entropy
from spikewright.train.health import findings_of_gradient, findings_of_spikes

LOSS = rate_cross_entropy(timesteps=4)
X, Y = torch.rand(8, 6, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3


def network(neuron=None, *, norm=True):
    torch.manual_seed(0)
    return Spiking(
        nn.Sequential(
            nn.Linear(6, 16),
            threshold_batch_norm(16, axes=0) if norm else nn.Identity(),
            IF() if neuron is None else neuron,
            nn.Linear(16, 3),
        )
    )


def told(health):
    return {layer: finding.what for layer, finding in health.findings}


def test_a_sound_network_has_no_finding_and_stays_as_it_is():
    model = network()
    model.eval()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    health = check_health(model, LOSS + 0.1 * activity(), (X, Y))
    assert health.sound, told(health)
    assert [layer.layer for layer in health.layers] == ["2", "0.weight", "3.weight"]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(part.training for part in model.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert health.report().summary == "Nothing is wrong."


def test_numbers_are_those_of_the_pass():
    model = network(norm=False)
    health = check_health(model, LOSS, (X, Y))
    value, _ = LOSS(model, (X, Y), torch.Generator())
    value.backward()
    assert health.loss == pytest.approx(value.item())
    rows = {row[0]: row for row in health.table().rows}
    assert rows["0.weight"][4] == pytest.approx(model.module[0].weight.grad.norm().item())
    assert rows["0.weight"][5] == pytest.approx(model.module[0].weight.norm().item())
    spikes = model.module[2].over_time(model.module[0](X).expand(4, 8, 16))
    assert rows["2"][1] == pytest.approx(spikes.mean().item())
    assert rows["2"][2] == pytest.approx((spikes.flatten(0, 1).sum(0) == 0).float().mean().item())
    assert rows["2"][3] == pytest.approx((spikes.flatten(0, 1).mean(0) == 1).float().mean().item())


def test_a_dead_layer_is_found_and_what_it_does_to_gradients():
    found = told(check_health(network(IF(v_threshold=50.0, spike=Rectangle())), LOSS, (X, Y)))
    assert found["2"] == "No neuron fires"
    assert found["0.weight"] == "Its gradient is zero"
    assert found["3.weight"] == "Its gradient is zero"


def test_a_saturated_layer_is_found():
    found = told(check_health(network(IF(v_threshold=1e-3, start=10.0 / 1e-3), norm=False), LOSS, (X, Y)))
    assert found["2"] == "100% of the neurons fire at every step for every sample"


def test_a_vanishing_gradient_is_found():
    class Faint(nn.Module):
        def forward(self, x):
            return 1e-9 * x + (1 - 1e-9) * x.detach()

    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Linear(6, 16), Faint(), IF(), nn.Linear(16, 3)))
    found = told(check_health(model, LOSS, (X, Y)))
    assert found["0.weight"].startswith("Its gradient vanishes: ")


def test_an_exploding_gradient_is_found():
    found = told(check_health(network(), 1e6 * LOSS, (X, Y)))
    assert found["3.weight"].startswith("Its gradient explodes: ")


def test_a_weight_that_nothing_reaches_is_found():
    model = network()
    model.unused = nn.Linear(2, 2)
    assert told(check_health(model, LOSS, (X, Y)))["unused.weight"] == "The loss does not depend on it"


def test_nan_is_found_where_it_begins_and_the_table_holds_it():
    model = network(norm=False)
    with torch.no_grad():
        model.module[3].weight[0, 0] = math.nan
    health = check_health(model, LOSS, (X, Y))
    found = told(health)
    assert found["loss"] == "The loss is nan"
    assert found["3.weight"] == "Its gradient or weight is NaN or infinite"
    assert "2" not in found
    assert "loss: The loss is nan. Look at" in health.report().summary
    assert health.table().to_markdown()


def test_ordinary_networks_have_gradients_too():
    health = check_health(nn.Sequential(nn.Linear(6, 3)), cross_entropy(), (X, Y))
    assert health.sound
    assert [layer.layer for layer in health.layers] == ["0.weight"]


def test_a_loss_without_gradient():
    health = check_health(network(), Loss(lambda model, batch, generator: (torch.tensor(1.0), {})), (X, Y))
    assert set(told(health).values()) == {"The loss does not depend on it"}


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ((0.0, 1.0, 0.0), "No neuron fires"),
        ((0.01, 0.95, 0.0), "95% of the neurons fire for no sample"),
        ((0.95, 0.0, 0.92), "92% of the neurons fire at every step for every sample"),
        ((math.nan, 0.0, 0.0), "Its output is NaN or infinite"),
        ((0.2, 0.9, 0.0), None),
    ],
)
def test_findings_of_spikes(numbers, what):
    found = findings_of_spikes(*numbers)
    assert [finding.what for finding in found] == ([] if what is None else [what])
    assert all(finding.advice.endswith(".") for finding in found)


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ((None, 1.0, 1.0), "The loss does not depend on it"),
        ((math.inf, 1.0, 1.0), "Its gradient or weight is NaN or infinite"),
        ((0.0, 1.0, 1.0), "Its gradient is zero"),
        ((1e-8, 1.0, 1.0), "Its gradient vanishes: 1e-08 of the largest"),
        ((2e3, 1.0, 2e3), "Its gradient explodes: 2e+03 times its weight"),
        ((2e3, 0.0, 2e3), None),  # a bias that begins at zero
        ((1.0, 1.0, 1.0), None),
    ],
)
def test_findings_of_gradient(numbers, what):
    found = findings_of_gradient(*numbers)
    assert [finding.what for finding in found] == ([] if what is None else [what])


def test_arguments():
    with pytest.raises(ArgumentError, match=r"check_health\.model: got None; .*The order is model, loss, batch"):
        check_health(None, LOSS, (X, Y))
    with pytest.raises(ArgumentError, match=r"check_health\.loss: got CrossEntropyLoss; expected a Loss of"):
        check_health(network(), nn.CrossEntropyLoss(), (X, Y))
