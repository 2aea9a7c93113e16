"""How spike counts pass through pools, sums, joins, reshapes and norms, each by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from spikewright.core import Spiking
from spikewright.neurons import IF, SignedIF
from spikewright.profile import count_macs, count_operations

PLACES = torch.zeros(1, 1, 1, 4, 4)
PLACES[0, 0, 0, 0, 0] = PLACES[0, 0, 0, 1, 1] = PLACES[0, 0, 0, 3, 2] = 1.0  # three spikes


def counted(*layers, xs=PLACES):
    return count_operations(Spiking(nn.Sequential(IF(), *layers)), xs)


class Block(nn.Module):
    """A function of spikes, then a convolution of two channels without border."""

    def __init__(self, function, channels=1):
        super().__init__()
        self.act, self.function = IF(), function
        self.conv = nn.Conv2d(channels, 2, 1, bias=False)

    def forward(self, x):
        return self.conv(self.function(self.act(x)))


def through(function, channels=1, xs=PLACES):
    return count_operations(Spiking(Block(function, channels)), xs)


def test_average_pool_hands_all_spikes_of_a_window_on():
    result = counted(nn.AvgPool2d(2), nn.Conv2d(1, 5, 3, padding=1, bias=False))
    # windows hold 2, 0, 0, 1 spikes; in a 2x2 map each place reaches all 4 places, 5 channels
    assert result.layer("2").synops.tolist() == [3 * 4 * 5]
    assert result.layer("1").additions.tolist() == [3]


def test_average_pool_with_overlap_stride_and_padding():
    result = counted(nn.AvgPool2d(3, 2, 1), nn.Conv2d(1, 1, 1, bias=False))
    # each axis reaches 1, 2, 1, 1 windows: spikes at (0,0), (1,1), (3,2) arrive 1 + 4 + 1 times
    assert result.layer("1").additions.tolist() == [6]
    assert result.layer("2").synops.tolist() == [6]


def test_average_pool_along_one_axis():
    xs = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0]).view(1, 1, 1, 5)
    result = counted(nn.AvgPool1d(2), nn.Conv1d(1, 3, 1, bias=False), xs=xs)
    assert result.layer("2").synops.tolist() == [3 * 3]  # the fifth place is in no window


def test_adaptive_pool_with_windows_that_overlap():
    # 4 -> 3: windows 0..1, 1..2, 2..3, so places reach 1, 2, 2, 1 windows on each axis
    result = counted(nn.AdaptiveAvgPool2d(3), nn.Conv2d(1, 1, 1, bias=False))
    assert result.layer("2").synops.tolist() == [1 + 4 + 2]
    whole = counted(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 10, bias=False))
    assert whole.layer("3").synops.tolist() == [30]


def test_mean_and_sum_over_axes():
    for function in (
        lambda s: s.mean((2, 3), keepdim=True),
        lambda s: torch.sum(s, dim=(2, 3), keepdim=True),
        lambda s: s.sum(3, True).mean(2, keepdim=True),
        lambda s: F.adaptive_avg_pool2d(s, 1),
        lambda s: F.avg_pool2d(s, 4),
    ):
        assert through(function).layer("conv").synops.tolist() == [6]


def test_max_pool_passes_the_winning_spikes():
    assert counted(nn.MaxPool2d(2), nn.Conv2d(1, 2, 1, bias=False)).layer("2").synops.tolist() == [4]
    for function in (lambda s: F.max_pool2d(s, 2), lambda s: F.adaptive_max_pool2d(s, 2)):
        assert through(function).layer("conv").synops.tolist() == [4]


def test_max_pool_of_signed_spikes_drops_the_negative_ones():
    xs = torch.tensor([[-1.0, 1.0], [-1.0, 0.0]]).view(1, 1, 1, 2, 2)
    model = Spiking(nn.Sequential(SignedIF(), nn.MaxPool2d(1, 1), nn.MaxPool2d((1, 2)), nn.Conv2d(1, 1, 1, bias=False)))
    assert count_operations(model, xs).layer("3").synops.tolist() == [1]


@pytest.mark.parametrize(
    "function",
    [
        lambda s: s.flatten(1).view(-1, 1, 4, 4),
        lambda s: s.permute(0, 1, 3, 2).contiguous(),
        lambda s: F.pad(s, (1, 1, 0, 2)),
        lambda s: torch.reshape(s, (s.shape[0], 1, 2, 8)),
        lambda s: s.chunk(2, dim=2)[0] * 1.0 + s.split(2, dim=2)[1],
        lambda s: s[:, :, :, :],
        lambda s: -s * 0.5 / 3,
        lambda s: 2 * s,
        lambda s: F.dropout(s, 0.5, training=False),
        lambda s: s + 0,
    ],
)
def test_spikes_go_where_their_values_go(function):
    assert through(function).layer("conv").synops.tolist() == [6]


def test_a_slice_keeps_its_spikes_only():
    assert through(lambda s: s[:, :, :2]).layer("conv").synops.tolist() == [4]


def test_a_constant_mask_takes_spikes_away():
    mask = torch.ones(4, 4)
    mask[0, 0] = 0

    class Masked(Block):
        def __init__(self):
            super().__init__(lambda s: s)
            self.register_buffer("mask", mask)

        def forward(self, x):
            return self.conv(self.act(x) * self.mask)

    assert count_operations(Spiking(Masked()), PLACES).layer("conv").synops.tolist() == [4]


def test_nearest_resizing_repeats_spikes_and_others_are_named():
    assert through(lambda s: F.interpolate(s, scale_factor=2)).layer("conv").synops.tolist() == [4 * 6]
    blurred = through(lambda s: F.interpolate(s, scale_factor=2, mode="bilinear"))
    assert blurred.uncounted == (("interpolate", 1),)
    assert blurred.layer("conv").macs.tolist() == [2 * 64]


def test_concatenation_of_two_layers_of_spikes():
    result = through(lambda s: torch.cat((s, s[:, :, :, :], s), 1), channels=3)
    assert result.layer("conv").synops.tolist() == [3 * 6]


def test_concatenation_with_a_constant_is_analog():
    class Token(Block):
        def __init__(self):
            super().__init__(lambda s: s, channels=2)
            self.token = nn.Parameter(torch.ones(1, 1, 4, 4))

        def forward(self, x):
            s = self.act(x)
            return self.conv(torch.cat((s, self.token.expand(s.shape[0], -1, -1, -1)), 1))

    layer = count_operations(Spiking(Token()), PLACES).layer("conv")
    assert (layer.synops.tolist(), layer.macs.tolist()) == ([0], [2 * 2 * 16])


def test_two_spike_trains_add_up_at_no_cost():
    result = through(lambda s: s + s.flip(3))
    assert result.layer("conv").synops.tolist() == [12]
    assert [layer.layer for layer in result.layers] == ["act", "conv"]
    assert through(lambda s: torch.sub(s, s)).layer("conv").synops.tolist() == [12]  # both are delivered


def test_a_shortcut_of_spikes_into_a_current_is_one_accumulation_each():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.act1, self.conv, self.act2 = IF(), nn.Conv2d(1, 1, 3, padding=1), IF()

        def forward(self, x):
            s = self.act1(x)
            return self.act2(self.conv(s) + s)

    result = count_operations(Spiking(Residual()), PLACES)
    assert result.layer("conv").synops.tolist() == [4 + 9 + 6]
    assert result.layer("add").synops.tolist() == [3]
    assert result.layer("add").additions.tolist() == [0]
    assert result.layer("act2").synops.tolist() == [0]


def test_spikes_straight_into_neurons_are_one_accumulation_each():
    result = counted(IF())
    assert result.layer("1").synops.tolist() == [3]
    assert result.layer("1").updates.tolist() == [16]
    assert result.layer("0").synops.tolist() == [0]  # its input is analog


def test_analog_sums_scales_and_pools():
    class Analog(nn.Module):
        def forward(self, x):
            return F.avg_pool2d((x + x) * 2.0 - 1.0, 3, 2, 1)

    result = count_macs(Analog(), torch.ones(5, 1, 4, 4))
    assert [(layer.layer, layer.additions.tolist(), layer.macs.tolist()) for layer in result.layers] == [
        ("add", [5 * 16], [0]),
        ("mul", [0], [5 * 16]),
        ("sub", [5 * 16], [0]),
        ("avg_pool2d", [5 * 25], [0]),  # taps that exist: 5 on each axis
    ]


def test_stacked_analog_values_are_summed():
    class Stacked(nn.Module):
        def forward(self, x):
            return torch.stack((x, x, x)).sum(0)

    assert count_macs(Stacked(), torch.ones(2, 4)).layer("sum_1").additions.tolist() == [2 * 12]


def test_batch_norm_that_is_not_folded():
    result = counted(nn.Conv2d(1, 3, 1, bias=False), nn.BatchNorm2d(3))
    assert result.layer("2").macs.tolist() == [48]
    between = counted(nn.BatchNorm2d(1), nn.Conv2d(1, 3, 1, bias=False))
    assert (between.layer("1").macs.tolist(), between.layer("2").synops.tolist()) == ([16], [9])


def test_an_activation_function_makes_spikes_analog():
    result = counted(nn.Sigmoid(), nn.Conv2d(1, 2, 1, bias=False))
    assert (result.layer("2").synops.tolist(), result.layer("2").macs.tolist()) == ([0], [32])
