"""Groups: which values of an activation share one number, and how such numbers are laid over the activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ...core.errors import ShapeError, sentence

Shape = Callable[[tuple[int, ...]], tuple[int, ...]]
"""Features *F of an activation [N, *F] -> shape of one number per group, which broadcasts over *F."""


class Groups:
    """Which values of an activation share one number: a function [N, *F] -> values [G, ...], a view.

    Args:
        take: the function; its name is that of the groups.
        shape: how G numbers are laid over *F.
    """

    def __init__(self, take: Callable[[Tensor], Tensor], shape: Shape) -> None:
        self.take, self.shape = take, shape
        self.__name__, self.__doc__ = take.__name__, take.__doc__

    def __call__(self, a: Tensor) -> Tensor:
        return self.take(a)

    def spread(self, values: Tensor, features: Sequence[int]) -> Tensor:
        """One number per group, [G] -> shaped to broadcast over [N, *F].

        Args:
            values: the numbers.
            features: *F, the shape of one sample.
        """
        return values.reshape(self.shape(tuple(features)))

    def __repr__(self) -> str:
        return self.__name__

    def __reduce__(self) -> str:
        return self.__name__  # a copy is the same object, as of a function


def _shaped(shape: Shape) -> Callable[[Callable[[Tensor], Tensor]], Groups]:
    return lambda take: Groups(take, shape)


@_shaped(lambda features: ())
def per_layer(a: Tensor) -> Tensor:
    """All values of a layer together: [N, *F] -> [1, N, *F]; one number, []."""
    return a.unsqueeze(0)


@_shaped(lambda features: (features[0], *[1] * (len(features) - 1)))
def per_channel(a: Tensor) -> Tensor:
    """The values of each channel (axis 1) together: [N, C, ...] -> [C, N, ...]; numbers [C, 1, ...]."""
    return a.transpose(0, 1)


@_shaped(lambda features: features)
def per_neuron(a: Tensor) -> Tensor:
    """The values of each feature position together: [N, *F] -> [G, N]; numbers [*F], for inputs of that size only."""
    return a.flatten(1).transpose(0, 1)


@_shaped(lambda features: features[-1:])
def per_feature(a: Tensor) -> Tensor:
    """The values of each place of the last axis together, the features of tokens: [N, L, D] -> [D, ...]; numbers [D].

    Raises:
        ShapeError: for an activation without that axis.
    """
    if a.dim() < 2:
        raise ShapeError(sentence("per_feature", f"an activation {list(a.shape)}", "[N, ..., D]"))
    return a.movedim(-1, 0)


GROUPS = {groups.__name__: groups for groups in (per_layer, per_channel, per_neuron, per_feature)}
