"""The loop: time limits are no ends, a resumed run gives equal numbers, and broken environments lose nothing."""

from functools import partial

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError, CheckpointError, DataError
from spikewright.rl import (
    DDPG,
    TD3,
    LoopConfig,
    OrdinaryActor,
    ProxyTarget,
    ReplayBuffer,
    Space,
    SpikingActor,
    returns,
    train,
)
from spikewright.rl.env import Episode, make
from spikewright.rl.made import made
from tests.rl.conftest import TASK, Point

SMALL = LoopConfig(steps=90, random_steps=30, capacity=200, evaluate_every=30, episodes=2, checkpoint_every=25, seed=3)
ACTOR = partial(SpikingActor, timesteps=2, population=3, hidden=(8,))
ALGORITHM = TD3(batch=16, critic_hidden=(8,), target=ProxyTarget(updates=2, hidden=(8,)))


def end(training):
    rows = torch.from_numpy(training.buffer.rows.copy())
    return [*(value.clone() for value in training.learner.state_dict().values()), rows]


def test_a_limit_of_time_is_no_end():
    training = train(TASK, ACTOR, ALGORITHM, SMALL)
    assert len(training.finished) == 4  # of 20 steps each
    goes_on = training.buffer.rows[: len(training.buffer), -1]
    assert goes_on.all()


def test_a_true_end_is_one():
    buffer = ReplayBuffer(10, 2, 1)
    episode = Episode(TASK, 0)
    episode.env.unwrapped.state = np.array([2.95, 2.0])
    for _ in range(3):
        x = episode.x
        after, reward, ended, over = episode.step(np.array([2.0], np.float32))
        buffer.add(x, [2.0], reward, after, ended=ended)
        if over:
            break
    assert ended
    assert buffer.rows[buffer.filled - 1, -1] == 0


@pytest.mark.parametrize("algorithm", [ALGORITHM, DDPG(batch=16, critic_hidden=(8,))], ids=["TD3", "DDPG"])
@pytest.mark.parametrize("environments", [1, 3])
def test_a_resumed_run_gives_equal_numbers(tmp_path, algorithm, environments):
    config = LoopConfig(**{**vars(SMALL), "environments": environments})
    whole = train(TASK, ACTOR, algorithm, config)
    parts, calls = None, 0
    while parts is None or parts.step < config.steps:
        parts = train(TASK, ACTOR, algorithm, config, folder=tmp_path, minutes=0 if not calls else 1e-3)
        calls += 1
        assert calls < 500
    assert calls > 1
    assert all(torch.equal(a, b) for a, b in zip(end(whole), end(parts)))
    assert [j.returns for j in parts.judgements] == [j.returns for j in whole.judgements]
    assert parts.finished == whole.finished


def test_seeds_decide_everything():
    one, same = (train(TASK, ACTOR, ALGORITHM, SMALL) for _ in range(2))
    other = train(TASK, ACTOR, ALGORITHM, LoopConfig(**{**vars(SMALL), "seed": 4}))
    assert all(torch.equal(a, b) for a, b in zip(end(one), end(same)))
    assert not torch.equal(end(one)[-1], end(other)[-1])


def test_judging_does_not_disturb_the_training():
    often = train(TASK, ACTOR, ALGORITHM, LoopConfig(**{**vars(SMALL), "evaluate_every": 10}))
    seldom = train(TASK, ACTOR, ALGORITHM, SMALL)
    assert len(often.judgements) > len(seldom.judgements)
    assert all(torch.equal(a, b) for a, b in zip(end(often), end(seldom)))


def test_the_checkpoint_of_another_run_is_refused(tmp_path):
    train(TASK, ACTOR, ALGORITHM, SMALL, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"got a run with seed 3; expected 4. Choose another folder"):
        train(TASK, ACTOR, ALGORITHM, LoopConfig(**{**vars(SMALL), "seed": 4}), folder=tmp_path)
    longer = train(TASK, ACTOR, ALGORITHM, LoopConfig(**{**vars(SMALL), "steps": 120}), folder=tmp_path)
    assert longer.step == 120
    assert len(longer.buffer) == 120


