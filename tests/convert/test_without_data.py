"""Thresholds from batch norms alone: closed-form moments, sums, what is passed on, refusals, and a trained ResNet-20."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert import OPI, GaussianOptimal, Maximum, convert, per_channel, per_neuron, thresholds_without_data
from spikewright.convert.driver import trace_for_inference
from spikewright.convert.operations import is_relu
from spikewright.convert.rules import sites
from spikewright.convert.statistics import Moments, WatchedRun, batch_norm_moments
from spikewright.convert.statistics.batch_norm_moments import rectified_moments
from spikewright.core.errors import ArgumentError, ConversionError
from spikewright.data import load_dataset
from spikewright.experiments.network import load_network

X = torch.randn(400, 2, 8, 8, generator=torch.Generator().manual_seed(0))


class Residual(nn.Module):
    """conv-norm-ReLU, then a block whose sum adds its input, passed through what a test asks for."""

    def __init__(self, shortcut=lambda h: h) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.norm1, self.act1 = nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()
        self.conv, self.norm2, self.act2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()
        self.head, self.shortcut = nn.Linear(6, 3), shortcut
        for norm in (self.norm1, self.norm2):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias)
            norm.momentum = None  # the mean of all batches
        with torch.no_grad():
            for part in X.split(50):
                self.train()(part)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        h = self.act1(self.norm1(self.stem(x)))
        h = self.act2(self.norm2(self.conv(h)) + self.shortcut(h))
        return self.head(h.mean((2, 3)))


def relu_inputs(net: nn.Module, x: Tensor) -> tuple[dict[str, Moments | str], dict[str, Tensor]]:
    """Site -> what batch norms tell, and what it gets from images [N, C, H, W]."""
    graph, seen = trace_for_inference(net), {}
    relus = [site for site in sites(graph) if is_relu(site)]
    watch = {site.node.all_input_nodes[0]: (lambda a, n=site.name: seen.__setitem__(n, a)) for site in relus}
    with torch.no_grad():
        WatchedRun(graph, watch).run(x)
    return batch_norm_moments(graph), seen


def test_rectified_moments_against_a_sample() -> None:
    mu, variance = torch.tensor([-1.0, 0.0, 0.5, 3.0]).double(), torch.tensor([1.0, 1.0, 4.0, 0.0]).double()
    x = torch.randn(400_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    sample = (mu + variance.sqrt() * x).clamp(min=0)
    mean, spread = rectified_moments(mu, variance)
    assert torch.allclose(mean, sample.mean(0), atol=1e-2)
    assert torch.allclose(spread, sample.var(0), atol=2e-2)
    assert (mean[3], spread[3]) == (3, 0)


def test_moments_of_a_residual_network() -> None:
    known, seen = relu_inputs(Residual(), X)
    for name, tolerance in (("act1", 0.15), ("act2", 0.4)):  # a block's output and its input are not independent
        moments = known[name]
        assert isinstance(moments, Moments)
        found = seen[name].transpose(0, 1).flatten(1)
        assert torch.allclose(moments.mean.float(), found.mean(1), atol=tolerance)
        assert torch.allclose(moments.variance.sqrt().float(), found.std(1), rtol=tolerance)


def test_the_sum_by_hand() -> None:
    net = Residual()
    moments = batch_norm_moments(trace_for_inference(net))["act2"]
    parts = []
    for norm in (net.norm1, net.norm2):
        assert norm.running_var is not None
        var = norm.running_var.double()
        parts.append((norm.bias.detach().double(), norm.weight.detach().double() ** 2 * var / (var + norm.eps)))
    mean, variance = rectified_moments(*parts[0])
    assert isinstance(moments, Moments)
    assert torch.allclose(moments.mean, mean + parts[1][0])
    assert torch.allclose(moments.variance, variance + parts[1][1])


@pytest.mark.parametrize("shortcut", [nn.Identity(), nn.Dropout(0.5), nn.AvgPool2d(3, 1, 1), nn.MaxPool2d(3, 1, 1)])
def test_what_passes_moments_on(shortcut: nn.Module) -> None:
    plain = batch_norm_moments(trace_for_inference(Residual()))["act2"]
    other = batch_norm_moments(trace_for_inference(Residual(shortcut)))["act2"]
    assert isinstance(plain, Moments)
    assert isinstance(other, Moments)
    assert torch.equal(plain.mean, other.mean)


def test_a_padded_shortcut_adds_channels_of_zeros() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.conv, self.norm2, self.act = (
                *(nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU()),
            )

        def forward(self, x: Tensor) -> Tensor:
            h = self.norm(x)
            h = self.norm2(self.conv(h)) + F.pad(h[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
            return self.act(h).mean((2, 3))

    moments = batch_norm_moments(trace_for_inference(Padded().eval()))["act"]
    assert isinstance(moments, Moments)
    assert moments.variance.tolist() == pytest.approx([1, 2, 2, 1], rel=1e-4)


@pytest.mark.parametrize(
    ("shortcut", "cause"),
    [
        (nn.Conv2d(6, 6, 1), r"shortcut \(Conv2d\)"),
        (lambda h: h * 2, r"mul \(mul\)"),
        (lambda h: h.sigmoid(), r"sigmoid \(sigmoid\)"),
        (lambda h: h[:, [5, 4, 3, 2, 1, 0]], r"getitem.*"),
        (lambda h: F.pad(h[:, :, 1:, 1:], (1, 0, 1, 0)), r"pad \(.*pad\)"),
    ],
)
def test_what_no_batch_norm_tells(shortcut, cause: str) -> None:
    recipe = OPI(threshold=GaussianOptimal(groups=per_channel))
    message = rf"act2 \(ReLU\): no batch norm tells mean and variance behind {cause}; expected .* Calibrate on images"
    with pytest.raises(ConversionError, match=message):
        thresholds_without_data(Residual(shortcut), recipe)


def test_without_a_batch_norm() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with pytest.raises(ConversionError, match=r"1 \(ReLU\): no batch norm tells mean and variance behind 0 \(Linear\)"):
        thresholds_without_data(net, OPI(threshold=GaussianOptimal()))
    assert thresholds_without_data(net, OPI(threshold=GaussianOptimal()), allow=("1",)) == {}


@pytest.mark.parametrize("threshold", [Maximum(), GaussianOptimal(groups=per_neuron)])
def test_other_statistics_need_images(threshold) -> None:
    with pytest.raises(ArgumentError, match=r"thresholds_without_data\.recipe: got OPI with .*; expected a threshold="):
        thresholds_without_data(Residual(), OPI(threshold=threshold))


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)), (3,)),
        (lambda: nn.Sequential(nn.Conv1d(4, 3, 1), nn.BatchNorm1d(3), nn.ReLU(), nn.Flatten()), (3, 1)),
        (lambda: nn.Sequential(nn.Conv3d(4, 3, 1), nn.BatchNorm3d(3), nn.ReLU(), nn.Flatten()), (3, 1, 1, 1)),
    ],
)
def test_shapes_of_thresholds(net, shape: tuple[int, ...]) -> None:
    recipe = OPI(threshold=GaussianOptimal(groups=per_channel))
    assert thresholds_without_data(net().eval(), recipe)["2"].shape == shape
    assert thresholds_without_data(net().eval(), OPI(threshold=GaussianOptimal()))["2"].shape == ()


def test_a_trained_resnet20() -> None:
    """Moments near the measured ones, and a conversion that says what the network says."""
    net = load_network("cifar10_resnet20_relu").model
    images = torch.as_tensor(load_dataset("cifar10", split="calibration").images[:100])
    x = images.float() / (255 if images.dtype == torch.uint8 else 1)
    x = x if x.shape[1] == 3 else x.permute(0, 3, 1, 2)
    known, seen = relu_inputs(net, x)
    assert len(seen) == 19
    for name, a in seen.items():
        moments, found = known[name], a.transpose(0, 1).flatten(1).double()
        assert isinstance(moments, Moments)
        off = (moments.mean - found.mean(1)).abs() / found.std(1)
        assert float(off.mean()) < 0.35
        assert float((moments.variance.sqrt() / found.std(1)).log().abs().mean()) < 0.35
    recipe = OPI(threshold=GaussianOptimal(timesteps=32, groups=per_channel))
    conversion = convert(net, recipe, thresholds=thresholds_without_data(net, recipe))
    with torch.no_grad():
        said = conversion.model(x[:20].expand(32, 20, *x.shape[1:])).mean(0).argmax(1)
        assert float((said == net(x[:20]).argmax(1)).float().mean()) >= 0.8
