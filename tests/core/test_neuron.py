"""The abstract neuron: constants, what may be learnt, amplitude, and its text."""

import math

import pytest
import torch
from torch import nn

from spikewright.core import Neuron, Triangle, to_zero
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.neurons import IF, LIF


def test_the_neuron_itself_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Neuron()  # pyright: ignore[reportAbstractUsage]


def test_constants_are_buffers_unless_learnt():
    neuron = LIF(learn=("decay",))
    assert dict(neuron.named_parameters()).keys() == {"decay"}
    assert dict(neuron.named_buffers()).keys() == {"amplitude", "v_threshold"}


@pytest.mark.parametrize("learn", [("tau",), ("decay", "w"), "decay"])
def test_names_that_cannot_be_learnt_are_refused(learn):
    message = r"LIF\.learn: got .*; expected a tuple of names among amplitude, decay, v_threshold\."
    with pytest.raises(ArgumentError, match=message):
        LIF(learn=learn)


@pytest.mark.parametrize("value", [0.0, -1.0, torch.tensor([1.0, 0.0])])
def test_a_threshold_must_be_above_zero(value):
    with pytest.raises(ArgumentError, match=r"IF\.v_threshold: got .*; expected numbers above 0\."):
        IF(v_threshold=value)


@pytest.mark.parametrize("value", [math.nan, math.inf, torch.tensor([1.0, math.nan]), torch.zeros(0)])
def test_constants_must_be_finite(value):
    with pytest.raises(ArgumentError, match=r"IF\.amplitude: got .*; expected finite numbers\."):
        IF(amplitude=value)


def test_amplitude_scales_the_spikes_only():
    xs = torch.full((4, 1, 1), 0.5)
    assert IF(amplitude=3.0).over_time(xs).flatten().tolist() == [0.0, 3.0, 0.0, 3.0]


def test_constants_per_channel_broadcast():
    neuron = IF(v_threshold=torch.tensor([[1.0], [2.0]]), amplitude=torch.tensor([[1.0], [2.0]]))
    out = neuron.over_time(torch.ones(2, 1, 2, 3))
    assert out[:, 0, :, 0].tolist() == [[1.0, 0.0], [1.0, 2.0]]


def test_spike_and_reset_are_values():
    xs = torch.tensor([1.75, 0.5]).view(2, 1, 1)
    assert IF(reset=to_zero).over_time(xs).flatten().tolist() == [1.0, 0.0]
    assert IF().over_time(xs).flatten().tolist() == [1.0, 1.0]
    strict = IF(spike=Triangle(fires=torch.gt))
    assert strict.over_time(torch.ones(1, 1, 1)).item() == 0.0


def test_over_time_checks_its_input():
    with pytest.raises(ShapeError, match=r"LIF: got shape \[3, 2\]; expected \[T, N, ...\]"):
        LIF().over_time(torch.zeros(3, 2))
    with pytest.raises(ShapeError, match=r"LIF: got dtype torch\.int64"):
        LIF().over_time(torch.zeros(3, 2, 1, dtype=torch.int64))


def test_the_text_of_a_neuron_shows_its_constants():
    text = repr(nn.Sequential(IF(v_threshold=torch.ones(2, 1), learn=("amplitude",))))
    assert "IF(v_threshold=[2, 1], start=0, amplitude=1)" in text


def test_a_learnt_constant_of_a_float32_neuron_learns_from_float64_input():
    neuron = LIF(learn=("decay",))
    neuron.over_time(torch.rand(4, 1, 3, dtype=torch.float64)).sum().backward()
    assert neuron.decay.grad is not None
    assert neuron.decay.grad.dtype == torch.float32
    assert neuron.decay.grad.abs() > 0
