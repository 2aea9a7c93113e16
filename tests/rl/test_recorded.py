"""Updates of several learners equal those of each alone; on a GPU the recorded ones equal those that are not."""

from functools import partial

import numpy as np
import pytest
import torch

from spikewright.core import bptt, fused
from spikewright.core.errors import ArgumentError, DataError
from spikewright.core.neuron import Neuron
from spikewright.rl import (
    DDPG,
    NEURONS,
    TD3,
    Acting,
    LoopConfig,
    OrdinaryActor,
    ProxyTarget,
    ReplayBuffer,
    Space,
    SpikingActor,
    Updates,
    returns,
    train,
    train_together,
)  # fmt: skip
from spikewright.rl.branches import Branches
from spikewright.rl.env import Episode
from spikewright.rl.recorded import Part
from spikewright.rl.staged import Staged
from tests.rl.conftest import TASK

CPU = torch.device("cpu")
SPACE = Space(4, (-1.0,) * 2, (1.0, 3.0))
SMALL = LoopConfig(steps=90, random_steps=30, capacity=50, evaluate_every=30, episodes=2, checkpoint_every=25, seed=3)
ACTOR = partial(SpikingActor, timesteps=2, population=3, hidden=(8,))
ALGORITHM = TD3(batch=16, critic_hidden=(8,), target=ProxyTarget(updates=2, hidden=(8,)))
ALGORITHMS = {
    "TD3": TD3(batch=16, critic_hidden=(16,)),
    "TD3, proxy": TD3(batch=16, critic_hidden=(16,), target=ProxyTarget(updates=1, hidden=(8,))),
    "TD3, three proxy updates": TD3(batch=16, critic_hidden=(16,), target=ProxyTarget(updates=3, hidden=(8,))),
    "DDPG": DDPG(batch=16, critic_hidden=(16,)),
    "DDPG, proxy": DDPG(batch=16, critic_hidden=(16,), target=ProxyTarget(updates=1, hidden=(8,))),
}


def spiking(space, neuron="LIF", unroll=fused):
    actor = SpikingActor(space, NEURONS[neuron], hidden=(24, 16))
    for layer in actor.modules():
        if isinstance(layer, Neuron):
            layer.unroll = unroll
    return actor


ACTORS = {
    "ordinary": OrdinaryActor,
    **{
        f"{neuron}, {unroll.__name__}": partial(spiking, neuron=neuron, unroll=unroll)
        for neuron in NEURONS
        for unroll in (fused, bptt)
    },
}


def part(algorithm, actor, seed, device=CPU, rows=200):
    torch.manual_seed(seed)
    learner = algorithm.learner(actor(SPACE).to(device), SPACE)
    buffer, g = ReplayBuffer(300, 4, 2, device), np.random.default_rng(seed)
    for _ in range(rows):
        grow(buffer, g)
    return Part(learner, buffer, np.random.default_rng((seed, 1)), torch.Generator().manual_seed(seed))


def grow(buffer, g):
    x, action, reward, after = g.standard_normal(4), g.uniform(-1, 1, 2), g.standard_normal(), g.standard_normal(4)
    buffer.add(x, action, reward, after, ended=g.random() < 0.1)


def alone(part, batch):
    return part.learner.update(lambda: part.buffer.sample(batch, part.draws), part.noise)


def weights(learner):
    return [value.detach().clone() for value in learner.state_dict().values()]


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_updates_equal_those_of_each_learner_alone(algorithm):
    together = [part(algorithm, spiking, seed) for seed in (1, 2)]
    apart = [part(algorithm, spiking, seed) for seed in (1, 2)]
    updates, g, twin = Updates(together, 16, CPU), np.random.default_rng(9), np.random.default_rng(9)
    before = weights(together[0].learner)
    for call in range(4):
        which = [0, 1] if call != 1 else [1]  # one learner may pause
        for number in which:
            grow(together[number].buffer, g)
            grow(apart[number].buffer, twin)
        found = updates(which)
        for number in which:
            expected = alone(apart[number], 16)
            assert found[number].keys() == expected.keys()
            assert all(torch.equal(value, expected[name]) for name, value in found[number].items())
    for one, other in zip(together, apart):
        assert all(torch.equal(a, b) for a, b in zip(weights(one.learner), weights(other.learner)))
        assert one.learner.updates == other.learner.updates
    assert not all(torch.equal(a, b) for a, b in zip(before, weights(together[0].learner)))
    assert updates.branches.why_not_recorded == "there are no CUDA graphs on cpu"


def test_an_update_from_an_empty_buffer_is_refused():
    with pytest.raises(DataError, match=r"got an empty buffer"):
        Updates([part(ALGORITHM, spiking, 0, rows=0)], 16, CPU)([0])


def test_actors_act_as_each_alone():
    actors = [spiking(SPACE), OrdinaryActor(SPACE)]
    acting, g = Acting(actors, 3, 4, CPU), np.random.default_rng(0)
    for which in ([0, 1], [1], [0]):
        seen = {number: g.standard_normal((3, 4)).astype(np.float32) for number in which}
        found = acting(seen)
        assert list(found) == which
        for number in which:
            expected = actors[number](torch.from_numpy(seen[number])).detach().numpy()
            assert np.array_equal(found[number], expected)
    assert acting({}) == {}


