"""EventNetwork: converted networks, constant input, streams, bad input, changed models, threads."""

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikewright.coding import repeat
from spikewright.convert import (
    COS,
    DCGS,
    HMT,
    OPI,
    QCFS,
    SRP,
    Maximum,
    Recipe,
    convert,
    differential,
    per_channel,
    prepare,
)
from spikewright.convert.layers import MaxPoolGate
from spikewright.core import Spiking, carry_state
from spikewright.core.errors import ArgumentError, ConversionError, DataError, ShapeError
from spikewright.core.parallel import over_parts, threads_restored
from spikewright.neurons import IF, LIF
from spikewright.runtime import EventNetwork, compile
from spikewright.runtime.layer import Layer
from spikewright.runtime.neuron_kernels import DIFFERENTIAL, GRADED, INTEGRATE, REHEARSED, REPLAYED
from spikewright.runtime.sources import Source
from spikewright.train import accuracy_over_time


def cnn(pool: nn.Module) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), pool),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.Dropout(0.1)),
        *(nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        *(nn.Linear(32, 20), nn.ReLU(), nn.Linear(20, 5)),
    ).eval()


IMAGES = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(1))
RECIPES = {
    "OPI": OPI(threshold=Maximum()),
    "QCFS": QCFS(levels=4),
    "SRP": SRP(levels=4, tau=2),
    "COS": COS(levels=4, rho=3),
    "HMT": HMT(),
    "HMT differential": HMT(coding=differential, signed=True),
    "DCGS": DCGS(),
}


def spiking(recipe: Recipe, pool: nn.Module) -> Spiking:
    source = cnn(pool)
    if recipe.prepare():
        source = prepare(source, recipe).eval()
    return convert(source, recipe, [IMAGES] if recipe.statistics() else None).model.eval()


