"""evaluating(model): within a block a model is in eval(), and after it in the mode it had, part by part."""

from __future__ import annotations

from torch import nn


class evaluating:  # noqa: N801 - reads as a statement
    """Within the block a model is in `eval()`; afterwards every part is in the mode it had."""

    def __init__(self, model: nn.Module | None) -> None:
        self.modes = [(part, part.training) for part in model.modules()] if model is not None else []

    def __enter__(self) -> None:
        for part, _ in self.modes:
            part.training = False

    def __exit__(self, *_) -> None:
        for part, mode in self.modes:
            part.training = mode
