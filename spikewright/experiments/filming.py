"""filmed(actor, task): frames of an episode for a picture, and the whole of it as a film, where a body can be drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..core.errors import ArgumentError, sentence
from ..core.evaluating import evaluating
from ..rl.env import make

SHOWN = 6
"""Frames of the picture, evenly spread over the episode."""
SIDE = 144
"""Pixels of the longer side of a frame in the picture."""


@dataclass(frozen=True)
class Film:
    """An episode in pictures.

    Args:
        frames: some of it, [N, H, W, 3] bytes; None where nothing could be drawn.
        steps: at which they were taken.
        total: return of the episode.
        why: why there are none, in a sentence.
    """

    frames: np.ndarray | None
    steps: tuple[int, ...] = ()
    total: float = 0.0
    why: str = ""


def check_video() -> None:
    """Raise ArgumentError unless films can be written."""
    try:
        import imageio.v2  # noqa: F401
        import imageio_ffmpeg  # noqa: F401
    except ModuleNotFoundError as error:
        todo = "Install it: pip install 'spikewright[rl]'"
        raise ArgumentError(sentence("video", f"no package {error.name}", "it installed", todo)) from error


def filmed(actor: nn.Module, task: str, *, seed: int, video: Path | None = None, most: int = 1000) -> Film:
    """Play an episode and draw it.

    Args:
        actor: observations [N, D] -> actions [N, A].
        task: id of the environment.
        seed: of the episode.
        video: where the film is written; None for none.
        most: steps after which it is left.
    """
    env = None
    try:
        with _without_screen():
            env = make(task, render=True)
            steps, total, frames = _played(env, actor, seed, most, every=video is not None)
            places = np.unique(np.linspace(0, steps, SHOWN).round().astype(int))
            if video is None:  # drawing takes far longer than playing, so that the episode is played again for a few
                *_, frames = _played(env, actor, seed, most, at=places.tolist())
            per_second = env.metadata.get("render_fps", 30)
    except Exception as error:  # of whatever draws; there are as many kinds as simulators
        return Film(None, why=f"{task} could not be drawn here: {' '.join(str(error).split()) or type(error).__name__}")
    finally:
        if env is not None:
            env.close()
    if video is not None:
        _write(video, list(frames.values()), per_second)
    return Film(np.stack([_small(frames[place]) for place in places]), tuple(map(int, places)), total)


@contextmanager
def _without_screen() -> Iterator[None]:
    """Within the block simulators draw into memory, if the machine has no screen and nobody has chosen otherwise."""
    chosen = {}
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        wanted = {"MUJOCO_GL": "egl", "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
        chosen = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(chosen)
    try:
        yield
    finally:
        for name in chosen:
            del os.environ[name]


def _played(
    env: Any, actor: nn.Module, seed: int, most: int, *, every: bool = False, at: Sequence[int] = ()
) -> tuple[int, float, dict[int, np.ndarray]]:
    """Steps and return of an episode, and frames by step: of every step, or of some."""
    x, _ = env.reset(seed=seed)
    frames, total, step, over = dict[int, np.ndarray](), 0.0, 0, False
    with evaluating(actor), torch.inference_mode():
        while True:
            if every or step in at:
                frames[step] = np.asarray(env.render())
            if over or step == most:
                return step, total, frames
            action = actor(torch.as_tensor(np.asarray(x, np.float32))[None])[0].numpy()
            x, reward, ended, cut, _ = env.step(action.astype(env.action_space.dtype))
            step, total, over = step + 1, total + float(reward), bool(ended or cut)


def _small(frame: np.ndarray) -> np.ndarray:
    from PIL import Image

    picture = Image.fromarray(frame)
    picture.thumbnail((SIDE, SIDE))
    return np.asarray(picture)


def _write(path: Path, frames: list[np.ndarray], per_second: float) -> None:
    from imageio.v2 import get_writer

    path.parent.mkdir(parents=True, exist_ok=True)
    writer: Any = get_writer(path, fps=per_second, macro_block_size=2)
    with writer:
        for frame in frames:
            writer.append_data(frame)
