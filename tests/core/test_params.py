"""Constants as fresh tensors, buffers or parameters."""

import torch
from torch import nn

from spikewright.core.params import hold, param


def test_a_number_becomes_a_tensor_of_the_default_dtype():
    made = param(3)
    assert made.dtype == torch.float32
    assert made.shape == ()
    assert made.item() == 3.0


def test_a_float64_tensor_keeps_dtype_and_shape():
    assert param(torch.ones(2, 1, dtype=torch.float64)).dtype == torch.float64
    assert param(torch.ones(2, 1)).shape == (2, 1)


def test_an_integer_tensor_becomes_floating_point():
    assert param(torch.tensor([1, 2])).dtype == torch.float32


def test_a_tensor_is_copied_and_cut_from_its_graph():
    value = torch.ones(2, requires_grad=True)
    made = param(value * 2)
    made += 1
    assert value.tolist() == [1.0, 1.0]
    assert not made.requires_grad


def test_learn_gives_a_parameter_of_its_own():
    value = torch.ones(2)
    made = param(value, learn=True)
    assert isinstance(made, nn.Parameter)
    assert made.data_ptr() != value.data_ptr()


def test_hold_registers_a_buffer_or_a_parameter():
    module = nn.Module()
    hold(module, "fixed", 0.5)
    hold(module, "trained", 0.25, learn=True)
    assert dict(module.named_buffers()).keys() == {"fixed"}
    assert dict(module.named_parameters()).keys() == {"trained"}
    assert module.state_dict().keys() == {"fixed", "trained"}
