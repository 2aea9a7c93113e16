"""DDPG: deep deterministic policy gradient, the whole algorithm from top to bottom."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.arguments import check_whole
from ..core.device import device_of
from ..models.mlp import mlp
from .actor import Space
from .algorithm import Algorithm, Learner, check_range
from .buffer import Transitions
from .descent import adam, descend
from .target import SoftTarget, Target, soft_update


def ddpg_target(reward: Tensor, goes_on: Tensor, value: Tensor, discount: float) -> Tensor:
    """What the critic is to say: y = r + discount * goes_on * q, each [N].

    Source: Lillicrap et al. 2016, "Continuous Control with Deep Reinforcement Learning", ICLR 2016, arXiv 1509.02971,
        algorithm 1.

    Example:
        >>> ddpg_target(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([4.0, 4.0]), 0.5)
        tensor([3., 1.])
    """
    return reward + discount * goes_on * value


@dataclass(frozen=True, kw_only=True)
class DDPG(Algorithm):
    """Deep deterministic policy gradient: one critic, and an update of the actor with each of it.

    Args:
        target: whose action the critic's target takes; `ProxyTarget` for spiking actors.
        actor_lr, critic_lr: of Adam.
        discount: of later rewards.
        share: of the new weights that targets take over at a time.
        batch: transitions per update.
        critic_hidden: hidden layers of the critic.

    Source: Lillicrap et al. 2016, "Continuous Control with Deep Reinforcement Learning", ICLR 2016, arXiv 1509.02971.
        Differs: action and observation enter the critic's first layer together, as in TD3.

    Example:
        >>> DDPG().share
        0.005
    """

    target: Target = field(default_factory=SoftTarget)
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4
    discount: float = 0.99
    share: float = 0.005
    batch: int = 256
    critic_hidden: tuple[int, ...] = (256, 256)

    def __post_init__(self) -> None:
        check_whole("DDPG.batch", self.batch, least=1)
        check_range(self, "discount", "share", most=1)
        check_range(self, "actor_lr", "critic_lr")

    def learner(self, actor: nn.Module, space: Space) -> Learner:
        return DDPGLearner(self, actor, space)


class DDPGLearner(Learner):
    """Networks and optimisers of one training; `learn` is the algorithm."""

    def __init__(self, config: DDPG, actor: nn.Module, space: Space) -> None:
        super().__init__(actor)
        self.config = config
        shape = (space.observations + space.actions,)
        self.critic = mlp(1, nn.ReLU, shape=shape, widths=config.critic_hidden, mean=(), std=())
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.target = config.target.build(actor, space)
        self.to(device_of(actor))
        self.actor_optimizer = adam(actor, config.actor_lr)
        self.critic_optimizer = adam(self.critic, config.critic_lr)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.actor_optimizer, self.critic_optimizer, *self.target.optimizers()]

    def learn(self, batches: Sequence[Transitions], noise: Tensor, *, with_actor: bool) -> dict[str, Tensor]:
        """One update of critic, actor and targets."""
        config, batch = self.config, batches[-1]
        self.target.before_critic(self.actor, batches)
        with torch.no_grad():
            value = _value(self.target_critic, batch.after, self.target(batch.after))
            y = ddpg_target(batch.reward, batch.goes_on, value, config.discount)
        critic_loss = F.mse_loss(_value(self.critic, batch.x, batch.action), y)
        descend(self.critic_optimizer, critic_loss)
        numbers = {"critic_loss": critic_loss.detach(), "value": y.mean()}
        if with_actor:
            actor_loss = -_value(self.critic, batch.x, self.actor(batch.x)).mean()
            descend(self.actor_optimizer, actor_loss)
            soft_update(self.target_critic, self.critic, config.share)
            self.target.after_actor(self.actor, config.share)
            numbers["actor_loss"] = actor_loss.detach()
        return numbers


def _value(critic: nn.Module, x: Tensor, action: Tensor) -> Tensor:
    return critic(torch.cat([x, action], 1))[:, 0]
