"""estimate_memory(): bytes by hand, against what autograd truly saves, and what it leaves alone."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.models import resnet20
from spikewright.neurons import LIF
from spikewright.train import SGD, AdamW, estimate_memory
from spikewright.train.free_memory import free_memory
from spikewright.train.memory import OUTSIDE, saved_bytes


def truly_saved(model: nn.Module, x: Tensor) -> int:
    """Bytes of all distinct storages that a forward pass saves, but for the parameters and buffers."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    seen: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        seen.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        y = model(x)
    assert y.requires_grad
    return sum(tensor.untyped_storage().nbytes() for place, tensor in seen.items() if place not in own)


def test_by_hand() -> None:
    """Linear saves its input, 10 x 3 floats; ReLU its output, 10 x 5; the next linear the same, counted once."""
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    found = estimate_memory(model, torch.rand(1, 3), samples=10, optimizer=AdamW(lr=0.1), average=True)
    assert [(layer.name, layer.kind, layer.saved) for layer in found.layers] == [
        ("0", "Linear", 4 * 30),
        ("1", "ReLU", 4 * 50),
        ("2", "Linear", 0),
    ]
    weights = 4 * (3 * 5 + 5 + 5 * 2 + 2)
    assert (found.parameters, found.gradients, found.average, found.saved) == (weights, weights, weights, 320)
    assert found.optimizer == 2 * weights + 4 * 4  # two moments, and the number of updates of each parameter
    assert found.total == 5 * weights + 16 + 320


class Branches(nn.Module):
    """One module used twice, functions between layers, and a buffer that is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv, self.drop = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3, padding=1), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.drop(self.conv(self.norm(x)).sin())
        return (self.conv(y.exp()) * x).flatten(1).mean(1)


NETWORKS = {
    "branches": (Branches(), (3, 8, 8), None),
    "resnet20": (resnet20(4), (3, 16, 16), None),
    "spiking": (
        Spiking(nn.Sequential(nn.Conv2d(3, 4, 3), LIF(), nn.Flatten(), nn.Linear(144, 3), LIF())),
        (3, 8, 8),
        5,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_what_autograd_saves(name: str) -> None:
    """To the byte, at a batch size and a number of steps that were not run."""
    model, shape, timesteps = NETWORKS[name]
    found = estimate_memory(model, torch.rand(1, *shape), timesteps, samples=23)
    x = torch.rand(23, *shape)
    assert found.saved == truly_saved(model.train(), x if timesteps is None else x.expand(timesteps, *x.shape).clone())
    assert found.timesteps == timesteps
    assert found.saved > 10 * found.samples


def test_mixed_precision_saves_less() -> None:
    model, x = resnet20(4).train(), torch.rand(6, 3, 16, 16)
    found = estimate_memory(model, x, precision="bf16-mixed")
    with torch.autocast("cpu", torch.bfloat16):
        assert found.saved == truly_saved(model, x)
    assert found.saved < estimate_memory(model, x).saved


def test_nothing_is_changed() -> None:
    """Weights, statistics of batch norms, the mode, gradients and random numbers stay."""
    model = Branches().eval()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    estimate_memory(model, torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert all(part.grad is None for part in model.parameters())


def test_functions_and_the_loss_have_a_row_of_their_own() -> None:
    model, y = nn.Linear(3, 4), torch.zeros(4, dtype=torch.int64)
    loss = lambda net, x: nn.functional.cross_entropy(net(x), y[: len(x)])  # noqa: E731
    *_, last = estimate_memory(nn.Sequential(model), torch.rand(4, 3), forward=loss).layers
    assert last.name == OUTSIDE
    assert last.saved >= 4 * 4 * 4


def test_parameters_that_are_not_trained_have_no_gradient() -> None:
    model = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 1))
    found = estimate_memory(model, torch.rand(1, 2), optimizer=SGD(momentum=0.9))
    assert (found.parameters, found.gradients, found.optimizer) == (36, 12, 12)
    assert estimate_memory(model, torch.rand(1, 2), optimizer=SGD(momentum=0.0)).optimizer == 0


def test_a_layer_that_fails_leaves_no_hook() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ShapeError, match=r"estimate_memory: the network cannot take a batch of shape \[2, 3\]"):
        estimate_memory(model, torch.rand(1, 3))
    assert saved_bytes(model, lambda net, x: net(x), torch.rand(1, 2)) == {"0": 8}


def test_summary_table_and_warning() -> None:
    found = replace(estimate_memory(nn.Linear(10, 10), torch.rand(1, 10), samples=1000), free=10_000)
    assert found.summary() == (
        "A training step with 1000 samples holds at least 41.3 kB: parameters 440.0 B, gradients 440.0 B, optimiser "
        "440.0 B, saved for the backward pass 40.0 kB. 10.0 kB are free."
    )
    assert found.table().rows == (("Linear", "Linear", 440, 0), (OUTSIDE, "", 0, 40_000))
    match = r"holds at least 41.3 kB; 10.0 kB are free. Lower the batch size, run each batch in parts \(FitConfig.acc"
    with pytest.warns(UserWarning, match=match):
        found.warn_if_too_large()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replace(found, free=100_000).warn_if_too_large()
        replace(found, free=None).warn_if_too_large()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((nn.ReLU, torch.rand(1, 2)), r"estimate_memory.model: got the class ReLU"),
        ((nn.ReLU(), torch.rand(0, 2)), r"estimate_memory.example: got shape \[0, 2\]; expected samples"),
        ((nn.ReLU(), [1.0]), r"estimate_memory.example: got list"),
        ((nn.ReLU(), torch.rand(1, 2), 0), r"estimate_memory.timesteps: got 0"),
    ],
)
def test_wrong_arguments(arguments, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        estimate_memory(*arguments)


def test_wrong_optimizer_and_samples() -> None:
    with pytest.raises(ArgumentError, match=r"estimate_memory.optimizer: got 'SGD'; expected SGD"):
        estimate_memory(nn.Linear(1, 1), torch.rand(1, 1), optimizer="SGD")  # pyright: ignore
    with pytest.raises(ArgumentError, match=r"estimate_memory.samples: got 0"):
        estimate_memory(nn.Linear(1, 1), torch.rand(1, 1), samples=0)


# what is free


def write(system: Path, **files: str) -> Path:
    places = {"meminfo": "proc/meminfo", "limit": "sys/fs/cgroup/memory.max", "used": "sys/fs/cgroup/memory.current"}
    for name, text in files.items():
        path = system / places[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return system


CPU = torch.device("cpu")
MEMINFO = "MemTotal:       2000 kB\nMemFree:         10 kB\nMemAvailable:    1000 kB\n"


def test_free_memory_is_what_machine_and_group_allow(tmp_path: Path) -> None:
    assert free_memory(CPU, write(tmp_path / "a", meminfo=MEMINFO)) == 1_024_000
    assert free_memory(CPU, write(tmp_path / "b", meminfo=MEMINFO, limit="max\n", used="5\n")) == 1_024_000
    assert free_memory(CPU, write(tmp_path / "c", meminfo=MEMINFO, limit="500000\n", used="100000\n")) == 400_000
    assert free_memory(CPU, write(tmp_path / "d", meminfo=MEMINFO, limit="5\n", used="7\n")) == 0


def test_without_a_word_of_the_system_it_is_the_machine(tmp_path: Path) -> None:
    found = free_memory(CPU, tmp_path)
    assert found is None or found > 1_000_000
    assert free_memory(torch.device("meta")) is None
