"""fill: all weights or none, and readable differences."""

import pytest
import torch
from torch import nn

from spikewright.core.errors import CheckpointError
from spikewright.core.fill import fill


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def test_names_that_the_model_lacks() -> None:
    tensors = {**net().state_dict(), "5.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"file: does not fit Sequential: 5\.weight is not in the model"):
        fill(net(), tensors, "file")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_broken_weights(bad: float) -> None:
    tensors, model = {name: value.clone() for name, value in net().state_dict().items()}, net()
    tensors["3.weight"][1, 2] = bad
    with pytest.raises(CheckpointError, match=r"file: 3\.weight holds NaN or infinite values"):
        fill(model, tensors, "file")
    assert torch.isfinite(model[3].weight).all()
