"""Every neuron reproduces its golden traces: spikes exactly, potentials to rounding, in float64."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from spikewright.core import Record, none, recorded, subtract, to_zero
from spikewright.neurons import NEURONS

HERE = Path(__file__).parent
RESETS = {"subtract": subtract, "to_zero": to_zero, "none": none}
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("*.json"))}


def test_every_neuron_has_a_golden_trace_and_every_trace_says_where_it_is_from():
    assert FILES.keys() == NEURONS.keys()
    assert all(golden["origin"] and golden["neuron"] == name for name, golden in FILES.items())


def replay(golden, run):
    kind = NEURONS[golden["neuron"]]
    constants = {name: torch.tensor(value, dtype=torch.float64) for name, value in golden["constants"].items()}
    if kind.levels is not None and run["reset"] in RESETS:  # the others reset in a way of their own
        constants["reset"] = RESETS[run["reset"]]
    neuron, record = kind(**constants).double(), Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.tensor(golden["input"], dtype=torch.float64).unsqueeze(1))
    return record.spikes[0].squeeze(1), {part: values.squeeze(1) for part, values in record.states[0]._asdict().items()}


@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, golden in FILES.items() for i in range(len(golden["runs"]))]
)
def test_replay(name, number):
    golden, run = FILES[name], FILES[name]["runs"][number]
    output, states = replay(golden, run)
    expected = torch.tensor(run["output"], dtype=torch.float64)
    values = set(expected.flatten().tolist())
    assert len(values) > 40 or values == set(NEURONS[name].levels)  # a silent trace would prove nothing
    tolerance = 1e-12 if NEURONS[name].levels is None else 0
    torch.testing.assert_close(output, expected, rtol=0, atol=tolerance)
    assert states.keys() == run["states"].keys()
    for part, values in states.items():
        reference = torch.tensor(run["states"][part], dtype=torch.float64)
        torch.testing.assert_close(values, reference, rtol=0, atol=1e-12)


def test_the_files_are_what_the_program_writes():
    spec = importlib.util.spec_from_file_location("golden_make", HERE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.TRACES.keys() == FILES.keys()
    for name, golden in FILES.items():
        made = make.trace(name)
        assert made["constants"] == golden["constants"]
        assert made["input"] == golden["input"]
        for run, stored in zip(made["runs"], golden["runs"], strict=True):
            assert run["reset"] == stored["reset"]
            np.testing.assert_allclose(run["output"], stored["output"], rtol=0, atol=1e-12)
            for part, values in run["states"].items():
                np.testing.assert_allclose(values, stored["states"][part], rtol=0, atol=1e-12)
