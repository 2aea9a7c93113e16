"""DenseNetwork: equal to the model for every recipe, residual sums, fewer bits, streams, refusals; on a device as graphs."""

import copy

import pytest
import torch
from torch import Tensor, nn

from spikewright.coding import repeat
from spikewright.convert import (
    COS,
    DCGS,
    HMT,
    OPI,
    SRP,
    Maximum,
    Recipe,
    convert,
    differential,
    per_channel,
    prepare,
)
from spikewright.core import Spiking, carry_state
from spikewright.core.errors import ArgumentError, ConversionError, DataError, ShapeError
from spikewright.neurons import IF, LIF
from spikewright.runtime import DenseNetwork, compile
from spikewright.runtime.dense_layer import DenseLayer
from spikewright.runtime.dense_neurons import DenseNeurons
from spikewright.runtime.prepare import device_of, prepared

IMAGES = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(1))
RECIPES = {
    "OPI": OPI(threshold=Maximum(groups=per_channel)),
    "SRP": SRP(levels=4, tau=2),
    "COS": COS(levels=4, rho=3),
    "HMT": HMT(),
    "HMT differential": HMT(coding=differential, signed=True),
    "DCGS": DCGS(),
}
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Residual(nn.Module):
    """A stem, a block with a shortcut through a layer, a block with a straight one, a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.first, self.relu_1 = nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()
        self.second, self.shortcut, self.relu_2 = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(8, 16, 1, 2), nn.ReLU()
        self.third, self.relu_3 = nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()
        self.pool, self.head = nn.AvgPool2d(2), nn.Linear(144, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.relu_2(self.second(self.relu_1(self.first(x))) + self.shortcut(x))
        x = self.relu_3(self.third(x) + x)
        return self.head(self.pool(x).flatten(1))


def spiking(recipe: Recipe) -> Spiking:
    source: nn.Module = Residual().eval()
    if recipe.prepare():
        source = prepare(source, recipe).eval()
    return convert(source, recipe, [IMAGES] if recipe.statistics() else None).model.eval()


def dense(model: Spiking, xs: Tensor, weights: torch.dtype = torch.float32) -> DenseNetwork:
    return DenseNetwork(model, *prepared(model, xs), device_of(model), weights)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_gives_what_its_model_gives(recipe: Recipe) -> None:
    model = spiking(recipe)
    xs = repeat(IMAGES, model.phases.steps(4))
    network = dense(model, xs)
    assert network.phases == model.phases
    with torch.no_grad():
        torch.testing.assert_close(network(xs), model(xs), rtol=1e-4, atol=1e-4)
        moving = torch.rand(5, 2, *IMAGES.shape[1:], generator=torch.Generator().manual_seed(2))
        moving = moving if model.phases.steps(1) <= 5 else moving.repeat(2, 1, 1, 1, 1)
        torch.testing.assert_close(network(moving), model(moving), rtol=1e-4, atol=1e-4)


def test_biases_and_sums_become_part_of_the_neurons() -> None:
    network = dense(spiking(RECIPES["OPI"]), repeat(IMAGES, 4))
    neurons = [operation for operation in network.operations if isinstance(operation, DenseNeurons)]
    assert [len(operation.inputs) for operation in neurons] == [1, 1, 2, 2]
    layers = {o.name: o.layer for o in network.operations if isinstance(o, DenseLayer)}
    assert [name for name, layer in layers.items() if layer.bias is not None] == ["head"]
    assert all(bool((operation.constants.bias != 0).any()) for operation in neurons)


def test_a_layer_that_others_read_too_keeps_its_bias() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.fire, self.last = nn.Linear(6, 8), IF(v_threshold=0.4), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return self.last(self.fire(x)) + x

    torch.manual_seed(0)
    model, xs = Spiking(Shared()).eval(), torch.rand(5, 3, 6)
    with torch.no_grad():
        torch.testing.assert_close(dense(model, xs)(xs), model(xs))


def test_an_axis_that_is_not_the_channels_is_left_alone() -> None:
    torch.manual_seed(0)
    channels_last = Spiking(nn.Sequential(nn.Linear(4, 4), IF(v_threshold=0.3), nn.Linear(4, 2))).eval()
    for xs in (torch.rand(3, 2, 4, 4, 4), torch.rand(3, 2, 4, 4), torch.rand(3, 2, 4)):
        with torch.no_grad():
            torch.testing.assert_close(dense(channels_last, xs)(xs), channels_last(xs))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_fewer_bits_go_from_layer_to_neurons_and_back(kind: torch.dtype) -> None:
    model, xs = spiking(RECIPES["OPI"]), repeat(IMAGES, 32)
    network = dense(model, xs, kind)
    layers = [operation for operation in network.operations if isinstance(operation, DenseLayer)]
    assert {operation.weights for operation in layers} == {kind}
    assert [operation.out for operation in layers[-2:]] == [kind, torch.float32]
    assert [o.out for o in network.operations if isinstance(o, DenseNeurons)] == [
        kind,
        kind,
        torch.float32,
        torch.float32,
    ]
    with torch.no_grad():
        means, expected = network(xs).mean(0), model(xs).mean(0)
    assert means.dtype == torch.float32
    assert float((means - expected).abs().max()) < 0.03 * float(expected.abs().max())


def test_a_stream_goes_on_where_it_ended() -> None:
    model, xs = spiking(RECIPES["OPI"]), repeat(IMAGES, 6).clone()
    network = dense(model, xs)
    with torch.no_grad(), carry_state(network):
        parts = torch.cat([network(part) for part in xs.split(2)])
    with torch.no_grad():
        torch.testing.assert_close(parts, model(xs), rtol=1e-4, atol=1e-4)


def test_what_is_the_same_at_every_step_runs_once() -> None:
    network = dense(spiking(RECIPES["OPI"]), repeat(IMAGES, 4))
    assert network.explain(repeat(IMAGES, 4)).column("path")[0] == "dense, once"
    assert network.explain(repeat(IMAGES, 4).clone()).column("path")[0] == "dense"


def test_the_plan_says_what_runs_how_and_why() -> None:
    model, xs = spiking(RECIPES["COS"]), repeat(IMAGES, 4)
    plan = dense(model, xs, torch.bfloat16).explain(xs)
    rows = dict(zip(plan.column("layer"), zip(plan.column("path"), plan.column("why"), plan.column("dense"))))
    path, why, done = rows["head"]
    assert (path, done) == ("dense", 4 * 144 * 5)
    assert "tiles are multiplied in bfloat16 faster than rows are gathered" in str(why)
    assert "a state of a kind that has no kernel" in str(rows["relu_1"][1])
    assert "6 samples, 4 time steps in one call of" in plan.caption
    assert "not recorded: there are no CUDA graphs on cpu" in plan.caption
    plain = dense(spiking(RECIPES["OPI"]), xs).explain(xs)
    assert "bias, sum and all steps in torch's operations: Triton is missing" in plain.column("why")


def test_hooks_are_called() -> None:
    model, seen = spiking(RECIPES["OPI"]), []
    for name in ("relu_1", "third"):
        model.module.get_submodule(name).register_forward_hook(lambda *_: seen.append(1))
    network = dense(model, repeat(IMAGES, 4))
    seen.clear()
    network(repeat(IMAGES, 4))
    assert len(seen) == 2


def test_a_copy_works_by_itself() -> None:
    xs = repeat(IMAGES, 4)
    network = dense(spiking(RECIPES["OPI"]), xs)
    assert torch.equal(copy.deepcopy(network)(xs), network(xs))


def test_wrong_input_and_changed_models_are_refused() -> None:
    model, xs = spiking(RECIPES["OPI"]), repeat(IMAGES, 4)
    network = dense(model, xs)
    with pytest.raises(ShapeError, match=r"DenseNetwork: got \[4, 6, 3, 8, 8\].*expected \[T, N, 3, 12, 12\]"):
        network(xs[..., :8, :8])
    with pytest.raises(DataError, match="NaN or infinite"):
        network(xs * float("nan"))
    with pytest.raises(ArgumentError, match="asks for a gradient"):
        network(xs.clone().requires_grad_())
    with pytest.raises(ArgumentError, match="Train the model"):
        network.train()
    with pytest.raises(ConversionError, match="Move or cast the model"):
        network.half()
    with torch.no_grad():
        model.module.get_parameter("head.weight").mul_(2)
    with pytest.raises(ConversionError, match=r"DenseNetwork: its model has been changed.*Compile the model again"):
        network(xs)


def test_numbers_of_a_gpu_are_refused_on_the_cpu() -> None:
    with pytest.raises(
        ArgumentError, match=r"bfloat16; expected torch.float32 or torch.float16 or torch.int8 on the CPU"
    ):
        compile(spiking(RECIPES["OPI"]), repeat(IMAGES, 4), weights=torch.bfloat16)


def test_other_devices_are_refused() -> None:
    model = Spiking(nn.Sequential(nn.Linear(3, 3), IF(), nn.Linear(3, 2))).eval()
    with pytest.raises(ConversionError, match="on meta; expected float32 on the CPU or a CUDA device"):
        compile(copy.deepcopy(model).to("meta"), torch.zeros(2, 1, 3))


@pytest.mark.gpu
@GPU
class TestOnADevice:
    """What only a CUDA device can show."""

    @pytest.fixture(autouse=True)
    def exact(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)

    @pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
    def test_every_recipe_is_recorded_and_equal(self, recipe: Recipe) -> None:
        model = spiking(recipe).cuda()
        xs = repeat(IMAGES.cuda(), model.phases.steps(4))
        network = compile(model, xs)
        assert isinstance(network, DenseNetwork)
        with torch.no_grad():
            for given in (xs, xs[:, :2], xs.clone(), xs):
                torch.testing.assert_close(network(given), model(given), rtol=1e-3, atol=1e-3)
        assert network.why_not_recorded == ""

    def test_the_output_is_the_callers_own(self) -> None:
        xs = repeat(IMAGES.cuda(), 4)
        network = compile(spiking(RECIPES["OPI"]).cuda(), xs)
        first = network(xs)
        kept = first.clone()
        network(repeat(1 - IMAGES.cuda(), 4))
        assert torch.equal(first, kept)

    def test_hooks_keep_it_from_being_recorded(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.fire = nn.Linear(6, 8), LIF(v_threshold=0.3)

            def forward(self, x: Tensor) -> Tensor:
                return self.fire(self.first(torch.nn.functional.relu(x)))

        torch.manual_seed(0)
        net = Net()
        net.first.register_forward_hook(lambda *_: None)
        xs = torch.rand(4, 2, 6, device="cuda")
        model = Spiking(net).eval().cuda()
        network = compile(model, xs)
        assert isinstance(network, DenseNetwork)
        with torch.no_grad():
            torch.testing.assert_close(network(xs), model(xs))
        assert "first has a hook" in network.why_not_recorded

    def test_the_plan_has_times_of_the_device(self) -> None:
        xs = repeat(IMAGES.cuda(), 4)
        plan = compile(spiking(RECIPES["OPI"]).cuda(), xs, weights=torch.bfloat16).explain(xs)
        assert all(float(seconds) > 0 for seconds in plan.column("time"))
        assert "; recorded." in plan.caption
        assert "in one kernel" in " ".join(map(str, plan.column("why")))
