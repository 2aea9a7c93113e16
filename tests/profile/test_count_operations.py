"""Synaptic operations and multiply-accumulates of small nets, each counted by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from spikewright.core import Neuron, Spiking, Temporal, carry_state
from spikewright.core.errors import ArgumentError, ConversionError, DataError, ShapeError
from spikewright.models import resnet20
from spikewright.neurons import IF, LI, SignedIF
from spikewright.profile import analog_once, count_macs, count_operations, count_spikes


def spikes_at(*places, shape=(1, 4, 4), timesteps=1):
    """Spikes [T, 1, *shape] at (step, *place)."""
    xs = torch.zeros(timesteps, 1, *shape)
    for place in places:
        xs[(place[0], 0, *place[1:])] = 1.0
    return xs


def after_spikes(*layers):
    """A model whose first neurons pass spikes of 0 and 1 on as they are."""
    return Spiking(nn.Sequential(IF(), *layers))


CONV = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False}


@pytest.mark.parametrize(
    ("place", "fan_out"),
    [((0, 0), 1), ((0, 1), 2), ((1, 1), 4), ((2, 1), 2), ((3, 3), 1), ((0, 3), 1), ((2, 2), 1)],
)
def test_one_spike_at_a_corner_an_edge_and_inside(place, fan_out):
    # each axis reaches 1, 2, 1, 1 outputs; five output channels
    counted = count_operations(after_spikes(nn.Conv2d(1, 5, **CONV)), spikes_at((0, 0, *place)))
    assert counted.layer("1").synops.tolist() == [5 * fan_out]


def test_time_steps_stay_apart():
    xs = spikes_at((0, 0, 0, 0), (2, 0, 1, 1), (2, 0, 0, 1), timesteps=3)
    counted = count_operations(after_spikes(nn.Conv2d(1, 5, **CONV)), xs)
    assert counted.layer("1").synops.tolist() == [5, 0, 5 * (4 + 2)]
    assert [counted.totals(steps).synops for steps in (1, 2, 3)] == [5, 5, 35]


def test_depthwise_and_grouped():
    xs = spikes_at((0, 0, 1, 1), (0, 3, 1, 1), shape=(4, 4, 4))
    depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
    assert count_operations(after_spikes(depthwise), xs).layer("1").synops.tolist() == [2 * 9]
    grouped = nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False)
    assert count_operations(after_spikes(grouped), xs).layer("1").synops.tolist() == [2 * 9 * 3]


def test_dilation():
    # outputs of the one axis reach from 5 inputs with taps 0, 2, 4: one output
    conv = nn.Conv2d(1, 1, 3, dilation=2, bias=False)
    for place, fan_out in (((0, 0), 1), ((2, 4), 1), ((1, 2), 0)):
        xs = spikes_at((0, 0, *place), shape=(1, 5, 5))
        assert count_operations(after_spikes(conv), xs).layer("1").synops.tolist() == [fan_out]


def test_linear_layer_on_the_last_axis():
    counted = count_operations(after_spikes(nn.Linear(3, 7)), torch.tensor([[[1.0, 0.0, 1.0]]]))
    layer = counted.layer("1")
    assert (layer.synops.tolist(), layer.additions.tolist(), layer.macs.tolist()) == ([14], [7], [0])
    assert (layer.exact_macs, layer.weights) == (21, 21)


def test_dense_spikes_cost_as_many_operations_as_there_are_exact_macs():
    conv = nn.Conv2d(3, 4, 5, stride=2, padding=2, bias=False)
    xs = torch.ones(1, 1, 3, 9, 8)
    spiking, analog = count_operations(after_spikes(conv), xs), count_macs(nn.Sequential(conv), xs[0])
    assert spiking.layer("1").synops.tolist() == [analog.layer("0").exact_macs]
    assert analog.layer("0").macs.tolist() == [analog.layer("0").exact_macs]
    assert analog.exact_macs < analog.dense_macs == 5 * 5 * 3 * 4 * 5 * 4


def test_two_samples_of_different_activity_are_averaged():
    xs = torch.zeros(2, 2, 1, 4, 4)
    xs[:, 1] = 1.0  # the first sample is silent, the second fires everywhere at both steps
    counted = count_operations(after_spikes(nn.Conv2d(1, 1, **CONV)), xs)
    assert counted.layer("1").synops.tolist() == [25, 25]
    assert counted.totals().synops == (25 + 25) / 2


def test_batches_add_up_to_one_count():
    model = after_spikes(nn.Conv2d(1, 2, 3, padding=1), IF(), nn.Flatten(), nn.Linear(32, 3))
    xs = (torch.rand(4, 5, 1, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    whole = count_operations(model, xs)
    batched = count_operations(model, [(xs[:, :2], torch.zeros(2)), (xs[:, 2:], torch.zeros(3))])
    assert batched.samples == whole.samples == 5
    assert batched.table().rows == whole.table().rows
    assert sum(layer.synops.sum() for layer in whole.layers) > 0


def test_a_shorter_run_is_the_beginning_of_a_longer_one():
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), IF(), nn.Conv2d(4, 2, 3), IF()))
    images = torch.rand(3, 1, 6, 6)
    long = count_operations(model, images, timesteps=8)
    for steps in (1, 2, 5):
        short = count_operations(model, images, timesteps=steps)
        assert long.totals(steps) == short.totals()
        assert long.totals(steps, convention=analog_once) == short.totals(convention=analog_once)


def test_analog_first_layer_each_step_and_once():
    # 6x6 image, 3x3 kernel, padding 1: an axis has 2 + 4*3 + 2 = 16 taps, so 16 * 16 * 2 MACs, 36 * 2 biases
    model = Spiking(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), IF()))
    counted = count_operations(model, torch.rand(1, 1, 6, 6), timesteps=4)
    each, once = counted.totals(), counted.totals(convention=analog_once)
    assert (each.macs, each.additions, each.updates) == (4 * 512, 4 * 72, 4 * 72)
    # once: the products and biases at the first step, then the kept current into 72 neurons at three steps
    assert (once.macs, once.additions, once.updates) == (512, 72 + 3 * 72, 4 * 72)
    assert counted.totals(1) == counted.totals(1, convention=analog_once)


def test_an_image_that_changes_is_not_static():
    model = Spiking(nn.Sequential(nn.Conv2d(1, 2, 3), IF()))
    counted = count_operations(model, torch.rand(4, 1, 1, 6, 6))
    assert counted.totals() == counted.totals(convention=analog_once)
    assert not counted.layer("0").static


def test_input_spikes_drive_the_first_layer():
    conv = nn.Conv2d(1, 5, **CONV)
    model = Spiking(nn.Sequential(conv, IF()))
    analog = count_operations(model, spikes_at((0, 0, 1, 1)))
    spiking = count_operations(model, 0.5 * spikes_at((0, 0, 1, 1)), input_amplitude=0.5)
    assert (analog.layer("0").macs.sum(), analog.layer("0").synops.sum()) == (125, 0)
    assert (spiking.layer("0").macs.sum(), spiking.layer("0").synops.sum()) == (0, 20)
    with pytest.raises(ArgumentError, match=r"input: got an output of 0.5 amplitudes; expected whole multiples"):
        count_operations(model, 0.5 * spikes_at((0, 0, 1, 1)), input_amplitude=1.0)


def test_each_unit_of_a_multi_level_neuron_and_each_sign_counts():
    signed = Spiking(nn.Sequential(SignedIF(amplitude=0.25), nn.Linear(3, 4, bias=False)))
    counted = count_operations(signed, torch.tensor([[[1.0, 0.0, -1.0]]]))
    assert counted.layer("1").synops.tolist() == [8]
    graded = Spiking(nn.Sequential(Graded(amplitude=0.5), nn.Linear(3, 4, bias=False)))
    counted = count_operations(graded, torch.tensor([[[3.0, 0.0, 2.0]]]))
    assert counted.layer("1").synops.tolist() == [5 * 4]


class Graded(Neuron):
    """Emits its rounded input as that many spikes."""

    levels = (0.0, 1.0, 2.0, 3.0)

    def init_state(self, x):
        return ()

    def step(self, state, x):
        return state, x.round()


def test_a_read_out_neuron_is_updated_but_sends_no_spikes():
    model = Spiking(nn.Sequential(IF(), LI(), nn.Linear(3, 4, bias=False)))
    counted = count_operations(model, torch.tensor([[[1.0, 0.0, 1.0]]]))
    assert counted.layer("1").updates.tolist() == [3]
    assert counted.layer("1").synops.tolist() == [2]  # two spikes on two membranes
    assert counted.layer("2").macs.tolist() == [12]


def test_flop_counter_agrees_on_resnet20():
    torch.manual_seed(0)
    model, x = resnet20().eval(), torch.rand(2, 3, 32, 32)
    with FlopCounterMode(display=False) as flops, torch.inference_mode():
        model(x)
    counted = count_macs(model, x)
    assert counted.dense_macs * 2 * 2 == flops.get_total_flops() == 2 * 2 * 40_813_184
    assert counted.exact_macs < counted.dense_macs
    # by hand, the stem: 32x32, each axis 31 * 3 + 1 = 94 taps that exist; 3 -> 16 channels
    assert counted.layer("stem.0").exact_macs == 94 * 94 * 3 * 16
    assert counted.layer("blocks.3.shortcut.0").exact_macs == 16 * 16 * 16 * 32
    assert counted.layer("classifier").exact_macs == 640


def test_flop_counter_agrees_on_the_spiking_resnet20_at_every_step():
    torch.manual_seed(0)
    model = Spiking(resnet20(activation=lambda: IF(start=0.5))).eval()
    xs = torch.rand(1, 2, 3, 32, 32).expand(3, 2, 3, 32, 32)
    with FlopCounterMode(display=False) as flops, torch.inference_mode():
        model(xs)
    counted = count_operations(model, xs)
    assert counted.dense_macs * 3 * 2 * 2 == flops.get_total_flops()
    spikes = {layer.layer: layer.spikes for layer in count_spikes(model, xs).layers}
    # identity shortcuts deliver each spike of the block before once more, and the classifier sees the pool's sums
    assert (counted.layer("blocks.1.add_1").synops == spikes["blocks.0.act2"]).all()
    assert (counted.layer("classifier").synops == 10 * spikes["blocks.8.act2"]).all()
    assert (counted.layer("pool").additions == spikes["blocks.8.act2"]).all()


def test_flop_counter_agrees_on_a_net_of_other_layers():
    layers = (nn.Conv2d(4, 6, 3, groups=2, dilation=2), nn.ReLU(), nn.ConvTranspose2d(6, 3, 4, stride=2, padding=1))
    model, x = nn.Sequential(*layers, nn.Flatten(), nn.Linear(3 * 8 * 8, 5)), torch.rand(3, 4, 8, 8)
    with FlopCounterMode(display=False) as flops:
        model(x)
    assert count_macs(model, x).dense_macs * 3 * 2 == flops.get_total_flops()


class Functional(nn.Module):
    """Layers as functions and methods."""

    def __init__(self):
        super().__init__()
        self.act = IF()
        self.kernel = nn.Parameter(torch.ones(2, 1, 3, 3))
        self.rows = nn.Parameter(torch.ones(5, 8))
        self.mix = nn.Parameter(torch.ones(5, 3))

    def forward(self, x):
        x = self.act(x)
        y = F.conv2d(x, self.kernel, stride=2, padding=1)
        z = self.act(y * 100).flatten(1)
        return F.linear(z, self.rows) @ self.mix


def test_functions_count_like_modules():
    xs = spikes_at((0, 0, 1, 1))
    counted = count_operations(Spiking(Functional()), xs)
    assert counted.layer("conv2d").synops.tolist() == [2 * 4]
    # the convolution drives 4 positions x 2 channels above threshold, all 8 neurons fire once
    assert counted.layer("act_2").updates.tolist() == [8]
    assert counted.layer("linear").synops.tolist() == [8 * 5]
    assert counted.layer("matmul").macs.tolist() == [15]
    assert counted.layer("mul").macs.tolist() == [8]


def test_matrix_products_of_spikes_with_constants_accumulate():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.act, self.left, self.right = IF(), nn.Parameter(torch.ones(5, 3)), nn.Parameter(torch.ones(2, 4))

        def forward(self, x):
            s = self.act(x)  # [R, 3, 2]
            return self.left @ s @ self.right

    xs = spikes_at((0, 1, 1), (0, 2, 0), shape=(3, 2))
    counted = count_operations(Spiking(Product()), xs)
    assert counted.layer("matmul").synops.tolist() == [2 * 5]
    assert counted.layer("matmul_1").macs.tolist() == [5 * 2 * 4]


def test_products_of_two_activities_multiply():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = IF()

        def forward(self, x):
            s = self.act(x)
            return torch.matmul(s, s.transpose(1, 2))

    counted = count_operations(Spiking(Attention()), spikes_at((0, 1, 1), shape=(3, 2)))
    assert counted.layer("matmul").macs.tolist() == [3 * 2 * 3]


def test_the_model_stays_as_it_is():
    model = after_spikes(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), IF())
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_operations(model, torch.ones(2, 3, 1, 4, 4))
    assert all(part.training for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())
    assert all(part.timesteps is None for part in model.modules() if isinstance(part, Temporal))


def test_a_graph_module_is_taken_as_it_is_and_leaves_cost_nothing():
    class Odd(nn.Module):
        def forward(self, x):
            return x * 2.0 if bool(x.sum() > 0) else x

    net = nn.Sequential(nn.Linear(2, 3, bias=False), Odd())
    counted = count_macs(net, torch.ones(1, 2), leaves=(Odd,))
    assert (counted.totals().macs, counted.uncounted) == (6, ())


def test_what_is_not_known_is_named():
    counted = count_macs(nn.Sequential(nn.Linear(2, 3), nn.Softmax(1), nn.LayerNorm(3)), torch.ones(1, 2))
    assert counted.uncounted == (("LayerNorm", 1), ("Softmax", 1))
    assert "LayerNorm (1), Softmax (1)" in counted.table().notes[0]


def test_table_shows_each_layer():
    model = Spiking(nn.Sequential(nn.Linear(2, 3), IF(), nn.Linear(3, 2, bias=False)))
    table = count_operations(model, torch.ones(2, 1, 2)).table(1)
    assert table.column("layer") == ("0", "1", "2")
    assert table.column("input") == ("static", "static", "spikes")
    assert table.column("MACs")[0] == 6
    assert "T = 1, 1 samples" in table.caption


class Branches(nn.Module):
    """Cannot be traced: it branches on a value."""

    def __init__(self):
        super().__init__()
        self.act = IF()

    def forward(self, x):
        return self.act(x) if bool(x.sum() > 0) else x


def test_what_is_printed_is_short():
    counted = count_operations(Spiking(nn.Sequential(IF(), nn.Linear(2, 600))), torch.ones(3, 2, 2))
    assert repr(counted) == (
        "Operations(2 layers, T = 3, 2 samples; per sample 3,600.0 synops, 0.0 macs, 1,800.0 additions, 6.0 updates)"
    )
    assert repr(counted.layers[1]) == (
        "LayerOperations(1: Linear, T = 3, 7,200 synops, 0 macs, 3,600 additions, 0 updates)"
    )


def test_a_model_that_cannot_be_traced():
    with pytest.raises(ConversionError, match=r"count_operations: .*graph.*Branches: cannot be traced.*count_spikes"):
        count_operations(Spiking(Branches()), torch.ones(1, 1, 2))
    assert count_spikes(Spiking(Branches()), torch.ones(1, 1, 2)).spikes_per_sample() == 2


def test_errors():
    model = after_spikes(nn.Conv2d(1, 2, 3))
    with pytest.raises(ShapeError, match=r"count_operations: the network cannot take a batch of shape"):
        count_operations(model, torch.ones(2, 1, 3, 4, 4))
    with pytest.raises(ShapeError, match=r"count_operations: got shape \[4, 4\]; expected \[T, N, ...\]"):
        count_operations(model, torch.ones(4, 4))
    with pytest.raises(ShapeError, match=r"count_operations: got dtype torch.int64"):
        count_operations(model, torch.ones(1, 1, 1, 4, 4, dtype=torch.int64))
    with pytest.raises(ShapeError, match=r"count_operations: got \[0, 1\], torch.float32; expected floating-point"):
        count_macs(nn.Linear(1, 1), torch.ones(0, 1))
    with pytest.raises(ShapeError, match=r"count_operations: got a batch of str; expected a tensor"):
        count_operations(model, ["images"])
    with pytest.raises(DataError, match=r"count_operations: got no batch; expected at least one"):
        count_operations(model, [])
    with pytest.raises(ArgumentError, match=r"count_operations: got Sequential.*expected Spiking\(network\)"):
        count_operations(model.module, torch.ones(1, 1, 4, 4))
    with pytest.raises(ArgumentError, match=r"count_operations.timesteps: got 4 for an ordinary network"):
        count_operations(nn.Linear(1, 1), torch.ones(1, 1), timesteps=4)
    with pytest.raises(ArgumentError, match=r"timesteps: got 0; expected a whole number of at least 1"):
        count_operations(model, torch.ones(1, 1, 4, 4), timesteps=0)
    with pytest.raises(ArgumentError, match=r"count_macs: got a Spiking model; expected an ordinary network"):
        count_macs(model, torch.ones(1, 1, 4, 4))
    with carry_state(model), pytest.raises(ArgumentError, match=r"got a network inside carry_state"):
        count_operations(model, torch.ones(1, 1, 1, 4, 4))


def test_errors_of_results():
    model = after_spikes(nn.Conv2d(1, 2, 3))
    counted = count_operations(model, torch.ones(2, 1, 1, 4, 4))
    with pytest.raises(ArgumentError, match=r"timesteps: got 3; expected 1..2, the steps that were run"):
        counted.totals(3)
    with pytest.raises(ArgumentError, match=r"Operations.layer: got 'conv'; expected one of 0, 1"):
        counted.layer("conv")
    with pytest.raises(DataError, match=r"Operations: got counts of T = 2 with 2 layers and of T = 1"):
        counted + count_operations(model, torch.ones(1, 1, 1, 4, 4))
    with pytest.raises(DataError, match=r"inputs of different shape"):
        count_operations(model, [torch.ones(2, 1, 1, 4, 4), torch.ones(2, 1, 1, 5, 5)])


def test_zero_amplitude_and_fractions_of_a_spike():
    with pytest.raises(ArgumentError, match=r"0.amplitude: got 0; expected a number other than 0"):
        count_operations(Spiking(nn.Sequential(IF(amplitude=0.0), nn.Linear(2, 2))), torch.ones(1, 1, 2))
    halves = Spiking(nn.Sequential(Halves(), nn.Linear(2, 2)))
    with pytest.raises(ArgumentError, match=r"0: got an output of 0.5 amplitudes; expected whole multiples"):
        count_operations(halves, torch.ones(1, 1, 2))


class Halves(Graded):
    """Emits half spikes."""

    def step(self, state, x):
        return state, x / 2


def test_an_operation_that_mixes_time_steps():
    class Mixes(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = IF()

        def forward(self, x):
            return self.act(x).mean(0)

    with pytest.raises(ShapeError, match=r"mean: its tensor is \[3\]; expected 2 rows on the first axis"):
        count_operations(Spiking(Mixes()), torch.ones(2, 1, 3))
