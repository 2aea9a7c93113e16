"""Attack a spiking network: the accuracy that is left depends on whose gradient the attacker follows."""

from spikewright.attack import FGSM, HART, PGD, Classifier, Linf, RandomNoise, SurrogateBPTT
from spikewright.convert import QCFS, convert
from spikewright.data import Batches, cifar10
from spikewright.experiments.network import load_network
from spikewright.robust import NamedAttack, Probing, evaluate_robustness

spiking = convert(load_network("cifar10_resnet20_qcfs_l4").model, QCFS()).model  # or any `Spiking` network of yours
classifier = Classifier(spiking, timesteps=4)
images = list(Batches(cifar10.load(split="sample").subset(8), 8))  # in [0, 1]: pixel scaling is the first layer

rules = {"own": None, "BPTT": SurrogateBPTT(), "HART 0.5": HART(gamma=0.5)}
attacks = [NamedAttack(row="noise", search=RandomNoise())]  # what perturbations of that size do by themselves
attacks += [NamedAttack(row="FGSM", column=name, search=FGSM(), rule=rule) for name, rule in rules.items()]
attacks += [NamedAttack(row="PGD-4", column=name, search=PGD(steps=4), rule=rule) for name, rule in rules.items()]

# eight images show how it works, not how robust the network is: spikewright attack --images 1000 --suite whole
probing = Probing(samples=2, eps=(0.0, 1.0), steps=(1, 3), widths=(0.5, 1.0, 2.0), gammas=(), search=PGD(steps=2))
found = evaluate_robustness(classifier, attacks, Linf(eps=8 / 255), images, probing=probing)

print(found.table().to_markdown())
for check in found.checks:
    print(f"{check.outcome:8} {check.name}: {check.found}")
broken_by = found.worst.broken_by.tolist()  # per image: the first attack that broke it, -1 for none, -2 wrong before
print(f"{found.worst.broken_by.ge(0).sum()} images broken, the first one by {attacks[max(broken_by[0], 0)].name}")
