"""observe: sees the chosen modules and leaves no hook behind."""

import pytest
import torch
from torch import nn

from spikewright.core import Spiking, observe
from spikewright.neurons import IF


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def is_neuron(module):
    return isinstance(module, IF)


def test_it_sees_name_module_inputs_and_output_of_the_wanted_only():
    model, seen = Spiking(nn.Sequential(nn.Identity(), IF(), nn.Identity(), IF())), []
    with observe(model, is_neuron, lambda *met: seen.append(met)):
        out = model(torch.full((2, 1, 1), 0.5))
    assert [name for name, *_ in seen] == ["module.1", "module.3"]
    _, module, inputs, output = seen[0]
    assert module is model.module[1]
    assert inputs[0].flatten().tolist() == [0.5, 0.5]
    assert output.flatten().tolist() == [0.0, 1.0]
    assert torch.equal(seen[1][3], out.flatten(0, 1))
    assert hooks(model) == 0


def test_what_the_watcher_returns_is_ignored():
    model = Spiking(IF())
    with observe(model, is_neuron, lambda name, module, inputs, output: output * 100):
        assert model(torch.ones(1, 1, 1)).item() == 1.0


def test_hooks_go_after_an_exception_in_the_block_and_in_the_watcher():
    model = Spiking(IF())

    def fail(*met):
        raise KeyError("watcher")

    with pytest.raises(KeyError, match="watcher"), observe(model, is_neuron, fail):
        model(torch.ones(1, 1, 1))
    assert hooks(model) == 0


def test_hooks_go_when_the_choice_itself_fails():
    model, asked = nn.Sequential(IF(), IF()), []

    def fussy(module):
        asked.append(module)
        if len(asked) == 3:
            raise RuntimeError("choice")
        return is_neuron(module)

    with pytest.raises(RuntimeError, match="choice"), observe(model, fussy, lambda *met: None):
        pass
    assert len(asked) == 3
    assert hooks(model) == 0
