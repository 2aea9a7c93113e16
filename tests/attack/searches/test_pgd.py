"""PGD: a trajectory by hand, and the same points as foolbox finds on a spiking network."""

import pytest
import torch
from torch import nn

from spikewright.attack import HART, L2, PGD, Classifier, Linf, perturb
from spikewright.core.seed import generator
from tests.attack.conftest import small_network


def test_a_trajectory_by_hand():
    """The logit of class 0 is (z0 - 0.6)^2 + z1: the way up goes to 0.6 and on over it, and down in z1."""

    class Valley(nn.Module):
        def forward(self, z):
            height = (z[:, 0] - 0.6) ** 2 + z[:, 1]
            return torch.stack([height, 0 * height], 1)

    x, y = torch.tensor([[0.5, 0.1]], dtype=torch.float64), torch.tensor([0])
    expected = [[0.56, 0.04], [0.62, 0.0], [0.56, 0.0], [0.62, 0.0]]
    for steps, point in enumerate(expected, start=1):
        search = PGD(steps=steps, relative_step=0.3, start=0.0)
        z = perturb(Classifier(Valley()), search, Linf(eps=0.2), x, y, generator=generator(0))
        torch.testing.assert_close(z, torch.tensor([point], dtype=torch.float64))


@pytest.mark.parametrize("start", [0.5, 1.0])
def test_the_start_is_a_share_of_the_budget(start, images, labels, network):
    budget = Linf(eps=0.2, low=-9, high=9)
    view = Classifier(network, 3)
    z = perturb(view, PGD(steps=1, relative_step=1e-9, start=start), budget, images, labels, generator=generator(0))
    size = (z - images).abs().max()
    assert 0.9 * 0.2 * start < size <= 0.2 * start + 1e-6


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.08), ("L2", 0.6)])
@pytest.mark.parametrize("steps", [1, 12])
def test_foolbox_finds_the_same_points(norm, eps, steps, images):
    foolbox = pytest.importorskip("foolbox")
    view = Classifier(small_network(), 3, rule=HART(gamma=1.0)).eval()
    y = view(images).argmax(1)
    theirs = {"Linf": foolbox.attacks.LinfPGD, "L2": foolbox.attacks.L2PGD}[norm]
    attack = theirs(rel_stepsize=0.2, steps=steps, random_start=False)
    model = foolbox.PyTorchModel(view, bounds=(0, 1), device="cpu")
    expected = attack.run(model, images, foolbox.criteria.Misclassification(y), epsilon=eps)
    budget = {"Linf": Linf, "L2": L2}[norm](eps=eps)
    search = PGD(steps=steps, relative_step=0.2, start=0.0)
    ours = perturb(view, search, budget, images, y, generator=generator(0))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
    assert (ours - images).abs().max() > 0.05 * eps
