"""Targets: equations by hand; a proxy that never touches the actor, learns, and moves without jumps."""

import copy

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError
from spikewright.rl import (
    DDPG,
    TARGETS,
    TD3,
    OrdinaryActor,
    ProxyTarget,
    SoftTarget,
    Space,
    SpikingActor,
    Transitions,
    ddpg_target,
    soft_update,
    td3_target,
)  # fmt: skip
from spikewright.rl.td3 import smoothed

SPACE = Space(4, (-1.0,) * 2, (1.0,) * 2)


def transitions(number=32, seed=0):
    g = torch.Generator().manual_seed(seed)
    x, after = torch.randn(2, number, 4, generator=g)
    ends = (torch.rand(number, generator=g) > 0.1).float()
    return Transitions(x, 2 * torch.rand(number, 2, generator=g) - 1, torch.randn(number, generator=g), after, ends)


class Draws:
    """Draws batches in turn and counts them."""

    def __init__(self):
        self.drawn = []

    def __call__(self):
        self.drawn.append(transitions(seed=len(self.drawn)))
        return self.drawn[-1]


def weights(module):
    return [value.detach().clone() for value in (*module.parameters(), *module.buffers())]


def same(module, before):
    return all(torch.equal(a, b) for a, b in zip((*module.parameters(), *module.buffers()), before))


def test_the_td3_target_by_hand():
    y = td3_target(
        torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]), torch.tensor([3.0, 5.0]), torch.tensor([4.0, 4.0]), 0.9
    )
    torch.testing.assert_close(y, torch.tensor([3.7, 2.0]))


def test_the_ddpg_target_by_hand():
    y = ddpg_target(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]), torch.tensor([3.0, 5.0]), 0.9)
    torch.testing.assert_close(y, torch.tensor([3.7, 2.0]))


def test_the_noise_is_clipped_in_shares_of_the_half_range():
    action, noise = torch.tensor([[1.0], [2.9]]), torch.tensor([[-9.0], [0.2]])
    found = smoothed(action, noise, torch.tensor([2.0]), torch.tensor([1.0]), 0.5)
    torch.testing.assert_close(found, torch.tensor([[0.0], [3.0]]))


def test_a_soft_update_copies_buffers():
    target, source = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    source.running_mean.fill_(3.0)
    source.weight.data.fill_(5.0)
    soft_update(target, source, 0.5)
    assert target.running_mean.tolist() == [3.0, 3.0]
    assert target.weight.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("make", [SpikingActor, OrdinaryActor])
def test_a_proxy_leaves_the_actor_alone(make):
    torch.manual_seed(0)
    actor = make(SPACE)
    proxy = ProxyTarget(updates=3).build(actor, SPACE)
    before, own = weights(actor), weights(proxy)
    assert proxy.batches == 3
    proxy.before_critic(actor, [transitions(seed=seed) for seed in range(3)])
    proxy.after_actor(actor, 0.5)
    assert same(actor, before)
    assert all(p.grad is None for p in actor.parameters())
    assert not same(proxy, own)


def test_a_slow_copy_draws_one_batch_and_follows():
    actor = SpikingActor(SPACE)
    target = SoftTarget().build(actor, SPACE)
    x = torch.randn(3, 4)
    assert torch.equal(target(x), actor(x))
    assert target.batches == 1
    with torch.no_grad():
        actor.decoder.bias += 1
    target.after_actor(actor, 0.25)
    torch.testing.assert_close(target.actor.decoder.bias, actor.decoder.bias - 0.75)


