"""The fits of `linear_fit` in the form in which Captum takes an interpretable model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ...core.arguments import check_whole
from ...core.errors import ArgumentError, sentence
from ..view import View


class Fit:
    """A function of samples, answers and weights as Captum's `Model`: fitted once per image.

    Args:
        fit: x [n, M], y [n], w [n] -> coefficients [M].
    """

    def __init__(self, fit: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        self.function = fit
        self.coefficients: Tensor

    def fit(self, train_data: Any, **_: object) -> None:
        """Fit to the one batch that Captum's loader holds."""
        x, y, w = next(iter(train_data))
        self.coefficients = self.function(x, y, w)

    def representation(self) -> Tensor:
        """The coefficients, [1, M]."""
        return self.coefficients[None]

    def __call__(self, x: Tensor) -> Tensor:
        """What the fit says of samples [n, M], without the intercept."""
        return x @ self.coefficients


def enough_samples(who: str, samples: int | None, view: View) -> int:
    """How many samples are taken: those asked for, at least two per group; None is four per group and at least 50.

    Raises:
        ArgumentError: for fewer than two per group, which leave the fit open and still give numbers.
    """
    groups = int(view.groups.max()) + 1
    if groups < 2:
        raise ArgumentError(sentence("attribute.groups", "one group", "at least two", "Take smaller cells"))
    if samples is None:
        return max(4 * groups, 50)
    if samples < 2 * groups:
        met, allowed = f"{samples} for {groups} groups", f"at least two per group, {2 * groups}"
        raise ArgumentError(sentence(f"{who}.samples", met, allowed, "Take more, or larger cells"))
    return samples


def check_samples(who: str, samples: int | None) -> None:
    """Raise ArgumentError unless it is None or a whole number."""
    if samples is not None:
        check_whole(f"{who}.samples", samples, least=1)
