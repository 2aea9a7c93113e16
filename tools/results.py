"""Measured figures for the docs: read from result files, never typed. A result file is the report.json of a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from spikewright.papers import load
from spikewright.report import Report

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks" / "results" / "accuracy"
CATALOGUE = ROOT / "spikewright" / "papers" / "catalogue.json"
METRIC = "top-1 accuracy (%)"
PAPER_OF = {"QCFS": "qcfs", "OPI": "opi", "SRP": "srp", "COS": "cos", "DCGS": "dcgs", "HMT": "hmt"}
FIRING = {"SingleThreshold": "IF", "MultiThreshold": "MT", "Harmony": "H-MT"}
"""Firing function -> what the papers call the neuron."""
NETWORKS = {
    "cifar10_resnet20_relu": ("CIFAR-10", "ResNet-20", ""),
    "cifar10_resnet20_qcfs_l4": ("CIFAR-10", "ResNet-20", ""),
    "cifar10_resnet20_qcfs_l4_fine_tune": ("CIFAR-10", "ResNet-20", ", fine-tuned from ReLU"),
    "cifar10_resnet20_qcfs_l8": ("CIFAR-10", "ResNet-20", ", L=8"),
    "cifar10_resnet20": ("CIFAR-10", "ResNet-20", ", trained by others"),
    "pretrained_resnet20_qcfs_l4": ("CIFAR-10", "ResNet-20", ", trained by others and fine-tuned"),
    "cifar10_resnet56": ("CIFAR-10", "ResNet-56", ", trained by others"),
    "pretrained_resnet56_qcfs_l8": ("CIFAR-10", "ResNet-56", ", trained by others and fine-tuned, L=8"),
    "cifar10_vgg16_bn": ("CIFAR-10", "VGG-16", ", trained by others"),
    "pretrained_vgg16_bn_qcfs_l4": ("CIFAR-10", "VGG-16", ", trained by others and fine-tuned"),
    "cifar10_resnet8_mlperftiny": ("CIFAR-10", "ResNet-8", ", trained by others"),
    "cifar10_vit_gelu": ("CIFAR-10", "ViT, 0.5 M parameters, GELU", ""),
    "mnist_vit": ("MNIST", "ViT, 0.5 M parameters, ReLU", ", trained by others"),
    "imagenet_resnet50_v1": ("ImageNet", "ResNet-50", ", trained by others"),
    "imagenet_mobilenet_v1_1.0_224": ("ImageNet", "MobileNet v1", ", trained by others"),
    "imagenet_efficientnet_lite0": ("ImageNet", "EfficientNet-Lite0", ", trained by others"),
    "imagenet_squeezenet1_1": ("ImageNet", "SqueezeNet 1.1", ", trained by others"),
}
"""Network -> data set, architecture, and what tells it from others of that architecture in the catalogue."""


def results(method: str | None = None) -> list[tuple[Path, Report]]:
    """Every accuracy result, or those of one method, by name of file."""
    found = [(path, Report.from_json(path.read_text())) for path in sorted(FOLDER.glob("*.json"))]
    return [(path, report) for path, report in found if method in (None, report.config["recipe"]["type"])]


def rows_of(report: Report) -> list[dict]:
    """The rows of a report's result table, by name of column; the first is the source network."""
    table = next(table for table in report.tables if table.title == "Result")
    names = [column.name for column in table.columns]
    return [dict(zip(names, row)) for row in table.rows]


def case_of(report: Report) -> tuple[str, str]:
    """Data set and network of a result."""
    dataset, network, _ = NETWORKS[network_of(report)]
    return dataset, network


def network_of(report: Report) -> str:
    """Name of the network of a result."""
    return Path(str(report.config["model"])).name.removesuffix(".safetensors")


def published(paper_id: str, dataset: str, network: str) -> dict[str, float]:
    """Published figures of one network by setting: "ANN", "T=4"..."""
    paper = next(paper for paper in load() if paper.id == paper_id)
    figures = [f for f in paper.published if (f.dataset, f.network, f.metric) == (dataset, network, METRIC)]
    return {figure.setting: figure.value for figure in figures}


def setting_of(row: dict) -> str:
    """How a row's setting is called in tables of one method."""
    return "ANN" if row["T"] is None else f"T={row['T']}"


def phase_of(report: Report) -> str:
    """What the catalogue puts before the T of a method with steps before the first output that counts: "tau=4, "."""
    recipe = report.config["recipe"]
    name = {"SRP": "tau", "COS": "rho"}.get(recipe["type"])
    return f"{name}={recipe[name]}, " if name else ""


def method_of(report: Report) -> str:
    """The method with what sets it apart: "OPI", "OPI with ErrorOptimal per channel", "COS (rho=4)"."""
    recipe = report.config["recipe"]
    threshold, phase = recipe.get("threshold"), phase_of(report)
    usual = threshold is None or (threshold["type"], threshold["groups"]) == _USUAL[recipe["type"] in ("DCGS", "HMT")]
    how = "" if usual else f" with {threshold['type']} {threshold['groups'].replace('_', ' ')}"
    fitted = ", fitted starts" if report.config.get("fit_start") else ""
    return f"{recipe['type']}{how}{fitted}{_neuron(recipe)}" + (f" ({phase.rstrip(', ')})" if phase else "")


