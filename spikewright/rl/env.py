"""Environments of Gymnasium: made from a name, seeded, checked; one that breaks down is begun anew and counted."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..core.errors import ArgumentError, DataError, sentence
from .actor import Space


def make(task: str, *, render: bool = False) -> Any:
    """An environment of Gymnasium.

    Args:
        task: its id, e.g. "HalfCheetah-v5".
        render: whether frames can be asked for, `env.render()`.

    Raises:
        ArgumentError: if Gymnasium or the simulator is not installed, or knows no such task.
    """
    try:
        import gymnasium
    except ModuleNotFoundError as error:
        todo = "Install it: pip install 'spikewright[rl]'"
        raise ArgumentError(sentence("rl.make", "no package gymnasium", "it installed", todo)) from error
    if not isinstance(task, str):
        raise ArgumentError(sentence("rl.make.task", repr(task), "the id of an environment, e.g. 'HalfCheetah-v5'"))
    with _quiet(str(getattr(gymnasium.registry.get(task), "entry_point", ""))):
        try:
            settings: dict[str, Any] = {"render_mode": "rgb_array"} if render else {}
            env: Any = gymnasium.make(task, **settings)
        except ModuleNotFoundError as error:
            met, todo = f"{task!r}, a module that cannot be imported", "Put its folder on PYTHONPATH"
            raise ArgumentError(sentence("rl.make.task", met, "MODULE:ID of one that can", todo)) from error
        except gymnasium.error.DependencyNotInstalled as error:
            todo = "Install it: pip install 'spikewright[rl]'"
            raise ArgumentError(sentence("rl.make", f"{task} without its simulator", "it installed", todo)) from error
        except gymnasium.error.Error as error:
            known = sorted(str(name) for name in gymnasium.registry if name.partition("-")[0] in str(task))
            allowed = f"one of {', '.join(known)}" if known else "the id of an environment, e.g. HalfCheetah-v5"
            raise ArgumentError(sentence("rl.make.task", repr(task), allowed)) from error
    found = getattr(env.spec, "id", None)
    if found is not None and found != task.rpartition(":")[2]:
        env.close()
        todo = "Versions of a task have other returns"
        raise ArgumentError(sentence("rl.make.task", f"{task!r} without a version", f"an id with it: {found}", todo))
    return env


@contextmanager
def _quiet(entry_point: str) -> Iterator[None]:
    """Within the block no version of a task is called old: those of published figures are there to compare with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if ".mujoco" not in entry_point or find_spec("mujoco") is None:
            yield
            return
        mujoco: Any = import_module("mujoco")  # which warns past Python's warnings
        before = mujoco.get_mju_user_warning()
        mujoco.set_mju_user_warning(lambda text: None)
        try:
            yield
        finally:
            mujoco.set_mju_user_warning(before)


def space_of(env: Any, task: str) -> Space:
    """What an environment gives and takes.

    Raises:
        ArgumentError: unless observations are a vector of numbers and actions a vector of bounded numbers.
    """
    seen, done = env.observation_space, env.action_space
    for name, box in (("observations", seen), ("actions", done)):
        if len(getattr(box, "shape", None) or ()) != 1 or not hasattr(box, "low"):
            met = f"{type(box).__name__} as {name} of {task}"
            raise ArgumentError(sentence("rl", met, "a vector of numbers (a one-dimensional Box)"))
    return Space(seen.shape[0], tuple(map(float, done.low)), tuple(map(float, done.high)))


class Episode:
    """One environment, episode after episode, each with a seed of its own.

    An environment that raises an error or gives numbers that are not finite is made anew: the step is lost, nothing
    else. Training can go on; `breakdowns` says how often it happened.

    Args:
        task: id of the environment.
        seed: of all episodes.
        most_breakdowns: after how many in a row the error is passed on.
    """

    def __init__(self, task: str, seed: int, *, most_breakdowns: int = 3) -> None:
        self.task, self.seed, self.most = task, seed, most_breakdowns
        self.env = make(task)
        self.space = space_of(self.env, task)
        self.number, self.breakdowns, self.in_a_row = 0, 0, 0
        self.x = self.begin()

    def begin(self) -> np.ndarray:
        """The first observation of the next episode; which one depends on the seed and the episode's number alone."""
        words = np.random.SeedSequence((self.seed, self.number)).generate_state(1)
        x, _ = self.env.reset(seed=int(words[0]))
        if not np.isfinite(np.asarray(x, np.float32)).all():
            raise DataError(sentence(self.task, "a first observation that is not finite", "finite numbers"))
        self.number += 1
        self.x, self.total = np.asarray(x, np.float32), 0.0
        self.actions: list[np.ndarray] = []
        return self.x

    def state(self) -> dict[str, int]:
        """What `restore` needs besides the actions of this episode."""
        return {"number": self.number, "breakdowns": self.breakdowns, "in_a_row": self.in_a_row}

    def taken(self) -> np.ndarray:
        """The actions of this episode, [steps, A]."""
        return np.array(self.actions, np.float32).reshape(-1, self.space.actions)

    def restore(self, state: dict[str, int], actions: np.ndarray) -> None:
        """Begin the episode of that state again and take its actions, which brings a simulator to the same point."""
        self.number = state["number"] - 1
        self.begin()
        for action in actions:
            self.step(action)
        self.breakdowns, self.in_a_row = state["breakdowns"], state["in_a_row"]

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool] | None:
        """Act: observation after it, reward, whether the episode truly ended, whether it is over for any reason.

        Returns:
            None if the environment broke down; a new episode has begun then.
        """
        try:
            after, reward, ended, cut, _ = self.env.step(action.astype(self.env.action_space.dtype))
            after = np.asarray(after, np.float32)
            if not (np.isfinite(after).all() and np.isfinite(reward)):
                raise DataError(sentence(self.task, "an observation or reward that is not finite", "finite numbers"))
        except Exception:
            self.breakdowns, self.in_a_row = self.breakdowns + 1, self.in_a_row + 1
            if self.in_a_row > self.most:
                raise
            self.env = make(self.task)
            self.begin()
            return None
        self.in_a_row = 0
        self.actions.append(np.array(action, np.float32))
        self.x, self.total = after, self.total + float(reward)
        return after, float(reward), bool(ended), bool(ended or cut)