def fitted_actor():
    """A spiking actor fitted to a random smooth policy."""
    torch.manual_seed(1)
    actor, teacher = SpikingActor(SPACE, timesteps=3, hidden=(32,)), nn.Sequential(nn.Linear(4, 2), nn.Tanh())
    optimizer = torch.optim.Adam(actor.parameters(), 1e-3)
    for _ in range(100):
        x = torch.randn(64, 4)
        loss = (actor(x) - teacher(x).detach()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return actor


@pytest.fixture(scope="module")
def actor():
    return fitted_actor()


def test_a_proxy_learns_the_actor(actor):
    torch.manual_seed(0)
    proxy = ProxyTarget(updates=1, lr=1e-3, hidden=(128, 128)).build(actor, SPACE)
    held = torch.randn(500, 4)
    error = lambda: (proxy(held) - actor(held)).square().mean().item()  # noqa: E731
    first = error()
    for seed in range(200):
        x = torch.randn(128, 4, generator=torch.Generator().manual_seed(seed))
        proxy.imitate(x, actor(x).detach())
    assert error() < first / 5


def test_a_proxys_step_shrinks_with_its_learning_rate_and_a_spiking_targets_does_not(actor):
    torch.manual_seed(0)
    x, moved = torch.randn(500, 4), {}
    proxy = ProxyTarget(updates=1).build(actor, SPACE)
    proxy.optimizer = torch.optim.SGD(proxy.network.parameters(), 1e-2)
    for lr in (1e-2, 1e-3):
        twin = copy.deepcopy(proxy)
        twin.optimizer = torch.optim.SGD(twin.network.parameters(), lr)
        before = twin(x).detach()
        twin.imitate(x, actor(x).detach())
        moved[lr] = (twin(x) - before).abs().max().item()
    assert moved[1e-2] / moved[1e-3] == pytest.approx(10, rel=0.05)
    other, jumps = copy.deepcopy(actor), {}
    with torch.no_grad():
        for value in other.parameters():
            value += 0.02 * torch.randn(value.shape)
    for share in (1e-2, 1e-3):
        target = SoftTarget().build(actor, SPACE)
        largest = 0.0
        for _ in range(20):
            before = target(x)
            target.after_actor(other, share)
            largest = max(largest, (target(x) - before).abs().max().item())
        jumps[share] = largest
    assert jumps[1e-3] > jumps[1e-2] / 4  # a jump is a spike, however small the step


@pytest.mark.parametrize("algorithm", [TD3(target=ProxyTarget()), TD3(), TD3(delay=3)])
def test_actor_and_target_critics_move_on_every_second_call_alone(algorithm):
    torch.manual_seed(0)
    learner = algorithm.learner(SpikingActor(SPACE, hidden=(16,)), SPACE)
    g = torch.Generator().manual_seed(0)
    for call in range(1, 5):
        actor, critics, critic = weights(learner.actor), weights(learner.target_critic), weights(learner.critic)
        learner.update(Draws(), g)
        due = call % algorithm.delay == 0
        assert same(learner.actor, actor) != due
        assert same(learner.target_critic, critics) != due
        assert not same(learner.critic, critic)


def test_a_proxy_that_stands_still_is_td3_whose_target_stands_still():
    torch.manual_seed(0)
    actor = OrdinaryActor(SPACE, hidden=(16,))
    proxy = TD3(target=ProxyTarget(updates=1, lr=0.0, hidden=(16,))).learner(copy.deepcopy(actor), SPACE)
    proxy.target.network.load_state_dict(actor.state_dict())
    soft = TD3().learner(copy.deepcopy(actor), SPACE)
    for part in ("critic", "target_critic"):
        getattr(soft, part).load_state_dict(getattr(proxy, part).state_dict())
    soft.target.after_actor = lambda actor, share: None
    for learner in (proxy, soft):
        g, draws = torch.Generator().manual_seed(3), Draws()
        for _ in range(4):
            learner.update(draws, g)
    assert same(proxy.critic, weights(soft.critic))
    assert same(proxy.actor, weights(soft.actor))


def test_td3_moves_towards_better_actions():
    """The reward is the first action: after some updates the policy asks for more of it."""
    torch.manual_seed(0)
    learner = TD3(discount=0.0, actor_lr=3e-3, critic_lr=3e-3, target=ProxyTarget(updates=1, hidden=(64,))).learner(
        SpikingActor(SPACE, timesteps=3, hidden=(32,)), SPACE
    )
    g = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=g)
    before = learner.actor(x)[:, 0].mean().item()
    for seed in range(100):
        batch = transitions(64, seed)
        learner.update(lambda batch=batch: batch._replace(reward=batch.action[:, 0]), g)
    assert learner.actor(x)[:, 0].mean().item() > before + 0.3


@pytest.mark.parametrize(
    "algorithm", [TD3(target=ProxyTarget(hidden=(8,))), DDPG(), DDPG(target=ProxyTarget(hidden=(8,)))]
)
def test_a_learner_goes_on_from_its_state(algorithm):
    def fresh(seed):
        torch.manual_seed(seed)
        return algorithm.learner(SpikingActor(SPACE, hidden=(8,)), SPACE)

    one, other = fresh(0), fresh(1)
    for call in range(3):
        one.update(lambda call=call: transitions(seed=call), torch.Generator().manual_seed(call))
    tensors, values = one.state()
    other.restore({name: tensor.clone() for name, tensor in tensors.items()}, values, "checkpoint")
    for learner in (one, other):
        learner.update(lambda: transitions(seed=9), torch.Generator().manual_seed(9))
    assert same(other, weights(one))
    assert other.updates == 4


def test_all_targets_are_registered():
    assert set(TARGETS) == {"ProxyTarget", "SoftTarget"}


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ProxyTarget(updates=0), r"ProxyTarget.updates: got 0"),
        (lambda: ProxyTarget(lr=-1.0), r"ProxyTarget.lr: got -1.0"),
        (lambda: TD3(delay=0), r"TD3.delay: got 0"),
        (lambda: TD3(discount=1.5), r"TD3.discount: got 1.5; expected a number in 0..1"),
        (lambda: DDPG(share=-0.1), r"DDPG.share: got -0.1"),
    ],
)
def test_wrong_arguments(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()
