"""Compare source and spiking network layer by layer, and let the first layer that goes wrong be named."""

import torch

from spikewright.convert import Percentile, RobustNorm, convert, diagnose
from spikewright.data import Batches, cifar10
from spikewright.experiments.network import load_network

network = load_network("cifar10_resnet20_relu").model
calibration = Batches(cifar10.load(split="calibration"), 100)
images, _ = cifar10.load(split="sample").gather(torch.arange(8))

for percentile in (99.9, 90.0):
    conversion = convert(network, RobustNorm(threshold=Percentile(percentile=percentile)), calibration)
    found = diagnose(conversion, images, timesteps=16)
    print(f"percentile {percentile}: {found.verdict()}")
print(found.table().to_markdown())
