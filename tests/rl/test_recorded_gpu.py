"""On a CUDA device: recorded updates equal those that are not, seeds together equal seeds alone, runs go on."""

import copy

import numpy as np
import pytest
import torch

from spikewright.rl import Acting, ReplayBuffer, Updates, returns, train, train_together
from spikewright.rl.branches import Branches
from spikewright.rl.env import Episode
from tests.rl.conftest import TASK
from tests.rl.test_recorded import (
    ACTOR,
    ACTORS,
    ALGORITHM,
    ALGORITHMS,
    SMALL,
    SPACE,
    alone,
    configs,
    grow,
    part,
    spiking,
    weights,
)

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]
GPU = torch.device("cuda", 0)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def check_updates(algorithm, actor, calls=8):
    recorded = [part(algorithm, actor, seed, GPU) for seed in (1, 2)]
    plain = [part(algorithm, actor, seed, GPU) for seed in (1, 2)]
    updates, g, twin = Updates(recorded, 16, GPU), np.random.default_rng(9), np.random.default_rng(9)
    for _ in range(calls):
        for number in (0, 1):
            grow(recorded[number].buffer, g)
            grow(plain[number].buffer, twin)
        found = updates([0, 1])
        for number in (0, 1):
            expected = alone(plain[number], 16)
            for name, value in found[number].items():
                torch.testing.assert_close(value, expected[name], **CLOSE)
    assert updates.branches.why_not_recorded == ""
    assert updates.branches.recordings == (2 if hasattr(algorithm, "delay") else 1)
    for one, other in zip(recorded, plain):
        for a, b in zip(weights(one.learner), weights(other.learner)):
            torch.testing.assert_close(a, b, **CLOSE)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_recorded_updates_equal_plain_ones_for_every_algorithm(algorithm):
    check_updates(algorithm, spiking)


@pytest.mark.parametrize("actor", ACTORS.values(), ids=ACTORS)
def test_recorded_updates_equal_plain_ones_for_every_actor(actor):
    check_updates(ALGORITHMS["TD3"], actor)
    check_updates(ALGORITHMS["TD3, three proxy updates"], actor)


def test_updates_on_the_gpu_are_those_of_the_cpu():
    here, there = part(ALGORITHM, spiking, 1), part(ALGORITHM, spiking, 1, GPU)
    updates = Updates([there], 16, GPU)
    for _ in range(6):
        expected, found = alone(here, 16), updates([0])[0]
        assert float(found["critic_loss"]) == pytest.approx(float(expected["critic_loss"]), rel=5e-2)
    assert here.draws.bit_generator.state == there.draws.bit_generator.state
    assert torch.equal(here.noise.get_state(), there.noise.get_state())


def test_learners_may_pause():
    parts = [part(ALGORITHM, spiking, seed, GPU) for seed in (1, 2)]
    twin = part(ALGORITHM, spiking, 2, GPU)
    updates = Updates(parts, 16, GPU)
    for _ in range(8):
        updates([1])
        alone(twin, 16)
    for _ in range(8):
        updates([0, 1])
        alone(twin, 16)
    for a, b in zip(weights(parts[1].learner), weights(twin.learner)):
        torch.testing.assert_close(a, b, **CLOSE)
    assert [p.learner.updates for p in parts] == [8, 16]


def test_recorded_actors_follow_their_weights():
    actors = [spiking(SPACE).to(GPU) for _ in range(2)]
    acting, g = Acting(actors, 3, 4, GPU), np.random.default_rng(0)
    for call in range(8):
        if call == 5:
            with torch.no_grad():
                actors[0].decoder.bias += 0.5
        seen = {number: g.standard_normal((3, 4)).astype(np.float32) for number in (0, 1)}
        found = acting(seen)
        for number in (0, 1):
            expected = actors[number](torch.from_numpy(seen[number]).to(GPU)).detach().cpu().numpy()
            assert found[number] == pytest.approx(expected, abs=1e-5)
    assert acting.branches.recordings == 1