class Breaks(Point):
    """Raises at every seventh step, or gives NaN."""

    taken = 0

    def step(self, action):
        Breaks.taken += 1
        if Breaks.taken % 7 == 0:
            raise RuntimeError("the simulation is unstable")
        after, *others = super().step(action)
        return (after * np.nan, *others) if Breaks.taken % 11 == 0 else (after, *others)


@pytest.fixture
def broken():
    gymnasium.register("SpikewrightBreaks-v0", entry_point=Breaks, max_episode_steps=20)
    yield "SpikewrightBreaks-v0"
    del gymnasium.registry["SpikewrightBreaks-v0"]


def test_a_broken_environment_is_begun_anew_and_counted(broken, monkeypatch):
    monkeypatch.setattr("spikewright.rl.evaluate.Arena.returns", lambda self: [0.0])
    training = train(broken, ACTOR, ALGORITHM, SMALL)
    assert training.step == 90
    assert training.breakdowns > 10
    assert len(training.buffer) == 90 - training.breakdowns
    assert np.isfinite(training.buffer.rows[: len(training.buffer)]).all()


def test_one_that_breaks_at_every_step_ends_the_run(broken, monkeypatch):
    monkeypatch.setattr(Breaks, "step", lambda self, action: 1 / 0)
    episode = Episode(broken, 0)
    assert [episode.step(np.zeros(1)) for _ in range(3)] == [None] * 3
    with pytest.raises(ZeroDivisionError):
        episode.step(np.zeros(1))


def test_returns_are_those_of_the_actor_alone():
    torch.manual_seed(0)
    episode = Episode(TASK, 0)
    actor = OrdinaryActor(episode.space)
    first = returns(actor, TASK, episodes=3, seed=7)
    assert returns(actor, TASK, episodes=3, seed=7) == first
    assert returns(actor, TASK, episodes=3, seed=8) != first
    assert len(set(first)) == 3


def test_a_buffer_is_a_ring():
    buffer = ReplayBuffer(3, 1, 1)
    for value in range(5):
        buffer.add([value], [0.5], value, [value + 1], ended=value == 4)
    batch = buffer.sample(200, np.random.default_rng(0))
    assert set(batch.x.flatten().tolist()) == {2.0, 3.0, 4.0}
    assert torch.equal(batch.after, batch.x + 1)
    assert torch.equal(batch.goes_on, (batch.reward != 4).float())
    twin = ReplayBuffer(3, 1, 1)
    twin.restore(buffer.state())
    assert np.array_equal(twin.rows, buffer.rows)
    assert twin.place == buffer.place
    with pytest.raises(CheckpointError, match=r"ReplayBuffer.restore: got a buffer of 3 rows"):
        ReplayBuffer(4, 1, 1).restore(buffer.state())


def test_bad_transitions():
    buffer = ReplayBuffer(3, 1, 1)
    with pytest.raises(DataError, match=r"ReplayBuffer.sample: got an empty buffer"):
        buffer.sample(1, np.random.default_rng(0))
    with pytest.raises(DataError, match=r"ReplayBuffer.add: got NaN or infinite numbers"):
        buffer.add([np.nan], [0.0], 0.0, [0.0], ended=False)


class Unbounded(Point):
    """Its actions have no bounds."""

    action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)


