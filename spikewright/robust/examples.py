"""Examples: what a network is trained on in place of a clean batch: it under one attack, or under one of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..attack import FGSM, Budget, GradientRule, Linf, Search, perturb
from ..coding.encode import repeat
from ..coding.readout import mean
from ..core.arguments import named
from ..core.errors import ArgumentError, sentence
from ..core.loss import Batch
from ..models.classifier import Classifier
from ..train.inner import inner


@dataclass(frozen=True, kw_only=True)
class View:
    """How a network under training is seen by those who attack it.

    Args:
        timesteps: T; None for an ordinary network.
        encode: x and T -> sequence, one that a gradient passes; `as_given` where batches are sequences [T, N, ...].
        readout: output over time -> logits.
    """

    timesteps: int | None = None
    encode: Callable[[Tensor, int], Tensor] = repeat
    readout: Callable[[Tensor], Tensor] = mean

    def logits(self, output: Tensor) -> Tensor:
        """What the network gave as logits [N, K]: read out over time; of an ordinary network as it is.

        Example:
            >>> View(timesteps=2).logits(torch.ones(2, 3, 4)).shape, View().logits(torch.ones(3, 4)).shape
            (torch.Size([3, 4]), torch.Size([3, 4]))
        """
        return output if self.timesteps is None else self.readout(output)

    def of(self, model: nn.Module, rule: GradientRule | None = None) -> Classifier:
        """The network as a classifier, whatever wraps it for devices and processes.

        Args:
            model: the network, or what `fit` gives a loss.
            rule: whose gradient an attack follows; None for the network's own.

        Example:
            >>> from spikewright.core import Spiking
            >>> View(timesteps=2).of(Spiking(nn.Linear(3, 2)))(torch.zeros(1, 3)).shape
            torch.Size([1, 2])
        """
        return Classifier(inner(model), self.timesteps, encode=self.encode, readout=self.readout, rule=rule)


@dataclass(frozen=True, kw_only=True)
class Examples(ABC):
    """Inputs for a training step."""

    @abstractmethod
    def of(self, model: nn.Module, batch: Batch, view: View, generator: torch.Generator) -> Tensor:
        """Inputs like x of the batch, without gradient; the network is afterwards as it was.

        Args:
            model: the network under training, in any mode.
            batch: x and classes [N].
            view: how the network is seen.
            generator: the only source of random numbers.
        """


@dataclass(frozen=True, kw_only=True)
class Attacked(Examples):
    """The batch under one attack, made in `eval()`: running statistics in batch norms, no dropout.

    Args:
        search: how inputs are looked for.
        budget: which are allowed.
        rule: whose gradient is followed; none for the network's own, as it is trained.

    Source: Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018,
        arXiv 1706.06083, eq. 2.1, the inner maximum.

    Example:
        >>> from spikewright.core import Spiking
        >>> linear = nn.Linear(2, 2, bias=False)
        >>> _ = linear.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> batch = torch.full((1, 2), 0.5), torch.tensor([0])
        >>> quarter = Attacked(budget=Linf(eps=0.25))
        >>> quarter.of(Spiking(linear), batch, View(timesteps=1), torch.Generator())
        tensor([[0.2500, 0.7500]])
    """

    search: Search = field(default_factory=FGSM)
    budget: Budget = field(default_factory=lambda: Linf(eps=2 / 255))
    rule: GradientRule | None = None

    def __post_init__(self) -> None:
        for name, kind in (("search", Search), ("budget", Budget)):
            if not isinstance(getattr(self, name), kind):
                met, allowed = named(getattr(self, name)), f"a {kind.__name__} of spikewright.attack"
                raise ArgumentError(sentence(f"Attacked.{name}", met, allowed))
        if self.rule is not None and not isinstance(self.rule, GradientRule):
            allowed = "a gradient rule of spikewright.attack, or None"
            raise ArgumentError(sentence("Attacked.rule", named(self.rule), allowed))

    def of(self, model: nn.Module, batch: Batch, view: View, generator: torch.Generator) -> Tensor:
        x, y = batch
        return perturb(view.of(model, self.rule), self.search, self.budget, x, y, generator=generator)


@dataclass(frozen=True, kw_only=True)
class Mixture(Examples):
    """Each batch is under one of several attacks, drawn with equal probability.

    Args:
        parts: the attacks, at least one.

    Source: Ding et al. 2022, "SNN-RAT: Robustness-enhanced Spiking Neural Network through Regularized Adversarial
        Training", NeurIPS 2022; the choice as in the code, github.com/putshua/SNN-RAT, first commit 7237b59.

    Example:
        >>> Mixture(parts=(Attacked(), Attacked(budget=Linf(eps=4 / 255)))).parts[0].search
        FGSM(objective=...)
    """

    parts: tuple[Attacked, ...] = (Attacked(),)

    def __post_init__(self) -> None:
        if not isinstance(self.parts, tuple) or not all(isinstance(part, Attacked) for part in self.parts):
            raise ArgumentError(sentence("Mixture.parts", named(self.parts), "a tuple of Attacked(...)"))
        if not self.parts:
            raise ArgumentError(sentence("Mixture.parts", "no attack", "at least one"))

    def of(self, model: nn.Module, batch: Batch, view: View, generator: torch.Generator) -> Tensor:
        drawn = int(torch.randint(len(self.parts), (), generator=generator, device=generator.device))
        return self.parts[drawn].of(model, batch, view, generator)


@dataclass(frozen=True, kw_only=True)
class Unchanged(Examples):
    """The batch as it is: to count what a training step holds, of which the attack's own passes are no part."""

    def of(self, model: nn.Module, batch: Batch, view: View, generator: torch.Generator) -> Tensor:
        return batch[0].detach()
