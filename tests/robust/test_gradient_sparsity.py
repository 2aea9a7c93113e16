"""The penalty on the input gradient: closed forms, limits, gradients, and what is refused."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from spikewright.attack import FGSM, Linf
from spikewright.coding import last, repeat
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.core.fused import fused
from spikewright.core.packing import packed_spikes
from spikewright.robust import Attacked, View, adversarial, gradient_sparsity, row_sums
from spikewright.robust.gradient_sparsity import against_rival, squared_quotient, strongest_rival
from spikewright.train import SGD, FitConfig, fit, rate_cross_entropy
from spikewright.train.launch import launched
from tests.robust.conftest import T, gradients, network, same, smooth


def ce(timesteps: int = T):
    return rate_cross_entropy(timesteps=timesteps)


def penalty(model: nn.Module, batch, *, timesteps: int = T, step: float = 0.01) -> float:
    loss = gradient_sparsity(ce(timesteps), weight=1.0, step=step)
    _, log = loss(model, batch, torch.Generator())
    return float(log["gradient penalty"])


def test_two_classes_are_the_softmax_of_all_made_whole_again() -> None:
    z, y = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 0])
    rival = strongest_rival(z, y)
    assert (rival != y).all()
    full = z.softmax(1)
    own, other = full.gather(1, y[:, None])[:, 0], full.gather(1, rival[:, None])[:, 0]
    assert torch.allclose(against_rival(z, y, rival), own / (own + other))
    assert torch.allclose(against_rival(z + 100, y, rival), against_rival(z, y, rival), atol=1e-5)


def test_a_linear_model_has_a_closed_form() -> None:
    """z = (w x, 0): v = sign w, and the penalty is ((sigmoid(w x + h |w|_1) - sigmoid(w x)) / h)^2."""
    w, x = torch.tensor([[0.5, -2.0, 0.25]], dtype=torch.float64), torch.tensor([[0.3, 0.1, 0.9]], dtype=torch.float64)
    layer = nn.Linear(3, 2, bias=False).double()
    layer.weight.data = torch.cat([w, torch.zeros_like(w)])
    at = float((w * x).sum())
    for h in (0.01, 0.1):
        expected = ((1 / (1 + math.exp(-at - h * 2.75)) - 1 / (1 + math.exp(-at))) / h) ** 2
        found = penalty(Spiking(layer), (x, torch.tensor([0])), timesteps=1, step=h)
        assert found == pytest.approx(expected, rel=1e-12)


def norms(model: Spiking, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """l1 norm of every sample's gradient of its probability, [N]."""
    x = x.clone().requires_grad_()
    z = model(x[None])[0]
    p = against_rival(z, y, strongest_rival(z.detach(), y))
    (g,) = torch.autograd.grad(p.sum(), x)
    return g.abs().flatten(1).sum(1)


