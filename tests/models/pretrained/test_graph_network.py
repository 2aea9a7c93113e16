"""Networks from a list of operations: names of their layers, tracing, conversion, and lists that are wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from spikewright.convert import convert
from spikewright.convert.check import check
from spikewright.convert.recipes import OPI
from spikewright.convert.statistics import Maximum, per_channel
from spikewright.core.errors import CheckpointError
from spikewright.core.trace import trace
from spikewright.models import pretrained
from spikewright.models.pretrained.graph import GraphNetwork
from spikewright.models.pretrained.operations import Operation, read_operations

from .conftest import GRAPH, Write


def test_every_layer_and_activation_has_a_name_of_its_own(write: Write) -> None:
    model = pretrained("tiny", write())
    leaves = {name: type(module).__name__ for name, module in model.named_modules() if not list(module.children())}
    assert leaves == {
        "normalize": "Normalize",
        "stem_pad": "ZeroPad2d",
        "stem": "Conv2d",
        "stem_relu": "ReLU",
        "block.conv": "Conv2d",
        "add3_relu6": "ReLU6",
        "maxpool5_pad": "ZeroPad2d",
        "maxpool5": "MaxPool2d",
        "gap6.0": "AdaptiveAvgPool2d",
        "gap6.1": "Flatten",
        "fc": "Linear",
    }
    assert next(iter(model.children())) is model.get_submodule("normalize")
    assert model.get_submodule("block.conv").padding == (1, 1)


def test_it_traces_to_the_same_function(write: Write) -> None:
    model, x = pretrained("tiny", write()), torch.rand(2, 3, 9, 9)
    graph = trace(model)
    assert torch.equal(graph(x), model(x))
    called = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    assert [name for name in called if name.endswith(("relu", "relu6"))] == ["stem_relu", "add3_relu6"]


def test_all_but_the_max_pool_converts(write: Write) -> None:
    handled = check(pretrained("tiny", write()), OPI())
    assert {row.site for row in handled.unhandled} <= {"maxpool5"}
    assert [row.site for row in handled.rows if row.spikes and row.kind != "MaxPool2d"] == ["stem_relu", "add3_relu6"]


def test_the_spiking_network_comes_near_its_source(write: Write) -> None:
    graph = [entry for entry in GRAPH if entry["op"] != "maxpool"]
    graph[-2] = {**graph[-2], "in": [4]}
    model = pretrained("tiny", write({"graph": graph}))
    images = torch.rand(64, 3, 8, 8)
    conversion = convert(model, OPI(threshold=Maximum(groups=per_channel)), images)
    with torch.no_grad():
        source, spiking = model(images[:8]), conversion.model(images[:8].expand(256, 8, 3, 8, 8)).mean(0)
    torch.testing.assert_close(spiking, source, rtol=0, atol=0.02 * source.abs().max().item())


ADD = {"op": "add", "in": [0, 0], "out": 1}
CONV = {"op": "conv", "in": [0], "out": 1, "w": "a", "stride": 1, "pad": [0, 0, 0, 0], "groups": 1}
POOL = {"op": "maxpool", "in": [0], "out": 1, "k": 2, "stride": 2, "pad": [0, 0, 0, 0], "ceil": False}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, r"x, graph\[0\]: got the operation 3; expected one of conv, linear, maxpool, gap, add, cat"),
        ({"op": "attention"}, r"got the operation 'attention'; expected one of conv"),
        ({"op": ["conv"]}, r"got the operation \['conv'\]"),
        ({**ADD, "in": [0]}, r"graph\[0\] \(add\): got 1 inputs; expected two for add, more for cat, else one"),
        ({**ADD, "op": "cat", "in": [0]}, r"\(cat\): got 1 inputs"),
        ({**CONV, "in": [0, 0]}, r"\(conv\): got 2 inputs"),
        ({**ADD, "in": [0, 1]}, r"graph\[0\]: got in \[0, 1\]; expected values made before it"),
        ({**ADD, "out": 0}, r"got out 0; expected in a list of numbers, out a number above 0"),
        ({"op": "add", "in": [0, 0]}, r"got no out; expected"),
        ({**CONV, "dilation": 2}, r"got a field 'dilation'; expected in a list of numbers, .*, and act relu or relu6"),
        ({**CONV, "stride": 0}, r"got stride 0;"),
        ({**CONV, "stride": True}, r"got stride True;"),
        ({**CONV, "pad": [1, 1]}, r"got pad \[1, 1\]; .*pad four numbers \(left, right, top, bottom\)"),
        ({**CONV, "pad": [-1, 1, 1, 1]}, r"got pad \[-1, 1, 1, 1\]"),
        ({**CONV, "w": "a..b"}, r"got w 'a\.\.b';"),
        ({**CONV, "act": "gelu"}, r"got act 'gelu';"),
        ({**POOL, "ceil": 1}, r"got ceil 1; .*ceil true or false"),
    ],
)
def test_entries_that_are_wrong(entry: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_operations([entry], "x")


def test_a_value_is_made_once() -> None:
    with pytest.raises(CheckpointError, match=r"graph\[1\]: got out 1 a second time; expected a number of its own"):
        read_operations([ADD, ADD], "x")


@pytest.mark.parametrize("name", ["normalize", "forward", "a"])
def test_names_are_given_once(name: str) -> None:
    one = Operation(kind="linear", inputs=(0,), out=1, weight="a")
    other = Operation(kind="linear", inputs=(1,), out=2, weight=name)
    shapes = {"a.weight": (2, 2), f"{name}.weight": (2, 2)}
    with pytest.raises(CheckpointError, match=rf"graph, {name}: got a second layer of that name; expected one of each"):
        GraphNetwork((one, other), shapes, nn.Identity())
