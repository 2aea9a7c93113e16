"""Small networks, one for each kind of layer, and how a conversion method copes with each: for docs/support.md."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert import Maximum, Recipe, check, convert, prepare
from spikewright.convert.check import Check
from spikewright.core.errors import ConversionError

IMAGES = torch.rand(32, 2, 8, 8, generator=torch.Generator().manual_seed(0))
SHORT, LONG, CLOSE = 2, 256, 0.05


class Around(nn.Module):
    """A layer between a convolution and two linear layers with a ReLU, on images [N, 2, 8, 8].

    Args:
        layer: what is tried; it gets [N, 4, 8, 8].
        before: what stands in front of it.
    """

    def __init__(self, layer: nn.Module, before: nn.Module) -> None:
        super().__init__()
        self.first, self.before, self.layer = nn.Conv2d(2, 4, 3, padding=1), before, layer
        with torch.no_grad():
            width = layer(torch.zeros(2, 4, 8, 8)).flatten(1).shape[1]
        self.hidden, self.act, self.last = nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.hidden(self.layer(self.before(self.first(x - 0.5))).flatten(1))))


class Do(nn.Module):
    """A function as a layer, with the layers that it uses."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, h: Tensor) -> Tensor:
        return self.function(h, *self.parts)


def _residual(h: Tensor, conv: nn.Module) -> Tensor:
    return F.relu(conv(h) + h)


def _concatenated(h: Tensor, conv: nn.Module) -> Tensor:
    return torch.cat([F.relu(conv(h)), h], dim=1)


def _excited(h: Tensor, squeeze: nn.Module, excite: nn.Module) -> Tensor:
    return h * torch.sigmoid(excite(F.relu(squeeze(F.adaptive_avg_pool2d(h, 1)))))


def _padded_when_even(h: Tensor) -> Tensor:
    return F.pad(h, (0, 1)) if h.shape[-1] % 2 == 0 else h


@dataclass(frozen=True)
class Case:
    """A kind of layer.

    Args:
        name: as the page shows it.
        layer: builds it.
        activation: whether it is itself the activation behind the convolution; else a ReLU stands in front of it.
    """

    name: str
    layer: Callable[[], nn.Module]
    activation: bool = False

    def network(self) -> nn.Module:
        """The layer in a small network in `eval()`, whose batch norms have seen the images."""
        torch.manual_seed(0)
        net = Around(self.layer(), nn.Identity() if self.activation else nn.ReLU()).train()
        with torch.no_grad():
            for _ in range(20):
                net(IMAGES)
        return net.eval()


CASES = (
    Case("ReLU", nn.ReLU, activation=True),
    Case("ReLU6", nn.ReLU6, activation=True),
    Case("clamp(0, c)", lambda: Do(lambda h: h.clamp(0, 0.75)), activation=True),
    Case("Hardtanh(0, c)", lambda: nn.Hardtanh(0, 0.75), activation=True),
    Case("Hardtanh(-1, 1)", nn.Hardtanh, activation=True),
    Case("LeakyReLU", lambda: nn.LeakyReLU(0.1), activation=True),
    Case("PReLU", lambda: nn.PReLU(4), activation=True),
    Case("ELU", nn.ELU, activation=True),
    Case("GELU", nn.GELU, activation=True),
    Case("SiLU", nn.SiLU, activation=True),
    Case("Hardswish", nn.Hardswish, activation=True),
    Case("Tanh", nn.Tanh, activation=True),
    Case("Sigmoid", nn.Sigmoid, activation=True),
    Case("Hardsigmoid", nn.Hardsigmoid, activation=True),
    Case("max pool", lambda: nn.MaxPool2d(3, 2, 1)),
    Case("max pool, dilated", lambda: nn.MaxPool2d(2, dilation=2)),
    Case("adaptive max pool", lambda: nn.AdaptiveMaxPool2d(3)),
    Case("average pool", lambda: nn.AvgPool2d(3, 2, 1)),
    Case("adaptive average pool", lambda: nn.AdaptiveAvgPool2d(3)),
    Case("global mean", lambda: Do(lambda h: h.mean((2, 3)))),
    Case("batch norm behind a convolution", lambda: nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU())),
    Case("batch norm on its own", lambda: nn.BatchNorm2d(4)),
    Case("group norm", lambda: nn.GroupNorm(2, 4)),
    Case("instance norm", lambda: nn.InstanceNorm2d(4)),
    Case("layer norm", lambda: nn.LayerNorm(8)),
    Case("softmax", lambda: nn.Softmax(1)),
    Case("residual add", lambda: Do(_residual, nn.Conv2d(4, 4, 3, padding=1))),
    Case("concatenation", lambda: Do(_concatenated, nn.Conv2d(4, 4, 3, padding=1))),
    Case("slice", lambda: Do(lambda h: h[:, 1:3, ::2])),
    Case("reshape", lambda: Do(lambda h: h.view(h.size(0), 2, 2, -1).transpose(1, 2))),
    Case("decision on a shape", lambda: Do(_padded_when_even)),
    Case("depthwise convolution", lambda: nn.Conv2d(4, 8, 3, groups=4)),
    Case("grouped convolution", lambda: nn.Conv2d(4, 6, 3, stride=2, groups=2)),
    Case("transposed convolution", lambda: nn.ConvTranspose2d(4, 2, 3, stride=2)),
    Case("upsample, nearest", lambda: nn.Upsample(scale_factor=2)),
    Case("upsample, bilinear", lambda: nn.Upsample(scale_factor=2, mode="bilinear")),
    Case("dropout", lambda: nn.Dropout(0.3)),
    Case("squeeze and excitation", lambda: Do(_excited, nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1))),
    Case("product of two activities", lambda: Do(lambda h: h * h.mean(1, keepdim=True))),
    Case("quotient of two activities", lambda: Do(lambda h: h / (1 + h.mean(1, keepdim=True)))),
    Case("matrix product of two activities", lambda: Do(lambda h: h @ h.transpose(2, 3))),
    Case("decision on a value", lambda: Do(lambda h: h if h.sum() > 0 else -h)),
)

