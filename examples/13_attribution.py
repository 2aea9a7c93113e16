"""Which pixels made the answer: several methods on a spiking network, beside an edge detector."""

import torch

from spikewright.convert import QCFS, convert
from spikewright.data import Batches, cifar10
from spikewright.experiments.network import load_network
from spikewright.interpret import GradCAM, IntegratedGradients, Occlusion, Saliency, attribute, faithfulness
from spikewright.interpret.baselines import edges
from spikewright.models.classifier import Classifier

source = load_network("cifar10_resnet20_qcfs_l4").model
network = Classifier(convert(source, QCFS()).model, timesteps=4).eval()  # or any `Spiking` network of yours
images, _ = next(iter(Batches(cifar10.load(split="sample").subset(3), 3)))
with torch.no_grad():
    answers = network(images).argmax(1)

maps = {"edge detector": edges(images)}
for method in ("DeepLift", Saliency(), GradCAM(), Occlusion(), IntegratedGradients(steps=4)):
    found = attribute(network, images, answers, method, baseline=0.5)
    name = method if isinstance(method, str) else method.label
    if not found.usable:
        print(f"{name}: {found.status}, {found.reason}")
        continue
    maps[name] = found.values
    if found.delta is not None:  # a surrogate is not the derivative of a step, so the sum does not come out
        print(f"{name}: the sum misses by {float(found.delta.abs().median()):.1f} logits")

# three images show how it works, not which method is better: spikewright interpret --methods all --images 50
for name, values in maps.items():
    deletion, insertion = faithfulness(network, images, answers, values, baseline=0.5, steps=4).areas
    print(f"{name:28} taken away {float(deletion.mean()):.2f} (low is good), put in {float(insertion.mean()):.2f}")