def test_unknown_and_unbounded_tasks():
    with pytest.raises(ArgumentError, match=r"rl.make.task: got 'Hoper-v9'; expected the id of an environment"):
        make("Hoper-v9")
    with pytest.raises(ArgumentError, match=r"rl.make.task: got 3"):
        make(3)
    gymnasium.register("SpikewrightUnbounded-v0", entry_point=Unbounded)
    try:
        with pytest.raises(ArgumentError, match=r"Space: got actions from -inf to inf; expected finite bounds"):
            Episode("SpikewrightUnbounded-v0", 0)
    finally:
        del gymnasium.registry["SpikewrightUnbounded-v0"]
    with pytest.raises(ArgumentError, match=r"rl: got Discrete as actions of CartPole-v1"):
        Episode("CartPole-v1", 0)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"steps": 0}, r"LoopConfig.steps: got 0"),
        ({"exploration": -1.0}, r"LoopConfig.exploration: got -1.0"),
        ({"random_steps": -1}, r"LoopConfig.random_steps: got -1"),
    ],
)
def test_wrong_settings(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        LoopConfig(**arguments)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda space: 3, r"train\.actor\(space\): got int; expected a network"),
        (
            lambda space: nn.Linear(2, 3),
            r"got torch\.float32 \[2, 3\] for observations \[2, 2\]; expected float32 actions",
        ),
        (
            lambda space: nn.Linear(5, 1),
            r"got an error on observations \[2, 2\] \(mat1 and mat2 .*expected float32 action",
        ),
        (lambda space: nn.Linear(2, 1).double(), r"got an error on observations \[2, 2\] \(mat1 and mat2 must have"),
        (lambda space: nn.Linear(2, 1).requires_grad_(False), r"got no parameter that learns; expected at least one"),
        (
            nn.Linear(2, 1),
            r"train\.actor: got Linear; expected a function that makes an actor for a Space\. E\.g\. partial",
        ),
        ("LIF", r"train\.actor: got 'LIF'; expected a function"),
    ],
)
def test_an_actor_that_does_not_fit_is_refused_before_any_step(make, match):
    with pytest.raises(ArgumentError, match=match):
        made(make, Space(2, (-1.0,), (1.0,)))


def test_a_training_that_diverged_says_so():
    match = (
        r"actor: got actions that are not finite; expected finite ones\. Its training diverged: begin one with smaller"
    )
    config = LoopConfig(steps=200, random_steps=20, evaluate_every=200, episodes=1, capacity=300)
    for actor in (partial(OrdinaryActor, hidden=(8,)), ACTOR):
        with pytest.raises(DataError, match=match):
            train(TASK, actor, TD3(batch=8, critic_hidden=(8,), critic_lr=1e30), config)


def test_wrong_values_are_named():
    with pytest.raises(
        ArgumentError, match=r"train\.algorithm: got the class TD3; expected an algorithm, e\.g\. TD3\(\)"
    ):
        train("Pendulum-v1", OrdinaryActor, TD3, LoopConfig())
    with pytest.raises(ArgumentError, match=r"train\.config: got dict; expected a LoopConfig"):
        train("Pendulum-v1", OrdinaryActor, TD3(), {"steps": 3})
    for change in ({"actor_lr": -1.0}, {"critic_lr": float("nan")}, {"target_clip": -0.5}, {"target_noise": -1}):
        (name,) = change
        with pytest.raises(ArgumentError, match=rf"TD3\.{name}: got .*; expected a number of at least 0"):
            TD3(**change)
    with pytest.raises(ArgumentError, match=r"DDPG\.actor_lr: got -1"):
        DDPG(actor_lr=-1)
    with pytest.raises(
        ArgumentError, match=r"LoopConfig\.seed: got 9223372036854775808; expected a whole number from 0"
    ):
        LoopConfig(seed=2**63)


def test_tasks_are_named_with_their_version_and_modules_that_can_be_imported():
    with pytest.raises(ArgumentError, match=r"got 'Pendulum' without a version; expected an id with it: Pendulum-v1"):
        train("Pendulum", OrdinaryActor, TD3(), LoopConfig())
    with pytest.raises(
        ArgumentError, match=r"got 'nowhere:X-v0', a module that cannot be imported; expected MODULE:ID"
    ):
        train("nowhere:X-v0", OrdinaryActor, TD3(), LoopConfig())
