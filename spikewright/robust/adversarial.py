"""adversarial(): any loss, taken of attacked inputs in place of the clean ones."""

from __future__ import annotations

import torch
from torch import nn

from ..core.arguments import named
from ..core.errors import ArgumentError, sentence
from ..core.loss import Batch, Loss, Result
from .examples import Examples, View


def adversarial(loss: Loss, examples: Examples, view: View) -> Loss:
    """Adversarial training: the loss, in the mode of training, of inputs that an attack has made in `eval()`.

        min over theta of the mean of  loss(f(z), y),        z = examples(x, y, theta)

    The attacked inputs replace the clean ones; what the loss logs, such as "accuracy", is of them.

    Args:
        loss: of the labels; any loss or sum of losses.
        examples: which inputs.
        view: the network as its attackers see it.

    Returns:
        A loss that draws from the batch's generator, so that a resumed run makes the same inputs.

    Raises:
        ArgumentError: for arguments of another kind, or, when called, a network that the rule does not know.

    Source: Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial Examples", ICLR 2015, arXiv
        1412.6572, section 6; without clean inputs: Madry et al. 2018, ICLR 2018, arXiv 1706.06083, eq. 2.1.

    Example:
        >>> from spikewright.robust import Attacked
        >>> from spikewright.train import rate_cross_entropy
        >>> loss = adversarial(rate_cross_entropy(timesteps=4), Attacked(), View(timesteps=4))
    """
    check_parts("adversarial", loss, examples, view)

    def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        return loss(model, (examples.of(model, batch, view, generator), batch[1]), generator)

    return Loss(run)


def check_parts(who: str, loss: object, examples: object, view: object) -> None:
    """Raise ArgumentError unless each is of its kind."""
    parts = (("loss", loss, Loss), ("examples", examples, Examples), ("view", view, View))
    for name, value, kind in parts:
        if not isinstance(value, kind):
            todo = f"The order is {', '.join(part for part, _, _ in parts)}"
            raise ArgumentError(sentence(f"{who}.{name}", named(value), f"a {kind.__name__}", todo))
