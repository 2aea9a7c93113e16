"""Any network: GELU, layer norm, attention and a class token, converted without training by neurons and exact units."""

import torch

from spikewright.convert import DCGS, HMT, Percentile, convert, rate
from spikewright.data import load_dataset
from spikewright.experiments.network import load_network
from spikewright.models import vit
from spikewright.neurons.firing import MultiThreshold
from spikewright.train import accuracy_over_time

images, labels = load_dataset("cifar10", split="sample").gather(torch.arange(10))
calibration, _ = load_dataset("cifar10", split="calibration").gather(torch.arange(40))


def show(network, recipe, timesteps=4):
    conversion = convert(network, recipe, calibration)
    judged = accuracy_over_time(conversion.model, [(images, labels)], timesteps=timesteps, source=conversion.source)
    print(recipe)
    print(judged.table(at=(1, 2, timesteps)).to_markdown())


# a network of ReLUs: only changes are sent (DCGS), or several binary spikes at once (H-MT); codings are exchangeable
relus = load_network("cifar10_resnet20_relu").model
for recipe in (DCGS(), DCGS(coding=rate), HMT()):
    show(relus, recipe)

# a vision transformer with GELUs, here without training: what counts is how often it agrees with its source
torch.manual_seed(0)
transformer = vit(activation=torch.nn.GELU, patch=8, width=32, depth=2).eval()
eight = MultiThreshold(thresholds=8)
show(transformer, DCGS(encode="everything", firing=eight, threshold=Percentile(), scale=4), timesteps=8)
