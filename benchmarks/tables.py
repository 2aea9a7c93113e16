"""The newest result as pages: its tables in benchmarks/tables/, and docs/benchmarks.md around them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import attack_cost
import calibration
import control
import control_jumps
import control_speed
import dense_gpu
import direct_training
import event_attacks
import event_exit
import event_fuzzing
import event_layers
import event_networks
import event_pareto
import event_roofline
import event_scaling
import event_trained
import interrupted
import kill_and_resume
import neuron_kernels
import red_team
import red_team_triggers
import robustness
import robustness_gpu
import step_cost
import survey_load
import training_step
import transformers_page

from spikewright.report.table import Column, Table

ROOT = Path(__file__).resolve().parents[1]
RESULTS, TABLES, DOCS = ROOT / "benchmarks/results", ROOT / "benchmarks/tables", ROOT / "docs/benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench`, which measures and then brings this page up to date; do not edit. Results with everything they
were measured on are in `benchmarks/results/`, the tables alone in `benchmarks/tables/`. The comparison after few steps
needs data that `make bench` does not fetch: `SPIKEWRIGHT_DATA=... .venv-bench/bin/python benchmarks/few_steps.py`.
"""
NOTHING = "\nNothing has been measured yet.\n"
CONVERSIONS = {
    "channel-half": "a threshold per channel, membranes start at half of it",
    "layer-zero": "a threshold per layer, membranes start at zero",
}
MEANING = CONVERSIONS | {
    "balanced-4": "local threshold balancing, 4 passes over the calibration images",
    "balanced-10": "local threshold balancing, 10 passes",
    "calibrated": "COS, thresholds per channel with the least error at T = 8; 8 steps before",
    "differential": "DCGS, 4 thresholds a neuron",
    "harmony": "HMT, differential coding, 4 thresholds a half",
}
CURVE = (1, 2, 4, 8, 16, 32)
OURS = ("spikewright", "default")

Result = dict[str, Any]
Key = tuple[str, int, int]
"""Conversion, batch size, threads."""


