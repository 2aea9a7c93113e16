"""Spike counts: every sample, step and batch; signs and units; silent neurons; nothing left behind."""

import pytest
import torch
from torch import nn

from spikewright.core import Spiking, carry_state
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.neurons import IF, LI, SignedIF
from spikewright.profile import count_spikes
from spikewright.profile.units import spikes_in

RAISED = RuntimeError("stopped on purpose")


def test_two_samples_of_different_activity_are_averaged():
    # three neurons, two samples, two steps: the first sample silent but for one spike, the second busy
    xs = torch.tensor([[[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]], [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    counts = count_spikes(Spiking(nn.Sequential(IF())), xs)
    (layer,) = counts.layers
    assert (layer.layer, layer.neurons, layer.samples) == ("0", 3, 2)
    assert layer.spikes.tolist() == [3, 1]
    assert layer.firing_rate() == pytest.approx(4 / (3 * 2 * 2))
    assert layer.firing_rate(1) == pytest.approx(3 / (3 * 2))
    assert layer.silent_share == pytest.approx(3 / 6)  # neurons 0 and 2 of sample 0, neuron 2 of sample 1
    assert layer.constant_share == pytest.approx(1 / 6)  # neuron 0 of sample 1
    assert layer.dead_share == pytest.approx(1 / 3)  # neuron 2
    assert (counts.spikes_per_sample(), counts.spikes_per_sample(1)) == (2.0, 1.5)
    assert counts.firing_rate() == layer.firing_rate()


def test_batches_add_up_to_one_count():
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Linear(4, 6), IF(), nn.Linear(6, 5), SignedIF()))
    images = torch.randn(7, 4)
    whole = count_spikes(model, images, timesteps=5)
    batched = count_spikes(model, ((part, torch.zeros(len(part))) for part in images.split(3)), timesteps=5)
    assert batched.samples == 7
    assert batched.table().rows == whole.table().rows
    assert whole.spikes_per_sample() > 0


def test_a_shorter_run_is_the_beginning_of_a_longer_one():
    torch.manual_seed(0)
    model, images = Spiking(nn.Sequential(nn.Linear(4, 6), IF())), torch.rand(3, 4)
    long = count_spikes(model, images, timesteps=8)
    for steps in (1, 2, 5):
        assert long.firing_rate(steps) == count_spikes(model, images, timesteps=steps).firing_rate()


def test_signs_units_and_amplitudes():
    xs = torch.tensor([1.0, -1.0, 0.0]).view(1, 1, 3)
    assert count_spikes(Spiking(SignedIF(amplitude=0.3)), xs).spikes_per_sample() == 2
    assert spikes_in(torch.tensor([[0.0, -1.5], [0.5, 4.0]]), torch.tensor([0.5, 0.5]), "n").tolist() == [
        [0, 3],
        [1, 8],
    ]
    per_channel = torch.tensor([0.25, 2.0]).view(2, 1, 1)
    counts = spikes_in(torch.stack((torch.full((3, 3), 0.5), torch.full((3, 3), -2.0))), per_channel, "n")
    assert counts[:, 0, 0].tolist() == [2, 1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_count_alike(dtype):
    amplitude = torch.tensor(0.1)
    out = torch.tensor([0.0, 1.0, 2.0, 15.0], dtype=dtype) * amplitude.to(dtype)
    assert spikes_in(out, amplitude, "neuron").tolist() == [0, 1, 2, 15]


def test_read_outs_are_no_spikes():
    model = Spiking(nn.Sequential(IF(), nn.Linear(2, 2), LI()))
    assert [layer.layer for layer in count_spikes(model, torch.ones(2, 1, 2)).layers] == ["0"]


def test_a_neuron_called_twice_is_two_layers():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = IF()

        def forward(self, x):
            return self.act(self.act(x)[:, :2])

    counts = count_spikes(Spiking(Twice()), torch.ones(2, 1, 3))
    assert [(layer.layer, layer.neurons) for layer in counts.layers] == [("act", 3), ("act_2", 2)]


def test_states_may_be_carried_from_chunk_to_chunk():
    model, xs = Spiking(nn.Sequential(IF())), torch.full((4, 1, 1), 0.5)
    with carry_state(model):
        parts = [count_spikes(model, part).layers[0].spikes.tolist() for part in xs.split(1)]
    assert parts == [[0], [1], [0], [1]]


def test_modes_and_hooks_are_as_before_also_after_an_error():
    class Stops(nn.Module):
        def forward(self, x):
            if self.training:
                raise AssertionError("not in eval()")
            raise RAISED

    model = Spiking(nn.Sequential(IF(), nn.BatchNorm1d(2), nn.Dropout(), Stops()))
    model.train()
    model.module[1].eval()
    modes = [part.training for part in model.modules()]
    with pytest.raises(ShapeError, match="count_spikes: the network cannot take a batch of shape"):
        count_spikes(model, torch.ones(2, 1, 2))
    assert [part.training for part in model.modules()] == modes
    assert not any(part._forward_hooks for part in model.modules())
    assert model.module[0].timesteps is None


def test_counting_leaves_no_gradient_and_no_trace():
    model = Spiking(nn.Sequential(nn.Linear(2, 2), IF()))
    xs = torch.ones(2, 1, 2, requires_grad=True)
    count_spikes(model, xs)
    model(xs).sum().backward()
    assert xs.grad is not None
    assert torch.equal(xs.detach(), torch.ones(2, 1, 2))


def test_what_is_printed_is_short():
    counts = count_spikes(Spiking(nn.Sequential(IF(), IF())), torch.full((4, 2, 3000), 0.5))
    assert repr(counts) == "SpikeCounts(2 layers of 6,000 neurons, T = 4, 2 samples, 12,000.0 spikes per sample)"
    assert repr(counts.layers[0]) == "LayerSpikes(0: 3,000 neurons, T = 4, 2 samples, firing rate 0.5)"


def test_tables():
    counts = count_spikes(Spiking(nn.Sequential(IF(), IF())), torch.tensor([0.5, 1.0]).view(1, 1, 2).expand(4, 1, 2))
    table = counts.table()
    assert table.column("layer") == ("0", "1")
    assert table.column("spikes") == (6.0, 6.0)
    assert table.column("firing_rate") == (0.75, 0.75)
    assert table.column("constant") == (0.5, 0.5)
    density = counts.over_time((1, 4))
    assert density.rows == (("0", 1, 0.5), ("1", 1, 0.5), ("0", 4, 0.75), ("1", 4, 0.75))


def test_errors():
    model = Spiking(nn.Sequential(nn.Linear(2, 2), IF()))
    with pytest.raises(ArgumentError, match=r"count_spikes: got Sequential; expected a Spiking model"):
        count_spikes(model.module, torch.ones(1, 1, 2))
    with pytest.raises(ArgumentError, match=r"count_spikes: got a model without spiking neurons"):
        count_spikes(Spiking(nn.Sequential(nn.Linear(2, 2), LI())), torch.ones(1, 1, 2))
    with pytest.raises(DataError, match=r"count_spikes: got no batch"):
        count_spikes(model, iter(()))
    with pytest.raises(ShapeError, match=r"count_spikes: got shape \[0, 1, 2\]"):
        count_spikes(model, torch.ones(0, 1, 2))
    with pytest.raises(ShapeError, match=r"cannot take a batch of shape \[1, 1, 3\] .*images need timesteps=T"):
        count_spikes(model, torch.ones(1, 1, 3))
    with pytest.raises(ShapeError, match=r"count_spikes: got a batch of int"):
        count_spikes(model, [1])
    with pytest.raises(ArgumentError, match=r"timesteps: got 9; expected 1..2"):
        count_spikes(model, torch.ones(2, 1, 2)).firing_rate(9)
    with pytest.raises(DataError, match=r"SpikeCounts: got counts of T = 2, 2 neurons and of T = 1, 2 neurons"):
        count_spikes(model, [torch.ones(2, 1, 2), torch.ones(1, 1, 2)])


def test_neurons_that_never_run():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = IF()

        def forward(self, x):
            return x

    with pytest.raises(ArgumentError, match=r"calls none of its spiking neurons"):
        count_spikes(Spiking(Idle()), torch.ones(1, 1, 2))


def test_outputs_that_cannot_be_counted():
    with pytest.raises(ArgumentError, match=r"0.amplitude: got 0; expected a number other than 0"):
        count_spikes(Spiking(nn.Sequential(IF(amplitude=torch.tensor([1.0, 0.0])))), torch.ones(1, 1, 2))
    with pytest.raises(ArgumentError, match=r"n: got an output of 0.5 amplitudes; expected whole multiples"):
        spikes_in(torch.tensor([0.5]), torch.tensor(1.0), "n")
    with pytest.raises(ArgumentError, match=r"n: got an output of nan amplitudes"):
        spikes_in(torch.tensor([float("nan")]), torch.tensor(1.0), "n")
