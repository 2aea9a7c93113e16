"""Tiny tasks that other processes can import too, as "control_tasks:Point-v0"."""

import os
import time

import gymnasium
import numpy as np


class Point(gymnasium.Env):
    """Position and velocity in one dimension; the reward is minus the distance."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1, 1, 2)
        return self.state.copy(), {}

    def step(self, action):
        x, v = self.state
        v = 0.8 * v + 0.2 * float(action[0])
        self.state = np.array([x + 0.2 * v, v])
        return self.state.copy(), -abs(x), False, False, {}


class Slow(Point):
    """Waits at every step, so that there is time to kill it."""

    def step(self, action):
        time.sleep(float(os.environ.get("SPIKEWRIGHT_SLOW", "0")))
        return super().step(action)


class Wide(Point):
    """As Point, with another observation and action more."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)

    def reset(self, *, seed=None, options=None):
        state, about = super().reset(seed=seed)
        return np.append(state, 0), about

    def step(self, action):
        state, *others = super().step(action)
        return np.append(state, 0), *others


class Dies(Point):
    """Its simulator is gone for good after some steps."""

    taken = 0

    def step(self, action):
        Dies.taken += 1
        if Dies.taken > 45:
            raise RuntimeError("the simulator is gone")
        return super().step(action)


class Blind(Point):
    """Gives NaN from its third step on; the first ones Gymnasium looks at itself."""

    taken = 0

    def step(self, action):
        self.taken += 1
        state, *others = super().step(action)
        return (state * np.nan if self.taken > 2 else state), *others


class Unbounded(Point):
    """Its actions have no bounds."""

    action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)


KINDS = (Point, Slow, Wide, Dies, Blind, Unbounded)
for kind in KINDS:
    gymnasium.register(f"{kind.__name__}-v0", entry_point=kind, max_episode_steps=20)
