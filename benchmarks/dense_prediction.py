"""A denoiser trained here and converted without training, its error in dB at every number of steps.

python benchmarks/dense_prediction.py --train train --train_images 5000 --test test --test_images 1000

Its report goes to benchmarks/results/dense/, its weights beside it; `make docs` makes docs/dense_prediction.md of it.
With `--weights benchmarks/results/dense/cifar10_denoiser.safetensors` nothing is trained.
"""

from __future__ import annotations

import sys
from pathlib import Path

from spikewright.core.config import parse, to_json
from spikewright.core.errors import SpikewrightError
from spikewright.experiments.denoising import WEIGHTS, DenoiseRun, run_denoising
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.training import PACKAGES
from spikewright.report import RunFolder, environment

RESULTS = Path(__file__).resolve().parent / "results" / "dense"
NAME = "cifar10_denoiser"


def main() -> int:
    """Run as the flags ask, and keep the report and the weights."""
    try:
        config = parse(DenoiseRun(), sys.argv[1:], REGISTRIES, prog="dense_prediction.py", description=__doc__ or "")
        about = environment(PACKAGES) | {"device": "cpu", "seed": config.seed}
        with RunFolder.begin(config.out, "denoising", to_json(config, REGISTRIES), about) as folder:
            report = run_denoising(config, folder, lambda text: print(text, file=sys.stderr, flush=True))
    except SpikewrightError as error:
        print(error, file=sys.stderr)
        return 2
    print(report.tables[0].to_markdown())
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{NAME}.json").write_text(report.to_json(), encoding="utf-8")
    trained = folder.path / WEIGHTS
    if trained.is_file():
        (RESULTS / f"{NAME}.safetensors").write_bytes(trained.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