KINDS = {
    "OPI": INTEGRATE,
    "QCFS": INTEGRATE,
    "SRP": REHEARSED,
    "COS": REPLAYED,
    "HMT": GRADED,
    "HMT differential": DIFFERENTIAL,
    "DCGS": DIFFERENTIAL,
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_in_the_compiled_pass_and_gives_what_its_model_gives(name: str) -> None:
    model = spiking(RECIPES[name], nn.AvgPool2d(2))
    xs = repeat(IMAGES, model.phases.steps(4))
    network = compile(model, xs)
    layers = [operation for operation in network.operations if isinstance(operation, Layer)]
    assert sum(operation.program.kind == KINDS[name] for operation in layers) >= 3
    with torch.no_grad():
        torch.testing.assert_close(network(xs), model(xs), rtol=1e-4, atol=1e-4)
    assert network.phases == model.phases
    batches = [(IMAGES, torch.arange(6) % 5)]
    assert accuracy_over_time(network, batches, 4) == accuracy_over_time(model, batches, 4)


def test_a_max_pool_gate_stays_with_torch() -> None:
    model = spiking(RECIPES["OPI"], nn.MaxPool2d(2))
    xs = repeat(IMAGES, 6)
    network = compile(model, xs)
    with torch.no_grad():
        torch.testing.assert_close(network(xs), model(xs), rtol=1e-4, atol=1e-4)


def small() -> Spiking:
    torch.manual_seed(0)
    return Spiking(
        nn.Sequential(nn.Linear(6, 16), IF(), nn.Linear(16, 16), LIF(v_threshold=0.3), nn.Linear(16, 3))
    ).eval()


def sequence(steps: int = 5, samples: int = 4) -> Tensor:
    return 2 * torch.rand(steps, samples, 6, generator=torch.Generator().manual_seed(steps))


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("samples", [1, 2, 33])
def test_batch_and_steps_may_change_from_call_to_call(steps: int, samples: int) -> None:
    model = small()
    network = compile(model, sequence())
    xs = sequence(steps, samples)
    with torch.no_grad():
        torch.testing.assert_close(network(xs), model(xs))


def test_many_samples_are_run_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = spiking(RECIPES["OPI"], nn.AvgPool2d(2))
    many = torch.rand(40, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    xs = repeat(many, 8)
    network = compile(model, xs[:, :2])
    assert network._together(8, 40) == 227  # 8 MiB of 16 bits for 16 * 12 * 12 neurons and 8 steps
    monkeypatch.setattr("spikewright.runtime.network._LIST_BYTES", 600_000)
    assert network._together(8, 40) == 16
    with torch.no_grad():
        torch.testing.assert_close(network(xs), model(xs), rtol=1e-4, atol=1e-4)


def test_a_stream_goes_on_where_it_ended() -> None:
    model, xs = small(), sequence(6)
    network = compile(model, xs)
    with torch.no_grad():
        whole = model(xs)
        with carry_state(network):
            parts = torch.cat([network(part) for part in xs.split(2)])
        again = network(xs)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(again, whole)


def test_a_stream_of_images_with_a_threshold_per_channel_goes_on_where_it_ended() -> None:
    source = cnn(nn.AvgPool2d(2))
    model = convert(source, OPI(threshold=Maximum(groups=per_channel)), [IMAGES]).model.eval()
    xs = repeat(IMAGES, 6).clone()
    network = compile(model, xs)
    with torch.no_grad(), carry_state(network):
        parts = torch.cat([network(part) for part in xs.split(2)])
    with torch.no_grad():
        torch.testing.assert_close(parts, model(xs), rtol=1e-4, atol=1e-4)


def test_the_output_is_the_callers_own() -> None:
    network = compile(small(), sequence())
    first = network(sequence())
    kept = first.clone()
    network(2 * sequence())
    assert torch.equal(first, kept)


@pytest.mark.parametrize(
    ("xs", "error", "message"),
    [
        (
            torch.zeros(2, 4, 7),
            ShapeError,
            r"got \[2, 4, 7\] .* expected \[T, N, 6\] in float32 on the CPU\. Compile it again",
        ),
        (torch.zeros(2, 4, 6, dtype=torch.float64), ShapeError, "torch.float64"),
        (torch.zeros(4, 6), ShapeError, "time first"),
        (torch.zeros(2, 0, 6), ShapeError, "N >= 1"),
        (torch.full((2, 4, 6), float("nan")), DataError, "NaN or infinite"),
        (torch.zeros(2, 4, 6, dtype=torch.int64), ShapeError, "floating-point"),
    ],
)
def test_wrong_input_is_refused(xs: Tensor, error: type[Exception], message: str) -> None:
    network = compile(small(), sequence())
    with pytest.raises(error, match=message):
        network(xs)


def test_wrong_models_are_refused() -> None:
    with pytest.raises(ArgumentError, match="expected a Spiking network"):
        compile(nn.Linear(6, 3), sequence())  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match=r"Call model\.eval\(\)"):
        compile(small().train(), sequence())
    with pytest.raises(ConversionError, match=r"torch.float64 .* model\.float\(\)\.cpu\(\)"):
        compile(small().double(), sequence().double())
    with pytest.raises(ShapeError, match="cannot take"):
        compile(small(), torch.zeros(2, 3, 7))

    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(ConversionError, match="cannot be traced"):
        compile(Spiking(nn.Sequential(Odd(), nn.Linear(6, 3))).eval(), sequence())


def test_weights_that_are_not_finite_are_refused() -> None:
    model = small()
    with torch.no_grad():
        model.module.get_parameter("0.weight")[0, 0] = float("nan")
    with pytest.raises(DataError, match=r"0\.weight.*NaN or infinite"):
        compile(model, sequence())


def test_a_model_that_has_changed_is_noticed() -> None:
    model = small()
    network = compile(model, sequence())
    with torch.no_grad():
        model.module.get_parameter("0.weight").mul_(2)
    with pytest.raises(ConversionError, match=r"changed since it was compiled.*Compile the model again"):
        network(sequence())


def test_parts_of_a_network_that_ends_in_spikes_do_not_overwrite_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Conv2d(3, 16, 3), IF(v_threshold=0.3))).eval()
    xs = torch.rand(4, 70, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    network = compile(model, xs[:, :2])
    monkeypatch.setattr("spikewright.runtime.network._LIST_BYTES", 400_000)
    assert 2 * network._together(4, 70) <= 70
    with torch.no_grad():
        torch.testing.assert_close(network(xs), model(xs))


def test_tokens_and_very_many_channels_stay_with_torch() -> None:
    torch.manual_seed(0)
    one_token = Spiking(nn.Sequential(IF(), nn.Linear(6, 5), IF(v_threshold=0.1))).eval()
    many = Spiking(nn.Sequential(IF(v_threshold=0.2), nn.Linear(70_000, 3))).eval()
    for model, xs in ((one_token, torch.rand(3, 2, 1, 6)), (many, torch.rand(2, 2, 70_000))):
        with torch.no_grad():
            torch.testing.assert_close(compile(model, xs)(xs), model(xs), rtol=1e-4, atol=1e-4)


def test_hooks_on_neurons_are_called() -> None:
    model, seen = small(), []
    model.module.get_submodule("1").register_forward_hook(lambda *_: seen.append(1))
    network = compile(model, sequence())
    seen.clear()
    network(sequence())
    assert seen


def test_gradients_are_refused() -> None:
    network = compile(small(), sequence())
    with pytest.raises(ArgumentError, match="asks for a gradient; expected one that does not"):
        network(sequence().requires_grad_())


def test_an_interrupted_call_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    network = compile(model, sequence())

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("spikewright.runtime.layer.over_parts", interrupted)
        with pytest.raises(KeyboardInterrupt):
            network(sequence())
    with torch.no_grad():
        torch.testing.assert_close(network(sequence()), model(sequence()))


def test_it_stays_in_eval_on_the_cpu() -> None:
    network = compile(small(), sequence())
    assert network.eval() is network
    with pytest.raises(ArgumentError, match="Train the model"):
        network.train()
    with pytest.raises(ConversionError, match="Move or cast the model"):
        network.half()


def test_two_threads_wait_for_each_other() -> None:
    model = spiking(RECIPES["OPI"], nn.AvgPool2d(2))
    inputs = [repeat(torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(i)), 8) for i in range(6)]
    network = compile(model, inputs[0])
    with torch.no_grad():
        expected = [model(xs) for xs in inputs]
    found: dict[int, Tensor] = {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: network(inputs[i])})) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, xs in enumerate(expected):
        torch.testing.assert_close(found[i], xs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("pace", "threads"), [(0.0, 1), (10.0, 3)], ids=["short", "long"])
