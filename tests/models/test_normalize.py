"""Normalize: scaling by hand, buffers, bad constants."""

import pytest
import torch

from spikewright.core.errors import ArgumentError
from spikewright.models import Normalize


def test_scaling_by_hand():
    x = torch.tensor([0.5, 1.0]).view(1, 2, 1, 1)
    assert Normalize((0.25, 0.5), (0.5, 0.25))(x).flatten().tolist() == [0.5, 2.0]


def test_mean_and_std_are_saved_and_not_trained():
    layer = Normalize((0.25,), (0.5,))
    assert layer.state_dict().keys() == {"mean", "std"}
    assert not list(layer.parameters())


@pytest.mark.parametrize(("mean", "std"), [((0.5,), (0.5, 0.5)), ((), ()), ((0.5,), (0.0,)), ((0.5,), (-1.0,))])
def test_bad_constants_are_refused(mean, std):
    with pytest.raises(ArgumentError, match=r"Normalize: got mean .*, std .*; expected one mean and one std above 0"):
        Normalize(mean, std)
