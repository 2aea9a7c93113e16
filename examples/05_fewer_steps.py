"""One trained network, three methods: QCFS, SRP (a rehearsal masks neurons), COS (every layer corrects its counts)."""

from spikewright.convert import COS, QCFS, SRP, convert
from spikewright.data import Batches, load_dataset
from spikewright.experiments.network import load_network
from spikewright.train import accuracy_over_time

network = load_network("cifar10_resnet20_qcfs_l4").model
images = Batches(load_dataset("cifar10", split="sample").subset(20), 20)

for recipe in (QCFS(), SRP(tau=4), COS(rho=4)):
    conversion = convert(network, recipe)
    judged = accuracy_over_time(conversion.model, images, timesteps=4, source=conversion.source)
    print(recipe, conversion.model.phases)  # the phases are the steps that are needed besides T
    print(judged.table(at=(1, 2, 4)).to_markdown())
