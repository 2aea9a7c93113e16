"""attribute(): the map of one method for a batch of images, judged before it is handed out."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from ..core.arguments import check_module, check_whole, named
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.evaluating import evaluating
from ..core.input_error import readable_input
from ..core.registry import pick
from ..core.spiking import Timed
from .captum_door import captum, drawing
from .groups import checked_groups
from .map import Map, constant, not_applicable
from .method import Method
from .methods import METHODS
from .view import View

TOLERANCE = 1e-4
"""How far values may be from those of Input x Gradient, as a share of the largest, to count as the same.

Epsilon-LRP, which is the same thing on ReLUs, differs by up to 4e-5 on a network with batch norm, from rounding.
"""


def attribute(
    classifier: nn.Module,
    images: Tensor,
    targets: Tensor,
    method: Method | str,
    *,
    baseline: float | Tensor = 0.0,
    seed: int = 0,
    groups: Tensor | None = None,
    rows: int = 512,
) -> Map:
    """What each pixel did for the logit of a class.

    Args:
        classifier: images [N, C, H, W] -> logits [N, K]; a spiking network as `Classifier(model, timesteps)`, whose
            `rule` is then the gradient that methods see.
        images: floats [N, C, H, W].
        targets: the class that is explained for each image, [N] whole numbers.
        method: a method, or the name of one with its usual settings.
        baseline: what a missing pixel looks like: a number, a picture [C, H, W], or several [B, C, H, W]; methods that
            need one take their mean.
        seed: of all that is drawn.
        groups: pixels that are changed together, [H, W] or [N, H, W]; None for a grid at a random offset.
        rows: images of one forward pass, about; fewer need less memory.

    Raises:
        ArgumentError: if an argument is out of range, or Captum is not installed.
        ShapeError: if a tensor has another shape.

    Example:
        >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> _ = nn.init.ones_(linear[1].weight)
        >>> attribute(linear, torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]), "InputXGradient").values
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    chosen = checked_method(method)
    view = checked_view(classifier, images, targets, baseline=baseline, seed=seed, groups=groups, rows=rows)
    with evaluating(classifier), drawing(seed, 4, device=images.device):
        reason = chosen.refuses(view)
        if reason:
            return not_applicable(images, reason)
        captum()  # its import is no part of any method's time
        start = perf_counter()
        found = chosen.run(view)
        seconds = perf_counter() - start
        values = found.values.detach()
        made = Map(values=values.sum(1), absolute=values.abs().sum(1), delta=found.delta, seconds=seconds)
        return _judged(made, values, chosen, view)


def checked_view(
    classifier: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    baseline: float | Tensor,
    seed: int,
    rows: int,
    groups: Tensor | None = None,
) -> View:
    """What a method is asked, once all arguments have been found to fit; for the errors see `attribute`."""
    _check(classifier, images, targets)
    check_whole("attribute.seed", seed, least=0)
    check_whole("attribute.rows", rows, least=1)
    view = View(
        network=classifier,
        images=images.detach(),
        targets=targets.to(images.device, torch.long),
        baselines=_baselines(baseline, images),
        groups=checked_groups(groups, images, seed),
        seed=seed,
        rows=rows,
    )
    with evaluating(classifier):
        _check_logits(view)
    return view


def checked_method(method: Method | str) -> Method:
    """The method of a name; a method itself as it is.

    Raises:
        ConfigError: for a name that there is not.
        ArgumentError: for anything else, such as the class of a method.
    """
    if isinstance(method, str):
        kind: Any = pick(METHODS, method, "attribute.method")
        return kind()
    if not isinstance(method, Method):
        allowed = "a method, e.g. Occlusion(), or the name of one"
        raise ArgumentError(sentence("attribute.method", named(method), allowed))
    return method


def _judged(made: Map, values: Tensor, method: Method, view: View) -> Map:
    """The map with its status."""
    if not bool(torch.isfinite(values).all()):
        return not_applicable(view.images, "it gave values that are not finite")
    if bool(constant(made.values).all()):
        return replace(made, status="degenerate", reason="every map has one value everywhere")
    if method.per_pixel:
        gradient = view.gradient()
        for other, name in ((view.images * gradient, "Input x Gradient"), (gradient, "the gradient")):
            largest = float(other.abs().max())
            if float((values - other).abs().max()) <= TOLERANCE * max(largest, float(values.abs().max())):
                return replace(made, status="degenerate", reason=f"the values are those of {name}")
    return made


def _check(classifier: nn.Module, images: Tensor, targets: Tensor) -> None:
    check_module(classifier, "attribute.classifier")
    if isinstance(classifier, Timed):
        todo = "Wrap it: Classifier(model, timesteps=4)"
        met = f"{type(classifier).__name__}, which takes sequences"
        raise ArgumentError(sentence("attribute.classifier", met, "a network on images", todo))
    if not isinstance(images, Tensor) or images.dim() != 4 or not images.numel() or not images.is_floating_point():
        met = f"{images.dtype} of shape {list(images.shape)}" if isinstance(images, Tensor) else named(images)
        raise ShapeError(sentence("attribute.images", met, "floats [N, C, H, W], N >= 1"))
    if not bool(torch.isfinite(images).all()):
        raise ArgumentError(sentence("attribute.images", "NaN or infinite values", "finite values"))
    whole = isinstance(targets, Tensor) and not targets.is_floating_point() and targets.dtype != torch.bool
    if not whole or targets.shape != (len(images),):
        met = f"{targets.dtype} of shape {list(targets.shape)}" if isinstance(targets, Tensor) else named(targets)
        raise ShapeError(sentence("attribute.targets", met, f"whole numbers of shape [{len(images)}]"))


def _check_logits(view: View) -> None:
    with torch.no_grad(), readable_input("attribute", view.images[:1]):
        logits = view.network(view.images[:1])
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        met = f"an output of shape {list(logits.shape)}" if isinstance(logits, Tensor) else named(logits)
        raise ShapeError(sentence("attribute.classifier", met, "logits [N, K]"))
    low, high = int(view.targets.min()), int(view.targets.max())
    if low < 0 or high >= logits.shape[1]:
        met = f"class {low if low < 0 else high}"
        raise ArgumentError(sentence("attribute.targets", met, f"0 to {logits.shape[1] - 1}"))


def _baselines(baseline: float | Tensor, images: Tensor) -> Tensor:
    if isinstance(baseline, int | float) and not isinstance(baseline, bool):
        baseline = torch.full(images.shape[1:], float(baseline))
    if not isinstance(baseline, Tensor) or tuple(baseline.shape[-3:]) != tuple(images.shape[1:]) or baseline.dim() > 4:
        met = f"shape {list(baseline.shape)}" if isinstance(baseline, Tensor) else named(baseline)
        shape = list(images.shape[1:])
        raise ShapeError(sentence("attribute.baseline", met, f"a number, or pictures of shape {shape} or [B, ...]"))
    pictures = baseline.to(images) if baseline.dim() == 4 else baseline.to(images)[None]
    if not len(pictures) or not bool(torch.isfinite(pictures).all()):
        raise ArgumentError(sentence("attribute.baseline", "NaN, infinite or no values", "finite values"))
    return pictures
