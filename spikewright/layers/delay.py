"""Delays: whole steps per channel, or trained ones per connection, spread by a Gaussian that narrows to one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.past import Remembering


class Delay(Remembering):
    """Every channel arrives a number of steps later, which costs nothing; zeros before the beginning.

        y_t = x_(t - d) for each channel

    Args:
        steps: whole numbers of at least 0, one for each channel; they are no parameters.

    Source: Hammouamri et al. 2024, "Learning Delays in Spiking Neural Networks using Dilated Convolutions with
        Learnable Spacings", ICLR 2024, arXiv 2306.17670: axonal delays, here given.

    Example:
        >>> Delay([0, 2]).over_time(torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1).repeat(1, 1, 2))[:, 0].tolist()
        [[1.0, 0.0], [2.0, 0.0], [3.0, 1.0]]
    """

    fires = False
    moves_only = True
    steps: Tensor

    def __init__(self, steps: Sequence[int]) -> None:
        super().__init__()
        if isinstance(steps, str) or not isinstance(steps, Sequence) or not len(steps):
            raise ArgumentError(sentence("Delay.steps", repr(steps), "whole numbers, one for each channel"))
        for value in steps:
            check_whole("Delay.steps", value, least=0)
        self.register_buffer("steps", torch.tensor(list(steps)))
        self.longest = max(steps)

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """[T, N, C, ...] -> [T, N, C, ...].

        Raises:
            ShapeError: for other channels, or where a carried past has another shape.
        """
        if xs.dim() < 3 or xs.shape[2] != len(self.steps):
            raise ShapeError(sentence("Delay", f"input of shape {list(xs.shape)}", f"[T, N, {len(self.steps)}, ...]"))
        padded, _ = self.with_past(xs, self.longest)
        places = torch.arange(len(xs), device=xs.device).unsqueeze(1) + self.longest - self.steps  # [T, C]
        channels = torch.arange(xs.shape[2], device=xs.device).expand_as(places)
        return padded.transpose(1, 2)[places, channels].transpose(1, 2)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{len(self.steps)} channels, longest={self.longest}"


def delay_taps(delay: Tensor, width: Tensor, longest: int) -> Tensor:
    """Share of a connection's weight at every delay 0..D, [*S, D + 1]; the shares of one connection add up to 1.

        share_k = exp(-((k - d) / width)^2 / 2) / sum over k of the same

    With a width of 0.01 and a whole d it is exactly 1 at d and 0 elsewhere.

    Args:
        delay: d in steps, any shape *S; beyond the ends it acts as the end.
        width: standard deviation in steps, above 0.
        longest: D.

    Example:
        >>> delay_taps(torch.tensor([1.0]), torch.tensor(0.01), 2).tolist()
        [[0.0, 1.0, 0.0]]
    """
    steps = torch.arange(longest + 1, dtype=delay.dtype, device=delay.device)
    return (-0.5 * ((steps - delay.unsqueeze(-1)) / width).square()).softmax(-1)


class _Learnt(Remembering):
    """A synaptic layer whose connections have weights and trained delays."""

    fires = False
    costs_unknown = True
    width: Tensor
    step: Tensor

    def __init__(self, shape: Sequence[int], outputs: int, longest: int, width: float, bias: bool) -> None:
        super().__init__()
        check_whole(f"{type(self).__name__}.longest", longest, least=1)
        if not isinstance(width, Real) or not 0 < float(width) < math.inf:
            raise ArgumentError(sentence(f"{type(self).__name__}.width", repr(width), "a finite number above 0"))
        self.longest = longest
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound)) if bias else None
        self.delay = nn.Parameter(torch.empty(*shape[:2]).uniform_(0, longest))
        self.register_buffer("width", torch.tensor(float(width)))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def taps(self) -> Tensor:
        """Weights at every delay, the oldest input first, [out, in, D + 1]."""
        return delay_taps(self.delay, self.width, self.longest).flip(-1)


class DelayedLinear(_Learnt):
    """A linear layer whose connections have trained delays:

        y_t[o] = b[o] + sum over i, k of weight[o, i] share_k(delay[o, i]) x_(t - k)[i]

    Begin with a wide Gaussian, so that gradients reach far, and narrow it with `NarrowDelays`; after the training
    `round_delays(model)` makes all delays whole. Counts of operations list the layer as one whose cost they do not
    know.

    Args:
        inputs, outputs: features, at least 1.
        longest: D, the longest delay in steps, at least 1.
        width: standard deviation of the Gaussian at the beginning, in steps, above 0.
        bias: whether a number is added to each output.

    Source: Hammouamri et al. 2024, ICLR 2024, arXiv 2306.17670. Differs: the Gaussian is a softmax, so that it is exact
        at its ends and for any width.

    Example:
        >>> DelayedLinear(3, 2, longest=4).over_time(torch.zeros(5, 1, 3)).shape
        torch.Size([5, 1, 2])
    """

    def __init__(self, inputs: int, outputs: int, *, longest: int, width: float = 2.0, bias: bool = True) -> None:
        check_whole("DelayedLinear.inputs", inputs, least=1)
        check_whole("DelayedLinear.outputs", outputs, least=1)
        super().__init__((outputs, inputs), outputs, longest, width, bias)

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """[T, N, I] -> [T, N, O].

        Raises:
            ShapeError: for other features, or where a carried past has another shape.
        """
        if xs.dim() != 3 or xs.shape[2] != self.weight.shape[1]:
            met = f"input of shape {list(xs.shape)}"
            raise ShapeError(sentence("DelayedLinear", met, f"[T, N, {self.weight.shape[1]}]"))
        padded, _ = self.with_past(xs, self.longest)
        return F.conv1d(padded.permute(1, 2, 0), self.weight.unsqueeze(-1) * self.taps(), self.bias).permute(2, 0, 1)


class DelayedConv2d(_Learnt):
    """A convolution in which each pair of channels has a trained delay; otherwise as `DelayedLinear`.

    Args:
        inputs, outputs: channels, at least 1.
        kernel: size of the window, at least 1.
        longest, width, bias: as in `DelayedLinear`.
        stride, padding: as in torch.

    Source: Hammouamri et al. 2024, ICLR 2024, arXiv 2306.17670, for convolutions.

    Example:
        >>> DelayedConv2d(1, 2, 3, longest=4, padding=1).over_time(torch.zeros(5, 1, 1, 4, 4)).shape
        torch.Size([5, 1, 2, 4, 4])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        longest: int,
        width: float = 2.0,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        for name, value, least in (
            *(("inputs", inputs, 1), ("outputs", outputs, 1), ("kernel", kernel, 1)),
            *(("stride", stride, 1), ("padding", padding, 0)),
        ):
            check_whole(f"DelayedConv2d.{name}", value, least=least)
        super().__init__((outputs, inputs, kernel, kernel), outputs, longest, width, bias)
        self.stride, self.padding = stride, padding

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """[T, N, C, H, W] -> [T, N, C, H, W].

        Raises:
            ShapeError: for other channels, or where a carried past has another shape.
        """
        if xs.dim() != 5 or xs.shape[2] != self.weight.shape[1]:
            met = f"input of shape {list(xs.shape)}"
            raise ShapeError(sentence("DelayedConv2d", met, f"[T, N, {self.weight.shape[1]}, H, W]"))
        padded, _ = self.with_past(xs, self.longest)
        weight = self.weight.unsqueeze(2) * self.taps()[..., None, None]
        out = F.conv3d(
            padded.permute(1, 2, 0, 3, 4),
            weight,
            self.bias,
            (1, self.stride, self.stride),
            (0, self.padding, self.padding),
        )
        return out.permute(2, 0, 1, 3, 4)


