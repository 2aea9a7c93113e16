"""What transformers.py found, as a table and in words."""

from __future__ import annotations

from typing import Any

from spikewright.report.table import Column, Table

Result = dict[str, Any]
CONVERSIONS = (
    ("spikingjelly_sta", "exact", "STA, its default: no spikes, every operation exact"),
    ("spikingjelly_sta", "one", "STA with spike encoders, thresholds × 1"),
    ("spikingjelly_sta", "half", "the same, thresholds × 0.5, converted for each T"),
    ("spikewright", "all-differential", "DCGS, every wire, 8 thresholds a neuron"),
    ("spikewright", "all-harmony", "HMT, differential coding, every wire, 8 thresholds a half"),
)
"""Side, conversion without the T that it is made for, and what it is."""
SIDE = {"spikewright": "this project", "spikingjelly_sta": "SpikingJelly"}


def comparison(result: Result) -> Table:
    """One row per conversion: accuracy after each number of steps, spikes and memory."""
    shown, rows, counted = result["shown"], [], 0
    for side, conversion, meaning in CONVERSIONS:
        runs = [run for run in result["runs"] if run["side"] == side and _without_t(run["conversion"]) == conversion]
        if not runs:
            continue
        last = max(runs, key=lambda run: run["timesteps"])
        spikes, largest, counted = last["spikes_per_image"][-1], last.get("largest_output"), last["images"]
        accuracies = (_accuracy(runs, t) for t in shown)
        memory = last["peak"] - last["after_imports"]
        rows.append((SIDE[side], meaning, *accuracies, last["timesteps"], spikes, largest or None, memory))
    columns = (
        Column("side"),
        Column("conversion"),
        *(Column(f"T = {t}", "%", 1) for t in shown),
        Column("T", note="of the columns behind it"),
        Column("spikes", "", 0, note=f"outputs that are not zero in T steps, per image, over {counted} images"),
        Column("largest", "", 0, note="most thresholds that an output of one of STA's encoders stands for"),
        Column("memory", "B", note="peak of the process above what it held after its imports, batches of 20"),
    )
    source = next(run["correct"][0] / run["judged"] for run in result["runs"] if run["side"] == "source")
    caption = f"The source network reaches {100 * source:.1f} %."
    return Table("A transformer after few steps", columns, tuple(rows), caption=caption)


def _without_t(conversion: str) -> str:
    name, _, number = conversion.rpartition("-")
    return name if number.isdigit() else conversion


def _accuracy(runs: list[dict[str, Any]], t: int) -> float | None:
    """After t steps; of several conversions, by the one that is made for t."""
    own = [run for run in runs if t == run["timesteps"]] if len(runs) > 1 else runs
    return next((run["correct"][t - 1] / run["judged"] for run in own if t <= run["timesteps"]), None)


def words(result: Result, machine: str) -> tuple[str, ...]:
    """What was compared, and what differs between the sides.

    Args:
        result: of transformers.py.
        machine: what it ran on, as a sentence.
    """
    network, check = result["network"], result["check"]
    return (
        f"`{network['name']}`, a vision transformer with GELU from this package, converted without training by both "
        f"sides with the same calibration images, {machine} SpikingJelly's `STATransformerRecipe` asks for torch's "
        "fused attention, whose heads share the width of a token, and knows no cutting into patches. It gets a copy "
        "with a convolution for the patches, and with linear layers of zeros and ones around an attention as wide as "
        f"all heads together; its logits differ from the network's by at most {check['largest_difference']:.1g} on "
        f"{check['images']} images.",
        'By default the recipe works in `mode="equivalent"`, numbers without any spike. In `mode="spiking_encoder"` '
        "an encoder follows each layer norm, GELU and attention; queries, keys, values and softmax stay numbers. The "
        "image comes in the first step and zeros after it, as in its example, which also scales thresholds by 0.5. "
        "An encoder gives as many thresholds at once as fit (column `largest`), so that all is said in the first "
        "step: no encoder gives anything later, and the number of steps that a network is converted for only sets how "
        "fine its thresholds are. Scaled by 1, they are those of half the T scaled by 0.5.",
        "Here every wire into weights or into a product spikes, that of the image, queries, keys, values and softmax "
        "included, so there are more neurons. An output is a power of two of the threshold (DCGS) or a sum of them "
        "(HMT); it counts as one spike on both sides, [docs/energy.md](energy.md) says what it costs. "
        + ("Times are in the result only: the machine was busy." if _busy(result) else ""),
    )


def _busy(result: Result) -> bool:
    return max(load[0] for load in result["device"]["load_before_and_after"]) > 0.5