def test_a_smooth_model_has_the_norm_as_limit_with_an_error_of_h() -> None:
    model = smooth()
    x = torch.rand(1, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([1])
    exact = float(norms(model, x, y)[0])
    errors = [abs(penalty(model, (x, y), timesteps=1, step=h) ** 0.5 - exact) for h in (1e-2, 1e-3, 1e-4)]
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert errors[2] < 1e-4 * exact


def test_vulnerabilities_at_random_and_at_worst_are_the_two_norms() -> None:
    """E (p(x + eps u) - p(x))^2 -> eps^2 |g|_2^2 / 3, and the largest such square -> eps^2 |g|_1^2."""
    model = smooth()
    x, y = torch.rand(1, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), torch.tensor([1])
    rival = strongest_rival(model(x[None])[0].detach(), y)
    at = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(against_rival(model(at[None])[0], y, rival).sum(), at)
    eps, draws = 1e-3, 2 * torch.rand(20_000, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 1

    def moved(d: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            p = against_rival(model((x + eps * d)[None])[0], y.expand(len(d)), rival.expand(len(d)))
            return (p - against_rival(model(x[None])[0], y, rival)).square()

    random, worst = float(moved(draws).mean()), float(moved(g.sign()))
    assert random == pytest.approx(float(eps**2 * g.square().sum() / 3), rel=0.03)
    assert worst == pytest.approx(float(eps**2 * g.abs().sum() ** 2), rel=0.01)
    assert 3 * 0.95 <= worst / random <= 3 * 5 * 1.05


@pytest.mark.parametrize("training", [True, False])
def test_its_gradient_is_the_numerical_one(training: bool) -> None:
    """v held fixed, as the loss does: signs do not change for small changes of the weights. Batch norm in both modes."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=True), nn.Sigmoid(), nn.Linear(4, 3))
    model = Spiking(net).double().train(training)
    x = torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y, loss = torch.tensor([0, 1, 2, 0]), gradient_sparsity(ce(1), weight=0.5, step=0.1)
    weight = net[0].weight

    def value(w: torch.Tensor) -> torch.Tensor:
        net[0]._parameters["weight"] = w
        return loss(model, (x, y), torch.Generator())[0]

    start = weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(value, (start,), atol=1e-6)


def test_gradient_is_the_formula_over_both_passes(batch) -> None:
    """dR/dtheta = 2 / (N h^2) sum (p2 - p1)(dp2 - dp1), with norms in eval."""
    model, h = network().eval(), 0.1
    x, y = batch
    at = x.clone().requires_grad_()
    z = model(at.expand(T, *x.shape)).mean(0)
    rival = strongest_rival(z.detach(), y)
    p1 = against_rival(z, y, rival)
    (g,) = torch.autograd.grad(p1.sum(), at, retain_graph=True)
    p2 = against_rival(model((x + h * g.sign()).expand(T, *x.shape)).mean(0), y, rival)
    parameters = list(model.parameters())
    factor = 2 * (p2 - p1).detach() / (len(y) * h**2)
    expected = torch.autograd.grad((factor * (p2 - p1)).sum(), parameters)
    plain = gradients(model, ce(), batch)
    found = gradients(model, gradient_sparsity(ce(), weight=1.0, step=h), batch)
    for a, b, c in zip(found, plain, expected):
        assert torch.allclose(a - b, c, rtol=1e-3, atol=1e-4)
    assert penalty(model, batch, step=h) == pytest.approx(float(squared_quotient(p1, p2, h).detach()), rel=1e-5)
    assert any(part.abs().max() > 0 for part in expected)


def test_weight_zero_is_the_loss_itself_bit_for_bit(batch) -> None:
    model = network()
    other = copy.deepcopy(model)
    assert same(gradients(model, ce(), batch), gradients(other, gradient_sparsity(ce(), weight=0.0), batch))
    assert torch.equal(model.module[1].running_mean, other.module[1].running_mean)


def test_batch_norm_tracks_the_clean_pass_alone(batch) -> None:
    model = network()
    other = copy.deepcopy(model)
    gradients(model, ce(), batch)
    gradients(other, gradient_sparsity(ce(), weight=1.0, step=0.5), batch)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values()))


def test_no_penalty_where_the_input_has_no_effect() -> None:
    model = smooth()
    model.module[0].weight.data.zero_()
    x, y = torch.rand(2, 5, dtype=torch.float64), torch.tensor([0, 1])
    loss = gradient_sparsity(ce(1), weight=1.0)
    _, log = loss(model, (x, y), torch.Generator())
    assert log["gradient penalty"] == 0
    assert log["unchanged"] == 1


def test_the_share_of_samples_without_a_flip_is_logged() -> None:
    """A neuron far from its threshold does not flip; one at the threshold does."""
    from spikewright.neurons import IF

    layer = nn.Linear(1, 2, bias=False)
    layer.weight.data = torch.tensor([[1.0], [0.0]])
    model = Spiking(nn.Sequential(layer, IF()))
    x, y = torch.tensor([[0.2], [0.999]]), torch.tensor([0, 0])
    _, log = gradient_sparsity(ce(1), weight=1.0, step=0.01)(model, (x, y), torch.Generator())
    assert log["unchanged"] == 0.5


def test_one_sample_and_huge_logits(batch) -> None:
    model = network().eval()
    model.module[8].weight.data.mul_(1e4)
    model.module[8].bias.data.mul_(1e4)
    value, log = gradient_sparsity(ce(), weight=1.0)(model, (batch[0][:1], batch[1][:1]), torch.Generator())
    assert torch.isfinite(value)
    assert torch.isfinite(log["gradient penalty"])
    huge = torch.tensor([[1e4, -1e4]])
    assert against_rival(huge, torch.tensor([1]), torch.tensor([0])) == 0


def test_a_random_encoder_draws_the_same_in_both_passes(batch) -> None:
    drawn = []

    def noisy(x: torch.Tensor, steps: int, *, generator: torch.Generator) -> torch.Tensor:
        drawn.append(torch.rand(1, generator=generator))
        return repeat(x + drawn[-1], steps)

    gradients(network(), gradient_sparsity(rate_cross_entropy(timesteps=T, encode=noisy), weight=1.0), batch)
    assert drawn[0] == drawn[1]


def test_half_precision_is_computed_wide() -> None:
    z = torch.tensor([[1.0, 1.001]], dtype=torch.bfloat16)
    assert against_rival(z, torch.tensor([0]), torch.tensor([1])).dtype == torch.float32


def test_fused_neurons_and_packed_spikes_give_the_gradients_of_step_by_step(batch) -> None:
    loss = gradient_sparsity(ce(), weight=0.1, step=0.1)
    expected = gradients(network(), loss, batch)
    for pack in (False, True):
        if pack:
            with packed_spikes():
                found = gradients(network(run=fused), loss, batch)
        else:
            found = gradients(network(run=fused), loss, batch)
        assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(found, expected))


def test_it_goes_into_adversarial_training_and_other_losses_go_around_it(batch) -> None:
    view = View(timesteps=T)
    loss = adversarial(gradient_sparsity(ce(), weight=0.01), Attacked(), view) + 0.1 * row_sums()
    value, log = loss(network(), batch, torch.Generator().manual_seed(0))
    assert torch.isfinite(value)
    assert set(log) == {"loss", "accuracy", "gradient penalty", "unchanged", "row sums"}


def test_training_makes_the_gradient_smaller() -> None:
    draws = torch.Generator().manual_seed(0)
    x = torch.rand(64, 5, dtype=torch.float64, generator=draws)
    y = (x[:, 0] > x[:, 1]).long()
    found = {}
    for weight in (0.0, 0.5):
        model = smooth(classes=2)
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        for _ in range(60):
            optimizer.zero_grad()
            gradient_sparsity(ce(1), weight=weight)(model, (x, y), draws)[0].backward()
            optimizer.step()
        found[weight] = float(norms(model, x, y).mean())
    assert found[0.5] < 0.8 * found[0.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": -1.0}, r"gradient_sparsity\.weight: got -1\.0; expected a finite number at least 0"),
        ({"weight": math.nan}, r"gradient_sparsity\.weight: got nan"),
        ({"weight": 1.0, "step": 0}, r"gradient_sparsity\.step: got 0; expected a finite number above 0"),
    ],
)
def test_bad_numbers_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        gradient_sparsity(ce(), **arguments)


def test_what_has_no_gradient_or_no_classes_is_refused(batch) -> None:
    with pytest.raises(ArgumentError, match=r"gradient_sparsity\.loss: got Loss; expected a loss of one forward pass"):
        gradient_sparsity(row_sums(), weight=1.0)
    cut = rate_cross_entropy(timesteps=T, encode=lambda x, steps: repeat(x.detach(), steps))
    with pytest.raises(ArgumentError, match=r"gradient_sparsity: got no gradient at the input; .*e\.g\. repeat"):
        gradients(network(), gradient_sparsity(cut, weight=1.0), batch)
    loss, one = gradient_sparsity(ce(1), weight=1.0, readout=last), (torch.zeros(1, 2), torch.tensor([0]))
    with pytest.raises(ShapeError, match=r"got a read-out of shape \[1, 1\]; expected logits \[N, K\] of two classes"):
        loss(Spiking(nn.Linear(2, 1)), one, torch.Generator())


@pytest.mark.parametrize("attacked", [False, True])
def test_it_trains_in_mixed_precision(attacked, batch) -> None:
    """It takes a gradient of its own through what makes the precision mixed."""
    loss = gradient_sparsity(ce(), weight=0.1)
    if attacked:
        examples = Attacked(search=FGSM(), budget=Linf(eps=8 / 255))
        loss = adversarial(loss, examples, View(timesteps=T))
    with launched("cpu", "bf16-mixed") as fabric:
        (row,) = fit(network(), loss, [batch] * 2, None, FitConfig(epochs=1, optimizer=SGD(lr=0.1)), fabric=fabric)
    assert math.isfinite(row["loss"])
    assert row["gradient penalty"] > 0
