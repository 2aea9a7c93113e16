"""Tasks, galleries and the network under test: what does not fit is refused, and the network stays as it was."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spikewright.core import Spiking, Triangle
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.models.classifier import Classifier
from spikewright.neurons import IF
from spikewright.redteam.synthesis import SYNTHESES, AdversarialPatch, FourierTarget, Gallery, Task
from spikewright.redteam.synthesis.task import Draft, best, mean_distance
from spikewright.redteam.synthesis.victim import Victim, fastest_layout, under_test

GREY = torch.full((8, 3, 8, 8), 0.5)
SHORT = AdversarialPatch(steps=12, batch=1, spare=0)


def network(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


def task(**settings) -> Task:
    made = {"network": network(), "target": 1, "backgrounds": GREY, "clean": GREY, "size": 3, "pictures": 2}
    return Task(**{**made, **settings})


def test_the_registry_has_nine_methods():
    names = "AdversarialPatch CPPNInner CPPNTarget FourierInner FourierTarget RFLAGen RFLAPerturb SNAFUE TABOR"
    assert " ".join(SYNTHESES) == names
    assert all(method() == method() for method in SYNTHESES.values())


def test_a_network_over_time_is_told_how_it_is_seen():
    spiking = Spiking(nn.Sequential(nn.Conv2d(3, 4, 3), IF(), nn.Flatten(), nn.Linear(144, 3)))
    with pytest.raises(ArgumentError, match=r"takes sequences; expected a network on images. Wrap it: Classifier"):
        SHORT.search(task(network=spiking))


def test_backgrounds_of_scores_are_never_seen():
    made = task(backgrounds=torch.rand(10, 3, 8, 8))
    assert len(made.seen) == 8
    assert torch.equal(torch.cat((made.seen, made.held_out)), made.backgrounds)
    assert task(whole=True).shape == (8, 8)


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"network": "resnet"}, ArgumentError, r"Task.network: got 'resnet'; expected a network"),
        ({"second": nn.Linear}, ArgumentError, r"Task.second: got the class Linear"),
        ({"target": -1}, ArgumentError, r"Task.target: got -1"),
        ({"size": 9}, ArgumentError, r"Task.size: got 9; expected a whole number from 2 to 8"),
        ({"pictures": 0}, ArgumentError, r"Task.pictures: got 0"),
        ({"whole": "no"}, ArgumentError, r"Task.whole: got 'no'; expected True or False"),
        ({"backgrounds": GREY[:1]}, ShapeError, r"Task.backgrounds: got 1 images of .*; expected at least 2"),
        ({"backgrounds": GREY[:, :1]}, ShapeError, r"Task.backgrounds: got torch.float32 of shape \[8, 1, 8, 8\]"),
        ({"clean": (GREY * 255).to(torch.uint8)}, ShapeError, r"Task.clean: got torch.uint8"),
        ({"clean": GREY * 255}, DataError, r"Task.clean: got values from 127.5 to 127.5; expected values from 0 to 1"),
        ({"backgrounds": GREY * torch.nan}, DataError, r"Task.backgrounds: got values from nan"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_does_not_fit_a_task(settings, error, match):
    with pytest.raises(error, match=match):
        task(**settings)


def spiking_logits() -> nn.Module:
    return Spiking(nn.Sequential(nn.Flatten(), IF(), nn.Linear(192, 3)))


class Broken(nn.Module):
    def forward(self, x):
        return torch.full((len(x), 3), torch.nan)


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"target": 3}, ArgumentError, r"AdversarialPatch.target: got 3; expected a class from 0 to 2"),
        (
            {"network": nn.Conv2d(3, 2, 3)},
            ShapeError,
            r"AdversarialPatch.network: got an output of shape \[2, 2, 6, 6\]",
        ),
        ({"network": nn.Linear(7, 2)}, ShapeError, r"AdversarialPatch: the network cannot take a batch"),
        ({"network": Broken()}, DataError, r"AdversarialPatch.network: got NaN or infinite logits"),
    ],
    ids=["target", "maps", "shape", "nan"],
)
def test_what_does_not_fit_a_network(settings, error, match):
    with pytest.raises(error, match=match):
        SHORT.search(task(**settings))


def test_a_search_wants_a_task():
    with pytest.raises(ArgumentError, match=r"AdversarialPatch.search: got Sequential; expected a Task"):
        SHORT.search(network())


def test_a_network_is_left_as_it_was():
    made = network().train()
    made[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    global_state = torch.get_rng_state()
    SHORT.search(task(network=made))
    assert made.training
    assert [weight.requires_grad for weight in made.parameters()] == [False, True, True, True]
    assert all(weight.grad is None for weight in made.parameters())
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in before.items())
    assert torch.equal(global_state, torch.get_rng_state())


def silent(threshold: float) -> nn.Module:
    torch.manual_seed(0)
    neurons = IF(v_threshold=threshold, spike=Triangle())
    return Classifier(Spiking(nn.Sequential(nn.Conv2d(3, 4, 3), neurons, nn.Flatten(), nn.Linear(144, 3))), timesteps=2)


@pytest.mark.parametrize("method", [SHORT, FourierTarget(steps=12)], ids=["patch", "fourier"])
def test_a_spiking_network_without_a_gradient_is_told(method):
    with pytest.raises(ArgumentError, match=r"got a gradient of zero in all of 10 passes.*SurrogateBPTT"):
        method.search(task(network=silent(1000.0)))


def test_a_gradient_that_is_mostly_zero_is_noted():
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls, self.inner = 0, network()

        def forward(self, x):
            self.calls += x.requires_grad
            return self.inner(x) * (1.0 if self.calls % 4 == 1 else 0.0)

    found = FourierTarget(steps=16).search(task(network=Sometimes()))
    assert found.notes == (
        "no gradient in 12 of 16 passes: the pictures hardly moved; a wider surrogate or other backgrounds may help",
    )


def test_a_loss_that_is_not_finite_is_told():
    class Bursts(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :3] * (1.0 if not x.requires_grad else torch.inf)

    with pytest.raises(
        DataError, match=r"AdversarialPatch: got a loss of .* in step 0; expected finite losses. Lower lr"
    ):
        SHORT.search(task(network=Bursts()))


def test_the_fastest_layout_is_one_the_network_can_take():
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(144, 3)

        def forward(self, x):
            x = self.conv(x)
            return self.head(x.view(len(x), -1))

    assert fastest_layout(Views(), GREY) == torch.contiguous_format
    assert fastest_layout(network(), GREY) == torch.channels_last
    made = Views()
    with under_test(made):
        assert Victim("who", made, 0, GREY).logits(GREY).shape == (8, 3)


def test_the_best_are_kept_in_order():
    pictures = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2) / 4
    draft = Draft(pictures=pictures, losses=torch.zeros(1), scores=torch.tensor([0.1, 0.4, 0.2, 0.4]))
    found = best(draft, 3, "who")
    torch.testing.assert_close(found.scores, torch.tensor([0.4, 0.4, 0.2]))
    assert found.pictures[:, 0, 0, 0].tolist() == [0.25, 0.75, 0.5]
    assert "3 of 3 pictures are of one colour" in found.notes[0]
    unscored = best(replace(draft, scores=None), 2, "who")
    assert bool(unscored.scores.isnan().all())
    with pytest.raises(ArgumentError, match=r"who: got 4 candidates; expected at least 5"):
        best(draft, 5, "who")


def test_distances_by_hand():
    pictures = torch.stack((torch.zeros(3, 2, 2), torch.ones(3, 2, 2), torch.full((3, 2, 2), 0.5)))
    assert mean_distance(pictures) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert mean_distance(pictures[:1]) == 0
    assert Gallery(pictures=pictures, scores=torch.ones(3), losses=torch.ones(1), seconds=1.0).distance > 0.6
