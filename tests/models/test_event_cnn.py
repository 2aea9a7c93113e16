"""event_cnn: sizes, wrong shapes, and that counts reach the first layer as they are."""

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError
from spikewright.models import event_cnn


def test_odd_sides_are_halved_downwards():
    model = event_cnn(3, shape=(2, 9, 13), widths=(4, 5), hidden=6)
    assert model.hidden.in_features == 5 * 2 * 3
    assert model(torch.zeros(2, 2, 9, 13)).shape == (2, 3)


def test_counts_are_taken_as_they_are():
    counts = torch.arange(8.0).view(1, 2, 2, 2)
    assert torch.equal(event_cnn(shape=(2, 2, 2), widths=(1,)).normalize(counts), counts)


def test_other_polarities_need_their_scaling():
    model = event_cnn(shape=(1, 8, 8), widths=(2,), mean=(0.0,), std=(1.0,), pool=lambda: nn.MaxPool2d(2))
    assert model(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


@pytest.mark.parametrize("shape", [(1, 34, 34), (2, 3, 34), (2, 34), (2, 1, 12)])
def test_shapes_that_do_not_fit_are_refused(shape):
    message = r"event_cnn.shape: got \(.*\); expected \(2, H, W\) with sides of at least 4, one channel per number"
    with pytest.raises(ArgumentError, match=message):
        event_cnn(shape=shape)
