"""Write docs/dense_prediction.md: a head that gives values, converted without training, from its run's report."""

from __future__ import annotations

import sys

from page import ROOT, write_or_check

from spikewright.report import Report

RESULT = ROOT / "benchmarks" / "results" / "dense" / "cifar10_denoiser.json"
PAGE = ROOT / "docs" / "dense_prediction.md"
HEAD = """# Values instead of classes: a denoiser converted without training

Written by `make docs` from `benchmarks/results/dense/cifar10_denoiser.json`, the report of
`benchmarks/dense_prediction.py`; do not edit. The trained weights are beside it.

A network of {parameters:,} parameters (`models.denoiser`: 3x3 convolutions and ReLUs, half the resolution in between,
the noise is what it subtracts from its input) learns to remove Gaussian noise of {sigma:.4g}/255 from {train_images:,}
CIFAR-10 images in {epochs} epochs. It is then converted as it is: thresholds are measured on {calibration_images:,} of
those images with noise, and nothing is trained any more. Its output is the mean over the steps so far, an image. The
noisy image itself reaches the output beside the network; an error of the spikes is one of the noise that is subtracted.

Heads of other kinds are judged the same way: `metric_over_time(model, batches, T, metric)` takes `PSNR`, `RMSE`, `MAE`
or a metric of your own, a number for each sample; [an example](../examples/07_values_not_classes.py).
"""


def page() -> str:
    """The page: what was done, the table of every recipe at every T, and how to do it again."""
    from spikewright.models import denoiser

    report = Report.from_json(RESULT.read_text(encoding="utf-8"))
    config, environment = report.config, report.environment
    head = HEAD.format(
        parameters=sum(parameter.numel() for parameter in denoiser().parameters()),
        sigma=config["sigma"] * 255,
        train_images=config["train_images"],
        calibration_images=config["calibration_images"],
        epochs=config["fit"]["epochs"],
    )
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    made = (
        f"Commit {str(environment['commit'])[:8]}, seed {config['seed']}, {environment['cpu']}, Python "
        f"{environment['python']}, {versions}.\n\n`{' '.join(environment['command'])}`\n"
    )
    energy = "How energy is counted is said in [energy.md](energy.md)."
    return "\n\n".join([head.rstrip(), report.tables[0].to_markdown(heading="##").rstrip(), energy, made])


def main() -> int:
    """Bring the page up to date, or only compare it."""
    return write_or_check(PAGE, page(), "make docs")


if __name__ == "__main__":
    sys.exit(main())
