"""Networks trained with and without a defence, under the same attacks: what withstands all of them, sample by sample.

python benchmarks/robustness.py [--networks NAME=MODEL ...] [--images 200] [--minutes 25]

Every row (network, attack) is kept in results/robustness/rows.jsonl with its flags as soon as it is measured; a later
run measures only what is missing. Without that file everything is measured anew.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
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
    AnalogTwin,
    Classifier,
    Linf,
    RandomNoise,
    Square,
    SurrogateBPTT,
    dlr,
)
from spikewright.core import ATan, Sigmoid
from spikewright.data import Batches, load_dataset
from spikewright.experiments.attacking import victim, weights_digest
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.robust import NamedAttack, worst_case
from spikewright.robust.checks import knowledge_helps, queries_find_nothing_new
from spikewright.train.evaluate import wilson

CASE = "robustness"
NETWORKS = {
    "vanilla": "cifar10_cnn_clean",
    "AT": "cifar10_cnn_at",
    "RAT": "cifar10_cnn_rat",
    "SGR": "cifar10_cnn_sgr",
    "SGR + AT": "cifar10_cnn_sgr_at",
}
"""Name in the table -> network as `spikewright attack` takes it."""
TIMESTEPS, EPS = 4, 8 / 255


def attacks(other: Classifier | None = None) -> list[NamedAttack]:
    """Cheapest first; transfer from the undefended network where it is another one."""
    own = [("FGSM", FGSM()), ("PGD-10", PGD(steps=10)), ("PGD-40", PGD(steps=40)), ("APGD-50", APGD(steps=50))]
    own += [("APGD-50 DLR", APGD(steps=50, objective=dlr))]
    rules = {
        "BPTT atan": SurrogateBPTT(surrogate=ATan(alpha=2.0)),
        "BPTT sigmoid": SurrogateBPTT(surrogate=Sigmoid(alpha=4.0)),
        **{f"HART {gamma:g}": HART(gamma=gamma) for gamma in (0.25, 0.5, 1.0)},
        "RGA": RGA(),
        "BPTR": BPTR(),
        "twin": AnalogTwin(),
    }
    through = [] if other is None else [NamedAttack(row="transfer", search=PGD(steps=10), through=other)]
    return [
        NamedAttack(row="noise", search=RandomNoise()),
        *through,
        *(NamedAttack(row=row, column="own", search=search) for row, search in own[:2]),
        *(NamedAttack(row="PGD-10", column=name, search=PGD(steps=10), rule=rule) for name, rule in rules.items()),
        *(NamedAttack(row=row, column="own", search=search) for row, search in own[2:]),
        NamedAttack(row="Square-1000", search=Square(queries=1000)),
    ]


def kept_rows(path: Path) -> list[dict[str, Any]]:
    """The rows that earlier runs have measured."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def measure(name: str, view: Classifier, attack: NamedAttack, batches: list, about: dict[str, Any]) -> dict[str, Any]:
    """One row: which samples are right before, and which after one attack."""
    began = time.process_time()
    found = worst_case(view, [attack], Linf(eps=EPS), batches)
    (outcome,) = found.outcomes
    return about | {
        "network": name,
        "attack": attack.name,
        "kind": attack.kind,
        "clean": _bits(found.clean),
        "robust": _bits(outcome.robust),
        "forwards": outcome.forwards,
        "gradients": outcome.backwards,
        "cpu_seconds": time.process_time() - began,
    }


def _bits(flags: torch.Tensor) -> str:
    return "".join("1" if flag else "0" for flag in flags.tolist())


def _flags(bits: str) -> torch.Tensor:
    return torch.tensor([bit == "1" for bit in bits])


