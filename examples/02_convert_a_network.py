"""A trained ReLU network becomes a spiking one: accuracy at every number of time steps, from one run."""

from spikewright.convert import OPI, convert
from spikewright.data import Batches, cifar10
from spikewright.experiments.network import load_network
from spikewright.train import accuracy_over_time

network = load_network("cifar10_resnet20_relu").model  # or any trained torch.nn.Module of yours
calibration = Batches(cifar10.load(split="calibration"), 100)  # training images, to set the thresholds
test = Batches(cifar10.load(split="sample").subset(50), 50)

conversion = convert(network, OPI(), calibration)
judged = accuracy_over_time(conversion.model, test, timesteps=16, source=conversion.source)
print(judged.table(at=(1, 2, 4, 8, 16)).to_markdown())
