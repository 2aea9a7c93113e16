"""Events: lists of active channels hold what the tensor holds, and give it back."""

from typing import cast

import numpy as np
import pytest
import torch

from spikewright.runtime.events import TAIL, listed, room


@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (3, 2, 5, 4, 7), (2, 3, 16, 1, 1), (2, 1, 40, 3, 3)])
def test_what_is_listed_comes_back(density: float, shape: tuple[int, ...]) -> None:
    g = torch.Generator().manual_seed(1)
    xs = torch.randn(shape, generator=g) * (torch.rand(shape, generator=g) < density)
    events = listed(xs)
    assert torch.equal(events.dense(), xs)
    assert int(events.counts.sum()) == int((xs != 0).sum())
    assert events.density == pytest.approx(float((xs != 0).float().mean()))


def test_amplitudes_belong_to_channels() -> None:
    events = listed(torch.ones(1, 1, 3, 1, 1))
    events.amplitude[:] = [1.0, 2.0, 3.0]
    assert events.dense().flatten().tolist() == [1.0, 2.0, 3.0]


def test_lists_can_be_read_sixteen_at_a_time() -> None:
    counts, channels, values = room(2, 3, (17, 2, 2), valued=True)
    assert channels.shape == values.shape == (3, 4, 2, 2 * TAIL)
    assert counts.sum() == 0
    assert cast(np.ndarray, channels.base).size >= channels.size + TAIL
