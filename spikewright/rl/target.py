"""Target actors: whose action the critics' target takes. A slow copy of the actor, or a proxy that imitates it."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.arguments import check_whole
from ..core.device import device_of
from ..core.errors import ArgumentError, sentence
from .actor import OrdinaryActor, Space
from .buffer import Transitions
from .descent import adam, descend

Draw = Callable[[], Transitions]


@torch.no_grad()
def soft_update(target: nn.Module, source: nn.Module, share: float) -> None:
    """target <- (1 - share) * target + share * source for all parameters; buffers are copied.

    Source: Lillicrap et al. 2016, "Continuous Control with Deep Reinforcement Learning", ICLR 2016, arXiv 1509.02971.

    Example:
        >>> target, source = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        >>> _ = target.weight.data.fill_(0.0), source.weight.data.fill_(8.0)
        >>> soft_update(target, source, 0.25)
        >>> target.weight.item()
        2.0
    """
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), share)  # pyright: ignore[reportPrivateImportUsage]
    slow, fast = list(target.buffers()), list(source.buffers())
    if slow:
        torch._foreach_copy_(slow, fast)  # pyright: ignore[reportPrivateImportUsage]


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """Which actor proposes the next action in the critics' target."""

    @abstractmethod
    def build(self, actor: nn.Module, space: Space) -> TargetActor:
        """The target of an actor."""


class TargetActor(nn.Module, ABC):
    """A target while a network is trained; the actor itself is never changed by it."""

    batches: int = 1
    """How many batches are drawn for an update; the last one is what critics and actor learn from."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Observations [N, D] -> actions [N, A]."""

    @abstractmethod
    def before_critic(self, actor: nn.Module, batches: Sequence[Transitions]) -> None:
        """Learn from the batches of this update, before the critics do."""

    @abstractmethod
    def after_actor(self, actor: nn.Module, share: float) -> None:
        """Follow the actor, which has just been updated."""

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Optimisers whose state belongs to a checkpoint."""
        return []


@dataclass(frozen=True, kw_only=True)
class SoftTarget(Target):
    """A copy of the actor that follows it slowly.

    Source: Lillicrap et al. 2016, "Continuous Control with Deep Reinforcement Learning", ICLR 2016, arXiv 1509.02971.
    """

    def build(self, actor: nn.Module, space: Space) -> TargetActor:
        return _SlowCopy(actor)


class _SlowCopy(TargetActor):
    def __init__(self, actor: nn.Module) -> None:
        super().__init__()
        self.actor = copy.deepcopy(actor).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.actor(x)

    def before_critic(self, actor: nn.Module, batches: Sequence[Transitions]) -> None:
        """A copy does not learn."""

    def after_actor(self, actor: nn.Module, share: float) -> None:
        soft_update(self.actor, actor, share)


@dataclass(frozen=True, kw_only=True)
class ProxyTarget(Target):
    """An ordinary network that is fitted to the actor's actions, a few updates at a time, and moves without jumps.

    Args:
        updates: batches that it learns from at each update of the critics, at least 1.
        lr: of Adam.
        hidden: its hidden layers.

    Source: Xu et al. 2025, "Proxy Target: Bridging the Gap Between Discrete Spiking Neural Networks and Continuous
        Control", NeurIPS 2025, arXiv 2505.24161.
        Differs: the loss is a mean over actions, as in its authors' code, where the text has a sum; the actor's actions
            are constants, where the code computes their gradients and throws them away.

    Example:
        >>> space = Space(3, (-1.0,), (1.0,))
        >>> ProxyTarget(updates=1).build(OrdinaryActor(space), space)(torch.zeros(2, 3)).shape
        torch.Size([2, 1])
    """

    updates: int = 3
    lr: float = 1e-3
    hidden: tuple[int, ...] = (512, 512)

    def __post_init__(self) -> None:
        check_whole("ProxyTarget.updates", self.updates, least=1)
        if not self.lr >= 0:
            raise ArgumentError(sentence("ProxyTarget.lr", repr(self.lr), "a number of at least 0"))

    def build(self, actor: nn.Module, space: Space) -> TargetActor:
        return Proxy(OrdinaryActor(space, hidden=self.hidden).to(device_of(actor)), self.updates, self.lr)


class Proxy(TargetActor):
    """The proxy while it is trained; see `ProxyTarget`."""

    def __init__(self, network: nn.Module, updates: int, lr: float) -> None:
        super().__init__()
        self.network, self.batches = network, updates
        self.optimizer = adam(network, lr)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)

    def before_critic(self, actor: nn.Module, batches: Sequence[Transitions]) -> None:
        with torch.no_grad():  # the actor stands still meanwhile: one pass for all batches
            actions = actor(torch.cat([batch.x for batch in batches])).split([len(batch.x) for batch in batches])
        for batch, action in zip(batches, actions):
            self.imitate(batch.x, action)

    def imitate(self, x: Tensor, action: Tensor) -> Tensor:
        """One update towards the actor's actions; the loss before it."""
        loss = F.mse_loss(self.network(x), action)
        descend(self.optimizer, loss)
        return loss.detach()

    def after_actor(self, actor: nn.Module, share: float) -> None:
        """The next updates follow."""

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.optimizer]
