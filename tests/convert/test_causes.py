"""The split of a layer's error: by hand, exact as a sum, and zero where a cause is absent."""

import pytest
import torch
from torch import Tensor

from spikewright.convert.causes import OFFSETS, causes
from spikewright.neurons import IF

D = torch.float64


def run(xs: Tensor, v_threshold: float, a: Tensor):
    """One layer of IF neurons behind a ReLU source, on an input [T, N, F]."""
    z = xs.mean(0)
    rate = IF(v_threshold=v_threshold, amplitude=v_threshold, start=0.5).double().over_time(xs).mean(0)
    level = torch.tensor(v_threshold, dtype=D)
    return rate, causes(rate, a, z, z.clamp(min=0), v_threshold=level, start=torch.tensor(0.5), timesteps=len(xs))


@pytest.mark.parametrize("timesteps", [1, 2, 5, 16])
def test_the_parts_add_up_to_the_error(timesteps: int) -> None:
    g = torch.Generator().manual_seed(timesteps)
    xs, a = torch.randn(timesteps, 20, 30, dtype=D, generator=g) + 0.4, torch.rand(20, 30, dtype=D, generator=g)
    rate, split = run(xs, 0.8, a)
    total = split.inherited + split.clipping + split.quantisation + split.unevenness
    assert torch.allclose(total, rate - a, atol=1e-12)
    assert sum(split.offsets()) == pytest.approx(1)
    off = 1 - split.offsets()[OFFSETS.index(0)]
    assert sum(split.cases()) == pytest.approx(off)


def test_each_cause_by_hand() -> None:
    """Threshold 1, T = 4: an input of 1.5 is clipped by 0.5; 0.3 is rounded to 0.25; the source's value is matched."""
    z = torch.tensor([[1.5, 0.3, 0.25, -1.0]], dtype=D)
    _, split = run(z.expand(4, 1, 4), 1.0, z.clamp(min=0))
    assert torch.equal(split.clipping, torch.tensor([[-0.5, 0, 0, 0]], dtype=D))
    assert torch.allclose(split.quantisation, torch.tensor([[0, -0.05, 0, 0]], dtype=D), atol=1e-12)
    assert (split.inherited == 0).all()
    assert (split.unevenness == 0).all()
    assert split.wanted.tolist() == [[4, 1, 1, 0]]


def test_the_cases_by_hand() -> None:
    """Threshold 1, T = 3: fires though it should not; fires twice for one; fires once for three; is right."""
    xs = torch.tensor([[1.0, 1.0, -1.0, 0.3], [-1.0, 1.0, -1.0, 0.3], [0.0, -1.0, 5.0, 0.4]], dtype=D).unsqueeze(1)
    _, split = run(xs, 1.0, torch.zeros(1, 4, dtype=D))
    assert split.wanted.tolist() == [[0, 1, 3, 1]]
    assert split.spikes.tolist() == [[1, 2, 1, 1]]
    assert split.cases() == (0.25, 0.25, 0.25, 0.0)
    assert split.offsets() == (0, 0.25, 0, 0.25, 0.5, 0, 0)


def test_only_a_masked_neuron_can_be_silent_where_it_should_fire() -> None:
    g = torch.Generator().manual_seed(0)
    xs = torch.randn(6, 50, 60, dtype=D, generator=g)
    _, plain = run(xs, 1.0, torch.zeros(50, 60, dtype=D))
    assert plain.cases()[3] == 0
    silent, z, level = torch.zeros(50, 60, dtype=D), xs.mean(0), torch.ones((), dtype=D)
    masked = causes(silent, silent, z, z.clamp(min=0), v_threshold=level, start=torch.tensor(0.5), timesteps=6)
    assert masked.cases()[3] > 0.1
    assert masked.cases()[:3] == (0, 0, 0)


def test_offsets_beyond_the_ends_are_counted_at_the_ends() -> None:
    xs = torch.tensor([5.0, 5.0, 5.0, 5.0, -20.0]).view(5, 1, 1).double()
    _, split = run(xs, 1.0, torch.zeros(1, 1, dtype=D))
    assert split.spikes.item() == 4
    assert split.wanted.item() == 0
    assert split.offsets() == (0, 0, 0, 0, 0, 0, 1)
    assert split.cases() == (1, 0, 0, 0)
