"""Norms that know of time: by hand, against torch's, over carried sequences, and bad input."""

import copy

import pytest
import torch
from torch import nn

from spikewright.core import Spiking, carry_state
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.layers import BNTT, TEBN, threshold_batch_norm
from spikewright.neurons import IF

XS = torch.randn(4, 5, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * 3 + 1


def test_threshold_batch_norm_begins_as_wide_as_the_threshold():
    norm = threshold_batch_norm(3, v_threshold=0.5, alpha=2**-0.5)
    out = Spiking(norm)(XS)
    assert out.mean((0, 1, 3, 4)).abs().max() < 1e-6
    assert out.std((0, 1, 3, 4), unbiased=False).tolist() == pytest.approx([0.5 * 2**-0.5] * 3, rel=1e-4)
    assert type(norm) is nn.BatchNorm2d
    assert type(threshold_batch_norm(3, axes=0)) is nn.BatchNorm1d
    assert type(threshold_batch_norm(3, axes=3)) is nn.BatchNorm3d


def test_tebn_is_batch_norm_times_a_number_per_step():
    norm, plain = TEBN(3, steps=4), nn.BatchNorm2d(3)
    with torch.no_grad():
        norm.p.copy_(torch.tensor([1.0, 2.0, 0.5, 0.0]))
        norm.gamma.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.beta.fill_(0.5)
        plain.weight.copy_(norm.gamma)
        plain.bias.copy_(norm.beta)
    for _ in range(2):  # training, then eval on the statistics of training
        out, expected = norm.over_time(XS), plain(XS.flatten(0, 1)).view_as(XS)
        torch.testing.assert_close(out, expected * torch.tensor([1.0, 2.0, 0.5, 0.0]).view(-1, 1, 1, 1, 1))
        norm.eval()
        plain.eval()
    torch.testing.assert_close(norm.variance, plain.running_var)


def test_bntt_is_a_batch_norm_per_step():
    norm, each = BNTT(3, steps=4), [nn.BatchNorm2d(3) for _ in range(4)]
    with torch.no_grad():
        norm.gamma.copy_(torch.rand(4, 3))
        for gamma, plain in zip(norm.gamma, each):
            plain.weight.copy_(gamma)
    for _ in range(2):
        expected = torch.stack([plain(x) for plain, x in zip(each, XS)])
        torch.testing.assert_close(norm.over_time(XS), expected)
        norm.eval()
        [plain.eval() for plain in each]
    torch.testing.assert_close(norm.variance, torch.stack([plain.running_var for plain in each]))


@pytest.mark.parametrize("kind", [TEBN, BNTT])
@pytest.mark.parametrize("cuts", [[1, 3], [2, 2], [1, 1, 1, 1]])
def test_whole_and_carried_runs_are_equal(kind, cuts):
    norm = kind(3, steps=4)
    norm.over_time(XS)
    with torch.no_grad():
        (norm.p if kind is TEBN else norm.gamma).uniform_(0.5, 2.0)
    norm.eval()
    with carry_state(norm):
        parts = [norm.over_time(part) for part in XS.split(cuts)]
    torch.testing.assert_close(torch.cat(parts), norm.over_time(XS))
    torch.testing.assert_close(norm.over_time(XS[:2]), norm.over_time(XS)[:2])  # shorter ones are their beginning


@pytest.mark.parametrize("kind", [TEBN, BNTT])
def test_it_learns_keeps_its_numbers_and_takes_linear_layers(kind):
    norm = kind(3, steps=4)
    model = Spiking(nn.Sequential(nn.Linear(2, 3), norm, IF(), nn.Linear(3, 2)))
    model(torch.rand(4, 6, 2)).sum().backward()
    assert all(parameter.grad is not None for parameter in norm.parameters())
    twin = copy.deepcopy(norm)
    twin.load_state_dict(norm.state_dict())
    xs = torch.rand(4, 6, 3)
    assert torch.equal(twin.eval().over_time(xs), norm.eval().over_time(xs))


@pytest.mark.parametrize("kind", [TEBN, BNTT])
def test_sequences_must_fit(kind):
    norm, name = kind(3, steps=3), kind.__name__
    with pytest.raises(ShapeError, match=rf"{name}: got a sequence of 4 time steps; expected at most 3"):
        norm.over_time(XS)
    with pytest.raises(ShapeError, match=rf"{name}: got input of shape \[3, 5, 2, 2, 2\]; expected \[T, N, 3"):
        norm.over_time(XS[:3, :, :2])
    with carry_state(norm):
        norm.over_time(XS[:2])
        with pytest.raises(ShapeError, match=rf"{name}: got a sequence of 4 time steps"):
            norm.over_time(XS[2:])
    with pytest.raises(ArgumentError, match=rf"{name}\.steps: got 0; expected a whole number of at least 1"):
        kind(3, steps=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": 0}, r"threshold_batch_norm\.features: got 0"),
        ({"features": 1, "axes": 4}, r"threshold_batch_norm\.axes: got 4; expected a whole number from 0 to 3"),
        ({"features": 1, "alpha": 0}, r"threshold_batch_norm\.alpha: got 0; expected a finite number above 0"),
        ({"features": 1, "v_threshold": "1"}, r"threshold_batch_norm\.v_threshold: got '1'"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        threshold_batch_norm(**arguments)
