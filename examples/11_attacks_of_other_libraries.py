"""Attacks of other libraries: to them a spiking network is an ordinary module, and they follow its gradient rule."""

from importlib.util import find_spec

import torch

from spikewright.attack import HART, PGD, Classifier, Linf, SurrogateBPTT, run_attack
from spikewright.convert import QCFS, convert
from spikewright.core import gradient_rule
from spikewright.data import load_dataset
from spikewright.experiments.network import load_network

T, EPS, STEPS = 4, 2 / 255, 3
images, labels = load_dataset("cifar10", split="sample").gather(torch.arange(5))
model = convert(load_network("cifar10_resnet20_qcfs_l4_fine_tune").model, QCFS()).model.eval()

# a batch in, logits out; time, encoder, read-out and the gradient that an attacker sees are inside
rules = {"HART": HART(gamma=1.0), "SurrogateBPTT": SurrogateBPTT()}
views = {name: Classifier(model, T, rule=rule).eval() for name, rule in rules.items()}
for name, view in views.items():
    result = run_attack(view, PGD(steps=STEPS), Linf(eps=EPS), [(images, labels)])
    print(f"spikewright PGD, {name}: {result.clean_accuracy:.0%} -> {result.robust_accuracy:.0%}")

if find_spec("foolbox") is None:
    print("pip install foolbox, and its attacks run here as well")
else:
    import foolbox

    attack = foolbox.attacks.LinfPGD(steps=STEPS)
    torch.manual_seed(0)
    _, _, broken = attack(foolbox.PyTorchModel(views["HART"], bounds=(0, 1)), images, labels, epsilons=EPS)
    print(f"foolbox LinfPGD, HART: robust accuracy {1 - broken.double().mean():.0%}")

if find_spec("pyautoattack") is None:
    print("pip install pyautoattack for APGD and Square of AutoAttack's authors")
else:
    from pyautoattack.autopgd_base import APGDAttack

    # a module of your own works too: inside the block every neuron in it has the rule's gradient
    def mine(x):
        return model(x.expand(T, *x.shape)).mean(0)

    with gradient_rule(model, HART(gamma=1.0)):
        found = APGDAttack(mine, n_iter=STEPS, eps=EPS, norm="Linf", device="cpu").perturb(images, labels)
    print(f"AutoAttack's APGD, HART: robust accuracy {(mine(found).argmax(1) == labels).double().mean():.0%}")
