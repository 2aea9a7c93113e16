"""An argument of the wrong kind, at every entry point of the package, is named in one sentence that says what to give."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from spikewright.coding import delta, latency, poisson, repeat
from spikewright.convert import (
    OPI,
    QCFS,
    Percentile,
    RobustNorm,
    check,
    convert,
    diagnose,
    max_pool_to_average,
    prepare,
)
from spikewright.core import ATan, Spiking, carry_state, gradient_rule, observe, recording
from spikewright.core.errors import SpikewrightError
from spikewright.core.trace import trace
from spikewright.core.unroll import bptt
from spikewright.data import Batches, ImageDataset, load_dataset, load_folder
from spikewright.experiments.network import load_conversion, load_network, network_file
from spikewright.neurons import IF, LIF
from spikewright.profile import (
    FLOAT32_45NM,
    SRAM_1MB,
    count_macs,
    count_operations,
    count_spikes,
    energy_over_time,
    estimate,
    weight_reads,
)
from spikewright.train import (
    SGD,
    FitConfig,
    accuracy,
    accuracy_over_time,
    cross_entropy,
    fit,
    load_model,
    save_model,
)

NET = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
X, Y = torch.rand(4, 2), torch.zeros(4, dtype=torch.int64)
BATCHES = [(X, Y)]
SNN = Spiking(nn.Sequential(nn.Linear(2, 2), IF(), nn.Linear(2, 2)))
ANY: Any = None
"""What no type checker would let through."""


def thresholds() -> dict[str, torch.Tensor]:
    return {"1": torch.tensor(1.0)}


def enter(block: Any) -> None:
    with block:
        pytest.fail("the block was entered")


MODULE = r"expected a network, i\.e\. a torch\.nn\.Module"

CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    # core
    "Spiking(None)": (lambda: Spiking(ANY), rf"Spiking\.module: got None; {MODULE}"),
    "Spiking(IF)": (lambda: Spiking(IF), rf"Spiking\.module: got the class IF; {MODULE}\. Make an object of it: IF\("),
    "trace(function)": (lambda: trace(torch.relu), rf"trace\.module: got builtin_function_or_method; {MODULE}"),
    "carry_state": (lambda: enter(carry_state(ANY)), rf"carry_state\.model: got None; {MODULE}"),
    "gradient_rule": (lambda: enter(gradient_rule(ANY, bptt)), r"gradient_rule\.model: got None"),
    "recording": (lambda: enter(recording(ANY)), r"recording\.model: got None"),
    "observe": (lambda: enter(observe(ANY, ANY, ANY)), r"observe\.model: got None"),
    "IF(v_threshold=text)": (lambda: IF(v_threshold="1"), r"IF\.v_threshold: got '1'; expected a number or a tensor"),
    "IF(v_threshold=None)": (lambda: IF(v_threshold=ANY), r"IF\.v_threshold: got None; expected a number or a tensor"),
    "IF(spike=class)": (lambda: IF(spike=ATan), r"IF\.spike: got the class ATan; expected a function: ATan\(\)"),
    "LIF(reset=text)": (lambda: LIF(reset="subtract"), r"LIF\.reset: got 'subtract'; expected a function: subtract"),
    "LIF(tau=text)": (lambda: LIF(tau="2"), r"LIF\.tau: got '2'"),
    # coding
    "repeat(list)": (lambda: repeat([[1.0]], 3), r"repeat: got list; expected a tensor"),
    "repeat(text)": (lambda: repeat(X, "3"), r"repeat\.timesteps: got '3'"),
    "poisson(seed)": (
        lambda: poisson(X, 3, 0),
        r"poisson\.generator: got int; expected a torch\.Generator.*manual_seed",
    ),
    "poisson(None)": (lambda: poisson(X, 3, ANY), r"poisson\.generator: got None; expected a torch\.Generator"),
    "latency(None)": (lambda: latency(ANY, 3), r"latency: got NoneType; expected a tensor"),
    "delta(text)": (
        lambda: delta(X.view(4, 1, 2), "1"),
        r"delta\.threshold: got '1'; expected a finite number above 0",
    ),
    "delta(None)": (lambda: delta(X.view(4, 1, 2), ANY), r"delta\.threshold: got None"),
    "IF(learn=None)": (lambda: IF(learn=ANY), r"IF\.learn: got None; expected a tuple of names"),
    "gradient_rule(text)": (lambda: enter(gradient_rule(SNN, "bptt")), r"gradient_rule\.rule: got 'bptt'; expected an"),
    # convert
    "OPI(text)": (lambda: OPI(threshold="max"), r"OPI\.threshold: got 'max'; expected a statistic, e\.g\. Percentile"),
    "OPI(number)": (lambda: OPI(threshold=99.9), r"OPI\.threshold: got float; expected a statistic"),
    "OPI(class)": (
        lambda: OPI(threshold=Percentile),
        r"OPI\.threshold: got the class Percentile; expected a statistic",
    ),
    "OPI(start)": (lambda: OPI(start="0.5"), r"OPI\.start: got '0\.5'; expected a finite number"),
    "QCFS(start)": (lambda: QCFS(start=ANY), r"QCFS\.start: got None; expected a finite number"),
    "RobustNorm": (lambda: RobustNorm(threshold=99.9), r"RobustNorm\.threshold: got float; expected a statistic"),
    "Percentile": (lambda: Percentile(percentile="99"), r"Percentile\.percentile: got '99'; expected a number above 0"),
    "convert(None)": (lambda: convert(ANY, OPI(), X), rf"convert\.model: got None; {MODULE}"),
    "convert(class)": (lambda: convert(nn.ReLU, OPI(), X), r"got the class ReLU; .* Make an object of it: ReLU\("),
    "convert(weights)": (lambda: convert(NET.state_dict(), OPI(), X), rf"convert\.model: got OrderedDict; {MODULE}"),
    "convert(spiking)": (lambda: convert(SNN, OPI(), X), r"convert\.model: got Spiking; expected an ordinary network"),
    "convert(swapped)": (lambda: convert(NET, X, OPI()), r"convert\.recipe: .*The order is model, recipe, images"),
    "convert(allow=text)": (lambda: convert(NET, OPI(), X, allow="1"), r"convert\.allow: got '1'; .* e\.g\. \('1',\)"),
    "convert(leaves=class)": (
        lambda: convert(NET, OPI(), X, leaves=IF),
        r"convert\.leaves: got the class IF; expected",
    ),
    "convert(leaves=names)": (lambda: convert(NET, OPI(), X, leaves=("IF",)), r"convert\.leaves: got tuple; expected"),
    "convert(extra=rule)": (lambda: convert(NET, OPI(), X, extra=max_pool_to_average), r"convert\.extra: got Rule; "),
    "convert(extra=names)": (
        lambda: convert(NET, OPI(), X, extra=("IF",)),
        r"convert\.extra: got 'IF'; expected a tup",
    ),
    "diagnose(loader)": (
        lambda: diagnose(convert(NET, OPI(), thresholds=thresholds()), BATCHES, 4),
        r"diagnose\.images: got list; expected a tensor \[N, \.\.\.\]\. Give one batch of images alone",
    ),
    "convert(thresholds=1.0)": (
        lambda: convert(NET, OPI(), thresholds=1.0),
        r"convert\.thresholds: got float; expected",
    ),
    "prepare(None)": (lambda: prepare(ANY, QCFS()), rf"prepare\.model: got None; {MODULE}"),
    "prepare(text)": (lambda: prepare(NET, "QCFS"), r"prepare\.recipe: got 'QCFS'; expected a recipe"),
    "check(None)": (lambda: check(ANY, OPI()), rf"check\.model: got None; {MODULE}"),
    "check(class)": (lambda: check(NET, OPI), r"check\.recipe: got the class OPI; expected a recipe, e\.g\. OPI\(\)"),
    "diagnose(model)": (lambda: diagnose(SNN, X, 4), r"diagnose\.conversion: got Spiking; expected what convert\(\)"),
    # train
    "accuracy(None)": (lambda: accuracy(ANY, BATCHES), rf"accuracy\.model: got None; {MODULE}"),
    "accuracy(swapped)": (lambda: accuracy(BATCHES, NET), r"accuracy\.model: got list; .*The order is model, batches"),
    "accuracy(tensor)": (
        lambda: accuracy(NET, X),
        r"accuracy\.batches: got Tensor; expected batches \(x, y\)\. For one",
    ),
    "accuracy(one batch)": (lambda: accuracy(NET, (X, Y)), r"accuracy, batch 0: got Tensor; expected a pair \(x, y\)"),
    "accuracy(images)": (lambda: accuracy(NET, [X]), r"accuracy, batch 0: got Tensor; expected a pair \(x, y\)"),
    "accuracy(labels)": (lambda: accuracy(NET, [(X, [0, 0])]), r"batch 0: got tuple of Tensor, list; expected a pair"),
    "accuracy(no batches)": (lambda: accuracy(NET, ANY), r"accuracy\.batches: got None; expected batches \(x, y\)"),
    "over_time(ANN)": (
        lambda: accuracy_over_time(NET, BATCHES, 4),
        r"accuracy_over_time\.model: got Sequential; expected a Spiking network\. .*convert\(\.\.\.\)\.model.*Spiking\(net",
    ),
    "over_time(conversion)": (
        lambda: accuracy_over_time(convert(NET, OPI(), thresholds=thresholds()), BATCHES, 4),
        r"accuracy_over_time\.model: got Conversion; expected a Spiking network",
    ),
    "over_time(tensor)": (lambda: accuracy_over_time(SNN, X, 4), r"accuracy_over_time\.batches: got Tensor; expected"),
    "over_time(text)": (lambda: accuracy_over_time(SNN, BATCHES, "4"), r"accuracy_over_time\.timesteps: got '4'"),
    "over_time(source)": (
        lambda: accuracy_over_time(SNN, BATCHES, 4, source="net"),
        rf"accuracy_over_time\.source: got 'net'; {MODULE}",
    ),
    "fit(model)": (lambda: fit(ANY, cross_entropy(), BATCHES, None, FitConfig()), rf"fit\.model: got None; {MODULE}"),
    "fit(loss)": (lambda: fit(NET, nn.CrossEntropyLoss(), BATCHES, None, FitConfig()), r"fit\.loss: got CrossEntropyL"),
    "fit(config)": (
        lambda: fit(NET, cross_entropy(), BATCHES, None, {"epochs": 3}),
        r"fit\.config: got dict; expected",
    ),
    "FitConfig(optimizer=class)": (lambda: FitConfig(optimizer=SGD), r"FitConfig\.optimizer: got the class SGD; expec"),
    "FitConfig(optimizer=text)": (lambda: FitConfig(optimizer="sgd"), r"FitConfig\.optimizer: got 'sgd'; expected SGD"),
    "FitConfig(epochs=text)": (lambda: FitConfig(epochs="3"), r"FitConfig\.epochs: got '3'; expected a whole number"),
    "FitConfig(epochs=1.5)": (lambda: FitConfig(epochs=1.5), r"FitConfig\.epochs: got 1\.5; expected a whole number"),
    "cross_entropy(text)": (
        lambda: cross_entropy(label_smoothing="0"),
        r"cross_entropy\.label_smoothing: got '0'; exp",
    ),
    "save_model": (
        lambda: save_model("x", NET.state_dict(), {}),
        r"save_model\.model: got OrderedDict; .*order is path",
    ),
    "load_model": (lambda: load_model("x", ANY), r"load_model\.model: got None; .*The order is path, model"),
    "SGD(lr)": (lambda: SGD(lr="0.1"), r"SGD\.lr: got '0\.1'; expected a number above 0"),
    "SGD(weight_decay)": (lambda: SGD(weight_decay=ANY), r"SGD\.weight_decay: got None; expected a number of at least"),
    "FitConfig(ema)": (lambda: FitConfig(ema_decay="x"), r"FitConfig\.ema_decay: got 'x'; expected a number"),
    "FitConfig(clip)": (lambda: FitConfig(clip_norm=ANY), r"FitConfig\.clip_norm: got None; expected a number"),
    "fit(labels)": (
        lambda: fit(NET, cross_entropy(), [(X, Y.float())], None, FitConfig(epochs=1)),
        r"labels: got torch\.float32; expected numbers of classes, torch\.int64\. Convert them: y\.long\(\)",
    ),
    "over_time(encode)": (
        lambda: accuracy_over_time(SNN, BATCHES, 2, encode="repeat"),
        r"accuracy_over_time\.encode: got 'repeat'; expected a function",
    ),
    "over_time.table": (
        lambda: accuracy_over_time(SNN, BATCHES, 2).table(at=1),
        r"table at: got 1; expected numbers of",
    ),
    # profile
    "count_macs(leaves)": (lambda: count_macs(NET, X, leaves=nn.ReLU), r"count_operations\.leaves: got the class ReLU"),
    "input_amplitude": (
        lambda: count_operations(SNN, X, timesteps=2, input_amplitude="1"),
        r"count_operations\.input_amplitude: got '1'; expected a number, or None",
    ),
    "convention": (
        lambda: count_macs(NET, X).totals(convention="once"),
        r"convention: got 'once'; expected analog_each",
    ),
    "spikes.over_time": (
        lambda: count_spikes(SNN, X, timesteps=2).over_time(2),
        r"over_time\.timesteps: got 2; expect",
    ),
    "count_operations(None)": (lambda: count_operations(ANY, X), rf"count_operations\.model: got None; {MODULE}"),
    "count_operations(swapped)": (lambda: count_operations(X, NET), r"got Tensor; .*The order is model, batches"),
    "count_operations(batches)": (
        lambda: count_operations(NET, ANY),
        r"count_operations: got None; expected a tensor, or",
    ),
    "count_macs(None)": (lambda: count_macs(ANY, X), rf"count_operations\.model: got None; {MODULE}"),
    "count_spikes(None)": (lambda: count_spikes(ANY, X), r"count_spikes: got NoneType; expected a Spiking model"),
    "count_spikes(batches)": (lambda: count_spikes(SNN, 3), r"count_spikes: got int; expected a tensor, or batches"),
    "count_spikes(timesteps)": (lambda: count_spikes(SNN, X, timesteps="4"), r"repeat\.timesteps: got '4'"),
    "estimate(spikes)": (
        lambda: estimate(count_spikes(SNN, X, timesteps=2), FLOAT32_45NM),
        r"estimate\.operations: got SpikeCounts; expected what count_operations or count_macs returns",
    ),
    "estimate(costs)": (
        lambda: estimate(count_macs(NET, X), "float32_45nm"),
        r"estimate\.costs: got 'float32_45nm'; expected a cost table, one of float32_45nm, .*COST_TABLES\[name\]",
    ),
    "estimate(ann)": (
        lambda: estimate(count_macs(NET, X), FLOAT32_45NM, ann=NET),
        r"estimate\.ann: got Sequential; exp",
    ),
    "energy_over_time": (
        lambda: energy_over_time(count_macs(NET, X), FLOAT32_45NM, 4),
        r"energy_over_time\.timesteps: got int; expected numbers of steps, e\.g\. \(1, 2\)",
    ),
    "weight_reads(model)": (lambda: weight_reads(NET, SRAM_1MB), r"weight_reads\.operations: got Sequential; expected"),
    "weight_reads(memory)": (
        lambda: weight_reads(count_macs(NET, X), "dram"),
        r"weight_reads\.memory: got 'dram'; expected a memory table, one of sram_8kB, .*MEMORY_TABLES\[name\]",
    ),
    # data, experiments
    "ImageDataset(list)": (lambda: ImageDataset([1], Y, ("a",)), r"ImageDataset\.images: got list; expected a tensor"),
    "Batches(seed)": (lambda: Batches(load_dataset("synthetic"), 8, seed="1"), r"Batches\.seed: got '1'; expected a"),
    "Batches(augment)": (
        lambda: Batches(load_dataset("synthetic"), 8, seed=1, augment="flip"),
        r"Batches\.augment: got 'flip'; expected a function of images and generator",
    ),
    "load_folder(None)": (lambda: load_folder(ANY), r"load_folder: got NoneType; expected the path of a folder"),
    "load_folder(text)": (lambda: load_folder("nowhere"), r"load_folder: got no folder nowhere"),
    "Batches(tensors)": (
        lambda: Batches((X, Y), 2),
        r"Batches\.dataset: got tuple; .*ImageDataset\(images, labels, cla",
    ),
    "Batches(1.5)": (lambda: Batches(load_dataset("synthetic", split="test"), 1.5), r"Batches\.batch_size: got 1\.5"),
    "load_dataset(None)": (lambda: load_dataset(ANY), r"dataset: got None; expected one of "),
    "load_network(None)": (
        lambda: load_network(ANY),
        r"model: got None; expected the name of an embedded network, or a",
    ),
    "load_network(model)": (
        lambda: load_network(NET),
        r"model: got Sequential; expected the name of an embedded network",
    ),
    "load_conversion(None)": (lambda: load_conversion(ANY), r"model: got None; expected the name"),
    "network_file(None)": (lambda: network_file(ANY), r"model: got None; expected the name"),
}


@pytest.mark.parametrize("name", CALLS)
def test_it_is_named_and_what_to_give_instead(name: str) -> None:
    call, text = CALLS[name]
    with pytest.raises(SpikewrightError, match=text):
        call()
