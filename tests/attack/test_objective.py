"""Objectives: by hand, and what they must not depend on."""

import pytest
import torch

from spikewright.attack import OBJECTIVES, cross_entropy, dlr, margin
from spikewright.core.errors import ArgumentError

Z = torch.tensor([[1.0, 3.0, 2.0, -1.0], [0.5, 0.0, -2.0, 0.25]])
Y = torch.tensor([1, 3])


def test_by_hand():
    assert margin(Z, Y).tolist() == [-1.0, 0.25]
    torch.testing.assert_close(dlr(Z, Y), torch.tensor([-1 / 2, 0.25 / 0.5]))
    torch.testing.assert_close(cross_entropy(Z, Y), torch.logsumexp(Z, 1) - torch.tensor([3.0, 0.25]))


def test_dlr_is_free_of_scale_and_shift():
    torch.testing.assert_close(dlr(7 * Z + 3, Y), dlr(Z, Y))


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_it_rises_when_the_class_loses(objective):
    z = Z.double().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(z, Y).sum(), z)
    assert (gradient.gather(1, Y[:, None]) < 0).all()
    assert torch.autograd.gradcheck(lambda z: objective(z, Y), z)


def test_margin_when_all_rivals_are_negative():
    assert margin(torch.tensor([[-1.0, -3.0]]), torch.tensor([0])).tolist() == [-2.0]


def test_dlr_needs_three_classes():
    with pytest.raises(ArgumentError, match=r"dlr: got 2 classes; expected at least three. Take margin"):
        dlr(torch.zeros(1, 2), torch.tensor([0]))
