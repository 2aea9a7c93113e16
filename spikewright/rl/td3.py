"""TD3: twin delayed deep deterministic policy gradient, the whole algorithm from top to bottom."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.arguments import check_whole
from ..core.device import device_of
from .actor import Space
from .algorithm import Algorithm, Learner, check_range
from .buffer import Transitions
from .critic import TwinCritic
from .descent import adam, descend
from .target import SoftTarget, Target, soft_update


def td3_target(reward: Tensor, goes_on: Tensor, first: Tensor, second: Tensor, discount: float) -> Tensor:
    """What both critics are to say: reward, and the smaller estimate of what follows, where something follows.

        y = r + discount * goes_on * min(q1, q2)

    Args:
        reward: [N].
        goes_on: 0 where the episode truly ended, else 1, [N]; a limit of time is no end.
        first, second: estimates of both target critics at the next observation, [N].
        discount: 0..1.

    Source: Fujimoto, van Hoof and Meger 2018, "Addressing Function Approximation Error in Actor-Critic Methods", ICML
        2018, arXiv 1802.09477, eq. 10.

    Example:
        >>> td3_target(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([4.0, 4.0]),
        ...            torch.tensor([2.0, 2.0]), 0.5)
        tensor([2., 1.])
    """
    return reward + discount * goes_on * torch.minimum(first, second)


def smoothed(action: Tensor, noise: Tensor, half: Tensor, middle: Tensor, most: float) -> Tensor:
    """The target's action with clipped noise, within the bounds.

        clip(a + half * clip(noise, -most, most), middle - half, middle + half)

    Example:
        >>> one = torch.ones(1)
        >>> smoothed(torch.tensor([[0.5]]), torch.tensor([[9.0]]), 2 * one, 0 * one, 0.5)
        tensor([[1.5000]])
    """
    noisy = action + half * noise.clamp(-most, most)
    return torch.maximum(torch.minimum(noisy, middle + half), middle - half)


@dataclass(frozen=True, kw_only=True)
class TD3(Algorithm):
    """Twin delayed deep deterministic policy gradient.

    Args:
        target: whose action the critics' target takes; `ProxyTarget` for spiking actors.
        actor_lr, critic_lr: of Adam.
        discount: of later rewards.
        share: of the new weights that targets take over at a time.
        delay: updates of the critics per update of the actor.
        target_noise, target_clip: noise on the target's action, in shares of the actions' half range.
        batch: transitions per update.
        critic_hidden: hidden layers of the critics.

    Source: Fujimoto, van Hoof and Meger 2018, "Addressing Function Approximation Error in Actor-Critic Methods", ICML
        2018, arXiv 1802.09477; settings of Xu et al. 2025, arXiv 2505.24161.

    Example:
        >>> TD3(delay=2).delay
        2
    """

    target: Target = field(default_factory=SoftTarget)
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4
    discount: float = 0.99
    share: float = 0.005
    delay: int = 2
    target_noise: float = 0.2
    target_clip: float = 0.5
    batch: int = 256
    critic_hidden: tuple[int, ...] = (256, 256)

    def __post_init__(self) -> None:
        check_whole("TD3.delay", self.delay, least=1)
        check_whole("TD3.batch", self.batch, least=1)
        check_range(self, "discount", "share", most=1)
        check_range(self, "actor_lr", "critic_lr", "target_noise", "target_clip")

    def learner(self, actor: nn.Module, space: Space) -> Learner:
        return TD3Learner(self, actor, space)


class TD3Learner(Learner):
    """Networks and optimisers of one training; `learn` is the algorithm."""

    reach: Tensor
    middle: Tensor

    def __init__(self, config: TD3, actor: nn.Module, space: Space) -> None:
        super().__init__(actor)
        self.config = config
        self.critic = TwinCritic(space, hidden=config.critic_hidden)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.target = config.target.build(actor, space)
        low, high = torch.tensor(space.low), torch.tensor(space.high)
        self.register_buffer("reach", (high - low) / 2, persistent=False)
        self.register_buffer("middle", (high + low) / 2, persistent=False)
        self.to(device_of(actor))
        self.actor_optimizer = adam(actor, config.actor_lr)
        self.critic_optimizer = adam(self.critic, config.critic_lr)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.actor_optimizer, self.critic_optimizer, *self.target.optimizers()]

    @property
    def due(self) -> bool:
        return (self.updates + 1) % self.config.delay == 0

    def noise(self, number: int, generator: torch.Generator) -> Tensor:
        return torch.randn(number, len(self.reach), generator=generator)

    def learn(self, batches: Sequence[Transitions], noise: Tensor, *, with_actor: bool) -> dict[str, Tensor]:
        """One update of the critics, and every `delay` times one of the actor and the targets."""
        config, batch = self.config, batches[-1]
        self.target.before_critic(self.actor, batches)
        with torch.no_grad():
            noise = config.target_noise * noise
            action = smoothed(self.target(batch.after), noise, self.reach, self.middle, config.target_clip)
            q1, q2 = self.target_critic(batch.after, action)
            y = td3_target(batch.reward, batch.goes_on, q1, q2, config.discount)
        first, second = self.critic(batch.x, batch.action)
        critic_loss = F.mse_loss(first, y) + F.mse_loss(second, y)
        descend(self.critic_optimizer, critic_loss)
        numbers = {"critic_loss": critic_loss.detach(), "value": y.mean()}
        if with_actor:
            actor_loss = -self.critic.one(batch.x, self.actor(batch.x)).mean()
            descend(self.actor_optimizer, actor_loss)
            soft_update(self.target_critic, self.critic, config.share)
            self.target.after_actor(self.actor, config.share)
            numbers["actor_loss"] = actor_loss.detach()
        return numbers