def test_a_hook_keeps_an_actor_from_being_recorded():
    actor, calls = spiking(SPACE).to(GPU), []
    actor.decoder.register_forward_hook(lambda *_: calls.append(1))
    acting = Acting([actor], 1, 4, GPU)
    for _ in range(6):
        acting({0: np.zeros((1, 4), np.float32)})
    assert len(calls) == 6
    assert "has a hook" in acting.branches.why_not_recorded


def test_a_buffer_on_the_gpu_gives_the_batches_of_the_cpu():
    here, there = ReplayBuffer(300, 4, 2), ReplayBuffer(300, 4, 2, GPU)
    for rows in (1, 5, 400, 7):
        g, twin = np.random.default_rng(rows), np.random.default_rng(rows)
        for _ in range(rows):
            grow(here, g)
            grow(there, twin)
        for a, b in zip(here.sample(50, g), there.sample(50, twin)):
            assert torch.equal(a, b.cpu())
    other = ReplayBuffer(300, 4, 2, GPU)
    other.restore(here.state())
    assert torch.equal(other.kept.cpu(), torch.from_numpy(here.rows))


def test_returns_are_those_of_the_cpu():
    torch.manual_seed(0)
    actor = ACTOR(Episode(TASK, 0).space)
    expected = returns(copy.deepcopy(actor), TASK, episodes=12, seed=7)
    assert returns(actor.to(GPU), TASK, episodes=12, seed=7) == pytest.approx(expected, abs=1e-2)


def test_seeds_trained_together_are_those_trained_alone():
    settings = configs(3, 4, 5)
    together = train_together(TASK, ACTOR, ALGORITHM, settings, device="cuda")
    for training, config in zip(together, settings):
        one = train(TASK, ACTOR, ALGORITHM, config, device="cuda")
        assert training.actor.decoder.bias.is_cuda
        assert training.step == one.step == SMALL.steps
        for judged, alike in zip(training.judgements[:3], one.judgements):  # the third is behind 30 updates
            assert judged.returns == pytest.approx(alike.returns, abs=5e-2)


@pytest.mark.parametrize("onto", ["cuda", "cpu"])
def test_a_run_goes_on(tmp_path, onto):
    whole = train(TASK, ACTOR, ALGORITHM, SMALL, device="cuda")
    half = configs(3, steps=45)[0]
    train(TASK, ACTOR, ALGORITHM, half, folder=tmp_path, device="cuda")
    rest = train(TASK, ACTOR, ALGORITHM, SMALL, folder=tmp_path, device=onto)
    assert rest.step == whole.step
    assert rest.learner.updates == whole.learner.updates
    assert rest.draws.bit_generator.state == whole.draws.bit_generator.state
    assert rest.finished[0] == pytest.approx(whole.finished[0])
    assert all(value.isfinite().all() for value in weights(rest.learner))
    if onto == "cuda":
        for a, b in zip(weights(rest.learner), weights(whole.learner)):
            torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("environments", [3])
def test_several_environments_and_a_time_limit(tmp_path, environments):
    settings, folders = configs(3, 4, environments=environments), [tmp_path / "a", tmp_path / "b"]
    stopped = train_together(TASK, ACTOR, ALGORITHM, settings, folders=folders, minutes=0.0, device="cuda")
    assert all(training.step < SMALL.steps for training in stopped)
    done = train_together(TASK, ACTOR, ALGORITHM, settings, folders=folders, device="cuda")
    assert [training.step for training in done] == [SMALL.steps] * 2
    assert all(len(training.buffer) == 50 for training in done)
    assert all(np.array_equal(t.buffer.kept.cpu().numpy(), t.buffer.rows) for t in done)


def test_work_that_waits_is_not_recorded_and_says_so():
    values, branches = torch.zeros(2, device=GPU), Branches(2, GPU)

    def work():
        values.add_(1)
        return values.sum().item()

    with pytest.warns(UserWarning, match="Branches: the work cannot be recorded"):
        found = [branches("key", {0: work})[0] for _ in range(5)]
    assert found == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert branches.why_not_recorded
