"""Occlusion: what the logit loses when a window is covered, averaged over the windows that cover a pixel."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.arguments import check_whole
from ...core.errors import ArgumentError, sentence
from ..captum_door import captum
from ..groups import cell_size
from ..method import Found, GroupMethod
from ..view import View


@dataclass(frozen=True, kw_only=True)
class Occlusion(GroupMethod):
    """The mean of f(x) - f(x with a window as in the baseline) over all windows that hold the pixel.

    Args:
        window: side in pixels; None for two cells of `grid_groups`, or half of small images.
        stride: pixels from one window to the next; None for half a window.

    Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2.
    """

    window: int | None = None
    stride: int | None = None

    def __post_init__(self) -> None:
        for name in ("window", "stride"):
            if getattr(self, name) is not None:
                check_whole(f"Occlusion.{name}", getattr(self, name), least=1)
        if self.window is not None and self.stride is not None and self.stride > self.window:
            allowed = f"at most the window's {self.window}, so that no pixel is left out"
            raise ArgumentError(sentence("Occlusion.stride", str(self.stride), allowed))

    def run(self, view: View) -> Found:
        channels, height, width = view.images.shape[1:]
        window = self.window or min(2 * cell_size(height, width), max(1, min(height, width) // 2))
        if window > min(height, width):
            allowed = f"at most the {min(height, width)} pixels of the images"
            raise ArgumentError(sentence("Occlusion.window", str(window), allowed))
        stride = min(self.stride or max(1, window // 2), window)
        values = (
            captum()
            .Occlusion(view.asked())
            .attribute(
                view.images,
                sliding_window_shapes=(channels, window, window),
                strides=(channels, stride, stride),
                baselines=view.baseline.expand_as(view.images),
                target=view.targets,
                perturbations_per_eval=view.copies,
            )
        )
        return Found(values[:, :1])
