"""Losses of spiking networks: by hand, sums that run the model once, sequences and encoders, bad input."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.coding import last, poisson, repeat
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.neurons import IF, LI
from spikewright.train import (
    SGD,
    FitConfig,
    Loss,
    cross_entropy,
    fit,
    last_cross_entropy,
    logged_accuracy,
    max_membrane_cross_entropy,
    rate_cross_entropy,
    readout_distillation,
    tet,
)

G = torch.Generator()
SAME = Spiking(nn.Identity())
"""Gives what it gets, so that a batch is the output [T, N, K]."""
LOG3 = math.log(3)
OUT = torch.tensor([[[LOG3, 0.0]], [[0.0, LOG3]], [[2 * LOG3, 0.0]]], dtype=torch.float64)  # T = 3, N = 1, K = 2
Y = torch.tensor([0])


def value(loss, x=OUT, y=Y, model=SAME):
    found, numbers = loss(model, (x, y), G)
    return found.item(), {name: number.item() for name, number in numbers.items()}


def test_rate_by_hand():
    """Mean logits (ln 3, ln 3 / 3): the right class has 1 / (1 + 3^(-2/3))."""
    found, numbers = value(rate_cross_entropy())
    assert found == pytest.approx(math.log(1 + 3 ** (-2 / 3)))
    assert numbers == {"loss": found, "accuracy": 1.0}


def test_last_and_max_membrane_by_hand():
    assert value(last_cross_entropy())[0] == pytest.approx(math.log(10 / 9))
    assert value(max_membrane_cross_entropy())[0] == pytest.approx(math.log(1 + 1 / 3))
    assert value(max_membrane_cross_entropy(), y=torch.tensor([1]))[1]["accuracy"] == 0.0


def test_tet_by_hand():
    """Steps: ln(4/3), ln 4, ln(10/9); squares to 1: three outputs of 0, two of ln 3, one of 2 ln 3."""
    each = (math.log(4 / 3) + math.log(4) + math.log(10 / 9)) / 3
    square = (3 + 2 * (LOG3 - 1) ** 2 + (2 * LOG3 - 1) ** 2) / 6
    assert value(tet(lamb=0.0))[0] == pytest.approx(each)
    assert value(tet(lamb=0.25, means=1.0))[0] == pytest.approx(0.75 * each + 0.25 * square)
    assert value(tet(lamb=1.0, means=0.0))[0] == pytest.approx((2 * LOG3**2 + 4 * LOG3**2) / 6)


def test_of_one_step_all_losses_are_the_cross_entropy():
    x, y = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 0])
    expected = F.cross_entropy(x[0], y, label_smoothing=0.1).item()
    for make in (rate_cross_entropy, last_cross_entropy, max_membrane_cross_entropy, partial(tet, lamb=0.0)):
        assert value(make(label_smoothing=0.1), x, y)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "make", [rate_cross_entropy, last_cross_entropy, max_membrane_cross_entropy, tet], ids=lambda make: make.__name__
)
def test_gradient(make):
    z = torch.randn(3, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = make(label_smoothing=0.1)
    assert torch.autograd.gradcheck(lambda x: loss(SAME, (x, torch.tensor([3, 1])), G)[0], z)


def test_the_gradient_of_tet_at_equal_outputs_is_that_of_the_rate():
    z = torch.randn(1, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([3, 1])
    found = []
    for loss in (tet(lamb=0.0), rate_cross_entropy()):
        x = z.repeat(5, 1, 1).requires_grad_()
        loss(SAME, (x, y), G)[0].backward()
        found.append(x.grad)
    torch.testing.assert_close(*found)


def test_images_are_repeated_and_sequences_taken_as_they_are():
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append(x.clone())
            return x

    model, x, y = Spiking(Watch()), torch.rand(2, 3), torch.tensor([0, 2])
    a = rate_cross_entropy(timesteps=4)(model, (x, y), G)[0]
    b = rate_cross_entropy()(model, (repeat(x, 4), y), G)[0]
    assert torch.equal(*seen)
    assert torch.equal(a, b)


def test_a_random_encoder_draws_from_the_generator_of_the_batch():
    x, y = torch.rand(2, 3), torch.tensor([0, 2])
    loss = rate_cross_entropy(timesteps=4, encode=poisson)
    found = [loss(SAME, (x, y), torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)]
    expected = F.cross_entropy(poisson(x, 4, torch.Generator().manual_seed(1)).mean(0), y)
    assert torch.equal(found[0], expected)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


class Counting(nn.Module):
    runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return x


def test_a_sum_runs_the_model_once_and_logs_all():
    inner, teacher = Counting(), nn.Linear(3, 3)
    model, batch = Spiking(inner), (torch.rand(2, 3), torch.tensor([0, 2]))
    parts = (
        rate_cross_entropy(timesteps=4),
        0.5 * tet(timesteps=4),
        readout_distillation(teacher, temperature=2.0),
        logged_accuracy("at the end", readout=last),
    )
    total, numbers = (parts[0] + parts[1] + 2.0 * parts[2] + parts[3])(model, batch, G)
    assert inner.runs == 1
    assert set(numbers) == {"loss", "accuracy", "distillation", "at the end"}
    alone = [(rate_cross_entropy(timesteps=4) + part)(model, batch, G)[0] for part in parts[2:]]
    first = parts[0](model, batch, G)[0]
    torch.testing.assert_close(total, first + parts[1](model, batch, G)[0] + 2 * (alone[0] - first) + alone[1] - first)


def test_losses_on_other_input_run_it_again():
    inner = Counting()
    loss = rate_cross_entropy(timesteps=2) + rate_cross_entropy(timesteps=3)
    loss(Spiking(inner), (torch.rand(2, 3), torch.tensor([0, 2])), G)
    assert inner.runs == 2


def test_a_loss_of_ones_own_adds_up_too():
    constant = Loss(lambda model, batch, generator: (torch.tensor(2.0), {"own": torch.tensor(1.0)}))
    found, numbers = value(constant + rate_cross_entropy())
    assert found == pytest.approx(2 + value(rate_cross_entropy())[0])
    assert set(numbers) == {"own", "loss", "accuracy"}


def test_distillation_is_of_the_mean_output_and_gives_it_a_gradient():
    teacher = nn.Linear(3, 2)
    x = torch.rand(4, 3)
    model = Spiking(nn.Linear(3, 2))
    model.module.load_state_dict(teacher.state_dict())
    _, numbers = (rate_cross_entropy(timesteps=5) + readout_distillation(teacher))(model, (x, torch.ones(4).long()), G)
    assert numbers["distillation"].item() == pytest.approx(0, abs=1e-6)
    other = Spiking(nn.Linear(3, 2))
    loss = 0.0 * rate_cross_entropy(timesteps=5) + readout_distillation(teacher)
    loss(other, (x, torch.ones(4).long()), G)[0].backward()
    assert other.module.weight.grad.abs().sum() > 0
    assert teacher.weight.grad is None


def test_it_trains_in_the_loop():
    g = torch.Generator().manual_seed(0)
    x = torch.rand(64, 4, generator=g)
    y = (x[:, 0] > x[:, 1]).long()
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Linear(4, 16), IF(), nn.Linear(16, 2), LI()))
    loss = rate_cross_entropy(timesteps=4) + 0.5 * tet(timesteps=4)
    history = fit(model, loss, [(x, y)], None, FitConfig(epochs=40, optimizer=SGD(lr=0.3, weight_decay=0.0)))
    assert history[-1]["accuracy"] > 0.9 > history[0]["accuracy"]


BAD = {
    "timesteps": (lambda: rate_cross_entropy(timesteps=0), r"loss\.timesteps: got 0; expected a whole number of at le"),
    "text": (lambda: tet(timesteps="4"), r"loss\.timesteps: got '4'"),
    "encode": (lambda: tet(timesteps=4, encode="repeat"), r"loss\.encode: got 'repeat'; expected a function"),
    "smoothing": (
        lambda: last_cross_entropy(label_smoothing=1.5),
        r"last_cross_entropy\.label_smoothing: got 1\.5; expected a number in 0\.\.1",
    ),
    "lamb": (lambda: tet(lamb=-0.1), r"tet\.lamb: got -0\.1; expected a number in 0\.\.1"),
    "means": (lambda: tet(means=math.nan), r"tet\.means: got nan; expected a finite number"),
    "readout": (lambda: rate_cross_entropy(readout="mean"), r"rate_cross_entropy\.readout: got 'mean'; expected a f"),
    "teacher": (lambda: readout_distillation(None), r"readout_distillation\.teacher: got None"),
    "temperature": (lambda: readout_distillation(SAME, temperature=0), r"readout_distillation\.temperature: got 0"),
    "ordinary network": (
        lambda: rate_cross_entropy()(nn.Identity(), (OUT, Y), G),
        r"loss\.model: got Identity; expected a Spiking network\. Wrap a network of neurons",
    ),
    "alone": (
        lambda: logged_accuracy()(SAME, (OUT, Y), G),
        r"logged_accuracy: got no other loss beside it; expected a sum of losses\. .*rate_cross_entropy\(timesteps=4\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_arguments(name):
    call, message = BAD[name]
    with pytest.raises(ArgumentError, match=message):
        call()


def test_batches_must_fit():
    with pytest.raises(DataError, match=r"labels: got values 2\.\.2; expected 0\.\.1"):
        value(tet(), y=torch.tensor([2]))
    with pytest.raises(ShapeError, match=r"tet: got output of shape \[3, 1, 2\] and labels of shape \[2\]; expected"):
        value(tet(), y=torch.tensor([0, 1]))
    with pytest.raises(ShapeError, match=r"rate_cross_entropy: got output of shape \[3, 1, 2, 2\]"):
        value(rate_cross_entropy(), OUT.unsqueeze(-1).expand(3, 1, 2, 2))
    with pytest.raises(ShapeError, match=r"rate_cross_entropy: the network cannot take a batch of shape \[2, 3\]"):
        rate_cross_entropy(timesteps=2)(Spiking(nn.Linear(4, 2)), (torch.zeros(2, 3), torch.tensor([0, 1])), G)


def test_an_ordinary_loss_stays_one():
    logits = torch.tensor([[LOG3, 0.0]])
    assert value(cross_entropy(), logits, model=nn.Identity())[0] == pytest.approx(math.log(4 / 3))
