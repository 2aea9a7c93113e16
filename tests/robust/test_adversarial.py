"""Losses on attacked inputs: which inputs, made how, from which draws."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from spikewright.attack import BPTR, FGSM, L2, PGD, Linf, perturb
from spikewright.coding import as_given
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.core.loss import Loss
from spikewright.robust import Attacked, Mixture, Retraction, View, adversarial
from spikewright.robust.examples import Unchanged
from spikewright.train import SGD, FitConfig, rate_cross_entropy
from spikewright.train.fit import fit
from tests.robust.conftest import T, gradients, network, same

VIEW = View(timesteps=T)
CE = rate_cross_entropy(timesteps=T)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seen_by(examples, batch, model=None, seed: int = 0) -> Tensor:
    """The input that the inner loss is given."""
    given = []

    def run(net, inside, generator):
        given.append(inside[0])
        return torch.zeros((), requires_grad=True), {}

    adversarial(Loss(run), examples, VIEW)(model or network(), batch, draws(seed))
    return given[0]


def test_the_attacked_batch_takes_the_place_of_the_clean_one(batch) -> None:
    model, attack = network(), Attacked(search=PGD(steps=2), budget=Linf(eps=0.1))
    z = seen_by(attack, batch, model)
    expected = perturb(VIEW.of(model), attack.search, attack.budget, *batch, generator=draws())
    assert torch.equal(z, expected)
    assert not z.requires_grad
    assert attack.budget.contains(z, batch[0]).all()
    assert not torch.equal(z, batch[0])


def test_it_is_made_in_eval_and_trained_on_in_training(batch) -> None:
    model, attack, modes = network(), Attacked(budget=Linf(eps=0.1)), []
    model.module[1].register_forward_hook(lambda norm, *_: modes.append(norm.training))
    value, _ = adversarial(CE, attack, VIEW)(model, batch, draws())
    assert modes == [False, True]
    assert model.module[1].num_batches_tracked == 1
    assert all(part.training for part in model.modules())
    other = network()
    z = attack.of(other, batch, VIEW, draws())
    assert torch.equal(value, CE(other, (z, batch[1]), draws())[0])


def test_no_budget_is_the_loss_itself_bit_for_bit(batch) -> None:
    attack = Attacked(search=PGD(steps=2), budget=Linf(eps=0.0))
    assert same(gradients(network(), CE, batch), gradients(network(), adversarial(CE, attack, VIEW), batch))


def test_the_rule_changes_the_attack_alone(batch) -> None:
    found = {rule: seen_by(Attacked(budget=Linf(eps=0.1), rule=rule), batch) for rule in (None, BPTR())}
    assert not torch.equal(*found.values())
    assert Attacked(rule=BPTR()).rule == BPTR()


def test_a_mixture_draws_one_attack_for_each_batch(batch) -> None:
    parts = (
        Attacked(budget=Linf(eps=0.1)),
        Attacked(budget=Linf(eps=0.02)),
        Attacked(search=PGD(steps=2), budget=L2(eps=0.3)),
    )
    own = [seen_by(part, batch, seed=1) for part in parts[:2]]
    counts = [0, 0, 0]
    for seed in range(30):
        z = seen_by(Mixture(parts=parts), batch, seed=seed)
        which = next((place for place, other in enumerate(own) if torch.equal(z, other)), 2)
        counts[which] += 1
        assert torch.equal(z, seen_by(Mixture(parts=parts), batch, seed=seed))
    assert min(counts) >= 4


def test_sequences_are_attacked_as_they_are() -> None:
    """Batches of sequences [T, N, ...]: time stays in front."""
    x = torch.rand(T, 5, 1, 6, 6, generator=draws())
    view, attack = View(timesteps=T, encode=as_given), Attacked(budget=Linf(eps=0.1))
    z = attack.of(network(), (x, torch.tensor([0, 1, 2, 3, 0])), view, draws())
    assert z.shape == x.shape
    assert 0 < float((z - x).abs().max()) <= 0.1 + 1e-6


def test_an_ordinary_network_is_attacked_too(batch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
    z = Attacked(budget=Linf(eps=0.1)).of(model, batch, View(), draws())
    assert not torch.equal(z, batch[0])
    wrapped = Fabric(accelerator="cpu", devices=1).setup(model)
    assert torch.equal(Attacked(budget=Linf(eps=0.1)).of(wrapped, batch, View(), draws()), z)


def test_unchanged_is_the_batch(batch) -> None:
    assert torch.equal(Unchanged().of(network(), batch, VIEW, draws()), batch[0])


CONFIG = FitConfig(epochs=1, optimizer=SGD(lr=0.05, weight_decay=0.0))


def trained(beta: float, batch, *, config: FitConfig = CONFIG, **arguments) -> dict[str, Tensor]:
    model = network()
    loss = adversarial(CE, Mixture(parts=(Attacked(), Attacked(search=PGD(steps=1)))), VIEW)
    fit(model, loss, [batch] * 3, None, config, after_step=Retraction(beta=beta), **arguments)
    return model.state_dict()


def test_beta_zero_is_ordinary_adversarial_training_bit_for_bit(batch) -> None:
    model = network()
    fit(
        model,
        adversarial(CE, Mixture(parts=(Attacked(), Attacked(search=PGD(steps=1)))), VIEW),
        [batch] * 3,
        None,
        CONFIG,
    )
    expected, found = model.state_dict(), trained(0.0, batch)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    other = trained(0.1, batch)
    assert not torch.equal(other["module.0.weight"], expected["module.0.weight"])


def test_a_stopped_training_goes_on_to_the_same_bits(batch, tmp_path) -> None:
    config = replace(CONFIG, epochs=2, checkpoint_steps=1)
    expected = trained(0.1, batch, config=config)
    for minutes in (0, 0, 0):
        trained(0.1, batch, config=config, folder=tmp_path, minutes=minutes)
    found = trained(0.1, batch, config=config, folder=tmp_path)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_one_step_by_hand(batch) -> None:
    """The attacked batch, its loss, SGD and the retraction, written out for a network without batch norm."""
    torch.manual_seed(0)
    linear = nn.Linear(3, 2, bias=False).double()
    x, y = torch.rand(4, 3, dtype=torch.float64, generator=draws()), torch.tensor([0, 1, 0, 1])
    w = linear.weight.detach().clone()

    def loss_at(x: Tensor, w: Tensor) -> Tensor:
        return nn.functional.cross_entropy(x @ w.T, y)

    at = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(loss_at(at, w), at)
    z = (x + 0.1 * g.sign()).clamp(0, 1)
    w.requires_grad_()
    (gw,) = torch.autograd.grad(loss_at(z, w), w)
    stepped = (w - 0.5 * gw).detach()
    expected = 1.1 * stepped - 0.1 * stepped @ stepped.T @ stepped
    model = Spiking(linear)
    loss = adversarial(rate_cross_entropy(timesteps=1), Attacked(budget=Linf(eps=0.1)), View(timesteps=1))
    config = FitConfig(epochs=1, optimizer=SGD(lr=0.5, weight_decay=0.0, momentum=0.0))
    fit(model, loss, [(x, y)], None, config, after_step=Retraction(beta=0.1))
    assert torch.allclose(linear.weight, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attacked(search=FGSM), r"Attacked\.search: got the class FGSM; expected a Search"),
        (lambda: Attacked(budget=0.1), r"Attacked\.budget: got float; expected a Budget"),
        (lambda: Attacked(rule="hart"), r"Attacked\.rule: got 'hart'; expected a gradient rule"),
        (lambda: Mixture(parts=()), r"Mixture\.parts: got no attack; expected at least one"),
        (lambda: Mixture(parts=[Attacked()]), r"Mixture\.parts: got list; expected a tuple of Attacked"),
        (lambda: adversarial(CE, FGSM(), VIEW), r"adversarial\.examples: got FGSM; expected a Examples"),
        (lambda: adversarial(CE, Attacked(), 4), r"adversarial\.view: got int; expected a View"),
        (lambda: adversarial(None, Attacked(), VIEW), r"adversarial\.loss: got None; expected a Loss"),
    ],
)
def test_wrong_arguments_are_named(make, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_the_network_is_as_it_was_after_an_exception(batch) -> None:
    model = copy.deepcopy(network())
    hook = model.module[6].register_forward_hook(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        adversarial(CE, Attacked(), VIEW)(model, batch, draws())
    hook.remove()
    assert all(part.training for part in model.modules())
