"""mlp: a network of linear layers with the activation as a parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from .normalize import Normalize
from .resnet import Activation

MNIST_MEAN, MNIST_STD = (0.1307,), (0.3081,)


class MLP(nn.Module):
    """Linear layers with an activation after each but the last.

    Args:
        shape: shape of one input without the batch, e.g. (1, 28, 28) or (17,).
        widths: units of each hidden layer; may be empty.
        classes: number of outputs.
        activation: makes one activation module, called once per hidden layer.
        mean, std: scaling per channel of images in [0, 1]; both empty for inputs that need none.
    """

    def __init__(
        self,
        shape: Sequence[int],
        widths: Sequence[int],
        classes: int,
        activation: Activation,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        if len(mean) and (len(shape) != 3 or shape[0] != len(mean)):
            allowed = f"images (C, H, W) with C = {len(mean)}, as many as there are numbers in mean"
            todo = "Give mean=(), std=() for inputs that need no scaling"
            raise ArgumentError(sentence("MLP.shape", repr(tuple(shape)), allowed, todo))
        self.normalize = Normalize(mean, std) if len(mean) or len(std) else nn.Identity()
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = math.prod(shape)
        for outputs in widths:
            layers += [nn.Linear(inputs, outputs), activation()]
            inputs = outputs
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Inputs [N, *shape] -> logits [N, K]."""
        return self.layers(self.normalize(x))


def mlp(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    shape: Sequence[int] = (1, 28, 28),
    widths: Sequence[int] = (256, 256),
    mean: Sequence[float] = MNIST_MEAN,
    std: Sequence[float] = MNIST_STD,
) -> MLP:
    """Multi-layer perceptron, by default for 28x28 grey images: 0.27 M parameters, 2 activation sites.

    Source: Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors",
        Nature 323.

    Example:
        >>> mlp(2, shape=(3,), widths=(4,), mean=(), std=()).layers
        Sequential(
          (0): Flatten(start_dim=1, end_dim=-1)
          (1): Linear(in_features=3, out_features=4, bias=True)
          (2): ReLU()
          (3): Linear(in_features=4, out_features=2, bias=True)
        )
    """
    return MLP(shape, widths, classes, activation, mean, std)
