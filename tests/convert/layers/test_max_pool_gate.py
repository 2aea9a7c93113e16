"""MaxPoolGate: by hand, exact for spikes of one size, bounded otherwise, every geometry, carried and counted."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spikewright.convert import OPI, Maximum, convert
from spikewright.convert.layers import MaxPoolGate
from spikewright.core import Spiking, carry_state
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.neurons import IF, SignedIF
from spikewright.profile import count_operations


def gate_of(*values: tuple[float, ...]) -> list[float]:
    """The output for one window, given the inputs of each step."""
    xs = torch.tensor(values).float().view(len(values), 1, 1, -1)
    return MaxPoolGate(nn.MaxPool1d(xs.shape[-1])).over_time(xs).flatten().tolist()


def test_by_hand() -> None:
    # sums 0,1: the second wins;  1,1: a tie, it stays;  2,1: the first takes over;  2,2: stays;  2,3: the second again
    assert gate_of((0, 1), (1, 0), (1, 0), (0, 1), (0, 1)) == [1, 0, 1, 0, 1]


def test_takeover_of_analog_inputs_adds_what_the_new_winner_was_behind() -> None:
    # sums 3,0 and then 3,4: the second was 3 behind, and lets its 4 through: 7 against a largest sum of 4
    assert gate_of((3, 0), (0, 4)) == [3, 4]


POOLS = {
    "2": nn.MaxPool2d(2),
    "3, stride 2, padding 1": nn.MaxPool2d(3, 2, 1),
    "ceil mode": nn.MaxPool2d(2, ceil_mode=True),
    "ceil mode and padding": nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "dilation": nn.MaxPool2d((2, 3), dilation=(3, 2), stride=1),
    "overlap": nn.MaxPool2d(3, 1),
    "not square": nn.MaxPool2d((1, 3), (2, 1), (0, 1)),
    "adaptive": nn.AdaptiveMaxPool2d((3, 2)),
    "adaptive to one": nn.AdaptiveMaxPool2d(1),
}


def exact(pool: nn.Module, xs: Tensor) -> None:
    """At every step the outputs so far add up to the max pool of the sums so far."""
    out = MaxPoolGate(pool).over_time(xs).cumsum(0)
    for t, total in enumerate(xs.cumsum(0)):
        assert torch.equal(out[t], pool(total))


@pytest.mark.parametrize("name", POOLS)
def test_the_mean_is_the_max_pool_of_the_means_for_spikes_of_one_size(name: str) -> None:
    spikes = torch.rand(30, 3, 2, 7, 9, generator=torch.Generator().manual_seed(0)) < 0.3
    exact(POOLS[name], 0.5 * spikes)


def test_one_and_three_dimensions() -> None:
    g = torch.Generator().manual_seed(1)
    exact(nn.MaxPool1d(3, 2, 1), (torch.rand(20, 2, 3, 9, generator=g) < 0.4).float())
    exact(nn.AdaptiveMaxPool1d(4), (torch.rand(20, 2, 3, 9, generator=g) < 0.4).float())
    exact(nn.MaxPool3d(2, padding=1), (torch.rand(20, 2, 3, 4, 5, 6, generator=g) < 0.4).float())


sizes = st.tuples(st.integers(0, 9999), st.integers(1, 30), st.sampled_from([2, 3, 5]))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(drawn=sizes)
def test_other_inputs_are_off_by_no_more_than_takeovers_allow(drawn: tuple[int, int, int]) -> None:
    seed, timesteps, window = drawn
    xs = torch.randn(timesteps, 4, 2, 3 * window, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    pool = nn.MaxPool1d(window)
    gate = MaxPoolGate(pool)
    excess = gate.over_time(xs).sum(0) - pool(xs.sum(0))
    places = gate.chosen(xs)
    # the first step counts as a takeover from nobody, and adds nothing
    takeovers = (places[1:] != places[:-1]).sum(0)
    spread = xs.view(timesteps, 4, 2, 3, window)
    largest = (spread.amax(-1) - spread.amin(-1)).amax(0)
    assert (excess >= -1e-12).all()
    assert (excess <= takeovers * largest + 1e-12).all()


def test_whole_and_carried_runs_are_equal_and_nothing_is_kept() -> None:
    gate, xs = MaxPoolGate(nn.MaxPool2d(2)), torch.randn(8, 3, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    whole = gate.over_time(xs)
    with carry_state(gate) as carried:
        parts = [gate.over_time(part) for part in xs.split([1, 4, 3])]
        assert list(carried) == [""]
        with pytest.raises(ShapeError, match=r"MaxPoolGate: carries a state of shape \[3, 2, 4, 4\]"):
            gate.over_time(xs[:, :2])
        assert copy.deepcopy(gate).carry is None
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(gate.over_time(xs), whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_follows_the_input_and_sums_are_wide(dtype: torch.dtype) -> None:
    xs = torch.ones(300, 1, 1, 2, dtype=dtype)
    xs[1:, ..., 0] = 0  # sums 1 and 300: more than bfloat16 can count
    out = MaxPoolGate(nn.MaxPool1d(2)).over_time(xs)
    assert out.dtype == dtype
    assert out.sum().item() == 300


def test_the_gradient_goes_to_the_winner() -> None:
    xs = torch.tensor([[0.0, 1.0], [3.0, 0.0]]).view(2, 1, 1, 2).requires_grad_()
    MaxPoolGate(nn.MaxPool1d(2)).over_time(xs).sum().backward()
    assert xs.grad is not None
    assert xs.grad.flatten().tolist() == [0, 1, 1, 0]


def test_only_max_pools_are_taken() -> None:
    with pytest.raises(ArgumentError, match=r"MaxPoolGate\.pool: got AvgPool2d; expected a max pool of torch\.nn"):
        MaxPoolGate(nn.AvgPool2d(2))


def test_spikes_are_counted_through_it() -> None:
    xs = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1]]).float().view(3, 1, 1, 4)
    model = Spiking(nn.Sequential(IF(), MaxPoolGate(nn.MaxPool1d(2)), nn.Conv1d(1, 5, 1, bias=False)))
    counted = count_operations(model, xs)
    # windows (0,1),(1,1),(1,0) let 1, 1, 0 through; windows (1,0),(0,0),(0,1): 1, 0, 0
    assert counted.layer("2").synops.tolist() == [10, 5, 0]
    assert counted.layer("1").additions.tolist() == [2, 2, 2]
    assert counted.layer("1").updates.tolist() == [0, 0, 0]
    signed = Spiking(nn.Sequential(SignedIF(), MaxPoolGate(nn.MaxPool1d(2)), nn.Conv1d(1, 5, 1, bias=False)))
    assert count_operations(signed, -torch.ones(1, 1, 1, 4)).layer("2").synops.tolist() == [10]
    analog = Spiking(nn.Sequential(MaxPoolGate(nn.MaxPool1d(2)), IF()))
    assert count_operations(analog, xs).layer("0").additions.tolist() == [4, 4, 4]


def test_a_converted_network_keeps_its_max_pool_at_every_step() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)).eval()
    images = torch.rand(100, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    conversion = convert(net, OPI(threshold=Maximum()), images)
    steps = conversion.model.module
    with torch.no_grad():
        rates = Spiking(steps.get_submodule("1"))(net[0](images).expand(9, *net[0](images).shape)).mean(0)
        expected = net[2:](rates)
        torch.testing.assert_close(conversion.model(images.expand(9, *images.shape)).mean(0), expected)
