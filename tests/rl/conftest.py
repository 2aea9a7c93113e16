"""A tiny task that needs no simulator: a point that is to be pushed to the middle."""

import gymnasium
import numpy as np
import pytest

TASK = "SpikewrightPoint-v0"


class Point(gymnasium.Env):
    """Position and velocity in one dimension; the reward is minus the distance. Ends truly beyond 3."""

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
        return self.state.copy(), -abs(x), bool(abs(x) > 3), False, {}


@pytest.fixture(autouse=True)
def point():
    gymnasium.register(TASK, entry_point=Point, max_episode_steps=20)
    yield TASK
    del gymnasium.registry[TASK]
