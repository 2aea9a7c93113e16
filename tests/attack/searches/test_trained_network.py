"""A trained network, undefended, on real images: noise does little, and attacks of the same size break it."""

import pytest
import torch

from spikewright.attack import FGSM, HART, PGD, Classifier, Linf, RandomNoise, run_attack
from spikewright.convert import QCFS, convert
from spikewright.data import cifar10
from spikewright.experiments.network import load_network


@pytest.fixture(scope="module")
def attacked():
    images, labels = cifar10.load(split="sample").gather(torch.arange(12))
    model = convert(load_network("cifar10_resnet20_qcfs_l4").model, QCFS()).model
    return Classifier(model.eval(), 4, rule=HART(gamma=1.0)), [(images, labels)]


def test_noise_hurts_less_than_a_step_of_its_size_and_ten_steps_break_everything(attacked):
    view, batches = attacked
    results = [run_attack(view, search, Linf(eps=8 / 255), batches) for search in (RandomNoise(draws=2), FGSM(), PGD())]
    noise, step, ten = results
    assert noise.clean_accuracy > 0.7
    assert noise.robust_accuracy - step.robust_accuracy > 0.3
    assert ten.success_rate > 0.95
    assert ten.backwards < 10
