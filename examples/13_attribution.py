"""Which pixels made the answer: several methods on a network and on the spiking one it becomes, beside an edge detector."""

import torch

from spikewright.convert import QCFS, convert
from spikewright.data import Batches, cifar10
from spikewright.experiments.network import load_network
from spikewright.interpret import FeatureAblation, GradCAM, IntegratedGradients, Saliency, attribute, score_methods
from spikewright.models.classifier import Classifier

source = load_network("cifar10_resnet20_qcfs_l4").model
spiking = Classifier(convert(source, QCFS()).model, timesteps=4).eval()  # or any `Spiking` network of yours
images, labels = next(iter(Batches(cifar10.load(split="sample").subset(4), 4)))

# a grey bar across each image, and a network that is explained for its answer with the bar
masks = torch.zeros(4, 32, 32)
masks[:, 20:26, 4:28] = 1
marked = torch.where(masks[:, None].bool(), torch.full_like(images, 0.5), images)
with torch.no_grad():
    answers = spiking(marked).argmax(1)

for method in (Saliency(), IntegratedGradients(steps=4), GradCAM(), "DeepLift"):
    found = attribute(spiking, marked, answers, method, baseline=0.5)
    gap = "" if found.delta is None else f", the sum misses by {float(found.delta.abs().median()):.2f}"
    print(f"{type(method).__name__ if not isinstance(method, str) else method}: {found.status} {found.reason}{gap}")

# nobody trained the network to look at the bar, so hardly any method should find it: a check of the check
scores = score_methods(spiking, marked, masks, answers, [Saliency(), FeatureAblation()], baseline=0.5)
print(scores.table().to_markdown())
print([row.name for row in scores.rows if scores.beats_edge(row.name, "AUROC")], "beat the edge detector")