def test_staged_tensors_keep_their_place():
    staged = Staged([(torch.int64, (3,)), (torch.float32, (0,)), (torch.float32, (2, 2))], CPU)
    places = [value.data_ptr() for value in staged.tensors]
    for fill in range(3):
        staged.fill({0: torch.arange(3) + fill, 2: torch.full((2, 2), float(fill))})
        assert staged.tensors[0].tolist() == [fill, fill + 1, fill + 2]
        assert staged.tensors[2].unique().tolist() == [fill]
    assert [value.data_ptr() for value in staged.tensors] == places


def test_work_is_done_once_on_the_cpu():
    done = []
    assert Branches(2, CPU)("key", {1: lambda: done.append(1) or "found"}) == {1: "found"}
    assert done == [1]


def same(one, other):
    assert one.step == other.step
    assert one.finished == other.finished
    assert [(j.step, j.returns) for j in one.judgements] == [(j.step, j.returns) for j in other.judgements]
    assert all(torch.equal(a, b) for a, b in zip(weights(one.learner), weights(other.learner)))
    assert np.array_equal(one.buffer.rows, other.buffer.rows)


def configs(*seeds, **changes):
    return [LoopConfig(**{**vars(SMALL), "seed": seed, **changes}) for seed in seeds]


@pytest.mark.parametrize("environments", [1, 3])
def test_seeds_trained_together_are_those_trained_alone(environments):
    logs = []
    settings = configs(3, 4, 5, environments=environments)
    found = train_together(TASK, ACTOR, ALGORITHM, settings, log=lambda **numbers: logs.append(numbers))
    for training, config in zip(found, settings):
        same(training, train(TASK, ACTOR, ALGORITHM, config))
    assert {entry["seed"] for entry in logs} == {3, 4, 5}
    assert all(isinstance(value, int | float) for entry in logs for value in entry.values())
    assert "critic_loss" in logs[-1]


def test_seeds_trained_together_go_on_from_their_folders(tmp_path):
    whole = train_together(TASK, ACTOR, ALGORITHM, configs(3, 4))
    folders = [tmp_path / "a", tmp_path / "b"]
    train(TASK, ACTOR, ALGORITHM, configs(4, steps=40)[0], folder=folders[1])  # one is ahead
    parts, calls = None, 0
    while parts is None or any(training.step < SMALL.steps for training in parts):
        minutes = 1e-3 if calls else 0
        parts = train_together(TASK, ACTOR, ALGORITHM, configs(3, 4), folders=folders, minutes=minutes)
        calls += 1
        assert calls < 300
    assert calls > 1
    for one, other in zip(whole, parts):
        assert all(torch.equal(a, b) for a, b in zip(weights(one.learner), weights(other.learner)))
        assert one.judgements[-1] == other.judgements[-1]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"configs": []}, r"train_together.configs: got seeds of no run"),
        ({"configs": configs(3, 3)}, r"got seeds 3, 3; expected one run or more, each with a seed of its own"),
        ({"configs": [*configs(3), *configs(4, steps=9)]}, r"different settings; expected configs that differ in the"),
        ({"configs": configs(3, 4), "folders": ["a"]}, r"train_together.folders: got 1 folders for 2 runs"),
        ({"configs": configs(3, 4), "folders": ["a", "./a"]}, r"expected a folder of its own for each run"),
        ({"configs": configs(3), "device": "tpu"}, r"train_together.device: got 'tpu'; expected cpu, cuda"),
        ({"configs": configs(3), "device": "cuda"}, r"cuda without a GPU that torch can use; expected a GPU"),
        ({"configs": configs(3), "device": 3.5}, r"train_together.device: got 3.5"),
    ],
)
def test_wrong_arguments(arguments, match, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("spikewright.rl.loop.Training", None)  # before any work
    with pytest.raises(ArgumentError, match=match):
        train_together(TASK, ACTOR, ALGORITHM, **arguments)


def test_train_names_a_wrong_device():
    with pytest.raises(ArgumentError, match=r"train.device: got 'meta'; expected cpu, cuda"):
        train(TASK, ACTOR, ALGORITHM, SMALL, device="meta")


@pytest.mark.parametrize("episodes", [1, 10, 13])
def test_returns_are_those_of_one_episode_after_the_other(episodes):
    torch.manual_seed(0)
    episode = Episode(TASK, 7)
    actor, expected = OrdinaryActor(episode.space), []
    while len(expected) < episodes:
        with torch.no_grad():
            action = actor(torch.from_numpy(episode.x)[None])[0].numpy().astype(np.float64)
        if episode.step(action)[-1]:
            expected.append(episode.total)
            episode.begin()
    assert returns(actor, TASK, episodes=episodes, seed=7) == pytest.approx(expected, abs=1e-5)
