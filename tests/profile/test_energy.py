"""Energy by hand: prices, parts, ratios, several T from one run, and what a table does not price."""

import dataclasses

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.neurons import IF
from spikewright.profile import (
    COST_TABLES,
    FLOAT32_45NM,
    INT8_45NM,
    INT8_INT32_45NM,
    INT32_45NM,
    LOIHI,
    MEMORY_TABLES,
    SOP_77FJ,
    SRAM_1MB,
    TRUENORTH,
    CostTable,
    analog_once,
    count_macs,
    count_operations,
    energy_over_time,
    estimate,
    weight_reads,
)

# Two inputs, three hidden neurons, two outputs. The image drives hidden neurons 0 and 1 at every step, 2 never.
LITTLE = 2.0**-20  # zeros would cost nothing
FIRST, LAST = nn.Linear(2, 3), nn.Linear(3, 2, bias=False)
with torch.no_grad():
    FIRST.weight.copy_(torch.tensor([[1.0, LITTLE], [LITTLE, 1.0], [LITTLE, LITTLE]]))
    FIRST.bias.zero_()
SNN = Spiking(nn.Sequential(FIRST, IF(), LAST))
ANN = nn.Sequential(FIRST, nn.ReLU(), LAST)
IMAGE = torch.ones(1, 2)


@pytest.fixture(scope="module")
def snn():
    return count_operations(SNN, IMAGE, timesteps=4)


@pytest.fixture(scope="module")
def ann():
    return count_macs(ANN, IMAGE)


def test_the_counts_priced_below(snn, ann):
    totals = snn.totals()
    assert (totals.synops, totals.macs, totals.additions, totals.updates) == (4 * 2 * 2, 4 * 6, 4 * 3, 4 * 3)
    assert (ann.totals().macs, ann.totals().additions) == (12, 3)


def test_energy_by_hand(snn, ann):
    energy = estimate(snn, FLOAT32_45NM, ann=ann)
    # 24 MACs of 4.6 pJ; 16 accumulations, 12 additions and 12 updates (of two additions each) of 0.9 pJ
    joule = (24 * 4.6 + 16 * 0.9 + 12 * 0.9 + 12 * 1.8) * 1e-12
    source = (12 * 4.6 + 3 * 0.9) * 1e-12
    assert energy.joule == pytest.approx(joule, rel=1e-12)
    assert energy.ann_joule == pytest.approx(source, rel=1e-12)
    assert energy.ratio == pytest.approx(joule / source, rel=1e-12)
    assert {part.kind: part.count for part in energy.parts} == {
        "synops": 16,
        "macs": 24,
        "additions": 12,
        "updates": 12,
    }


def test_energy_once_by_hand(snn, ann):
    energy = estimate(snn, FLOAT32_45NM, ann=ann, timesteps=3, convention=analog_once)
    # products and biases once, then three kept currents at two further steps
    joule = (6 * 4.6 + 12 * 0.9 + (3 + 2 * 3) * 0.9 + 9 * 1.8) * 1e-12
    assert energy.joule == pytest.approx(joule, rel=1e-12)
    assert energy.timesteps == 3


def test_several_t_from_one_run(snn, ann):
    over = energy_over_time(snn, FLOAT32_45NM, (1, 2, 4), ann=ann)
    for energy, steps in zip(over.energies, (1, 2, 4)):
        alone = estimate(count_operations(SNN, IMAGE, timesteps=steps), FLOAT32_45NM, ann=ann)
        assert energy.joule == pytest.approx(alone.joule, rel=1e-12)
    table = over.table()
    assert table.column("T") == (1, 2, 4, None)
    assert table.column("network")[-1] == "ANN"
    assert table.column("ratio")[-1] == 1.0
    assert table.column("synops") == (4.0, 8.0, 16.0, 0.0)
    assert table.described("energy").unit == "J"
    assert any("Horowitz 2014" in note for note in table.notes)


def test_a_table_without_multiply_accumulates_gives_no_ratio(snn, ann):
    energy = estimate(snn, LOIHI, ann=ann)
    assert energy.joule == pytest.approx((16 * 23.6 + 12 * 81) * 1e-12, rel=1e-12)
    assert energy.unpriced == ("macs", "additions")
    assert energy.ann_joule is None
    assert energy.ratio is None
    notes = " ".join(energy.table().notes)
    assert "A lower bound: this table has no price for additions, macs" in notes
    assert "The ANN's energy is not defined under this table" in notes
    assert energy.table().column("energy")[1] is None


