"""Embed networks hardened on a CPU, with how they bear two attacks; `load_network("cifar10_cnn_rat")` reads them.

spikewright robust --experiment cifar10_cnn_rat --out runs
python benchmarks/hardened.py runs/*cifar10_cnn_rat
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from spikewright.attack import FGSM, PGD, Classifier, Linf, Search, run_attack
from spikewright.data import load_dataset
from spikewright.data.batches import Batches
from spikewright.experiments.network import WEIGHTS, Loaded, load_network
from spikewright.models.checkpoint import load, save

EPS = 8 / 255
ATTACKS: dict[str, Search] = {"fgsm": FGSM(), "pgd10": PGD(steps=10)}


def measured(loaded: Loaded, images: int) -> dict[str, float]:
    """Accuracy on the first test images, clean and under each attack by the network's own gradient."""
    test = load_dataset("cifar10", split="test").subset(images)
    seen = Classifier(loaded.model, loaded.description["about"]["timesteps"])
    results = {
        name: run_attack(seen, search, Linf(eps=EPS), Batches(test, 100).iterate(0)) for name, search in ATTACKS.items()
    }
    clean = results["fgsm"].clean_accuracy
    return {"clean": clean} | {name: result.robust_accuracy for name, result in results.items()}


def main() -> None:
    """Write one weights file for each run folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of `spikewright robust`")
    parser.add_argument("--images", type=int, default=500, help="test images that are attacked")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for run in arguments.runs:
        tensors, description = load(run / "model.safetensors")
        found = measured(load_network(run), arguments.images)
        about = description["about"] | {"attacked": {"eps": EPS, "images": arguments.images} | found}
        save(WEIGHTS / f"{about['run']}.safetensors", tensors, description | {"about": about})
        print(about["run"], *(f"{name} {100 * share:.1f} %" for name, share in found.items()), sep="  ", flush=True)


if __name__ == "__main__":
    main()