def measurements(result: Result) -> dict[Key, dict[tuple[str, str], list[dict[str, Any]]]]:
    """Conversion, batch size, threads -> side and way -> one measurement per round."""
    found: dict[Key, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for process in result["runs"]:
        for run in process["runs"]:
            key = (process["conversion"], process["batch_size"], run["threads"])
            measured = {
                "seconds": run["seconds"] / process["images"],
                "memory": run["peak"] - process["after_imports"],
                "after_imports": process["after_imports"],
                "images": process["images"],
                "correct": run["correct"],
            }
            found.setdefault(key, {}).setdefault((process["side"], process["way"]), []).append(measured)
    return found


def fastest(sides: dict[tuple[str, str], list[dict[str, Any]]]) -> tuple[str, str]:
    """SpikingJelly's fastest way, by the median."""
    ways = [who for who in sides if who[0] == "spikingjelly"]
    return min(ways, key=lambda who: median(run["seconds"] for run in sides[who]))


def comparison(result: Result) -> Table:
    """One row per setting: this project beside SpikingJelly's fastest way."""
    rows = []
    for (conversion, batch_size, threads), sides in measurements(result).items():
        best = fastest(sides)
        ours, theirs = sides[OURS], sides[best]
        ratios = [other["seconds"] / own["seconds"] for own, other in zip(ours, theirs)]
        memory = [median(run["memory"] for run in runs) for runs in (ours, theirs)]
        seconds = [median(run["seconds"] for run in runs) for runs in (ours, theirs)]
        spread = (median(ratios), min(ratios), max(ratios))
        rows.append((conversion, batch_size, threads, best[1], *seconds, *spread, *memory))
    columns = (
        Column("conversion"),
        Column("batch"),
        Column("threads"),
        Column("SpikingJelly's fastest way"),
        Column("this project", "s", note="time per image"),
        Column("SpikingJelly", "s", note="time per image"),
        Column(
            "speed-up", "×", 2, note="SpikingJelly's time over this project's in the same round; median of the rounds"
        ),
        Column("lowest", "×", 2),
        Column("highest", "×", 2),
        Column("memory here", "B", note="peak of the process above what it held after its imports"),
        Column("memory there", "B", note="the same, for SpikingJelly's fastest way"),
    )
    return Table("Side by side", columns, tuple(rows))


def every_run(result: Result) -> Table:
    """One row per setting, side and way."""
    rows = []
    for (conversion, batch_size, threads), sides in measurements(result).items():
        for (side, way), runs in sides.items():
            seconds = [run["seconds"] for run in runs]
            spread = (median(seconds), min(seconds), max(seconds))
            memory = (median(run[part] for run in runs) for part in ("memory", "after_imports"))
            rows.append((conversion, batch_size, threads, side, way, *spread, *memory))
    columns = (
        *(Column(name) for name in ("conversion", "batch", "threads", "side", "way")),
        Column("time per image", "s", note="median of the rounds"),
        *(Column(name, "s") for name in ("lowest", "highest")),
        Column("memory", "B", note="peak of the process above what it held after its imports"),
        Column("after imports", "B"),
    )
    source = "The side `source` is the ordinary network: one forward pass per image."
    return Table("Every measurement", columns, tuple(rows), notes=(source,))


def accuracy(result: Result) -> Table:
    """Accuracy after T steps of both sides, on the images of the largest batches: a sign that both do the work."""
    found = measurements(result)
    key = max((key for key in found if key[0] == "channel-half"), key=lambda key: (key[1], -key[2]))
    sides = found[key]
    runs = [sides[who][0] for who in (OURS, fastest(sides), ("source", "forward"))]
    steps = [t for t in CURVE if t <= result["timesteps"]]
    rows = tuple((t, *(run["correct"][t - 1] / run["images"] for run in runs)) for t in steps)
    columns = (Column("T"), *(Column(name, "%", 1) for name in ("this project", "SpikingJelly", "source network")))
    return Table("Accuracy", columns, rows, caption=f"{runs[0]['images']} images; each side with its own calibration.")


def page(result: Result) -> str:
    """The section of one result: what was measured on what, and its tables."""
    return CASES[result["case"]][1](result)


def _evaluation(result: Result) -> str:
    return "\n\n".join([f"## {result['what']}", *_words(result), *_tables(result)]) + "\n"


def _few_steps(result: Result) -> str:
    network = result["network"]
    words = (
        f"`{network['name']}`, a network that others trained ({network['source']}), converted without training by "
        f"both sides with the same calibration images, {_machine(result)} SpikingJelly runs its rate-coding recipe at "
        "the 99.9th percentile, as it is by default and with the two options that help most, and its local threshold "
        "balancing in batches of 20; its conversion does not "
        "know zero padding along channels, so its shortcuts are convolutions with weights 0 and 1. Here: the same "
        "thresholds and starts, then `OPI(threshold=ErrorOptimal(timesteps=T, groups=per_channel))` with "
        "`fit_starts` for each T; `COS(rho=8, threshold=ErrorOptimal(timesteps=8, groups=per_channel))`, whose "
        "first output comes after 8 steps more, or 8 for each layer where no layer can look ahead; `DCGS()`, and "
        "`HMT(coding=differential, signed=True, firing=Harmony(dead_zone=0.75))`, whose neurons send changes in "
        "powers of two: what one such spike costs is said in [docs/energy.md](energy.md)."
    )
    load = ", ".join(f"{numbers[0]:.1f}" for numbers in result["device"]["load_before_and_after"])
    words += f" Load of the machine before and after: {load}; above 0.5 the times are rough."
    return "\n\n".join([f"## {result['what']}", words, few_steps(result).to_markdown(heading="###")]) + "\n"


def _calibration(result: Result) -> str:
    words = f"Time of `measure`, which runs the network over the images and takes thresholds, {_machine(result)}"
    table = calibration.comparison(result).to_markdown(heading="###")
    return "\n\n".join(["## What calibration costs", words, table]) + "\n"


def _step_cost(result: Result) -> str:
    dense = "Layers are dense here: a silent neuron costs as much as any."
    words = f"Compiled neurons, {_machine(result)} {_load(result)} {dense}"
    return "\n\n".join(["## What a step costs", words, step_cost.comparison(result).to_markdown(heading="###")]) + "\n"


def _direct_training(result: Result) -> str:
    said = (direct_training.words, direct_training.seen, direct_training.unlearnt)
    parts = [*(say(result) for say in said), f"Run {_machine(result)}"]
    tables = [t.to_markdown(heading="###") for t in direct_training.tables(result)]
    return "\n\n".join([f"## {result['what']}", *filter(None, parts), *tables]) + "\n"


def _attack_cost(result: Result) -> str:
    words = (
        f"{result['what']}, {_machine(result)} {_load(result)} A search asks for one forward and one backward pass a "
        "step; what it adds is projection, the start, and the judge's look at every input."
    )
    return "\n\n".join(["## What an attack costs", words, attack_cost.table(result).to_markdown(heading="###")]) + "\n"


def _robustness(result: Result) -> str:
    words = (
        f"`cifar_cnn` trained for minutes, {_machine(result)} Every attack is tried on every image; `own` is the "
        "gradient of the training's surrogate. The worst case is taken per image. The checks that flags alone allow "
        "stand below; the others run with `spikewright attack`."
    )
    tables = [robustness.table(result), robustness.checked(result)]
    return "\n\n".join([f"## {result['what']}", words, *(t.to_markdown(heading="###") for t in tables)]) + "\n"


def _robustness_gpu(result: Result) -> str:
    words = f"{robustness_gpu.words(result)} Run on {result['device']['name']}."
    tables = [robustness_gpu.table(result, eps).to_markdown(heading="###") for eps in (8, 2)]
    return "\n\n".join([f"## {result['what']}", words, *tables]) + "\n"


def _control(result: Result) -> str:
    devices = sorted({row["environment"].get("gpu") or row["environment"]["cpu"] for row in result["rows"]})
    words = (
        "TD3 with the published settings; `K=1` is one update of the proxy at a learning rate of 3e-3 in place of "
        "three at 1e-3. The first 25,000 steps are random. Every 2,000 to 12,500 steps ten episodes without noise, on "
        f"seeds of their own. Run on {', '.join(devices)}, several at a time, so that speeds are lower than alone. A "
        "training on InvertedDoublePendulum can end with an actor that "
        "gives the same action everywhere and never learns again; plain TD3 of an ordinary actor does so too."
    )
    parts = [
        part
        for task in control.tasks_of(result)
        for part in (
            control.table(result, task).to_markdown(heading="###"),
            f"![Returns of {task}](figures/control-{task.lower()}.png)",
        )
    ]
    return "\n\n".join([f"## {result['what']}", words, *parts]) + "\n"


def _control_jumps(result: Result) -> str:
    words = (
        f"An actor of the published size is fitted to a fixed function and stands still; its target follows, "
        f"{_machine(result)} The published steps are 0.005 of a soft update and 1e-3 of the proxy's Adam. What moves "
        "continuously moves less with smaller steps; the spiking copy goes on to jump by what a spike is worth. The "
        "figure shows, for each target, the action that jumps most."
    )
    figure = "![The action that jumps most](figures/control-jumps.png)"
    table = control_jumps.table(result).to_markdown(heading="###")
    return "\n\n".join([f"## {result['what']}", words, figure, table]) + "\n"


def _control_speed(result: Result) -> str:
    words = f"{result['what']}, one thread, {_machine(result)} {_load(result)}"
    return "\n\n".join([f"## {result['what']}", words, control_speed.table(result).to_markdown(heading="###")]) + "\n"


def _event_attacks(result: Result) -> str:
    tables = [t.to_markdown(heading="###") for t in event_attacks.tables(result)]
    return "\n\n".join([f"## {result['what']}", event_attacks.words(result), f"Run {_machine(result)}", *tables]) + "\n"


def _event_layers(result: Result) -> str:
    words = (
        f"{result['what']}, {_machine(result)} {_load(result)} Spikes are drawn at random. "
        "The plan of a network runs a layer dense where that is faster."
    )
    tables = (event_layers.table(result), event_layers.rates(result))
    return "\n\n".join(["## Single layers on events", words, *(t.to_markdown(heading="###") for t in tables)]) + "\n"


def _event_networks(result: Result) -> str:
    words = (
        f"{result['what']}, {_machine(result)} {_load(result)} SpikingJelly's accuracy with one spike size: "
        f"{event_networks.peers_accuracy(result)}."
    )
    tables = [t.to_markdown(heading="###") for t in _network_tables(result)]
    trained = result.get("trained")
    head = "## Networks on events"
    if trained is not None:
        about = trained["about"]
        head += f": {about['run']}"
        words += (
            f" Trained by `spikewright train --network.architecture {trained['network']['architecture']}` to "
            f"{100 * about['test_accuracy']:.1f} % of the test images; its weights are not in this package."
        )
    return "\n\n".join([head, words, *tables]) + "\n"


def _network_tables(result: Result) -> list[Table]:
    return [event_networks.table(result, threads) for threads in event_networks.threads_of(result)]


def _event_scaling(result: Result) -> str:
    words = f"{result['what']}, {_machine(result)} {_load(result)}"
    figure = "![Time against events](figures/events-time.png)"
    tables = [t.to_markdown(heading="###") for t in event_scaling.tables(result)]
    return "\n\n".join(["## Scaling of the event runtime", words, figure, *tables]) + "\n"


def _event_fuzzing(result: Result) -> str:
    others = "".join(f"\n* {line}" for line in result["others"])
    table = event_fuzzing.table(result).to_markdown(heading="###")
    return f"## Random networks on events\n\n{table}\n{others}".rstrip() + "\n"


def _event_pareto(result: Result) -> str:
    words = (
        f"{result['what']}, {_machine(result)} {_load(result)} T counts the steps whose output counts; the time holds "
        "those before them too. The networks trained for QCFS are others than those that are converted as they are."
    )
    parts = [
        part
        for name in event_pareto.METHODS
        for part in (
            f"![Time against accuracy of {name}](figures/events-pareto-{name}.png)",
            event_pareto.table(result, name).to_markdown(heading="###"),
        )
    ]
    return "\n\n".join(["## Time against accuracy", words, *parts]) + "\n"


def _event_roofline(result: Result) -> str:
    words = f"{result['what']}, {_machine(result)} {_load(result)}"
    tables = [t.to_markdown(heading="###") for t in (event_roofline.peak_table(result), event_roofline.table(result))]
    return "\n\n".join(["## Layers under their roof", words, *tables]) + "\n"


def _event_exit(result: Result) -> str:
    words = f"{result['what']}, one thread, {_machine(result)} {_load(result)}"
    return "\n\n".join(["## Answering early", words, event_exit.table(result).to_markdown(heading="###")]) + "\n"


def _event_trained(result: Result) -> str:
    words = (
        f"{result['what']}, {_machine(result)} {_load(result)} AT-LIF neurons raise their thresholds with their "
        "activity; both networks have the same start and the same images. The ordinary network has the same shape; "
        "only its time is compared."
    )
    table = event_trained.table(result).to_markdown(heading="###")
    return "\n\n".join(["## Trained for few spikes", words, table]) + "\n"


def _dense_gpu(result: Result) -> str:
    device = result["device"]
    untrained = [about["network"] for about in result["networks"] if not about["trained"]]
    words = (
        f"{result['what']}, on {device.get('name', device['kind'])}. TF32 in convolutions of float32, as torch has it: "
        f"{'yes' if device.get('tf32_convolutions') else 'no'}. "
        f"Untrained, timed only: {', '.join(untrained) or 'none'}."
    )
    tables = [t.to_markdown(heading="###") for t in (dense_gpu.table(result), dense_gpu.judged(result))]
    return "\n\n".join(["## On a GPU", words, *tables]) + "\n"


def _training_step(result: Result) -> str:
    precision = "bfloat16 by automatic mixed precision" if result["half"] else "single precision"
    words = (
        f"{result['what']}, {precision}, {_machine(result)} {_load(result)} All sides train the same network of leaky "
        "neurons with the same weights; losses agree to three digits, but for snnTorch, whose batch norms see one step "
        "at a time. `packed` keeps spikes as bits and computes the norms before neurons again; `bptt` is a plain loop."
    )
    return "\n\n".join([f"## {result['what']}", words, training_step.table(result).to_markdown(heading="###")]) + "\n"


def _neuron_kernels(result: Result) -> str:
    words = f"{result['what']}, {_machine(result)} Many calls at a time, so that the device never waits for Python."
    table = neuron_kernels.table(result).to_markdown(heading="###")
    return "\n\n".join(["## Neurons alone on a GPU", words, table]) + "\n"


def _interrupted(result: Result) -> str:
    words = (
        f"{result['what']}, seven trainings beside each other on one H100, ended by a time limit before their last "
        "epoch: **no final figures**, and not comparable with each other, as they stopped at different epochs."
    )
    table = interrupted.table(result).to_markdown(heading="###")
    return "\n\n".join(["## Direct training on a GPU, cut short", words, table]) + "\n"


def _load(result: Result) -> str:
    load = ", ".join(f"{numbers[0]:.1f}" for numbers in result["load_before_and_after"])
    return f"Load of the machine before and after: {load}; above 0.5 the factors are rough."


def depth(result: Result) -> Table:
    """One row per depth: the memory that an evaluation takes, by recipe, in activations of one layer in all steps."""
    used = {(run["depth"], run["recipe"]): run["peak"] - run["before"] for run in result["runs"]}
    recipes = list(dict.fromkeys(run["recipe"] for run in result["runs"]))
    one = result["runs"][0]["activation"]
    rows = tuple(
        (layers, *(used[layers, recipe] for recipe in recipes), *(used[layers, recipe] / one for recipe in recipes))
        for layers in dict.fromkeys(run["depth"] for run in result["runs"])
    )
    note = f"memory over {one / 1e6:.1f} MB, one layer's activations in all {result['timesteps']} steps"
    columns = (
        Column("layers"),
        *(Column(recipe, "B", note="peak of the process above what it held before") for recipe in recipes),
        *(Column(f"{recipe}, in activations", "×", 1, note) for recipe in recipes),
    )
    return Table("Memory against depth", columns, rows)


def _depth(result: Result) -> str:
    words = (
        f"One evaluation of {result['images']} images of {result['pixels']} × {result['pixels']} pixels in a chain of "
        f"convolutions with {result['channels']} channels, T = {result['timesteps']}, {_machine(result)} COS runs each "
        "layer as often as it has iterations and steps, but one layer after another, so that memory does not follow "
        "their number; what is left is how the allocator happens to keep freed memory."
    )
    return "\n\n".join([f"## {result['what']}", words, depth(result).to_markdown(heading="###")]) + "\n"


def _kill_and_resume(result: Result) -> str:
    words = (
        "A small network with batch norm, dropout, augmentation and a moving average of its weights, trained on the "
        f"500 training images of the package for {result['alone']['epochs']} epochs, with a checkpoint after every "
        f"third update; seed {result['seed']}, {_machine(result)} Each run is killed by `kill -9` at moments drawn "
        "at random and gone on with until it ends, then compared with one that was left alone."
    )
    return (
        "\n\n".join([f"## {result['what']}", words, kill_and_resume.comparison(result).to_markdown(heading="###")])
        + "\n"
    )


def _machine(result: Result) -> str:
    environment = result["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    dirty = " with changes" if environment["dirty"] else ""
    return (
        f"on {environment['cpu']}, {environment['cores']} cores, {environment['date'][:10]}, commit "
        f"{(environment['commit'] or 'unknown')[:10]}{dirty}; Python {environment['python']}, {versions}."
    )


def _words(result: Result) -> Iterator[str]:
    environment, network, check = result["environment"], result["network"], result["check"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    load = ", ".join(f"{numbers[0]:.1f}" for numbers in result["device"]["load_before_and_after"])
    dirty = " with changes" if environment["dirty"] else ""
    yield (
        f"{network['made_of']['architecture']} with ReLU (`{network['name']}`), converted and run by this project "
        f"and by SpikingJelly with its torch backend, on {environment['cpu']}, {environment['cores']} cores, "
        f"{environment['date'][:10]}, commit {(environment['commit'] or 'unknown')[:10]}{dirty}; Python "
        f"{environment['python']}, {versions}. Each measurement is a process of its own; the sides take turns, "
        f"{result['rounds']} rounds. Load of the machine before and after: {load}."
    )
    yield "\n".join(f"- `{name}`: {meaning}." for name, meaning in CONVERSIONS.items())
    yield (
        "SpikingJelly runs a converted network in three ways: `multi-step`, all steps at once; `chunks`, a few steps "
        "at once (`chunk_multi_step_forward`); `single-step`, a loop. It is compared by the fastest one. It gets its "
        "images scaled once per batch; here the scaling is part of the network and runs at every step. A chunk here "
        f"and there is {result['rows']} images times time steps."
    )
    yield (
        f"That both run the same network: with SpikingJelly's thresholds, the outputs of {check['images']} images "
        f"after each of {check['timesteps']} steps differ by at most "
        f"{check['largest_difference_with_same_thresholds']:.1g}, where the largest output is "
        f"{check['largest_output']:.1f}. Each with its own calibration, "
        f"{check['same_class_with_own_thresholds']} of {check['images']} images get the same class."
    )
    yield _verdict(comparison(result))


def _verdict(table: Table) -> str:
    ratios = [float(str(ratio)) for ratio in table.column("speed-up")]
    slower = [row[:3] for row, ratio in zip(table.rows, ratios) if ratio < 1]
    text = f"This project takes less time in {len(ratios) - len(slower)} of {len(ratios)} settings"
    if not slower:
        return f"{text}."
    where = "; ".join(f"{conversion}, batches of {batch}, threads: {threads}" for conversion, batch, threads in slower)
    return f"{text}. **It is slower in**: {where}."


def _tables(result: Result) -> Iterator[str]:
    for table in (comparison(result), accuracy(result), every_run(result)):
        yield table.to_markdown(heading="###")


def few_steps(result: Result) -> Table:
    """One row per conversion: accuracy after each number of steps, spikes, time and memory; see few_steps.py."""
    steps = [t for t in CURVE if t <= result["timesteps"]]
    rows = tuple((SIDE[run["side"]], _meaning(run["conversion"]), *_row(run, steps)) for run in result["runs"])
    accuracies = (Column(f"T = {t}", "%", 1) for t in steps)
    columns = (
        *(Column("side"), Column("thresholds and starts"), *accuracies),
        Column("T", note="of the columns behind it"),
        Column("spikes", "", 0, note=f"of all neurons in T steps per image, over {result['runs'][0]['images']} images"),
        Column("time", "s", note="per image at T, one thread"),
        Column("memory", "B", note="peak of the process above what it held after its imports"),
        Column("conversion", "s", 1, note="calibration included"),
    )
    top = result["source_correct"] / result["judged"]
    return Table("After few steps", columns, rows, caption=f"The source network reaches {100 * top:.1f} %.")


def _meaning(conversion: str) -> str:
    least = "thresholds per channel with the least error and starts fitted, at"
    return MEANING.get(conversion) or conversion.replace("fitted-", f"{least} T = ")


SIDE = {"spikewright": "this project", "spikingjelly": "SpikingJelly"}


def _row(run: dict[str, Any], steps: list[int]) -> Iterator[Any]:
    last = run["timesteps"]
    yield from (run["correct"][t - 1] / run["judged"] if t <= last else None for t in steps)
    yield from (last, run["spikes_per_image"][last - 1], run["seconds"] / run["judged"])
    yield from (run["peak"] - run["after_imports"], run["convert_seconds"])


def _transformers(result: Result) -> str:
    words = transformers_page.words(result, _machine(result))
    table = transformers_page.comparison(result).to_markdown(heading="###")
    return "\n\n".join([f"## {result['what']}", *words, table]) + "\n"


RED_TEAM = red_team.changes, red_team.spiking_or_not, red_team.maps


def _red_team(result: Result) -> str:
    first = result["runs"][0]
    parts = [f"## {result['what']}", red_team.words(result), f"Run {_machine(result)}"]
    parts += [table(result).to_markdown(heading="###") for table in RED_TEAM]
    for table in (*red_team.tables(first), *red_team.implanted_anew(result)):
        parts.append(table.to_markdown(heading="###"))
    parts += [f"![{name}](figures/red-team-{name}.png)" for name in result["figures"]]
    return "\n\n".join(parts) + "\n"


def _red_team_triggers(result: Result) -> str:
    words = (
        f"Styles painted on ImageNet photographs at 128 pixels with a weight of 3 or 30; objects in photographs, with "
        f"a threshold that lets one picture in 150 fire, or as many as have such a label; CIFAR-10 pictures of two "
        f"classes in the corners of scenes of the others. {_machine(result).capitalize()}"
    )
    parts = [f"## {result['what']}", words]
    return "\n\n".join(parts + [t.to_markdown(heading="###") for t in red_team_triggers.tables(result)]) + "\n"


def _survey_load(result: Result) -> str:
    again = result["seconds_until_it_answered_again"]
    words = (
        f"{result['raters']} simulated raters answer the survey of the red-team part at once and without a pause, on "
        f"the loopback, {_machine(result)} After {result['acknowledged_before_kill']} acknowledged answers the server "
        f"gets `kill -9`; another one answers {again:.2g} s later, and the raters go on with their cookies. Then the "
        "answers on the disk are compared with those that were acknowledged."
    )
    return (
        "\n\n".join([f"## {result['what']}", words, survey_load.comparison(result).to_markdown(heading="###")]) + "\n"
    )


CASES: dict[str, tuple[Callable[[Result], Iterable[str]], Callable[[Result], str]]] = {
    "few-steps": (lambda result: [few_steps(result).to_markdown(heading="###")], _few_steps),
    "transformers": (
        lambda result: [transformers_page.comparison(result).to_markdown(heading="###")],
        _transformers,
    ),
    "evaluation": (lambda result: list(_tables(result)), _evaluation),
    "event-networks": (
        lambda result: [t.to_markdown(heading="###") for t in _network_tables(result)],
        _event_networks,
    ),
    "event-networks-file": (
        lambda result: [t.to_markdown(heading="###") for t in _network_tables(result)],
        _event_networks,
    ),
    "event-layers": (
        lambda result: [t.to_markdown(heading="###") for t in (event_layers.table(result), event_layers.rates(result))],
        _event_layers,
    ),
    "event-scaling": (
        lambda result: [t.to_markdown(heading="###") for t in event_scaling.tables(result)],
        _event_scaling,
    ),
    "event-pareto": (
        lambda result: [event_pareto.table(result, name).to_markdown(heading="###") for name in event_pareto.METHODS],
        _event_pareto,
    ),
    "event-roofline": (
        lambda result: [
            t.to_markdown(heading="###") for t in (event_roofline.peak_table(result), event_roofline.table(result))
        ],
        _event_roofline,
    ),
    "attack-cost": (lambda result: [attack_cost.table(result).to_markdown(heading="###")], _attack_cost),
    "robustness": (
        lambda result: [t.to_markdown(heading="###") for t in (robustness.table(result), robustness.checked(result))],
        _robustness,
    ),
    "robustness-gpu": (
        lambda result: [robustness_gpu.table(result, eps).to_markdown(heading="###") for eps in (8, 2)],
        _robustness_gpu,
    ),
    control_speed.CASE: (
        lambda result: [control_speed.table(result).to_markdown(heading="###")],
        _control_speed,
    ),
    control_jumps.CASE: (
        lambda result: [control_jumps.table(result).to_markdown(heading="###")],
        _control_jumps,
    ),
    control.CASE: (
        lambda result: [control.table(result, task).to_markdown(heading="###") for task in control.tasks_of(result)],
        _control,
    ),
    "event-exit": (lambda result: [event_exit.table(result).to_markdown(heading="###")], _event_exit),
    "event-trained": (lambda result: [event_trained.table(result).to_markdown(heading="###")], _event_trained),
    "dense-gpu": (
        lambda result: [t.to_markdown(heading="###") for t in (dense_gpu.table(result), dense_gpu.judged(result))],
        _dense_gpu,
    ),
    "training-step": (lambda result: [training_step.table(result).to_markdown(heading="###")], _training_step),
    "training-step-gpu-half": (lambda result: [training_step.table(result).to_markdown(heading="###")], _training_step),
    "training-step-gpu": (lambda result: [training_step.table(result).to_markdown(heading="###")], _training_step),
    "neuron-kernels-gpu": (lambda result: [neuron_kernels.table(result).to_markdown(heading="###")], _neuron_kernels),
    "direct-training-gpu": (lambda result: [interrupted.table(result).to_markdown(heading="###")], _interrupted),
    "event-fuzzing": (lambda result: [event_fuzzing.table(result).to_markdown(heading="###")], _event_fuzzing),
    "direct-training": (
        lambda result: [t.to_markdown(heading="###") for t in direct_training.tables(result)],
        _direct_training,
    ),
    event_attacks.CASE: (
        lambda result: [t.to_markdown(heading="###") for t in event_attacks.tables(result)],
        _event_attacks,
    ),
    "depth": (lambda result: [depth(result).to_markdown(heading="###")], _depth),
    "step-cost": (lambda result: [step_cost.comparison(result).to_markdown(heading="###")], _step_cost),
    "kill-and-resume-groups": (
        lambda result: [kill_and_resume.comparison(result).to_markdown(heading="###")],
        _kill_and_resume,
    ),
    "kill-and-resume": (
        lambda result: [kill_and_resume.comparison(result).to_markdown(heading="###")],
        _kill_and_resume,
    ),
    red_team.CASE: (
        lambda result: [t(result).to_markdown(heading="###") for t in RED_TEAM],
        _red_team,
    ),
    red_team_triggers.CASE: (
        lambda result: [table.to_markdown(heading="###") for table in red_team_triggers.tables(result)],
        _red_team_triggers,
    ),
    survey_load.CASE: (lambda result: [survey_load.comparison(result).to_markdown(heading="###")], _survey_load),
    "calibration": (lambda result: [calibration.comparison(result).to_markdown(heading="###")], _calibration),
}
"""Case -> its tables, and its section of the page."""


def newest(case: str) -> list[Result]:
    """The newest result of a case, or none."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS / case).glob("*.json")]
    return sorted(results, key=lambda result: result["environment"]["date"])[-1:]


def pages() -> dict[Path, str]:
    """Every generated file and its text."""
    texts, sections = {}, []
    for case, (tables, section) in CASES.items():
        for result in newest(case):
            texts[TABLES / f"{case}.md"] = "\n\n".join(tables(result)) + "\n"
            sections.append(section(result))
    return texts | {DOCS: HEAD + ("".join(f"\n{section}" for section in sections) or NOTHING)}


def main(argv: list[str] | None = None) -> int:
    """Write the pages, compare them, or print those of one result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")
    parser.add_argument("--show", type=Path, metavar="RESULT", help="print the page of one result and stop")
    options = parser.parse_args(argv)
    if options.show:
        print(page(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    texts = pages()
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale if not options.check else ():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8")
    for path in stale if options.check else ():
        print(f"{path.relative_to(ROOT)} is out of date; run: python benchmarks/tables.py", file=sys.stderr)
    return int(bool(stale) and options.check)


if __name__ == "__main__":
    sys.exit(main())
