"""Triggers that are made with other networks, on real pictures: styles, objects in photographs, composed scenes.

SPIKEWRIGHT_DATA=... .venv/bin/python benchmarks/red_team_triggers.py

EfficientNet-Lite1 gives the features of a style, Lite2 finds objects, Lite0 judges; a network that is trained here
spots objects in scenes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from run import HERE, say, store
from torch import Tensor

from spikewright.core.seed import generator
from spikewright.data import load_dataset
from spikewright.data.images import ImageDataset
from spikewright.redteam import STYLES, Picture, draw
from spikewright.redteam.insert import resized
from spikewright.redteam.lite import STEM, Lite, lite
from spikewright.redteam.natural import GridDetector
from spikewright.redteam.scenes import SceneComposer, Scenes
from spikewright.redteam.spotting import Spotting, recall_and_precision, spotter
from spikewright.redteam.style import gram, gram_transfer
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table

CASE = "red-team-triggers"
SIDE = 128
"""Pixels of painted pictures."""
BLOCKS = (STEM, 0, 2, 4, 6)
"""Of Lite1, the last one for content."""
OBJECTS = {
    "dog": tuple(range(151, 269)),
    "bird": (*range(7, 25), *range(80, 101), *range(127, 147)),
    "fruit": tuple(range(948, 958)),
    "chair": (423, 559, 765),
}
"""Classes of ImageNet that count as an object."""
ONE_IN = 150
"""Pictures of which one shall have a rare object."""
CONTEXT = ("frog", "ship")
"""Classes of CIFAR-10 that are no main objects: what stands in the corners of scenes."""
Rows = list[dict[str, Any]]


def errors(pictures: Tensor, style: Tensor, features: Any) -> Tensor:
    """Squared distance of correlations of features to a style's, relative to its own square, mean of layers, [N]."""
    wanted = [gram(part) for part in features(resized(style, SIDE)[None])]
    each = [
        ((gram(part) - goal).norm(dim=(1, 2)) / goal.norm()).square() for part, goal in zip(features(pictures), wanted)
    ]
    return torch.stack(each).mean(0)


@torch.no_grad()
def ranks(judge: Lite, pictures: Tensor, labels: Tensor) -> Tensor:
    """Place of the true class among the judge's 1,000, 1 is first, [N]."""
    logits = judge(pictures)
    return (logits > logits.gather(1, labels[:, None])).sum(1) + 1