_USUAL = {False: ("Percentile", "per_layer"), True: ("GaussianOptimal", "per_channel")}


def _neuron(recipe: dict) -> str:
    """What a unit recipe's neurons fire, in which coding: ", MT n=4, differential"."""
    firing = recipe.get("firing")
    if firing is None:
        return ""
    number = f" n={firing['thresholds']}" if "thresholds" in firing else ""
    signs = ", signed" if recipe["signed"] != (recipe["type"] == "DCGS") else ""
    wires = ", every wire" if recipe["encode"] == "everything" else ""
    steps = recipe["threshold"].get("timesteps")
    fitted = f", thresholds for T={steps}" if steps else ""
    return f", {FIRING[firing['type']]}{number}, {recipe['coding']}{signs}{wires}{fitted}"


def numbers_of(method: str) -> str:
    """A method's measured figures as Markdown: one table per result file, beside the published row if there is one."""
    parts = [_one(method, path, report) for path, report in results(method)]
    return "\n\n".join(parts) if parts else "No result file yet."


def _one(method: str, path: Path, report: Report) -> str:
    dataset, network = case_of(report)
    theirs = published(PAPER_OF[method], dataset, network) if method in PAPER_OF else {}
    rows = rows_of(report)
    heads = ["", *(setting_of(row) for row in rows)]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * len(rows)}"]
    measured = (f"{100 * row['accuracy']:.2f}" for row in rows)
    lines.append(f"| accuracy, ours [%] | {' | '.join(measured)} |")
    if theirs:
        cells = (f"{theirs[s]:.2f}" if (s := _published_setting(report, row)) in theirs else "" for row in rows)
        lines.append(f"| published [%] | {' | '.join(cells)} |")
    agreement = ("" if row["agreement"] is None else f"{100 * row['agreement']:.2f}" for row in rows)
    lines.append(f"| agreement with the source [%] | {' | '.join(agreement)} |")
    ratio = ("" if row["ratio"] is None else f"{row['ratio']:.3f}" for row in rows)
    lines.append(f"| energy ratio (45 nm, arithmetic) | {' | '.join(ratio)} |")
    caption = next(table for table in report.tables if table.title == "Result").caption
    commit = str(report.environment.get("commit"))[:8]
    name = network_of(report)
    return (
        f"**{name}, {method_of(report)}**, {dataset}, {caption}\n\n" + "\n".join(lines) + "\n\n"
        f"`{' '.join(report.environment['command'])}` at commit {commit}, seed {report.config['seed']}; "
        f"result file [`{path.name}`](../../{path.relative_to(ROOT)})."
    )


def ours(paper_id: str) -> list[dict]:
    """A paper's measured figures as the catalogue holds them."""
    method = next((name for name, paper in PAPER_OF.items() if paper == paper_id), None)
    rows = []
    for path, report in results(method) if method else []:
        dataset, network = case_of(report)
        label = NETWORKS[network_of(report)][2]
        rows += [
            {
                "dataset": dataset,
                "network": network,
                "setting": _setting(report, row) + label,
                "metric": METRIC,
                "value": round(100 * row["accuracy"], 2),
                "result_file": str(path.relative_to(ROOT)),
            }
            for row in rows_of(report)
        ]
    first: dict[tuple, dict] = {}
    for row in rows:  # the source network is the same whatever else a method does to it
        first.setdefault((row["dataset"], row["network"], row["setting"]), row)
    return list(first.values())


def _published_setting(report: Report, row: dict) -> str:
    """How the catalogue names a row's setting in the method's own paper."""
    return setting_of(row) if row["T"] is None else phase_of(report) + setting_of(row)


def _setting(report: Report, row: dict) -> str:
    """How the catalogue names a row's setting; the source network is the same under every threshold."""
    if row["T"] is None:
        return "ANN"
    recipe = report.config["recipe"]
    apart = method_of(report).removeprefix(recipe["type"]).split(" (")[0]
    return f"{phase_of(report)}{setting_of(row)}" + (f", {apart.strip(', ')}" if apart else "")


def main() -> int:
    """Put the measured figures into the catalogue, or with --check say whether they are there."""
    text = CATALOGUE.read_text()
    stale = [paper.id for paper in load() if [_plain(number) for number in paper.ours] != ours(paper.id)]
    if "--check" in sys.argv:
        print("\n".join(f"catalogue: ours of {name} is out of date: run `make docs`." for name in stale))
        return int(bool(stale))
    for name in stale:
        text = _replace_ours(text, name, ours(name))
    CATALOGUE.write_text(text)
    return 0


def _plain(number) -> dict:
    return {key: value for key, value in vars(number).items() if value is not None}


def _replace_ours(text: str, paper_id: str, rows: list[dict]) -> str:
    """Write one paper's list, one line per figure, and leave the rest of the file as it stands."""
    start = text.index('"ours":', text.index(f'"id": "{paper_id}"'))
    end = text.index("]", start) + 1
    lines = ",\n".join(f"        {json.dumps(row)}" for row in rows)
    return text[:start] + (f'"ours": [\n{lines}\n      ]' if rows else '"ours": []') + text[end:]


if __name__ == "__main__":
    sys.exit(main())
