"""Folding time into the batch, temporal layers inside a shell, and what a sequence must be."""

import pytest
import torch
from torch import nn

from spikewright.core import Spiking, Temporal, fold, unfold
from spikewright.core.errors import ShapeError
from spikewright.core.temporal import check_sequence


class Difference(Temporal):
    """Two sequences in, their difference to the step before out."""

    def over_time(self, *xs):
        a, b = xs
        return torch.cat([a[:1], a[1:] - b[:-1]])


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Difference()

    def forward(self, x):
        return self.layer(x, 10 * x)


def test_fold_is_time_major_and_unfold_its_inverse():
    xs = torch.arange(12.0).view(3, 2, 2)
    assert fold(xs).tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert torch.equal(unfold(fold(xs), 3), xs)


def test_a_temporal_layer_with_two_inputs_sees_time_inside_a_shell():
    xs = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)
    assert Spiking(Twice())(xs).flatten().tolist() == [1.0, 2.0 - 10.0, 3.0 - 20.0]


def test_a_temporal_layer_outside_a_shell_says_so():
    with pytest.raises(ShapeError, match=r"Difference: called outside a Spiking shell.*wrap the network"):
        Difference()(torch.zeros(4, 1), torch.zeros(4, 1))


def test_a_first_axis_that_is_no_multiple_of_the_steps_is_refused():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = Difference()

        def forward(self, x):
            return self.layer(x[1:], x[1:])

    with pytest.raises(ShapeError, match="Difference: got 5 rows for 3 time steps; expected a multiple"):
        Spiking(Cut())(torch.zeros(3, 2, 1))


@pytest.mark.parametrize(
    ("xs", "message"),
    [
        ([1.0], "me: got list; expected a tensor"),
        (torch.zeros(4, 3), r"me: got shape \[4, 3\]; expected \[T, N, ...\].*repeat"),
        (torch.zeros(0, 2, 3), r"me: got shape \[0, 2, 3\]; .*T >= 1 and N >= 1"),
        (torch.zeros(2, 0, 3), r"me: got shape \[2, 0, 3\]; .*T >= 1 and N >= 1"),
        (torch.zeros(2, 2, 3, dtype=torch.uint8), r"me: got dtype torch\.uint8; .*x\.float\(\) / 255"),
        (torch.zeros(2, 2, 3, dtype=torch.bool), r"me: got dtype torch\.bool; expected a floating-point"),
    ],
)
def test_what_is_no_sequence_is_refused(xs, message):
    with pytest.raises(ShapeError, match=message):
        check_sequence(xs, "me")
