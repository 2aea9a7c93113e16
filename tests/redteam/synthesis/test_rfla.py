"""RFLA: the target's entry of class vectors stays 0, generators stay as they were, the terms have the right signs."""

from dataclasses import replace

import pytest
import torch

from spikewright.core.errors import ShapeError
from spikewright.core.seed import generator
from spikewright.redteam.synthesis import ConvDecoder, PCAGenerator, RFLAGen, RFLALoss, RFLAPerturb
from spikewright.redteam.synthesis.descent import descend
from spikewright.redteam.synthesis.objectives import spread
from spikewright.redteam.synthesis.rfla_gen import scale_of
from spikewright.redteam.synthesis.rfla_loss import Setting
from spikewright.redteam.synthesis.victim import Victim, under_test
from tests.redteam.synthesis.conftest import PATCH, TARGET, drawn, small_cnn, task_of


def conditional() -> PCAGenerator:
    x, y = drawn(120, generator(0))
    return PCAGenerator.fit(x[..., :PATCH, :PATCH], latents=12, labels=y)


def setting_of(task, made=None) -> Setting:
    return Setting.of(task, Victim("RFLAPerturb", task.network, TARGET, task.backgrounds[:2]), made)


@pytest.mark.parametrize("kind", ["pca", "decoder"])
def test_the_targets_entry_of_the_class_vector_stays_zero(kind, trojaned):
    x, y = drawn(40, generator(0))
    made = conditional() if kind == "pca" else ConvDecoder.train_on(x, latents=4, width=8, steps=2, labels=y)
    task = task_of(trojaned)
    method = RFLAPerturb(generator=made, steps=12, slow=1.0)
    with under_test(trojaned), under_test(made):
        setting = setting_of(task, made)
        source = generator(0)
        latents = method.start(setting, source)
        assert latents.c is not None
        start = latents.c.detach().clone()
        torch.testing.assert_close(start.sum(1), torch.ones(len(start)))
        groups = [{"params": list(latents.parameters()), "lr": 0.1}]
        descend(setting.victim, groups, 12, lambda step: method.loss.of(latents(), setting, 2, source))
    assert len(list(latents.parameters())) == 3, "the generator's weights are not trained"
    assert bool((latents.c[:, TARGET] == 0).all())
    others = [label for label in range(4) if label != TARGET]
    assert bool((latents.c[:, others] != start[:, others]).any())


def test_a_generator_is_left_as_it_was_and_a_tuned_one_is_a_function(trojaned):
    made = conditional()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    task = task_of(trojaned)
    with under_test(trojaned):
        tuned = RFLAGen(steps=15, latents=4).tune(setting_of(task, made), generator(0))
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in before.items())
    assert all(weight.requires_grad and weight.grad is None for weight in made.parameters())
    z = torch.randn(6, 12, generator=generator(1))
    patches = tuned(z)
    assert patches.shape == (6, 3, PATCH, PATCH)
    assert torch.equal(patches, tuned(z))
    start = made(z, tuned.classes.expand(6, -1)).detach()
    assert (patches - start).abs().mean() > 0.01
    RFLAPerturb(generator=made, steps=3).search(task)
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in before.items())


def test_tuned_patches_fool_more(trojaned):
    task = task_of(trojaned, pictures=6)
    method = RFLAGen(steps=80, latents=6, samples=1, lr=0.4)
    assert method.search(task).scores.mean() > 5 * replace(method, steps=1).search(task).scores.mean()


def test_diversity_keeps_samples_apart(trojaned):
    task = task_of(trojaned, pictures=6)
    method = RFLAGen(steps=60, latents=6, samples=1)
    assert replace(method, diversity=20.0).search(task).distance > method.search(task).distance


def test_the_second_network_pushes_away_from_the_target(trojaned, clean):
    """Of two pictures with the same attack and variation the one that the second network calls the target costs more."""
    task = task_of(trojaned, second=clean, whole=True)
    x, y = drawn(64, generator(9))
    with torch.no_grad():
        alike, other = x[y == TARGET][:4], x[y == 3][:4]
        only = RFLALoss(attack=0, tv=0, disguise=1, definite=0, copies=2)
        setting = setting_of(task)
        assert only.of(alike, setting, 1, generator(0)).mean() > only.of(other, setting, 1, generator(0)).mean()
        sure = RFLALoss(attack=0, tv=0, disguise=0, definite=1)
        noise = torch.rand(4, 3, 16, 16, generator=generator(3)) * 0.1 + 0.45
        assert sure.of(noise, setting, 1, generator(0)).mean() > sure.of(other, setting, 1, generator(0)).mean()


def test_without_a_second_network_it_is_said(trojaned, clean):
    method, note = RFLAPerturb(steps=2), "no second network: pictures may look like the target class itself"
    assert note in method.search(task_of(trojaned)).notes
    assert note not in method.search(task_of(trojaned, second=clean)).notes


def test_classes_must_fit(trojaned):
    x, _ = drawn(20, generator(0))
    odd = PCAGenerator.fit(x, latents=3, labels=torch.arange(20) % 2)
    with pytest.raises(ShapeError, match=r"RFLAPerturb: got a generator of 2 classes; expected one of 4"):
        RFLAPerturb(generator=odd, steps=2).search(task_of(trojaned))
    second = small_cnn()
    second[-1] = torch.nn.Linear(32, 7)
    with pytest.raises(ShapeError, match=r"RFLAGen: got a second network of 7 classes; expected one of 4"):
        RFLAGen(steps=2).search(task_of(trojaned, second=second))


def test_steps_of_weights_are_shares_of_their_inputs():
    assert scale_of(torch.zeros(5, 4, 2, 2)) == 0.25
    assert scale_of(torch.zeros(0, 4)) == 1.0
    assert float(spread(torch.tensor([[1.0, 0], [2.0, 0], [0, 1.0]]))) == pytest.approx(2 / 3)
