"""On events: a spiking network compiled for the CPU, where a silent neuron costs no time; its plan, and a stream."""

import torch

from spikewright.coding import repeat
from spikewright.convert import OPI, convert
from spikewright.core import carry_state
from spikewright.data import load_dataset
from spikewright.experiments.network import load_network
from spikewright.runtime import compile
from spikewright.train import accuracy_over_time

T = 8
images, labels = load_dataset("cifar10", split="sample").gather(torch.arange(8))
calibration, _ = load_dataset("cifar10", split="calibration").gather(torch.arange(40))
model = convert(load_network("cifar10_resnet20_relu").model, OPI(), calibration).model.eval()

# an example shows the plan how dense spikes are; each layer then runs on events up to the density where that is faster
network = compile(model, repeat(images, T))

with torch.inference_mode():
    difference = (network(repeat(images, T)) - model(repeat(images, T))).abs().max()
print(f"largest difference to torch: {difference:.1e}")
print(network.explain(repeat(images, T)).to_markdown())

# it is judged like the model, and keeps its potentials from call to call like the model
print(accuracy_over_time(network, [(images, labels)], timesteps=T).accuracy)
with carry_state(network), torch.inference_mode():
    stream = sum(network(repeat(images, 2)).sum(0) for _ in range(T // 2))
print("the same in four pieces:", torch.allclose(stream, network(repeat(images, T)).sum(0), atol=1e-3))
