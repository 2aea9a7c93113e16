"""Train a spiking network directly, without a source network: neurons with surrogate derivatives, four time steps."""

import torch
from torch import nn

from spikewright import LIF, Spiking
from spikewright.core import fused
from spikewright.core.seed import seed_all
from spikewright.data import Batches, load_dataset
from spikewright.experiments.cost import cost_of
from spikewright.sparsity import logged_rates
from spikewright.train import SGD, FitConfig, accuracy_of, accuracy_over_time, fit, rate_cross_entropy

T = 4
seed_all(0)
network = Spiking(
    nn.Sequential(
        *(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), LIF()),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), LIF()),
        *(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(128, 10)),
    )
)
for part in network.modules():
    if isinstance(part, LIF):
        part.unroll = fused  # all steps of a layer in one pass, forward and backward

# 500 training images are in the package, which is enough to see a network learn, not to make it good
train = Batches(load_dataset("cifar10", split="calibration"), 50, seed=0)
test = Batches(load_dataset("cifar10", split="sample").subset(100), 100)
loss = rate_cross_entropy(timesteps=T) + logged_rates()
config = FitConfig(epochs=3, optimizer=SGD(lr=0.05))
for row in fit(network, loss, train, test, config, judge=accuracy_of(T)):
    print(f"epoch {row['epoch']}: {100 * row['eval_accuracy']:.1f} % of images the network has not seen")

print(accuracy_over_time(network, test, timesteps=2 * T).table(at=(1, 2, 4, 8)).to_markdown())
cost = cost_of(network, load_dataset("cifar10", split="sample").gather(torch.arange(20))[0], T)
print(f"firing rate {cost.firing_rate:.3f}, {cost.synops / 1e6:.3f} M synaptic operations per image")
