"""Networks of neurons are trained over time: what is built, saved, pruned, gone on with, and refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from spikewright import IF, LIF, Spiking
from spikewright.coding import repeat
from spikewright.convert import prepare
from spikewright.convert.recipes import QCFS
from spikewright.core.config import from_json, to_json
from spikewright.core.errors import ArgumentError, CheckpointError
from spikewright.core.fused import fused
from spikewright.core.neuron import Neuron
from spikewright.core.surrogate import Triangle
from spikewright.core.unroll import bptt
from spikewright.experiments import over_time as over_time_module
from spikewright.experiments.cost import COLUMNS, cost_of
from spikewright.experiments.first_weights import take_over
from spikewright.experiments.network import Network, load_network, save_network
from spikewright.experiments.neuron_choice import (
    NEURON_CHOICES,
    ATLIFNeurons,
    IFNeurons,
    LIFNeurons,
    LMHNeurons,
    NeuronChoice,
    PLIFNeurons,
)
from spikewright.experiments.over_time import OverTime
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.training import TrainRun, run_training
from spikewright.models.checkpoint import load
from spikewright.neurons import ATLIF, LMH
from spikewright.report import Report, RunFolder
from spikewright.sparsity import weights_left

OTHERS = (
    IFNeurons(v_threshold=0.5, start=0.25, spike=Triangle(), reset="to_zero"),
    LIFNeurons(tau=3.0, v_threshold=0.75, reset="subtract_detached"),
    PLIFNeurons(tau=2.5, v_threshold=1.25, spike=Triangle()),
    LMHNeurons(v_threshold=2.0, bound="none"),
    ATLIFNeurons(decay=0.5, v_threshold=0.25),
)
"""One of each kind with other numbers than the default ones."""


def trained(config: TrainRun, name: str = "run") -> tuple[Report, Path]:
    folder = RunFolder.create(config.out, name, to_json(config, REGISTRIES), {})
    report = run_training(config, folder)
    assert report is not None
    return report, folder.path


def changed(config: TrainRun, neurons: NeuronChoice | None = None, **over_time: object) -> TrainRun:
    network = config.network if neurons is None else replace(config.network, neurons=neurons)
    return replace(config, network=network, over_time=replace(config.over_time, **over_time))  # pyright: ignore


def weights_of(path: Path) -> dict[str, Tensor]:
    return load(path / "model.safetensors")[0]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def cost_in(report: Report) -> dict[str, float]:
    (table,) = (table for table in report.tables if table.title == "Cost")
    return dict(zip((column.name for column in table.columns), table.rows[0]))  # pyright: ignore


def neurons_of(model: nn.Module) -> list[Neuron]:
    return [module for module in model.modules() if isinstance(module, Neuron)]


@pytest.mark.parametrize("choice", [*(choice() for choice in NEURON_CHOICES.values()), *OTHERS], ids=repr)
def test_a_network_of_neurons_comes_back_from_its_file(choice: NeuronChoice, spiking: TrainRun, tmp_path: Path) -> None:
    network = replace(spiking.network, neurons=choice)
    assert from_json(Network, to_json(network, REGISTRIES), REGISTRIES) == network
    torch.manual_seed(1)
    model = network.build()
    assert isinstance(model, Spiking)
    assert len(neurons_of(model)) == 2
    for parameter in model.parameters():  # as after a training: no number that building makes again
        parameter.data += 0.1 * torch.rand_like(parameter)
    x = repeat(torch.rand(2, 3, 16, 16), 3)
    expected = model.eval()(x)
    save_network(tmp_path / "model.safetensors", model, network, {"accuracy": 0.5})
    loaded = load_network(tmp_path)
    assert loaded.classes == 4
    assert not loaded.model.training
    assert torch.equal(loaded.model(x), expected)
    for ours, theirs in zip(neurons_of(loaded.model), neurons_of(model), strict=True):
        assert (type(ours), repr(ours.spike), ours.reset) == (type(theirs), repr(theirs.spike), theirs.reset)


def test_every_kind_of_neuron_that_can_be_chosen_has_another_set_of_numbers_here() -> None:
    assert {type(choice) for choice in OTHERS} == set(NEURON_CHOICES.values())
    assert all(choice != type(choice)() for choice in OTHERS)


def test_neurons_stand_beside_no_method_and_no_trained_network() -> None:
    for other in ({"prepare": QCFS()}, {"pretrained": "cifar10_resnet20_relu"}):
        (name,) = other
        with pytest.raises(ArgumentError, match=rf"Network: got neurons and {name}; expected one of them\. .*--weigh"):
            Network(neurons=LIFNeurons(), **other)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"timesteps": 0}, r"OverTime\.timesteps: got 0; expected a whole number of at least 1"),
        ({"timesteps": True}, r"OverTime\.timesteps: got True; expected a whole number"),
        ({"timesteps": 2.0}, r"OverTime\.timesteps: got 2\.0; expected a whole number"),
        ({"adaptation": -0.5}, r"OverTime\.adaptation: got -0\.5; expected a finite number of at least 0"),
        ({"activity": float("nan")}, r"OverTime\.activity: got nan; expected a finite number"),
        ({"pruning": "magnitude", "pruned": float("inf")}, r"OverTime\.pruned: got inf; expected a finite number"),
        ({"pruning": "magnitude", "pruned": 1.0}, r"OverTime\.pruned: got 1\.0; expected a share in 0\.\.1, below 1"),
        ({"pruning": "magnitude"}, r"OverTime: got pruning magnitude of 0; expected a kind of pruning and how much"),
        ({"pruned": 0.5}, r"OverTime: got pruning none of 0\.5; expected a kind of pruning and how much, or neither"),
    ],
)
def test_bad_numbers_are_named(numbers: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        OverTime(**numbers)  # pyright: ignore[reportArgumentType]
    assert OverTime(pruning="soft_threshold", pruned=1.5).pruned == 1.5  # a width, no share


def test_over_time_without_neurons_is_refused() -> None:
    """Else a forgotten flag would train an ordinary network under the name of a spiking one."""
    with pytest.raises(ArgumentError, match=r"TrainRun: got over_time for a network without neurons; .*--network\.neu"):
        TrainRun(over_time=OverTime(timesteps=8))
    assert TrainRun(network=Network(neurons=LIFNeurons()), over_time=OverTime(timesteps=8)).over_time.timesteps == 8


def test_neurons_are_told_how_to_run_their_steps() -> None:
    for unroll, expected in (("fused", fused), ("bptt", bptt)):
        model = Spiking(nn.Sequential(nn.Linear(2, 3), LIF(), nn.Linear(3, 2), LIF()))
        OverTime(unroll=unroll).prepared(model, 4)  # pyright: ignore[reportArgumentType]
        assert [neuron.unroll for neuron in neurons_of(model)] == [expected, expected]


def test_thresholds_are_adapted_where_there_are_any() -> None:
    model = Spiking(nn.Sequential(nn.Linear(2, 3), LIF()))
    with pytest.raises(
        ArgumentError, match=r"OverTime: got adaptation 0\.5 for a network without ATLIF neurons; .*--n"
    ):
        OverTime(adaptation=0.5).prepared(model, 4)
    neuron = ATLIF()
    after_step = OverTime(timesteps=2, adaptation=0.5).prepared(neuron, 4)
    neuron.activity.grad = torch.tensor(0.25)
    after_step(neuron, 0.1)
    assert neuron.v_threshold.item() == pytest.approx(1 + 0.1 * 0.5 / 2 * 0.25)


@pytest.mark.parametrize(("pruning", "pruned"), [("magnitude", 0.5), ("soft_threshold", 0.1)])
def test_pruning_reaches_its_end_and_stays_in_the_file(pruning: str, pruned: float, spiking: TrainRun) -> None:
    report, path = trained(changed(spiking, pruning=pruning, pruned=pruned))
    assert not [name for name in weights_of(path) if "parametrizations" in name]
    loaded = load_network(path).model
    *layers, (_, weights, left, _) = weights_left(loaded).rows
    assert [row[1] for row in layers] == [108, 1024, 64]
    if pruning == "magnitude":
        assert [row[2] for row in layers] == [54, 512, 32]
    else:
        assert 0 < int(left or 0) < 0.9 * int(weights or 0)
    found = cost_in(report)
    assert (found["weights"], found["not zero"]) == (weights, left)


def test_an_activity_penalty_lowers_the_firing_rate(spiking: TrainRun) -> None:
    rates = {}
    for strength in (0.0, 2.0):
        config = changed(replace(spiking, fit=replace(spiking.fit, epochs=3)), activity=strength)
        report, path = trained(config, f"activity{strength:g}")
        rates[strength] = cost_in(report)["firing rate"]
        assert ("activity" in (path / "metrics.jsonl").read_text()) == (strength > 0)
    assert rates[2.0] < 0.8 * rates[0.0]


def test_packed_spikes_change_no_bit(spiking: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, entered = over_time_module.packed_spikes, []

    @contextmanager
    def counted() -> Iterator[None]:
        entered.append(True)
        with packed():
            yield

    monkeypatch.setattr(over_time_module, "packed_spikes", counted)
    _, plain = trained(spiking, "plain")
    assert not entered
    _, bits = trained(changed(spiking, pack_spikes=True), "bits")
    assert len(entered) >= 4  # at every update
    assert same(weights_of(plain), weights_of(bits))


def test_the_unroll_and_the_loss_that_are_asked_for_are_taken(spiking: TrainRun) -> None:
    found = {
        name: weights_of(trained(changed(spiking, **numbers), name)[1])
        for name, numbers in {"fused": {}, "bptt": {"unroll": "bptt"}, "tet": {"loss": "tet"}}.items()
    }
    assert all(torch.allclose(found["fused"][name], found["bptt"][name], atol=1e-4) for name in found["fused"])
    assert not torch.allclose(found["fused"]["module.3.weight"], found["tet"]["module.3.weight"], atol=1e-4)


@pytest.mark.parametrize(("pruning", "pruned"), [("magnitude", 0.5), ("soft_threshold", 0.1)])
def test_a_run_stopped_after_every_update_ends_as_an_undisturbed_one(
    pruning: str, pruned: float, spiking: TrainRun
) -> None:
    config = changed(spiking, ATLIFNeurons(), adaptation=5.0, activity=0.1, pruning=pruning, pruned=pruned)
    expected, whole = trained(config, "whole")
    hasty = replace(config, minutes=0.0)
    folder = RunFolder.create(config.out, "parts", {}, {})
    results = [run_training(hasty, folder) for _ in range(5)]
    assert [result is None for result in results] == [True] * 4 + [False]
    assert same(weights_of(folder.path), weights_of(whole))
    assert results[-1] is not None
    assert cost_in(results[-1]) == cost_in(expected)
    thresholds = [value for name, value in weights_of(whole).items() if name.endswith("v_threshold")]
    assert all(float(value) > 1.001 for value in thresholds)  # they have grown, so there was something to be kept


def test_thresholds_of_a_qcfs_network_become_those_of_the_neurons(spiking: TrainRun) -> None:
    torch.manual_seed(0)
    source = prepare(replace(spiking.network, neurons=None).build(), QCFS(levels=4))
    thresholds = {name: value for name, value in source.named_parameters() if name.endswith("v_threshold")}
    sites = [name.removesuffix(".v_threshold") for name in thresholds]
    assert len(sites) == 2
    for number, value in enumerate(thresholds.values(), start=2):
        value.data.fill_(number / 2)
    model = replace(spiking.network, neurons=LMHNeurons()).build()
    take_over(model, source, "weights mine")
    found = [
        (model.get_buffer(f"module.{site}.v_threshold"), model.get_buffer(f"module.{site}.amplitude")) for site in sites
    ]
    assert [(v_threshold.item(), amplitude.item()) for v_threshold, amplitude in found] == [(1.0, 1.0), (1.5, 1.5)]
    assert all(isinstance(neuron, LMH) for neuron in neurons_of(model))
    own = model.state_dict()
    given = {name: value for name, value in source.state_dict().items() if name not in thresholds}
    assert all(torch.equal(own[f"module.{name}"], value) for name, value in given.items())


@pytest.mark.parametrize("choice", [choice() for choice in NEURON_CHOICES.values()], ids=repr)
def test_weights_are_taken_over_from_other_neurons(choice: NeuronChoice, spiking: TrainRun) -> None:
    source = replace(spiking.network, neurons=LIFNeurons(v_threshold=0.5)).build()
    model = replace(spiking.network, neurons=choice).build()
    take_over(model, source, "weights mine")
    assert torch.equal(model.state_dict()["module.3.weight"], source.state_dict()["module.3.weight"])
    assert [neuron.v_threshold.item() for neuron in neurons_of(model)] == [0.5, 0.5]  # pyright: ignore
    x = repeat(torch.rand(2, 3, 16, 16), 3)
    if isinstance(choice, LIFNeurons):
        assert torch.equal(model.eval()(x), source.eval()(x))


def test_weights_of_other_layers_are_refused(spiking: TrainRun) -> None:
    model = spiking.network.build()
    wider = Spiking(nn.Sequential(*list(model.module)[:-1], nn.Linear(16, 5)))  # pyright: ignore[reportArgumentType]
    with pytest.raises(CheckpointError, match=r"weights mine: does not fit Spiking: module\.5\.weight has shape \[5, "):
        take_over(model, wider, "weights mine")
    with pytest.raises(CheckpointError, match=r"weights mine: does not fit .*module\.1\.0\.weight is missing"):
        take_over(model, nn.Sequential(nn.Linear(2, 2)), "weights mine")


def test_training_begins_with_the_weights_of_a_network_with_activations(spiking: TrainRun) -> None:
    plain = replace(spiking, network=replace(spiking.network, neurons=None))
    _, source = trained(plain, "source")
    still = replace(spiking.fit, optimizer=replace(spiking.fit.optimizer, lr=1e-30, weight_decay=0.0))  # pyright: ignore
    _, path = trained(replace(spiking, weights=str(source), fit=still), "taught")
    before, after = weights_of(source), weights_of(path)
    assert torch.allclose(after["module.3.weight"], before["3.weight"], rtol=0, atol=1e-20)
    assert load(path / "model.safetensors")[1]["about"]["first_weights"]["weights"] == str(source)


def test_what_a_network_costs_by_hand() -> None:
    """Currents 1, 0.5 and 0 at each of two steps: neuron 0 fires twice, neuron 1 once, neuron 2 never."""
    first, second = nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False)
    first.weight.data = torch.tensor([[0.5, 0.5], [0.25, 0.25], [0.0, 0.0]])
    second.weight.data = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    model = Spiking(nn.Sequential(first, IF(v_threshold=1.0, start=0.0), second)).eval()
    cost = cost_of(model, torch.ones(3, 2), timesteps=2)
    assert cost.firing_rate == pytest.approx(3 / 6)
    assert cost.synops == pytest.approx(2 * 2 + 1 * 1)  # of neuron 1's weights one is zero
    assert cost.macs == pytest.approx(2 * 4)  # four weights that are not zero, at each step
    assert (cost.weights, cost.left) == (12, 9)
    assert cost.cells() == (cost.firing_rate, cost.synops / 1e6, cost.macs / 1e6, 12, 9)
    assert len(cost.cells()) == len(COLUMNS)


def test_the_report_holds_what_the_network_costs(spiking: TrainRun) -> None:
    report, path = trained(spiking)
    found = cost_in(report)
    assert found["weights"] == 108 + 1024 + 64
    assert 0 < found["firing rate"] < 1
    assert found["synops"] > 0
    retold = Report.from_json((path / "report.json").read_text())
    assert [table.title for table in retold.tables] == [table.title for table in report.tables]
    assert "the first 4 images" in next(table.caption for table in report.tables if table.title == "Cost")
