"""Fan-out of convolutions: by hand at borders and strides, and against torch's own convolution of ones."""

import itertools

import pytest
import torch
from torch import nn

from spikewright.core import Spiking
from spikewright.neurons import IF
from spikewright.profile import count_macs, count_operations
from spikewright.profile.geometry import convolved, transposed


def test_stride_two_with_padding_by_hand():
    # outputs read (-1, 0, 1) and (1, 2, 3): input 1 is read twice, the padding tap reads nothing
    assert convolved(4, 3, stride=2, padding=(1, 1), dilation=1).sum(1).tolist() == [1, 2, 1, 1]


def test_same_padding_by_hand():
    assert convolved(5, 3, stride=1, padding=(1, 1), dilation=1).sum(1).tolist() == [2, 3, 3, 3, 2]


def test_dilation_by_hand():
    # outputs read (0, 2), (1, 3), (2, 4)
    assert convolved(5, 2, stride=1, padding=(0, 0), dilation=2).sum(1).tolist() == [1, 1, 2, 1, 1]


def test_inputs_that_a_stride_skips_reach_nothing():
    assert convolved(5, 1, stride=2, padding=(0, 0), dilation=1).sum(1).tolist() == [1, 0, 1, 0, 1]


def test_padding_that_repeats_inputs_by_hand():
    # circular: the row read is 2 0 1 2 0, three windows of three
    assert convolved(3, 3, stride=1, padding=(1, 1), dilation=1, mode="circular").sum(1).tolist() == [3, 3, 3]
    # replicate: 0 0 1 2 2
    assert convolved(3, 3, stride=1, padding=(1, 1), dilation=1, mode="replicate").sum(1).tolist() == [3, 3, 3]
    # reflect: 1 0 1 2 1
    assert convolved(3, 3, stride=1, padding=(1, 1), dilation=1, mode="reflect").sum(1).tolist() == [2, 5, 2]


def test_transposed_by_hand():
    # input 0 writes -1, 0, 1 and input 1 writes 1, 2, 3; outputs are 0..2
    assert transposed(2, 3, stride=2, padding=1, dilation=1, outputs=3).sum(1).tolist() == [2, 2]


SETTINGS = [
    {"kernel_size": 3, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for stride, padding, dilation, groups in itertools.product((1, 2, 3), (0, 2), (1, 2), (1, 2))
] + [
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (0, 1), "dilation": (1, 3), "groups": 4},
    {"kernel_size": (4, 3), "padding": "same"},
    {"kernel_size": 2, "padding": "valid"},
    *({"kernel_size": 3, "padding": 1, "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_spikes_through_a_convolution_of_ones_are_the_synaptic_operations(settings):
    conv = nn.Conv2d(4, 8, bias=False, **settings)
    nn.init.ones_(conv.weight)
    spikes = (torch.rand(2, 3, 4, 7, 6, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    counted = count_operations(Spiking(nn.Sequential(IF(), conv)), spikes).layer("1")
    expected = conv(spikes.flatten(0, 1)).unflatten(0, (2, 3)).sum((1, 2, 3, 4))
    assert counted.synops.tolist() == expected.tolist()
    assert counted.exact_macs == conv(torch.ones(1, 4, 7, 6)).sum()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(
    ("padding", "output_padding", "dilation", "groups"), [(0, 0, 1, 1), (1, 0, 1, 2), (2, 1, 2, 4)]
)
def test_transposed_convolution_of_ones(stride, padding, output_padding, dilation, groups):
    settings = {"stride": stride, "padding": padding, "output_padding": min(output_padding, stride - 1)}
    conv = nn.ConvTranspose2d(4, 8, 3, bias=False, dilation=dilation, groups=groups, **settings)
    nn.init.ones_(conv.weight)
    spikes = (torch.rand(2, 1, 4, 5, 6, generator=torch.Generator().manual_seed(2)) < 0.4).float()
    counted = count_operations(Spiking(nn.Sequential(IF(), conv)), spikes).layer("1")
    assert counted.synops.tolist() == conv(spikes.flatten(0, 1)).sum((1, 2, 3)).tolist()
    assert counted.exact_macs == conv(torch.ones(1, 4, 5, 6)).sum()


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Conv1d(2, 3, 3, padding=1), (1, 2, 5)), (nn.Conv3d(1, 2, 2, padding=1), (1, 1, 3, 3, 3))]
)
def test_one_and_three_axes(layer, shape):
    ones = type(layer)(layer.in_channels, layer.out_channels, layer.kernel_size, padding=1, bias=False)
    nn.init.ones_(ones.weight)
    assert count_macs(layer, torch.zeros(shape)).exact_macs == ones(torch.ones(shape)).sum()