def test_only_long_operations_are_given_several_threads(
    pace: float, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = small(), []
    network = compile(model, sequence())
    assert isinstance(network, EventNetwork)
    assert all(spent > 0 for spent in network._pace.values())
    assert network._pace.keys() == {operation.node for operation in network.operations}
    network._pace = dict.fromkeys(network._pace, pace)

    def seen_too(*arguments: Any) -> None:
        seen.append(torch.get_num_threads())
        over_parts(*arguments)

    monkeypatch.setattr("spikewright.runtime.layer.over_parts", seen_too)
    with threads_restored():
        torch.set_num_threads(3)
        found = network(sequence())
        assert torch.get_num_threads() == 3
    assert seen == [threads] * len(network.operations)
    with torch.no_grad():
        torch.testing.assert_close(found, model(sequence()))


def sources(network: EventNetwork) -> list[Source]:
    return [source for operation in network.operations if isinstance(operation, Layer) for source in operation.sources]


@pytest.mark.parametrize(("name", "pool"), [("OPI", nn.MaxPool2d), ("COS", nn.AvgPool2d), ("DCGS", nn.MaxPool2d)])
def test_a_stream_that_is_explained_or_planned_anew_goes_on_as_if_nothing_had_been(
    name: str, pool: type[nn.Module]
) -> None:
    model = spiking(RECIPES[name], pool(2))
    xs = repeat(IMAGES[:3], 7).clone()
    network = compile(model, xs)
    assert isinstance(network, EventNetwork)

    def parts(between: Callable[[Tensor], object]) -> Tensor:
        outs = []
        with carry_state(network):
            for part in xs.split([4, 2, 1]):
                outs.append(network(part))
                between(part)
        return torch.cat(outs)

    def plan_anew(_: Tensor) -> None:
        limits = [source.density_limit for source in sources(network)]
        network.choose(repeat(IMAGES, 5))  # other samples than those of the stream
        for source, limit in zip(sources(network), limits):
            source.density_limit = limit  # other paths round otherwise

    whole = parts(lambda _: None)
    assert torch.equal(parts(network.explain), whole)
    assert torch.equal(parts(plan_anew), whole)


def test_explain_goes_on_from_the_state_there_is() -> None:
    model = Spiking(nn.Sequential(nn.Linear(1, 1, bias=False), IF(v_threshold=1.0), nn.Linear(1, 1))).eval()
    with torch.no_grad():
        model.module.get_parameter("0.weight").fill_(1.0)
    xs = torch.full((1, 1, 1), 0.5)
    network = compile(model, xs)
    assert isinstance(network, EventNetwork)
    with carry_state(network):
        assert network.explain(xs).column("sent")[0] == 0.0
        network(xs)  # a half of the threshold
        assert [network.explain(xs).column("sent")[0] for _ in range(2)] == [1.0, 1.0]


def test_a_copy_works_by_itself() -> None:
    network = compile(small(), sequence())
    expected = network(sequence())
    twin = copy.deepcopy(network)
    assert isinstance(twin, EventNetwork)
    assert torch.equal(twin(sequence()), expected)


def test_explain_says_where_every_layer_ran() -> None:
    model = spiking(RECIPES["OPI"], nn.MaxPool2d(2, ceil_mode=True))
    xs = repeat(IMAGES, 4)
    table = compile(model, xs).explain(xs)
    assert set(table.column("path")) <= {"events", "dense", "dense, once", "torch", "lists", "pass"}
    assert table.column("path")[0] == "dense, once"
    assert "torch" in table.column("path")
    assert "6 samples, 4 time steps" in table.caption


def test_it_is_judged_like_its_model() -> None:
    model = spiking(RECIPES["COS"], nn.AvgPool2d(2))
    network = compile(model, repeat(IMAGES, model.phases.steps(4)))
    batches = [(IMAGES, torch.arange(6) % 5)]
    assert accuracy_over_time(network, batches, 6) == accuracy_over_time(model, batches, 6)


def test_rows_of_an_image_with_different_constant_parts_are_left_to_torch() -> None:
    class Tokens(nn.Module):
        """Tokens with places of their own, folded into the batch."""

        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Parameter(torch.randn(1, 3, 6))
            self.first, self.relu, self.head = nn.Linear(6, 8), nn.ReLU(), nn.Linear(24, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.relu(self.first((x + self.place).reshape(-1, 6))).reshape(-1, 24))

    torch.manual_seed(0)
    images = torch.rand(64, 3, 6)
    model, xs = convert(Tokens().eval(), DCGS(threshold=Maximum()), images).model.eval(), repeat(images[:4], 3)
    with torch.no_grad():
        torch.testing.assert_close(compile(model, xs)(xs), model(xs), rtol=1e-4, atol=1e-4)


def test_a_max_pool_that_someone_watches_is_still_called() -> None:
    model, seen = spiking(RECIPES["OPI"], nn.MaxPool2d(2)), []
    gate = next(part for part in model.modules() if isinstance(part, MaxPoolGate))
    gate.register_forward_hook(lambda *_: seen.append(1))
    xs = repeat(IMAGES, 4)
    network = compile(model, xs)
    seen.clear()
    network(xs)
    assert seen
