"""SAPGD: its step by hand, its schedule, and gradients so small that their squares vanish."""

import pytest
import torch

from spikewright.attack import HART, PGD, SAPGD, Classifier, Linf, run_attack
from spikewright.attack.oracle import Oracle
from spikewright.attack.searches.sapgd import adaptive_step
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator


def test_two_steps_by_hand():
    zero = torch.zeros(1, 2, dtype=torch.float64)
    first = torch.tensor([[3.0, -1.0]], dtype=torch.float64)  # mean 2, mean square 5
    mean, square, change = adaptive_step(zero, zero, first, step=0.1)
    torch.testing.assert_close(mean, torch.tensor([[1.5, -0.5]], dtype=torch.float64))
    torch.testing.assert_close(square, torch.tensor([[1.8, 0.2]], dtype=torch.float64))
    torch.testing.assert_close(change, torch.tensor([[0.1, -0.1]], dtype=torch.float64))  # 0.112, -0.112 are cut
    second = torch.tensor([[-2.0, 2.0]], dtype=torch.float64)
    mean, square, change = adaptive_step(mean, square, second, step=0.1)
    torch.testing.assert_close(mean, torch.tensor([[-0.25, 0.75]], dtype=torch.float64))
    torch.testing.assert_close(square, torch.tensor([[2.44, 1.16]], dtype=torch.float64))
    torch.testing.assert_close(change, 0.1 * mean / square.sqrt())


def test_no_gradient_is_no_step_and_a_small_one_is_a_whole_step():
    zero = torch.zeros(2, 2)
    *_, change = adaptive_step(zero, zero, torch.tensor([[0.0, 0.0], [1e-30, -1e-30]]), step=0.1)
    torch.testing.assert_close(change, torch.tensor([[0.0, 0.0], [0.1, -0.1]]))


def test_samples_do_not_depend_on_each_other():
    gradient = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    zero = torch.zeros(4, 3)
    together = adaptive_step(zero, zero, gradient, step=0.1)[2]
    alone = adaptive_step(zero[:1], zero[:1], gradient[:1], step=0.1)[2]
    torch.testing.assert_close(together[:1], alone)


def test_steps_halve_at_the_checks(network, images):
    view, asked = Classifier(network, 3, rule=HART(gamma=1.0)), []
    oracle = Oracle(view, Linf(eps=0.1, low=-9, high=9), images, view(images).argmax(1))
    gradient = oracle.gradient
    oracle.gradient = lambda z, objective: (asked.append(z), gradient(z, objective))[1]
    last = SAPGD(steps=40, start=0.0).search(oracle, generator(0))
    sizes = [float((b - a).abs().max()) for a, b in zip(asked, [*asked[1:], last])]
    assert len(sizes) == 40
    assert max(sizes[:8]) > 0.05  # checks of 40 steps: 8, 15, 21, 26, 30, 33, 35, 37, 39
    assert max(sizes[8:15]) <= 0.0501
    assert max(sizes[26:30]) <= 0.1 / 16 + 1e-6
    assert sizes[39] <= 0.1 / 512 + 1e-6


def test_it_is_no_weaker_than_pgd(network):
    x = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    view = Classifier(network, 3, rule=HART(gamma=1.0))
    batches = [(x, view(x).argmax(1))]
    pgd, adaptive = (run_attack(view, search, Linf(eps=0.03), batches) for search in (PGD(steps=20), SAPGD(steps=20)))
    assert 0.05 < adaptive.robust_accuracy <= pgd.robust_accuracy + 0.05


def test_wrong_hyper_parameters():
    with pytest.raises(ArgumentError, match=r"SAPGD.steps: got 0"):
        SAPGD(steps=0)
    with pytest.raises(ArgumentError, match=r"SAPGD.start: got -1.0"):
        SAPGD(start=-1.0)
