"""Few steps: QCFS, SRP and COS of one trained network, and COS of a plain ReLU network without any training."""

import torch

from spikewright.convert import COS, QCFS, SRP, ErrorOptimal, convert, per_channel
from spikewright.data import Batches, load_dataset
from spikewright.experiments.network import load_network
from spikewright.train import accuracy_over_time

images = Batches(load_dataset("cifar10", split="sample").subset(20), 20)
calibration, _ = load_dataset("cifar10", split="calibration").gather(torch.arange(200))


def show(conversion):
    judged = accuracy_over_time(conversion.model, images, timesteps=4, source=conversion.source)
    print(conversion.recipe, conversion.model.phases)  # the phases are the steps that are needed besides T
    print(judged.table(at=(1, 2, 4)).to_markdown())


trained = load_network("cifar10_resnet20_qcfs_l4_fine_tune").model
for recipe in (QCFS(), SRP(tau=4), COS(rho=4)):
    show(convert(trained, recipe))

# thresholds with the least error at T = rho stand in for trained ones
recipe = COS(rho=8, threshold=ErrorOptimal(timesteps=8, groups=per_channel))
show(convert(load_network("cifar10_resnet20_relu").model, recipe, calibration))
