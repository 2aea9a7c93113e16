"""A trained network at T below, at and far beyond L: with the shift it holds, without it accuracy peaks and falls."""

import pytest
import torch
from torch import Tensor, nn

from spikewright.convert import QCFS, convert
from spikewright.convert.layers import QCFSActivation
from spikewright.core import Spiking
from spikewright.neurons import IF
from spikewright.train import AccuracyOverTime, accuracy_over_time

LEVELS = 2
TIMES = (1, 2, 4, 8, 16, 32, 64)


class WithoutShift(nn.Module):
    """The ablation: clip and floor without the shift by half a level, paired with a start at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QCFSActivation(levels=LEVELS, v_threshold=2.0)

    def forward(self, z: Tensor) -> Tensor:
        return self.act(z - self.act.v_threshold / (2 * LEVELS))


def blobs(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Ten Gaussian clouds in 16 dimensions that overlap a little."""
    centres = torch.randn(10, 16, generator=torch.Generator().manual_seed(99))
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (n,), generator=g)
    return centres[y] + 1.1 * torch.randn(n, 16, generator=g), y


def trained(activation) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs in (16, 32, 32):
        layers += [nn.Linear(inputs, 32), activation()]
    net = nn.Sequential(*layers, nn.Linear(32, 10))
    x, y = blobs(1000, seed=1)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval()


def spiking_without_shift(net: nn.Sequential) -> Spiking:
    def neuron(layer: nn.Module) -> nn.Module:
        if not isinstance(layer, WithoutShift):
            return layer
        level = layer.act.v_threshold.detach()
        return IF(v_threshold=level, amplitude=level, start=0.0)

    return Spiking(nn.Sequential(*(neuron(layer) for layer in net)))


@pytest.fixture(scope="module")
def judged() -> dict[bool, tuple[AccuracyOverTime, dict[int, float]]]:
    """With the shift or without -> accuracy over time, and the RMSE of the logits after T steps."""
    found = {}
    x, y = blobs(1000, seed=2)
    for shift in (True, False):
        net = trained((lambda: QCFSActivation(levels=LEVELS, v_threshold=2.0)) if shift else WithoutShift)
        model = convert(net, QCFS()).model if shift else spiking_without_shift(net)
        with torch.no_grad():
            out, expected = model(x.expand(64, *x.shape)).cumsum(0), net(x)
        errors = {t: (out[t - 1] / t - expected).square().mean().sqrt().item() for t in TIMES}
        found[shift] = accuracy_over_time(model, [(x, y)], 64, source=net, rows=16000), errors
    return found


def test_both_networks_have_learnt(judged) -> None:
    assert all(result.source_accuracy > 0.9 for result, _ in judged.values())


def test_accuracy_rises_and_approaches_the_source(judged) -> None:
    """QCFS 12: accuracy rises with T on average and ends near the source's."""
    result, errors = judged[True]
    accuracy = result.accuracy
    assert accuracy[0] < sum(accuracy[7:]) / len(accuracy[7:])
    assert all(abs(value - result.source_accuracy) < 0.03 for value in accuracy[7:])
    assert result.agreement[-1] > result.agreement[0]
    assert errors[8] < errors[1] / 1.5


def test_with_the_shift_nothing_is_lost_beyond_the_trained_length(judged) -> None:
    """QCFS 12: from T = 8 to T = 64 at L = 2 the error does not rise and the accuracy does not fall."""
    result, errors = judged[True]
    assert errors[64] < 1.2 * errors[2]
    assert errors[4] > errors[16] > 0.95 * errors[64]
    assert result.accuracy[63] > max(result.accuracy) - 0.01


def test_without_the_shift_the_error_grows_beyond_the_trained_length(judged) -> None:
    """QCFS 12: the ablation peaks near T = L and then falls: the error nearly doubles, accuracy is lost."""
    result, errors = judged[False]
    assert errors[64] > 1.5 * min(errors[2], errors[4])
    assert errors[4] < errors[16] < errors[64]
    assert result.accuracy[63] < max(result.accuracy[:8]) - 0.01