@dataclass(frozen=True, kw_only=True)
class NarrowDelays:
    """Narrow the Gaussians of trained delays, as `after_step` of `fit`: by the same factor at each update.

        width_n = start (end / start)^(n / steps)        and `end` from then on

    Args:
        start, end: standard deviations in steps, above 0.
        steps: updates from start to end, at least 1.

    Raises:
        ArgumentError: for a number out of range.

    Source: Hammouamri et al. 2024, ICLR 2024, arXiv 2306.17670: the width falls exponentially to 0.5.

    Example:
        >>> narrow, layer = NarrowDelays(start=2.0, end=0.5, steps=2), DelayedLinear(1, 1, longest=4)
        >>> narrow(layer, 0.1)
        >>> layer.width
        tensor(1.)
    """

    start: float = 2.0
    end: float = 0.5
    steps: int

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 < float(value) < math.inf:
                raise ArgumentError(sentence(f"NarrowDelays.{name}", repr(value), "a finite number above 0"))
        check_whole("NarrowDelays.steps", self.steps, least=1)

    @torch.no_grad()
    def __call__(self, model: nn.Module, lr: float) -> None:
        """After an update: one step further; delays beyond their ends come back to them."""
        for layer in _learnt(model, "NarrowDelays"):
            layer.step += 1
            share = min(int(layer.step), self.steps) / self.steps
            layer.width.fill_(self.start * (self.end / self.start) ** share)
            layer.delay.clamp_(0, layer.longest)


@torch.no_grad()
def round_delays(model: nn.Module) -> None:
    """Make every trained delay of a model a whole number of steps, with all of its weight there; in place."""
    for layer in _learnt(model, "round_delays"):
        layer.delay.copy_(layer.delay.clamp(0, layer.longest).round())
        layer.width.fill_(0.01)


def _learnt(model: nn.Module, who: str) -> list[_Learnt]:
    found = [layer for layer in model.modules() if isinstance(layer, _Learnt)]
    if not found:
        allowed = "one with DelayedLinear or DelayedConv2d"
        raise ArgumentError(sentence(f"{who}.model", "a network without trained delays", allowed))
    return found