def test_a_lower_bound_gives_no_ratio(snn, ann):
    energy = estimate(snn, dataclasses.replace(FLOAT32_45NM, neuron_update_joule=None), ann=ann)
    assert energy.unpriced == ("updates",)
    assert energy.ann_joule is not None  # an ordinary network has no updates
    assert energy.ratio is None


def test_a_network_without_analog_work_has_an_energy_on_such_a_table():
    counted = count_operations(Spiking(nn.Sequential(IF(), LAST)), torch.ones(2, 1, 3), input_amplitude=1.0)
    energy = estimate(counted, TRUENORTH)
    # each of three input spikes meets a neuron, whose spike meets two outputs; at two steps
    assert energy.joule == pytest.approx(2 * (3 + 6) * 26e-12, rel=1e-12)
    assert energy.unpriced == ()
    assert energy.ratio is None  # no source network was given


def test_tables_are_named_and_cited():
    assert {name: (t.mac_joule, t.ac_joule) for name, t in COST_TABLES.items() if t.mac_joule is not None} == {
        "float32_45nm": pytest.approx((4.6e-12, 0.9e-12)),
        "int32_45nm": pytest.approx((3.2e-12, 0.1e-12)),
        "int8_45nm": pytest.approx((0.23e-12, 0.03e-12)),
        "int8_int32_45nm": pytest.approx((0.3e-12, 0.1e-12)),
        "sop_77fj": pytest.approx((3.97e-12, 77e-15)),
    }
    named = {FLOAT32_45NM, INT32_45NM, INT8_45NM, INT8_INT32_45NM, LOIHI, TRUENORTH, SOP_77FJ}
    assert named == set(COST_TABLES.values())
    assert all(table.source and table.note for table in COST_TABLES.values())
    assert all("doi" in table.source or "arXiv" in table.source for table in COST_TABLES.values())
    assert all(name == table.name for name, table in (*COST_TABLES.items(), *MEMORY_TABLES.items()))


def test_weight_reads_by_hand(snn, ann):
    reads = weight_reads(snn, SRAM_1MB)
    # one read per operation: 24 MACs and 16 accumulations; full reuse: 6 + 6 weights at 4 steps
    assert (reads.no_reuse, reads.full_reuse) == (40.0, 48.0)
    assert reads.table().column("energy") == pytest.approx((40 * 50e-12, 48 * 50e-12))
    once = weight_reads(snn, SRAM_1MB, timesteps=2, convention=analog_once)
    assert (once.no_reuse, once.full_reuse) == (6 + 8, 6 + 2 * 6)
    assert (weight_reads(ann, SRAM_1MB).no_reuse, weight_reads(ann, SRAM_1MB).full_reuse) == (12.0, 12.0)


def test_silent_layers_read_no_weights():
    reads = weight_reads(count_operations(SNN, torch.zeros(1, 2), timesteps=4), SRAM_1MB)
    assert (reads.no_reuse, reads.full_reuse) == (24.0, 24.0)  # the analog layer alone


def test_errors(snn, ann):
    with pytest.raises(ArgumentError, match=r"CostTable.mac_joule: got -1.0; expected a finite number of at least 0"):
        dataclasses.replace(FLOAT32_45NM, mac_joule=-1.0)
    with pytest.raises(ArgumentError, match=r"CostTable.ac_joule: got nan"):
        CostTable(
            name="x",
            mac_joule=None,
            ac_joule=float("nan"),
            addition_joule=None,
            neuron_update_joule=None,
            source="",
            note="",
        )
    with pytest.raises(ArgumentError, match=r"timesteps: got 5; expected 1..4"):
        estimate(snn, FLOAT32_45NM, timesteps=5)
    with pytest.raises(ArgumentError, match=r"estimate.ann: got counts over 4 time steps"):
        estimate(snn, FLOAT32_45NM, ann=snn)
    with pytest.raises(ArgumentError, match=r"energy_over_time.timesteps: got none"):
        energy_over_time(snn, FLOAT32_45NM, ())
    with pytest.raises(ArgumentError, match=r"weight_reads: got counts without a synaptic layer"):
        weight_reads(count_macs(nn.Sequential(nn.BatchNorm1d(2)), IMAGE), SRAM_1MB)
