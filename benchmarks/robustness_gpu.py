"""VGG-11 and WRN-16 on all of CIFAR-10, T = 8, trained with and without a defence on a GPU, then attacked.

SPIKEWRIGHT_DATA=... python benchmarks/robustness_gpu.py train "RAT" --epochs 8 --out runs/robustness
python benchmarks/robustness_gpu.py combine runs/robustness/*.json

Each training writes a file of its own, so that several can run at a time; `combine` stores them as one result. The
published networks are trained for 200 epochs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from run import HERE, say, store

from spikewright.attack import (
    APGD,
    BPTR,
    FGSM,
    HART,
    PGD,
    RGA,
    Classifier,
    Linf,
    RandomNoise,
    Square,
    SurrogateBPTT,
    dlr,
)
from spikewright.core import ATan, Neuron, fused
from spikewright.data import Batches, load_dataset
from spikewright.experiments import cifar10_hardened as published
from spikewright.experiments.hardening import Hardening
from spikewright.experiments.network import load_network
from spikewright.experiments.training import TrainRun, run_training
from spikewright.report import RunFolder
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.robust import NamedAttack, worst_case
from spikewright.train.fit import FitConfig
from spikewright.train.optim import SGD

CASE = "robustness-gpu"
TIMESTEPS = 8
RUNS = {
    "vanilla": lambda: replace(published.cifar10_vgg11_at(), name="cifar10_vgg11_clean", hardening=Hardening()),
    "AT": published.cifar10_vgg11_at,
    "RAT": published.cifar10_vgg11_rat,
    "SGR": published.cifar10_vgg11_sgr,
    "SGR + AT": published.cifar10_vgg11_sgr_at,
    "WRN-16, RAT": published.cifar10_wrn16_rat,
}
PUBLISHED = {
    "RAT": (0.9141, 0.4500, 0.2295, 0.2080),
    "SGR": (0.9104, 0.3172, 0.0855, 0.0728),
    "SGR + AT": (0.8826, 0.4428, 0.2863, 0.2703),
}
"""Clean, FGSM, PGD-7, BIM at 8/255 after 200 epochs, as a summary in a later paper (MPD-SGR, AAAI 2026) has them."""
ALPHA = 0.01
"""Step of the published iterative attacks."""


def attacks(eps: float) -> list[NamedAttack]:
    """Those of the published tables first, then what a claim needs besides."""
    step = ALPHA / eps if eps > ALPHA else None
    seven, bim = PGD(steps=7, relative_step=step), PGD(steps=7, relative_step=step, start=0.0)
    shown = [("FGSM", FGSM()), ("PGD-7", seven), ("BIM-7", bim), ("PGD-20", PGD(steps=20)), ("APGD-20", APGD(steps=20))]
    shown += [("APGD-20 DLR", APGD(steps=20, objective=dlr))]
    rules = {"atan": SurrogateBPTT(surrogate=ATan(alpha=2.0)), "RGA": RGA(), "BPTR": BPTR()}
    rules |= {f"HART {gamma:g}": HART(gamma=gamma) for gamma in (0.25, 0.5, 1.0)}
    return [
        NamedAttack(row="noise", search=RandomNoise()),
        *(NamedAttack(row=row, column="own", search=search) for row, search in shown),
        *(NamedAttack(row="PGD-10", column=name, search=PGD(steps=10), rule=rule) for name, rule in rules.items()),
        NamedAttack(row="Square-200", search=Square(queries=200)),
    ]


def run_of(name: str, options: argparse.Namespace) -> TrainRun:
    """The published run, shortened to the epochs and enlarged to the batches asked for."""
    run = RUNS[name]()
    decay = run.fit.optimizer.weight_decay
    hardening = None if run.hardening is None else replace(run.hardening, watch=None)
    return replace(
        run,
        fit=FitConfig(epochs=options.epochs, optimizer=SGD(lr=0.1, weight_decay=decay), warmup_epochs=0.5),
        over_time=replace(run.over_time, pack_spikes=False),
        hardening=hardening,
        batch_size=options.batch_size,
        images=options.train_images,
        device=options.device,
        precision="bf16-mixed" if options.device == "cuda" else "32-true",
    )


def train(name: str, options: argparse.Namespace) -> None:
    """Train one network, attack it, and write what was found; again after every attack."""
    run, began = run_of(name, options), time.monotonic()
    slug = re.sub("[^a-z0-9]+", "-", name.lower())
    with RunFolder.begin(options.out, slug, {}, {}) as folder:
        report = run_training(run, folder, lambda **numbers: say(f"{name}: {numbers}"))
    if report is None:  # only a limit of time could end it before
        raise RuntimeError(f"robustness_gpu: {name} was not trained to its end")
    found = {
        "network": name, "run": run.name, "epochs": options.epochs, "batch_size": options.batch_size,
        "train_images": options.train_images or 50_000, "curve": [list(row) for row in report.tables[0].rows],
        "columns": [column.name for column in report.tables[0].columns], "train_seconds": time.monotonic() - began,
        "images": options.images, "rows": [],
        "environment": environment(("torch", "triton", "numpy", "spikewright"), source=Path(__file__)),
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
    }  # fmt: skip
    model = load_network(folder.path).model.to(options.device).eval()
    for neuron in (part for part in model.modules() if isinstance(part, Neuron)):
        neuron.unroll = fused
    view = Classifier(model, TIMESTEPS)
    batches = list(Batches(load_dataset("cifar10", None, "sample").subset(options.images), 500))
    for eps in (8, 2):
        for attack in attacks(eps / 255)[: 3 if eps == 2 else None]:
            began = time.monotonic()
            result = worst_case(view, [attack], Linf(eps=eps / 255), batches)
            (outcome,) = result.outcomes
            row = {"eps": eps, "attack": attack.name, "kind": attack.kind, "clean": _bits(result.clean)}
            found["rows"].append(row | {"robust": _bits(outcome.robust), "seconds": time.monotonic() - began})
            say(f"{name}, {eps}/255, {attack.name}: {outcome.accuracy:.3f} of {result.clean_accuracy:.3f}")
            (options.out / f"{slug}.json").write_text(json.dumps(found), encoding="utf-8")


def _bits(flags: torch.Tensor) -> str:
    return "".join("1" if flag else "0" for flag in flags.tolist())


def share(bits: list[str]) -> float:
    """Share of the images that withstand all of some attacks."""
    return sum(all(bit == "1" for bit in column) for column in zip(*bits, strict=True)) / len(bits[0])


def table(result: dict[str, Any], eps: int = 8) -> Table:
    """One row per attack, one column per network, the worst case per image last."""
    networks = result["networks"]
    rows = {found["network"]: [row for row in found["rows"] if row["eps"] == eps] for found in networks}
    names = list(dict.fromkeys(row["attack"] for own in rows.values() for row in own))
    alone = {name: {row["attack"]: share([row["robust"]]) for row in own} for name, own in rows.items()}
    lines = [("no attack", *(share([own[0]["clean"]]) if own else None for own in rows.values()))]
    lines += [(attack, *(alone[name].get(attack) for name in rows)) for attack in names]
    lines += [("all of them, per image", *(share([row["robust"] for row in own]) if own else None
                                            for own in rows.values()))]  # fmt: skip
    if eps == 8:
        for place, what in enumerate(("no attack", "FGSM", "PGD-7", "BIM-7")):
            lines += [(f"published, {what}", *(PUBLISHED.get(name, (None,) * 4)[place] for name in rows))]
    about = ", ".join(f"{found['network']} {found['epochs']}" for found in networks)
    caption = (
        f"{networks[0]['images']} test images; Linf, eps = {eps}/255; T = {TIMESTEPS}. Epochs: {about}; published 200."
    )
    return Table(f"At {eps}/255", (Column("attack"), *(Column(name, "%", 1) for name in rows)), tuple(lines), caption)


def words(result: dict[str, Any]) -> str:
    """What was trained and what was not, for the page."""
    made = [found["network"] for found in result["networks"]]
    missing = ", ".join(name for name in RUNS if name not in made) or "none"
    first = result["networks"][0]
    return (
        f"Trained on all {first['train_images']:,} images at 2/255, batches of {first['batch_size']}, with crop and "
        f"flip, and Cutout but for SGR. These are {first['epochs']} epochs where the published networks have 200, so "
        f"that no published figure is reached or refuted. Not trained to the end: {missing}."
    )


def combine(files: list[Path], results: Path, commit: str | None) -> None:
    """Store what several trainings have written as one result."""
    networks = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    networks.sort(key=lambda found: list(RUNS).index(found["network"]))
    made_of = networks[0]["environment"] | ({"commit": commit, "dirty": False} if commit else {})
    for found in networks:
        del found["environment"]
    result = {
        "case": CASE,
        "what": "VGG-11 on CIFAR-10 with and without a defence, shortly trained on a GPU",
        "environment": made_of,
        "device": {"kind": "cuda", "name": networks[0]["device"]},
        "networks": networks,
    }
    for eps in (8, 2):
        print(table(result, eps).to_markdown())
    store(result, results / CASE)


def main() -> int:
    """Train one network, or store what several trainings have found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("train", help="train and attack one network")
    one.add_argument("network", choices=RUNS)
    one.add_argument("--epochs", type=int, default=8)
    one.add_argument("--batch_size", type=int, default=256)
    one.add_argument("--train_images", type=int, default=None)
    one.add_argument("--images", type=int, default=1000, help="embedded test images that are attacked")
    one.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    one.add_argument("--out", type=Path, default=Path("runs/robustness"))
    all_ = verbs.add_parser("combine", help="store the files of several trainings as one result")
    all_.add_argument("files", type=Path, nargs="+")
    all_.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    all_.add_argument("--commit", help="what the trainings ran on, where no git was at hand")
    options = parser.parse_args()
    if options.verb == "train":
        train(options.network, options)
        return 0
    combine(options.files, options.results, options.commit)
    import tables as pages

    return pages.main([])


if __name__ == "__main__":
    sys.exit(main())
