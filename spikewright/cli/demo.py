"""spikewright demo: QCFS and OPI on embedded ResNet-20s and real CIFAR-10 images, judged and reported."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.config import parse, to_json
from ..experiments.demo import DemoRun, run_demo
from ..experiments.registries import REGISTRIES
from ..experiments.training import PACKAGES
from ..report import RunFolder, environment
from .show import show


def main(argv: Sequence[str]) -> int:
    """Run the demo, print its table and where the report is."""
    config = parse(DemoRun(), argv, REGISTRIES, prog="spikewright demo")
    with RunFolder.begin(config.out, "demo", to_json(config, REGISTRIES), environment(PACKAGES)) as folder:
        show(run_demo(config, folder, say=lambda text: print(text, flush=True)), folder)
    return 0