def of_network(result: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The rows of one network."""
    return [row for row in result["rows"] if row["network"] == name]


def together(rows: list[dict[str, Any]]) -> torch.Tensor:
    """Whether each sample withstands all of some attacks."""
    return torch.stack([_flags(row["robust"]) for row in rows]).all(0)


def table(result: dict[str, Any]) -> Table:
    """One row per attack, one column per network, the worst case per sample last."""
    names = list(dict.fromkeys(row["network"] for row in result["rows"]))
    listed = list(dict.fromkeys(row["attack"] for row in result["rows"]))
    found = {name: {row["attack"]: row for row in of_network(result, name)} for name in names}
    worst = [together(of_network(result, name)) for name in names]
    ends = [wilson(int(flags.sum()), len(flags)) for flags in worst]

    def share(flags: torch.Tensor) -> float:
        return float(flags.double().mean())

    def row_of(attack: str) -> tuple[float | None, ...]:
        rows = [found[name].get(attack) for name in names]
        return tuple(None if row is None else share(_flags(row["robust"])) for row in rows)

    lines = [
        ("no attack", *(share(_flags(of_network(result, name)[0]["clean"])) for name in names)),
        *((attack, *row_of(attack)) for attack in listed),
        ("all of them, per image", *map(share, worst)),
        ("at least, 95 %", *(low for low, _ in ends)),
        ("at most, 95 %", *(high for _, high in ends)),
    ]
    columns = (Column("attack"), *(Column(name, "%", 1) for name in names))
    caption = f"{result['images']} images; Linf, eps = 8/255; T = {TIMESTEPS}. The last rows are the Wilson interval."
    return Table("Under attack", columns, tuple(lines), caption)


def checked(result: dict[str, Any]) -> Table:
    """What the flags of each network say about the attacks."""
    lines = []
    for name in dict.fromkeys(row["network"] for row in result["rows"]):
        rows = of_network(result, name)
        by_kind = {
            kind: [row for row in rows if row["kind"] == kind] for kind in ("gradient", "transfer", "noise", "query")
        }
        shares = [float(together(by_kind[kind]).double().mean()) if by_kind[kind] else None
                  for kind in ("gradient", "transfer", "noise")]  # fmt: skip
        only = together(by_kind["gradient"]) & ~together(by_kind["query"]) if by_kind["query"] else None
        for check in (knowledge_helps(*shares), queries_find_nothing_new(only)):
            lines.append((name, check.name, check.outcome, check.found))
    return Table("Checks", (Column("network"), Column("check"), Column("outcome"), Column("found")), tuple(lines))


def main() -> int:
    """Measure what is missing, store the result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    named = [f"{name}={model}" for name, model in NETWORKS.items()]
    parser.add_argument("--networks", nargs="+", default=named, metavar="NAME=MODEL", help="the first has no defence")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no further row after this time")
    parser.add_argument("--split", default="sample", help="of CIFAR-10; sample is embedded")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    networks = dict(each.split("=", 1) for each in options.networks)
    made_of = environment(("torch", "numpy", "spikewright"), source=Path(__file__))
    partly = options.results / CASE / "rows.jsonl"
    batches = list(Batches(load_dataset(options.dataset, None, options.split).subset(options.images), 50))
    before, began, undefended = os.getloadavg(), time.monotonic(), None
    digests: dict[str, str] = {}
    rows = [row for row in kept_rows(partly) if row["images"] == options.images and row["eps"] == EPS]
    for name, model in networks.items():
        network = victim(model, None, options.dataset, "train", None).model
        view = Classifier(network, TIMESTEPS)
        digests[name] = weights_digest(network)
        about = {"images": options.images, "eps": EPS, "model": model, "weights": digests[name]}
        rows = [row for row in rows if row["network"] != name or row["weights"] == digests[name]]
        done = {row["attack"] for row in rows if row["network"] == name}
        for attack in attacks(undefended):
            if attack.name in done or time.monotonic() - began > 60 * options.minutes:
                continue
            row = measure(name, view, attack, batches, about) | {"commit": made_of["commit"], "dirty": made_of["dirty"]}
            say(f"{name}, {attack.name}: {row['robust'].count('1') / options.images:.3f}, {row['cpu_seconds']:.0f} s")
            rows.append(row)
            partly.parent.mkdir(parents=True, exist_ok=True)
            with partly.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        undefended = undefended or view
    result = {
        "case": CASE,
        "what": "Networks with and without a defence under attack",
        "environment": made_of,
        "device": {"kind": "cpu", "threads": 1},
        "load_before_and_after": [before, os.getloadavg()],
        "images": options.images,
        "rows": [row for row in rows if row["network"] in digests],
    }
    store(result, options.results / CASE)
    import tables as pages

    return pages.main([])


if __name__ == "__main__":
    sys.exit(main())