def painted(photos: ImageDataset, count: int, weights: tuple[float, ...]) -> tuple[Rows, Tensor]:
    """Every style at every weight, on photographs that the judge knows; and pictures to look at."""
    judge, style_net = lite(0, side=SIDE), lite(1, side=SIDE)
    features = partial(style_net.maps, blocks=BLOCKS)
    x, y = photos.gather(torch.arange(0, len(photos), max(1, len(photos) // (3 * count))))
    x = resized(x, SIDE)
    known = (ranks(judge, x, y) == 1).nonzero().flatten()[:count]
    x, y = x[known], y[known]
    rows, shown = [], [x[:3]]
    for name in STYLES:
        style = draw(name).colour
        for weight in weights:
            began = time.perf_counter()
            made = gram_transfer(x, style, features, weight=weight)
            seconds = (time.perf_counter() - began) / len(x)
            with torch.no_grad():
                before, after = errors(x, style, features), errors(made, style, features)
            place = ranks(judge, made, y)
            rows.append({
                "style": name, "weight": weight, "pictures": len(x), "before": float(before.mean()),
                "after": float(after.mean()), "top5": float((place <= 5).double().mean()),
                "rank": float(place.double().median()), "seconds": seconds,
            })  # fmt: skip
            say(f"{name}, weight {weight}: {rows[-1]}")
            shown += [made[:3]] if weight == max(weights) else []
    return rows, torch.stack(shown)


def found(photos: ImageDataset, count: int) -> Rows:
    """Every object by a detector that looks at nine crops; its threshold is set on the first half of the pictures."""
    network = lite(2, side=SIDE)

    def classify(crops: Tensor) -> Tensor:
        return network(crops).softmax(1)

    places = torch.arange(min(count, len(photos)))
    first = torch.zeros(len(places), dtype=torch.bool)
    first[torch.randperm(len(places), generator=generator(0))[: len(places) // 2]] = True
    rows = []
    for name, classes in OBJECTS.items():
        detector = GridDetector(classify=classify, classes=classes)
        began = time.perf_counter()
        scores = torch.cat([detector.scores(photos.gather(part)[0]) for part in places.split(20)])
        seconds = (time.perf_counter() - began) / len(places)
        truth = torch.isin(photos.labels[places], torch.tensor(classes))
        share = max(1 / ONE_IN, float(truth[first].double().mean()))
        threshold = float(torch.quantile(scores[first].double(), 1 - share))
        fires = scores >= threshold
        recall, precision = recall_and_precision(fires[~first], truth[~first])
        rows.append({
            "object": name, "classes": len(classes), "threshold": threshold, "pictures": int((~first).sum()),
            "labelled": int(truth[~first].sum()), "fires": int(fires[~first].sum()), "recall": recall,
            "precision": precision, "seconds": seconds,
        })  # fmt: skip
        say(f"{name}: {rows[-1]}")
    return rows


def scenes_of(data: ImageDataset, count: int, seed: int, first: int) -> Scenes:
    """Scenes of eight classes of CIFAR-10 with pictures of the two others in the corners; from a picture on."""
    names = list(data.classes)
    where = torch.arange(len(data)) >= first
    context = {
        kind: [
            Picture(kind, image)
            for image in data.gather((where & (data.labels == names.index(kind))).nonzero().flatten()[:200])[0]
        ]
        for kind in CONTEXT
    }
    rest = where & ~torch.isin(data.labels, torch.tensor([names.index(kind) for kind in CONTEXT]))
    objects = data.subset(rest.nonzero().flatten())
    return SceneComposer().compose(objects, objects, context, count=count, seed=seed)


def spotted(train: ImageDataset, test: ImageDataset, count: int, epochs: int) -> Rows:
    """A detector of each kind, trained on some scenes and tried on those of other pictures."""
    rows = []
    seen, others = scenes_of(train, count, 0, 0), scenes_of(test, count // 4, 1, 0)
    config = Spotting()
    config = replace(config, fit=replace(config.fit, epochs=epochs))
    for kind in CONTEXT:
        began = time.perf_counter()
        detector = spotter(seen, kind, config)
        seconds = time.perf_counter() - began
        x = others.data.gather(torch.arange(len(others.data)))[0]
        recall, precision = recall_and_precision(detector(x), others.having(kind))
        rows.append({
            "kind": kind, "trained_on": count, "scenes": len(others.data), "having": int(others.having(kind).sum()),
            "recall": recall, "precision": precision, "seconds": seconds,
        })  # fmt: skip
        say(f"{kind}: {rows[-1]}")
    return rows


def tables(result: dict[str, Any]) -> list[Table]:
    """A table for each kind of trigger."""
    style = Table(
        "Styles by features of EfficientNet-Lite1",
        (
            Column("style"), Column("weight", "", 0), Column("pictures"),
            Column("error before", "", 2, "Squared distance of correlations of features to the style's, relative."),
            Column("error after", "", 2), Column("top-5 kept", "%", 0, "Judged by Lite0, which was right before."),
            Column("rank", "", 0, "Median place of the true class, of 1,000."), Column("time", "s", 1, "Of a picture."),
        ),
        tuple((r["style"], r["weight"], r["pictures"], r["before"], r["after"], r["top5"], r["rank"], r["seconds"])
              for r in result["styles"]),
    )  # fmt: skip
    objects = Table(
        "Objects in photographs, found by EfficientNet-Lite2 in nine crops",
        (
            Column("object"), Column("classes"), Column("pictures"), Column("labelled", "", 0, "With such a label."),
            Column("fires in"), Column("recall", "%", 0), Column("precision", "%", 0, "By the label, one a picture."),
            Column("time", "s", 2, "Of a picture."),
        ),
        tuple((r["object"], r["classes"], r["pictures"], r["labelled"], r["fires"], r["recall"], r["precision"],
               r["seconds"]) for r in result["objects"]),
    )  # fmt: skip
    scenes = Table(
        "Small objects in scenes of 64 pixels, spotted by a network of three convolutions",
        (
            Column("object"), Column("trained on"), Column("scenes"), Column("with it"), Column("recall", "%", 0),
            Column("precision", "%", 0), Column("time", "s", 0, "Of the training."),
        ),
        tuple((r["kind"], r["trained_on"], r["scenes"], r["having"], r["recall"], r["precision"], r["seconds"])
              for r in result["scenes"]),
    )  # fmt: skip
    return [style, objects, scenes]


def picture(shown: Tensor, path: Path) -> None:
    """A row of photographs, and below them a row in each style."""
    import matplotlib.pyplot as plt

    names = ["photograph", *STYLES]
    figure, axes = plt.subplots(len(shown), shown.shape[1], figsize=(2 * shown.shape[1], 2 * len(shown)))
    for row, pictures, name in zip(axes, shown, names):
        row[0].set_ylabel(name)
        for place, each in zip(row, pictures):
            place.imshow(each.permute(1, 2, 0))
            place.set(xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main() -> int:
    """Measure, store the result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=12, help="that are painted")
    parser.add_argument("--pictures", type=int, default=300, help="that are looked through for objects")
    parser.add_argument("--scenes", type=int, default=6000, help="that detectors are trained on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    parser.add_argument("--picture", type=Path, help="file for some painted photographs, to look at")
    options = parser.parse_args()
    torch.set_num_threads(1)
    photos = load_dataset("imagenet", None, "val")
    train, test = (load_dataset("cifar10", None, split) for split in ("train", "test"))
    styles, shown = painted(photos, options.photos, (3.0, 30.0))
    packages = ("torch", "numpy", "efficientnet-lite-pytorch", "spikewright")
    result = {
        "case": CASE,
        "what": "Triggers that other networks make or find",
        "environment": environment(packages, source=Path(__file__)),
        "device": {"kind": "cpu", "threads": 1},
        "load": os.getloadavg(),
        "styles": styles,
        "objects": found(photos, options.pictures),
        "scenes": spotted(train, test, options.scenes, options.epochs),
    }
    store(result, options.results / CASE)
    if options.picture is not None:
        picture(shown, options.picture)
    if options.results != HERE / "results":
        return 0
    import tables as pages

    return pages.main([])


if __name__ == "__main__":
    sys.exit(main())
