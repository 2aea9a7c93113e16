"""faithfulness(): what becomes of the answer when pixels go, or come, in the order of a map; needs no known place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.arguments import check_whole
from ..core.errors import ShapeError, sentence
from ..core.evaluating import evaluating
from ..core.seed import generator
from .attribute import checked_view
from .map import check_maps


@dataclass(frozen=True, kw_only=True, eq=False)
class Faithfulness:
    """Probability of the target after each step.

    Args:
        deletion: pixels become the baseline, largest values first, [N, S + 1]; a low mean is good.
        insertion: pixels come into the baseline, largest values first, [N, S + 1]; a high mean is good.
    """

    deletion: Tensor
    insertion: Tensor

    @property
    def areas(self) -> tuple[Tensor, Tensor]:
        """Areas under both curves over the share of pixels, 0..1, each [N]."""
        return _area(self.deletion), _area(self.insertion)


def faithfulness(
    classifier: nn.Module,
    images: Tensor,
    targets: Tensor,
    values: Tensor,
    *,
    baseline: float | Tensor = 0.0,
    steps: int = 16,
    seed: int = 0,
    rows: int = 512,
) -> Faithfulness:
    """Delete and insert pixels in the order of maps.

    Pixels of equal value come in a random order, the same for both curves, so that a map of a few values is not judged
    by where its pixels happen to lie.

    Args:
        classifier, images, targets, baseline, rows: as for `attribute`.
        values: maps [N, H, W].
        steps: how many pieces the pixels come in.
        seed: of that order, and of what a network draws.

    Source: Petsiuk, Das and Saenko 2018, "RISE", BMVC 2018, section 4.3. Differs: both use one baseline, where they
        insert into a blurred picture.

    Example:
        >>> first = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        >>> with torch.no_grad():
        ...     _ = first[1].weight.copy_(torch.tensor([[9.0, 0.0], [0.0, 0.0]])), first[1].bias.zero_()
        >>> good = torch.tensor([[[1.0, 0.0]]])
        >>> curve = faithfulness(first, torch.ones(1, 1, 1, 2), torch.tensor([0]), good, steps=2)
        >>> [round(float(each), 2) for each in curve.deletion[0]]
        [1.0, 0.5, 0.5]
    """
    check_whole("faithfulness.steps", steps, least=1)
    view = checked_view(classifier, images, targets, baseline=baseline, seed=seed, rows=rows)
    check_maps("faithfulness.values", values)
    if tuple(values.shape) != (len(images), *images.shape[-2:]) or not bool(torch.isfinite(values).all()):
        allowed = f"finite maps [{len(images)}, {images.shape[2]}, {images.shape[3]}]"
        raise ShapeError(sentence("faithfulness.values", f"shape {list(values.shape)} or NaN", allowed))
    place = _places(values.to(images.device), seed)
    cuts = torch.linspace(0, values[0].numel(), steps + 1).round().long().tolist()
    network = view.asked()

    def answers(gone: bool) -> Tensor:
        pieces = []
        for part in torch.tensor(cuts).split(view.copies):
            first = torch.cat([(place < cut)[:, None] for cut in part.tolist()])
            shown = images.repeat(len(part), 1, 1, 1)
            base = view.baseline.expand_as(shown)
            logits = network(torch.where(first, base, shown) if gone else torch.where(first, shown, base))
            chance = logits.softmax(1).gather(1, view.targets.repeat(len(part))[:, None])
            pieces.append(chance.reshape(len(part), len(images)))
        return torch.cat(pieces).T

    with evaluating(classifier), torch.no_grad():
        return Faithfulness(deletion=answers(True), insertion=answers(False))


def _places(values: Tensor, seed: int) -> Tensor:
    """The place of every pixel in the order of a map, [N, H, W]: 0 for the largest value."""
    flat = values.flatten(1)
    shuffled = torch.randperm(flat.shape[1], generator=generator(seed, 7)).to(flat.device)
    order = shuffled[torch.argsort(flat[:, shuffled], stable=True, dim=1, descending=True)]
    ranks = torch.arange(flat.shape[1], device=flat.device).expand_as(order)
    return torch.empty_like(order).scatter(1, order, ranks).reshape(values.shape)


def _area(curve: Tensor) -> Tensor:
    return torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)
