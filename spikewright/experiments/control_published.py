"""Actors for continuous control as they were published, for any task, and small ones, for a few minutes on a CPU."""

from __future__ import annotations

from collections.abc import Callable

from ..rl import TD3, ActorChoice, CLIFChoice, DNChoice, LIFChoice, LoopConfig, OrdinaryChoice, ProxyTarget
from .control import ControlRun

TASKS = ("InvertedDoublePendulum-v4", "Ant-v4", "HalfCheetah-v4", "Hopper-v4", "Walker2d-v4")
"""Those of the published table; later versions of a task have other returns."""


def _published(name: str, actor: ActorChoice, target: ProxyTarget | None = None) -> ControlRun:
    return ControlRun(
        name=name,
        task=("HalfCheetah-v4",),
        actor=actor,
        algorithm=TD3() if target is None else TD3(target=target),
        loop=LoopConfig(steps=1_025_000),
        seeds=(0, 1, 2, 3, 4),
        costs="sop_77fj",
    )


def mujoco_pt_lif() -> ControlRun:
    """Leaky neurons behind a proxy of 512 x 512, TD3, a million training steps.

    Published, the best return of five seeds: HalfCheetah 10103 +- 607, Hopper 3385 +- 157, Walker2d 4314 +- 423,
    Ant 5383 +- 250, InvertedDoublePendulum 9348 +- 1.

    Source: Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv 2505.24161, table 1.
    """
    return _published("mujoco_pt_lif", LIFChoice(), ProxyTarget())


def mujoco_pt_clif() -> ControlRun:
    """Neurons with a lasting current behind a proxy of 800 x 600 (512 x 512 on InvertedDoublePendulum), TD3.

    Published, the best return of five seeds: HalfCheetah 9663 +- 426, Hopper 3526 +- 112, Walker2d 4564 +- 555,
    Ant 5014 +- 1074, InvertedDoublePendulum 9351 +- 1.

    Source: Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv 2505.24161, table 1.
    """
    return _published("mujoco_pt_clif", CLIFChoice(), ProxyTarget(hidden=(800, 600), lr=3e-3))


def mujoco_pt_dn() -> ControlRun:
    """Dynamic neurons behind a proxy of 512 x 512, TD3.

    Published, the best return of five seeds: HalfCheetah 9347 +- 666, Hopper 3507 +- 144, Walker2d 4277 +- 650,
    Ant 5400 +- 277, InvertedDoublePendulum 9350 +- 1.

    Source: Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv 2505.24161, table 1.
    """
    return _published("mujoco_pt_dn", DNChoice(), ProxyTarget(lr=3e-3))


def mujoco_lif() -> ControlRun:
    """Leaky neurons with a slow spiking copy as the target, TD3: what the proxy is compared with.

    Published, the best return of five seeds: HalfCheetah 9404 +- 625, Hopper 3520 +- 94, Walker2d 1862 +- 1450,
    Ant 4294 +- 1170, InvertedDoublePendulum 9347 +- 1.

    Source: Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv 2505.24161, table 1.
    """
    return _published("mujoco_lif", LIFChoice())


def mujoco_ann() -> ControlRun:
    """An ordinary actor, TD3.

    Published, the best return of five seeds: HalfCheetah 10857 +- 475, Hopper 3410 +- 164, Walker2d 4340 +- 383,
    Ant 4770 +- 1014, InvertedDoublePendulum 7503 +- 3713.

    Source: Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv 2505.24161, table 1; the method is that of Fujimoto, van
        Hoof and Meger 2018, ICML 2018, arXiv 1802.09477.
    """
    return _published("mujoco_ann", OrdinaryChoice())


def pendulum_pt_lif() -> ControlRun:
    """A small spiking actor that swings a pendulum up, without a simulator to install: minutes on one core.

    Source: settings of this project, for a first look; the method is that of Xu et al. 2025, arXiv 2505.24161.
    """
    return _pendulum("pendulum_pt_lif", LIFChoice(hidden=(64, 64)), ProxyTarget(updates=1, lr=3e-3, hidden=(128, 128)))


def pendulum_ann() -> ControlRun:
    """A small ordinary actor on the same task.

    Source: settings of this project, for a first look; the method is that of Fujimoto et al. 2018, arXiv 1802.09477.
    """
    return _pendulum("pendulum_ann", OrdinaryChoice(hidden=(64, 64)))


def _pendulum(name: str, actor: ActorChoice, target: ProxyTarget | None = None) -> ControlRun:
    settings = {"actor_lr": 1e-3, "critic_lr": 1e-3, "batch": 128, "critic_hidden": (64, 64)}
    return ControlRun(
        name=name,
        task=("Pendulum-v1",),
        actor=actor,
        algorithm=TD3(**settings) if target is None else TD3(target=target, **settings),
        loop=LoopConfig(steps=6_000, random_steps=1_000, evaluate_every=500, checkpoint_every=1_000, capacity=10_000),
    )


CONTROL_EXPERIMENTS: dict[str, Callable[[], ControlRun]] = {
    run.__name__: run
    for run in (mujoco_ann, mujoco_lif, mujoco_pt_clif, mujoco_pt_dn, mujoco_pt_lif, pendulum_ann, pendulum_pt_lif)
}