FITTING = {"levels": 256, "v_threshold": 1.0, "threshold": Maximum(), "tau": 0}
"""Settings under which a source is what its neurons tend to: many levels, thresholds that nothing exceeds, and no
rehearsal, which is meant for few steps and at many takes wanted spikes away."""


def fitting(kind: type[Recipe]) -> Recipe:
    """A method with those of the settings that it has."""
    recipe = kind()
    own = {field.name for field in fields(recipe) if getattr(recipe, field.name) is not None}
    return replace(recipe, **{name: value for name, value in FITTING.items() if name in own})


@dataclass(frozen=True)
class Verdict:
    """How a method copes with a layer.

    Args:
        converts: whether it does.
        text: what the layer becomes, or why it is refused and what to do.
        early, late: root mean square error of the mean output after few and after many steps, over the spread of the
            source's outputs; None if it is refused.
    """

    converts: bool
    text: str
    early: float | None = None
    late: float | None = None

    @property
    def approaches(self) -> bool:
        """Whether the spiking network tends to its source."""
        return self.early is not None and self.late is not None and self.late < min(CLOSE, self.early)


def judge(case: Case, recipe: Recipe) -> Verdict:
    """Check and convert a case's network, and compare the two answers and the two networks.

    Raises:
        RuntimeError: if `check` and `convert` disagree.
    """
    net = case.network()
    try:
        checked = check(net, recipe, example=IMAGES[:2])
        expected = checked.convertible
    except ConversionError as error:
        checked, expected = None, False
        reason = str(error).split(": its ")[0].split(" fails")[0]
    try:
        with warnings.catch_warnings(action="ignore"):
            ready = prepare(net, recipe, example=IMAGES[:2]) if recipe.prepare() else net
            conversion = convert(ready, recipe, IMAGES)
    except ConversionError as error:
        if expected:
            raise RuntimeError(f"{case.name}, {recipe}: check says that it converts, but {error}") from error
        if checked is None:
            return Verdict(False, f"{reason}: a graph can follow decisions on shapes only")
        said = {row.advice for row in checked.unhandled}
        if not all(advice in str(error) for advice in said):
            raise RuntimeError(f"{case.name}, {recipe}: check advises {said}, but convert says {error}") from error
        return Verdict(False, "; ".join(sorted(said)))
    if checked is None or not expected:
        raise RuntimeError(f"{case.name}, {recipe}: check says that it does not convert, but it does")
    with torch.no_grad():
        source = conversion.source(IMAGES)
        phases = conversion.model.phases
        out = conversion.model(IMAGES.expand(phases.steps(LONG), *IMAGES.shape))[phases.rehearsal :].cumsum(0)
    errors = [float((out[t - 1] / t - source).square().mean().sqrt() / source.std()) for t in (SHORT, LONG)]
    return Verdict(True, _becomes(checked), *errors)


def _becomes(checked: Check) -> str:
    """What becomes of the layer itself, without the linear operations that stay."""
    own = [row.verdict for row in checked.rows if row.site.split(".")[0] == "layer"]
    changed = (verdict.removeprefix("becomes ") for verdict in own if verdict != "stays")
    return ", ".join(dict.fromkeys(changed)) or "stays"
