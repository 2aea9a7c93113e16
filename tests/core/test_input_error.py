"""readable_input: torch's errors about a wrong batch say what the batch was; all others pass."""

import pytest
import torch
from torch import nn

from spikewright.core.errors import DataError, ShapeError
from spikewright.core.input_error import readable_input


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (nn.Linear(4, 1), torch.zeros(2, 3)),
        (nn.Conv2d(3, 1, 3), torch.zeros(2, 1, 8, 8)),
        (nn.Linear(4, 1), torch.zeros(2, 4, dtype=torch.float64)),
        (nn.BatchNorm2d(3), torch.zeros(2, 3)),
    ],
)
def test_shape_and_dtype_are_named(layer: nn.Module, x: torch.Tensor) -> None:
    with pytest.raises(ShapeError) as caught, readable_input("accuracy", x):
        layer(x)
    text = str(caught.value)
    assert text.startswith(f"accuracy: the network cannot take a batch of shape {list(x.shape)} in {x.dtype} (")
    assert "\n" not in text
    assert text.endswith("Give it the channels, size and dtype that it was made for.")
    assert caught.value.__cause__ is not None


def test_errors_of_the_project_and_of_memory_pass() -> None:
    for error in (DataError("broken"), torch.OutOfMemoryError("full"), KeyError("other")):
        with pytest.raises(type(error)), readable_input("x", torch.zeros(1)):
            raise error


def test_nothing_happens_without_an_error() -> None:
    with readable_input("x", torch.zeros(1)):
        pass
