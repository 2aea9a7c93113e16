"""An actor's file: equal actions after it, nothing of the training in it, and no broken one is believed."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from spikewright.core.errors import ArgumentError, CheckpointError
from spikewright.core.reset import to_zero
from spikewright.models.checkpoint import FORMAT
from spikewright.neurons import LIF
from spikewright.rl import (
    ACTORS,
    TD3,
    LoopConfig,
    OrdinaryActor,
    ProxyTarget,
    Space,
    SpikingActor,
    load_actor,
    save_actor,
    train,
)
from tests.rl.conftest import TASK

SPACE = Space(3, (-1.0, -0.4), (1.0, 0.7))
X = 2 * torch.randn(40, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ACTORS)
def test_the_same_actor_comes_back(tmp_path, kind):
    torch.manual_seed(1)
    choice = ACTORS[kind](hidden=(7, 5), **({} if kind == "ordinary" else {"timesteps": 3, "population": 4}))
    actor, before = choice.build(SPACE), torch.get_rng_state()
    save_actor(tmp_path / "a.safetensors", actor, "Task-v0", {"return": 3.5})
    saved = load_actor(tmp_path / "a.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert actor.training
    assert not saved.actor.training
    assert torch.equal(saved.actor(X), actor(X))
    assert (saved.choice, saved.task, saved.about) == (choice, "Task-v0", {"return": 3.5})
    assert saved.space.observations == 3
    torch.testing.assert_close(torch.tensor(saved.space.high), torch.tensor(SPACE.high))


def test_a_file_holds_the_actor_alone(tmp_path):
    algorithm = TD3(batch=8, critic_hidden=(6,), target=ProxyTarget(hidden=(6,)))
    loop = LoopConfig(steps=30, random_steps=10, capacity=50, evaluate_every=30, episodes=1)
    training = train(TASK, ACTORS["LIF"](hidden=(8,), timesteps=2).build, algorithm, loop)
    path = tmp_path / "a.safetensors"
    save_actor(path, training.actor, TASK)
    with safe_open(path, "pt") as file:
        names = set(file.keys())
    assert names == set(training.actor.state_dict())
    assert not [name for name in names if "critic" in name or "proxy" in name or "optimizer" in name]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: torch.nn.Linear(3, 2), r"save_actor.actor: got Linear; expected a SpikingActor or an OrdinaryActor"),
        (lambda: SpikingActor, r"save_actor.actor: got the class SpikingActor"),
        (
            lambda: SpikingActor(SPACE, lambda: LIF(tau=3.0, reset=to_zero), hidden=(4,)),
            r"save_actor.actor: got neurons or layers of its own; expected one of LIF, CLIF, DN, ordinary",
        ),
    ],
)
def test_an_actor_that_could_not_be_built_again(tmp_path, make, match):
    with pytest.raises(ArgumentError, match=match):
        save_actor(tmp_path / "a.safetensors", make(), "Task-v0")
    assert not (tmp_path / "a.safetensors").exists()


def written(path, change):
    """A sound file with its description or tensors changed."""
    save_actor(path, OrdinaryActor(SPACE, hidden=(4,)), "Task-v0")
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = json.loads(file.metadata()["description"])
    change(tensors, description)
    save_file(tensors, path, {"format": FORMAT, "description": json.dumps(description)})
    return path


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(tensors, description):
        for name in path:
            description = description[name]
        description[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (put("kind", "model"), r"got a file without an actor; expected what save_actor wrote"),
        (put("task", None), r"got a file without an actor"),
        (put("actor", "type", "Transformer"), r"got a description that does not fit \(actor: got 'Transformer'"),
        (put("actor", "hidden", [10**9, 10**9]), r"got layers of 1,000,000,00.* weights in the description, \d+ numbers"),
        (put("actor", "hidden", [-3]), r"OrdinaryChoice.hidden: got -3|hidden: got -3"),
        (put("space", "high", ["x", 1]), r"got a description that does not fit \(space.high"),
        (put("space", "low", [5.0, 5.0]), r"got actions from 5.0 to 1.0"),
        (put("space", None), r"does not fit"),
        (lambda tensors, _: tensors.pop("network.layers.1.bias"), r"network.layers.1.bias is missing"),
        (lambda tensors, _: tensors["network.layers.1.bias"].fill_(torch.nan), r"holds NaN or infinite values"),
        (put("actor", "hidden", [3]), r"does not fit OrdinaryActor: network.layers.1.weight has shape \[4, 3\]"),
    ],
)  # fmt: skip
def test_broken_files(tmp_path, change, match):
    with pytest.raises(CheckpointError, match=match):
        load_actor(written(tmp_path / "a.safetensors", change))


def test_no_file_half_a_file_and_a_pickle(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match=r"there is no such file"):
        load_actor(path)
    written(path, lambda *_: None)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"truncated"):
        load_actor(path)
    torch.save({}, path)
    with pytest.raises(CheckpointError, match=r"this is a pickle"):
        load_actor(path)


@pytest.mark.parametrize(
    ("space", "match"),
    [
        (Space(4, SPACE.low, SPACE.high), r"actor of Task-v0 on Other-v0: got observations 3; expected 4"),
        (Space(3, (-1.0,), (1.0,)), r"got actions 2; expected 1"),
        (Space(3, SPACE.low, (1.0, 2.0)), r"got high \(1.0, 0.69\d*\); expected \(1.0, 2.0\). Play the task"),
    ],
)
def test_another_task(tmp_path, space, match):
    saved = load_actor(written(tmp_path / "a.safetensors", lambda *_: None))
    saved.check(SPACE, "Task-v0")
    with pytest.raises(ArgumentError, match=match):
        saved.check(space, "Other-v0")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ACTORS["LIF"](hidden=()), r"LIFChoice.hidden: got none; expected at least one layer"),
        (lambda: ACTORS["DN"](hidden=(4, 0)), r"DNChoice.hidden: got 0"),
        (lambda: ACTORS["CLIF"](timesteps=0), r"CLIFChoice.timesteps: got 0"),
        (lambda: ACTORS["LIF"](population=1), r"LIFChoice.population: got 1"),
    ],
)
def test_wrong_choices(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_what_json_cannot_hold_is_refused(tmp_path):
    actor = OrdinaryActor(Space(2, (-1.0,), (1.0,)), hidden=(4,))
    with pytest.raises(
        ArgumentError, match=r"save_actor\.about: got Object of type object .*; expected what JSON can hold"
    ):
        save_actor(tmp_path / "actor.safetensors", actor, "Task-v0", {"x": object()})
