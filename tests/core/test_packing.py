"""packed_spikes: the same gradients from a fraction of the memory, and everything else left as it is."""

import copy

import pytest
import torch
from torch import nn

from spikewright.core import Spiking, fused, packed_spikes
from spikewright.core.packing import _as_bits, _Bits, _pack, _unpack, recomputes
from spikewright.neurons import LIF


def spikes(shape, value=1.0, density=0.2, dtype=torch.float32):
    return value * (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < density).to(dtype)


@pytest.mark.parametrize("value", [1.0, 0.3, -2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_tensor_of_spikes_comes_back(value, dtype):
    x = spikes((3, 8, 17, 17), value, dtype=dtype)
    for tensor in (x, x.to(memory_format=torch.channels_last), x[1:]):
        kept = _pack(tensor)
        assert isinstance(kept, _Bits)
        assert kept.bits.numel() == -(-tensor.numel() // 8)
        back = _unpack(kept)
        assert torch.equal(back, tensor)
        assert back.dtype == dtype
        assert back.stride() == tensor.stride()


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(8192),
        spikes((8192,)) + spikes((8192,), 0.5, 0.9),  # three values
        torch.cat([spikes((8191,)), torch.tensor([0.5])]),  # one that is not
        torch.zeros(8192),
        spikes((100,)),  # too small
        spikes((1, 4096)).expand(4, 4096),  # overlaps itself
        spikes((4096, 4)).t()[:, ::2],  # has gaps
        torch.zeros(8192, dtype=torch.int64),
        nn.Parameter(torch.ones(8192)),
        torch.cat([spikes((8191,)), torch.tensor([float("nan")])]),
    ],
    ids=["analog", "three values", "one other", "silent", "small", "overlapping", "gaps", "whole", "parameter", "nan"],
)
def test_anything_else_is_kept_as_it_is(tensor):
    assert _pack(tensor) is tensor


def test_a_tensor_that_fires_everywhere_is_one_value():
    assert _as_bits(torch.full((8192,), 2.0)).value.item() == 2.0


@pytest.fixture
def network():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), LIF(amplitude=0.5),
        nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), LIF(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(1024, 5),
    )  # fmt: skip
    for module in (net[2], net[5]):
        module.unroll = fused
    return Spiking(net)


def test_the_gradients_are_the_same_bits_from_less_memory(network):
    xs = torch.rand(4, 6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    gradients, kept = [], []
    for packing in (False, True):
        network.zero_grad()
        seen = []

        def see(x, packing=packing, seen=seen):
            found = _pack(x) if packing else x
            bits = isinstance(found, _Bits)
            seen.append(found.bits.numel() if bits else x.numel() * x.element_size())
            return found

        with torch.autograd.graph.saved_tensors_hooks(see, _unpack):
            network(xs).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
        kept.append(sum(seen))
    assert all(torch.equal(a, b) for a, b in zip(*gradients))
    assert kept[1] < 0.75 * kept[0]


def held(network, xs, packing):
    """Bytes that are kept, and the gradients; the input of a layer that several keep counts once."""
    kept = {}

    def see(x):
        found = _pack(x) if packing else x
        tensor = found.bits if isinstance(found, _Bits) else found
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        see.alive.append(tensor)
        return found

    see.alive = []
    network.zero_grad()
    token = recomputes.set(packing)
    with torch.autograd.graph.saved_tensors_hooks(see, _unpack):
        loss = network(xs).square().sum()
    recomputes.reset(token)
    loss.backward()
    return sum(kept.values()), [parameter.grad.clone() for parameter in network.parameters()]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_behind_a_batch_norm_no_input_is_kept(network, layout):
    network.to(memory_format=layout)
    xs = torch.rand(4, 6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    (most, expected), (least, found) = held(network, xs, False), held(network, xs, True)
    assert all(torch.equal(a, b) for a, b in zip(expected, found))
    assert least < 0.45 * most


def test_running_statistics_move_once(network):
    xs = torch.rand(4, 6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    twin = copy.deepcopy(network)
    network(xs).sum().backward()
    with packed_spikes():
        loss = twin(xs).sum()
    loss.backward()
    for one, other in zip(network.buffers(), twin.buffers()):
        assert torch.equal(one, other)


def test_norms_that_do_not_train_keep_what_they_keep(network):
    xs = torch.rand(4, 6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    network.eval()
    assert all(torch.equal(a, b) for a, b in zip(held(network, xs, False)[1], held(network, xs, True)[1]))


def test_within_the_block_only(network):
    xs = torch.rand(2, 2, 3, 16, 16)
    with packed_spikes():
        network(xs).sum().backward()
    first = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    network(xs).sum().backward()
    assert all(torch.equal(a, parameter.grad) for a, parameter in zip(first, network.parameters()))
