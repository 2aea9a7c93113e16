"""TRADES: the divergence, the attack that is aimed at it, and the two terms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from spikewright.attack import FGSM, PGD, RFGSM, Linf
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.robust import Attacked, Mixture, View, row_sums, trades
from spikewright.robust.examples import Unchanged
from spikewright.robust.trades import AwayFrom, divergence
from spikewright.train import cross_entropy, rate_cross_entropy
from tests.robust.conftest import T, gradients, network, same

VIEW = View(timesteps=T)
CE = rate_cross_entropy(timesteps=T)
ATTACK = Attacked(search=PGD(steps=3), budget=Linf(eps=0.1))


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_divergence_is_that_of_torch_and_zero_at_equal_answers() -> None:
    a, b = torch.randn(2, 4, 3, generator=draws())
    expected = F.kl_div(F.log_softmax(b, 1), F.softmax(a, 1), reduction="none").sum(1)
    assert torch.allclose(divergence(a, b), expected, atol=1e-6)
    assert torch.equal(divergence(a, a), torch.zeros(4))
    assert torch.isfinite(divergence(1e4 * a, -1e4 * a)).all()
    assert torch.autograd.gradcheck(divergence, (a.double().requires_grad_(), b.double().requires_grad_()))


def test_both_terms_by_hand() -> None:
    """A linear network of one value: the divergence grows away from x, so that z lies at an end of the budget."""
    layer = nn.Linear(1, 2, bias=False).double()
    layer.weight.data = torch.tensor([[2.0], [0.0]], dtype=torch.float64)
    x, y = torch.tensor([[0.5]], dtype=torch.float64), torch.tensor([1])
    loss = trades(rate_cross_entropy(timesteps=1), ATTACK, View(timesteps=1), weight=3.0)
    value, log = loss(Spiking(layer), (x, y), draws())
    ends = [divergence(layer(x), layer(x + d)).item() for d in (-0.1, 0.1)]
    assert log["divergence"].item() == pytest.approx(ends[0]) or log["divergence"].item() == pytest.approx(ends[1])
    assert value.item() == pytest.approx(math.log(1 + math.e) + 3 * log["divergence"].item())


def test_the_attack_raises_the_divergence(batch) -> None:
    model = network()
    with torch.no_grad():
        clean = VIEW.of(model.eval())(batch[0])
        model.train()
    z = Attacked(search=PGD(steps=3, objective=AwayFrom(clean)), budget=Linf(eps=0.2)).of(model, batch, VIEW, draws())
    noise = batch[0] + 0.2 * (2 * torch.rand(batch[0].shape, generator=draws(1)) - 1)
    model.eval()
    with torch.no_grad():
        attacked, random = (divergence(clean, VIEW.of(model)(each)).mean() for each in (z, noise.clamp(0, 1)))
    assert attacked > random > 0


def test_weight_zero_is_the_loss_itself_bit_for_bit(batch) -> None:
    assert same(gradients(network(), CE, batch), gradients(network(), trades(CE, ATTACK, VIEW, weight=0.0), batch))


def test_it_logs_both_and_leaves_the_mode(batch) -> None:
    model = network()
    value, log = trades(CE, ATTACK, VIEW)(model, batch, draws())
    assert set(log) == {"loss", "accuracy", "divergence", "attacked accuracy"}
    assert value > log["loss"]
    assert all(part.training for part in model.modules())
    assert model.module[1].num_batches_tracked == 2
    again, _ = trades(CE, ATTACK, VIEW)(network(), batch, draws())
    assert torch.equal(value, again)


def test_without_an_attack_both_passes_are_of_the_same_batch(batch) -> None:
    _, log = trades(CE, Unchanged(), VIEW)(network(), batch, draws())
    assert log["divergence"].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "examples",
    [*(Attacked(search=search) for search in (FGSM(), PGD(start=0), RFGSM(share=0))), Mixture(parts=(ATTACK,))],
    ids=["FGSM", "PGD", "RFGSM", "Mixture"],
)
def test_a_search_that_begins_at_x_is_refused(examples) -> None:
    with pytest.raises(ArgumentError, match=r"trades\.examples: got .*; expected one attack by a search that follows"):
        trades(CE, examples, VIEW)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"trades\.weight: got -1; expected a finite number of at least 0"):
        trades(CE, ATTACK, VIEW, weight=-1)
    with pytest.raises(ArgumentError, match=r"trades\.loss: got Loss; expected a loss of one forward pass"):
        trades(row_sums(), ATTACK, VIEW)
    with pytest.raises(ArgumentError, match=r"trades\.examples: got PGD; expected a Examples"):
        trades(CE, PGD(), VIEW)  # pyright: ignore[reportArgumentType]


def test_an_ordinary_network_has_no_time_to_read_out() -> None:
    linear = nn.Linear(3, 4)
    x, y = torch.rand(5, 3, generator=draws()), torch.arange(5) % 4
    value, log = trades(cross_entropy(), ATTACK, View(), weight=2.0)(linear, (x, y), draws())
    assert float(log["divergence"]) > 0
    assert torch.allclose(value, F.cross_entropy(linear(x), y) + 2 * log["divergence"])
