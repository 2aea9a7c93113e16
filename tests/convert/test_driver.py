"""prepare() and convert(): source untouched, one neuron per call site, names, modes, thresholds, options, errors."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert import (
    DCGS,
    OPI,
    QCFS,
    Maximum,
    Percentile,
    RobustNorm,
    Rule,
    convert,
    max_pool_to_average,
    per_channel,
    prepare,
)
from spikewright.convert.layers import QCFSActivation
from spikewright.convert.operations import is_relu
from spikewright.core import Temporal
from spikewright.core.errors import ArgumentError, ConversionError, DataError, ShapeError
from spikewright.models import Normalize
from spikewright.neurons import IF


def cnn(act=nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), act(), nn.AvgPool2d(2)),
        *(nn.Dropout(0.3), nn.Flatten(), nn.Linear(64, 8), act(), nn.Linear(8, 3)),
    )


def images(n: int = 150, channels: int = 1, size: int = 8) -> Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1))


class Forward(nn.Module):
    """A network whose forward pass is the function given, with a few layers to use."""

    def __init__(self, run) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(12, 6)
        self.act, self.norm = nn.ReLU(), nn.BatchNorm1d(6)
        self.bound = nn.Parameter(torch.tensor(0.75))
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


VECTORS = torch.rand(300, 6, generator=torch.Generator().manual_seed(2))


def close_after(conversion, x: Tensor, timesteps: int, atol: float) -> None:
    """The mean output comes close to the source's, and gets closer."""
    with torch.no_grad():
        expected, out = conversion.source(x), conversion.model(x.expand(timesteps, *x.shape)).cumsum(0)
    early, late = out[1] / 2 - expected, out[-1] / timesteps - expected
    assert late.abs().max() < atol
    assert late.square().mean() < early.square().mean()


# the source


@pytest.mark.parametrize("training", [True, False])
def test_source_is_left_untouched(training: bool) -> None:
    net = cnn().train(training)
    net[4].train(not training)
    fired = []
    net[2].register_forward_hook(lambda *_: fired.append(1))
    before = copy.deepcopy(net.state_dict())
    modes = [module.training for module in net.modules()]
    gradients = [parameter.requires_grad for parameter in net.parameters()]
    kinds = [type(module) for module in net.modules()]
    for made in (convert(net, OPI(), images()), prepare(net, QCFS()), convert(prepare(net, QCFS()), QCFS())):
        assert made is not net
    assert [type(module) for module in net.modules()] == kinds
    assert [module.training for module in net.modules()] == modes
    assert [parameter.requires_grad for parameter in net.parameters()] == gradients
    assert len(net[2]._forward_hooks) == 1
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_conversion_shares_no_memory_with_the_source() -> None:
    net = cnn().eval()
    conversion = convert(net, OPI(), images())
    own = {parameter.data_ptr() for parameter in net.parameters()}
    assert not own & {parameter.data_ptr() for parameter in conversion.model.parameters()}
    assert not own & {parameter.data_ptr() for parameter in conversion.source.parameters()}


def test_calibration_images_are_left_untouched() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        x -= 0.5
        x *= 2
        return net.b(net.a(x).relu_())

    x = VECTORS.clone()
    conversion = convert(Forward(run), OPI(), x)
    with torch.no_grad():
        conversion.model(x.expand(2, 300, 6).contiguous())
    assert torch.equal(x, VECTORS)


def test_converted_as_in_eval_whatever_the_mode() -> None:
    net = cnn()
    first, second = (convert(net.train(mode), OPI(), images()) for mode in (True, False))
    x = images(5).expand(4, 5, 1, 8, 8)
    assert not first.model.training
    assert torch.equal(first.model(x), second.model(x))


# call sites


def test_a_module_used_twice_becomes_two_neurons_with_thresholds_of_their_own() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        return net.b(net.act(5 * net.a(net.act(net.a(x)))))

    conversion = convert(Forward(run), OPI(threshold=Maximum()), VECTORS)
    neurons = conversion.neurons()
    assert list(neurons) == ["act", "act_2"]
    assert [row.path for row in conversion.replaced] == ["act", "act_2"]
    assert neurons["act"] is not neurons["act_2"]
    assert neurons["act_2"].v_threshold > 1.5 * neurons["act"].v_threshold
    close_after(conversion, VECTORS[:20], 256, 0.05)


def test_names_stay_unique_when_the_network_uses_a_numbered_name_itself() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act, self.act_2, self.a = nn.ReLU(), nn.ReLU(), nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(self.act_2(9 * self.a(self.act(3 * self.a(self.act(self.a(x)))))))

    torch.manual_seed(0)
    conversion = convert(Net(), OPI(threshold=Maximum()), VECTORS)
    assert list(conversion.neurons()) == ["act", "act_3", "act_2"]
    assert len({float(level) for level in conversion.thresholds.values()}) == 3


ACTIVATIONS = {
    "F.relu": lambda net, x: F.relu(x),
    "F.relu inplace": lambda net, x: F.relu(x, inplace=True),
    "torch.relu": lambda net, x: torch.relu(x),
    "Tensor.relu": lambda net, x: x.relu(),
    "Tensor.relu_": lambda net, x: x.relu_(),
    "F.relu_": lambda net, x: F.relu_(x),
    "F.relu6": lambda net, x: F.relu6(x),
    "ReLU": lambda net, x: net.act(x),
    "clamp(0)": lambda net, x: x.clamp(0),
    "clamp(min=0)": lambda net, x: x.clamp(min=0),
    "clamp(0, 1)": lambda net, x: x.clamp(0, 1),
    "torch.clamp(0.0, 1)": lambda net, x: torch.clamp(x, 0.0, 1),
    "torch.clip": lambda net, x: torch.clip(x, min=0),
    "clamp_min(0)": lambda net, x: x.clamp_min(0),
    "clamp_(0)": lambda net, x: x.clamp_(0),
    "clamp(0, bound)": lambda net, x: x.clamp(0, 0.3),
    "F.hardtanh": lambda net, x: F.hardtanh(x, 0, 2),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_form_of_relu_is_replaced(name: str) -> None:
    net = Forward(lambda net, x: net.b(ACTIVATIONS[name](net, net.a(x))))
    conversion = convert(net, OPI(threshold=Maximum()), VECTORS)
    assert len(conversion.neurons()) == 1
    with torch.no_grad():
        assert torch.allclose(conversion.source(VECTORS), net(VECTORS), atol=1e-6)
    close_after(conversion, VECTORS[:20], 64, 0.02)


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.Hardtanh(0, 1)])
def test_every_layer_that_is_a_relu_is_replaced(layer: nn.Module) -> None:
    conversion = convert(nn.Sequential(nn.Linear(6, 6), layer, nn.Linear(6, 2)), OPI(threshold=Maximum()), VECTORS)
    assert list(conversion.neurons()) == ["1"]
    assert conversion.replaced[0].kind == type(layer).__name__


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: net.b(net.a(x).clamp(max=1)),
        lambda net, x: net.b(net.a(x).clamp(-1, 1)),
        lambda net, x: net.b(F.hardtanh(net.a(x))),
        lambda net, x: net.b(net.a(x).clamp(0.1, 1)),
    ],
)
def test_a_clamp_that_is_no_relu_is_not_taken_for_one(run) -> None:
    with pytest.raises(ConversionError, match="no rule handles 1 operation"):
        convert(Forward(lambda net, x: run(net, net.act(x))), OPI(threshold=Maximum()), VECTORS)


def test_a_relu_whose_result_is_dropped_still_counts() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        x = net.a(x)
        F.relu_(x)
        x = net.b(x)
        x.relu_()
        return net.a(x)

    net = Forward(run)
    conversion = convert(net, OPI(threshold=Maximum()), VECTORS)
    assert len(conversion.neurons()) == 2
    with torch.no_grad():
        assert torch.equal(conversion.source(VECTORS), net(VECTORS.clone()))


def test_residual_add_and_cat() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        h = net.act(net.a(x))
        h = F.relu(net.b(h) + h)
        return net.c(torch.cat([h, net.a(h).relu()], 1))

    conversion = convert(Forward(run), OPI(threshold=Maximum()), VECTORS)
    assert list(conversion.neurons()) == ["act", "relu", "relu_1"]
    close_after(conversion, VECTORS[:20], 256, 0.06)


def test_dropout_as_function_and_as_module() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        return net.b(F.dropout(net.act(net.a(x)), 0.4, net.training))

    net = Forward(run)
    conversion = convert(net.train(), OPI(threshold=Maximum()), VECTORS)
    with torch.no_grad():
        assert torch.equal(conversion.source(VECTORS), net.eval()(VECTORS))
        xs = VECTORS.expand(3, 300, 6)
        assert torch.equal(conversion.model(xs), conversion.model(xs))


def test_constants_in_forward_and_a_layer_that_scales_pixels() -> None:
    mean, std = torch.tensor([0.4, 0.5]).view(-1, 1, 1), torch.tensor([0.2, 0.3]).view(-1, 1, 1)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = Normalize((0.1, 0.2), (0.5, 0.6))
            self.register_buffer("mean", mean)
            self.std = std
            self.body = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4))

        def forward(self, x: Tensor) -> Tensor:
            return 0.5 * self.body(self.scale((x - self.mean) / self.std)) - 1

    torch.manual_seed(0)
    net, x = Net(), images(60, channels=2)
    conversion = convert(net, OPI(threshold=Maximum()), x)
    with torch.no_grad():
        assert torch.allclose(conversion.source(x), net(x), atol=1e-6)
    close_after(conversion, x[:10], 128, 0.1)


def test_parameters_of_the_network_itself() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        return net.b(F.relu(F.linear(x, net.a.weight * net.bound, net.a.bias)))

    conversion = convert(Forward(run), OPI(threshold=Maximum()), VECTORS)
    assert len(conversion.neurons()) == 1
    close_after(conversion, VECTORS[:20], 64, 0.02)


def test_an_activation_of_weights_alone_is_no_neuron() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        return net.b(F.relu(F.linear(x, F.relu(net.a.weight))) * torch.sigmoid(net.bound))

    conversion = convert(Forward(run), OPI(threshold=Maximum()), VECTORS)
    assert list(conversion.neurons()) == ["relu_1"]
    close_after(conversion, VECTORS[:20], 64, 0.02)


def test_batch_norm_without_a_layer_before_it_stays() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        return net.b(net.norm(net.act(net.a(net.norm(x)))))

    net = Forward(run)
    net.train()(VECTORS)
    conversion = convert(net, OPI(threshold=Maximum()), VECTORS)
    assert isinstance(conversion.model.module.norm, nn.BatchNorm1d)
    close_after(conversion, VECTORS[:20], 128, 0.1)


def test_unused_modules_are_left_out() -> None:
    conversion = convert(Forward(lambda net, x: net.b(net.act(net.a(x)))), OPI(threshold=Maximum()), VECTORS)
    assert {name for name, _ in conversion.model.module.named_children()} == {"a", "act", "b"}


def test_nested_modules_keep_their_paths() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act = nn.Linear(6, 6), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.fc(self.act(self.fc(x))))

    net = Forward(lambda net, x: net.b(net.body(x)))
    net.body = nn.Sequential(Block(), Block())
    names = list(convert(net, OPI(threshold=Maximum()), VECTORS).neurons())
    assert names == ["body.0.act", "body.0.relu", "body.1.act", "body.1.relu_1"]


# prepare


def test_prepare_keeps_the_names_of_all_weights() -> None:
    net = cnn()
    made = prepare(net, QCFS(levels=4))
    names = list(made.state_dict())
    assert [name for name in names if not name.endswith("v_threshold")] == list(net.state_dict())
    assert [name for name in names if name.endswith("v_threshold")] == ["2.v_threshold", "7.v_threshold"]
    made.load_state_dict(net.state_dict(), strict=False)


def test_prepare_makes_one_activation_per_call_site() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        return net.act(net.b(F.relu(net.a(net.act(x)))))

    made = prepare(Forward(run), QCFS(levels=8, v_threshold=3.0))
    found = {name: module for name, module in made.named_modules() if isinstance(module, QCFSActivation)}
    assert list(found) == ["act", "relu", "act_2"]
    assert all(module.levels == 8 and module.v_threshold.item() == 3.0 for module in found.values())
    assert len({id(module.v_threshold) for module in found.values()}) == 3


def test_prepare_follows_train_and_eval() -> None:
    def run(net: Forward, x: Tensor) -> Tensor:
        return net.b(F.dropout(net.norm(net.act(net.a(x))), 0.5, net.training))

    for start in (True, False):
        made = prepare(Forward(run).train(start), QCFS(v_threshold=0.3))
        assert made.training is start
        made.eval()
        assert torch.equal(made(VECTORS), made(VECTORS))
        made.train()
        assert not torch.equal(made(VECTORS), made(VECTORS))
        running = made.norm.running_mean.clone()
        made(VECTORS)
        assert not torch.equal(made.norm.running_mean, running)


def test_a_prepared_network_trains() -> None:
    made = prepare(cnn(), QCFS(levels=4, v_threshold=1.0)).train()
    x, y = images(60), torch.arange(60) % 3
    optimizer = torch.optim.SGD(made.parameters(), 0.1)
    thresholds = [
        module.v_threshold.detach().clone() for module in made.modules() if isinstance(module, QCFSActivation)
    ]
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = F.cross_entropy(made(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    after = [module.v_threshold for module in made.modules() if isinstance(module, QCFSActivation)]
    assert all(not torch.equal(a, b) for a, b in zip(thresholds, after, strict=True))


def test_prepare_takes_the_dtype_of_the_network() -> None:
    made = prepare(cnn().double(), QCFS())
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float64}


def test_prepare_replaces_max_pools_loudly() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(18, 2))
    with pytest.warns(UserWarning, match="2: max pool replaced by an average pool of the same geometry") as caught:
        made = prepare(net, QCFS())
    assert caught[0].filename == __file__
    pool = made.get_submodule("2")
    assert isinstance(pool, nn.AvgPool2d)
    assert (pool.kernel_size, pool.stride, pool.padding) == (3, 2, 1)
    assert made(images(4)).shape == (4, 2)


def test_prepare_warns_of_what_the_conversion_will_refuse() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.LeakyReLU(), nn.Linear(8, 3))
    with pytest.warns(UserWarning, match=r"prepare: QCFS has no rule for 1 operation, .*: 3 \(LeakyReLU\): ") as caught:
        ready = prepare(net, QCFS())
    assert caught[0].filename == __file__
    with pytest.raises(ConversionError, match=r"3 \(LeakyReLU\)"):
        convert(ready, QCFS())


@pytest.mark.parametrize("mode", [True, False])
def test_prepare_does_not_warn_of_what_converts(mode: bool, recwarn) -> None:
    convert(prepare(cnn().train(mode), QCFS()), QCFS())
    assert not recwarn.list


def test_prepare_needs_something_to_do() -> None:
    with pytest.raises(
        ConversionError, match="QCFS: found nothing to prepare in Linear; expected at least one of: ReLU"
    ):
        prepare(nn.Linear(3, 3), QCFS())
    assert prepare(nn.Sequential(nn.Linear(3, 3)), OPI())(torch.zeros(1, 3)).shape == (1, 3)


# thresholds


@pytest.mark.parametrize("groups", [None, per_channel])
def test_thresholds_of_an_earlier_conversion_replace_calibration(groups) -> None:
    statistic = Percentile(percentile=90) if groups is None else Percentile(percentile=90, groups=groups)
    first = convert(cnn(), OPI(threshold=statistic), images(400))
    second = convert(cnn(), OPI(threshold=statistic), thresholds=first.thresholds)
    x = images(6).expand(5, 6, 1, 8, 8)
    assert torch.equal(first.model(x), second.model(x))
    assert first.model.state_dict().keys() == second.model.state_dict().keys()
    assert all(not level.is_inference() for level in first.thresholds.values())


def test_thresholds_must_cover_every_site() -> None:
    with pytest.raises(ConversionError, match=r"OPI: thresholds lack site '7' \(1 in all\)"):
        convert(cnn(), OPI(), thresholds={"2": torch.tensor(1.0)})


def test_a_given_threshold_must_be_above_0() -> None:
    thresholds = {"2": torch.tensor(1.0), "7": torch.tensor(-0.5)}
    with pytest.raises(ArgumentError, match=r"IF\.v_threshold: got -0\.5; expected numbers above 0"):
        convert(cnn(), OPI(), thresholds=thresholds)


def test_a_trained_threshold_must_be_above_0() -> None:
    made = prepare(cnn(), QCFS())
    for value in (0.0, -0.3, math.nan):
        made.get_submodule("7").v_threshold.data.fill_(value)
        with pytest.raises(ArgumentError, match=r"7\.v_threshold: got .* after training; expected a threshold above 0"):
            convert(made, QCFS())


def test_thresholds_are_those_of_the_recipe() -> None:
    net, x = cnn().eval(), images(300)
    with torch.no_grad():
        first = net[:3](x)
    assert convert(net, OPI(threshold=Maximum()), x).thresholds["2"].item() == pytest.approx(first.max().item())
    levels = convert(net, OPI(threshold=Maximum(groups=per_channel)), x).thresholds["2"]
    assert levels.shape == (4, 1, 1)
    assert torch.allclose(levels.flatten(), first.amax((0, 2, 3)))


# options


def test_an_extra_rule_comes_first() -> None:
    rule = Rule("ReLU -> IF of threshold 9", is_relu, lambda site: IF(v_threshold=9.0))
    conversion = convert(cnn(), OPI(), images(), extra=(rule,))
    assert [float(neuron.v_threshold) for neuron in conversion.neurons().values()] == [9.0, 9.0]
    assert {row.rule for row in conversion.replaced} == {"ReLU -> IF of threshold 9"}


def test_allow_leaves_an_operation_as_it_is() -> None:
    net = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2))
    with pytest.raises(ConversionError, match=r"3 \(Tanh\)"):
        convert(net, OPI(), VECTORS)
    conversion = convert(net, OPI(), VECTORS, allow={"3"})
    assert isinstance(conversion.model.module.get_submodule("3"), nn.Tanh)


def test_allow_leaves_even_a_relu() -> None:
    conversion = convert(cnn(), OPI(), images(), allow=("2",))
    assert list(conversion.neurons()) == ["7"]
    assert list(conversion.thresholds) == ["7"]


def test_allow_must_name_a_site() -> None:
    with pytest.raises(ConversionError, match=r"allow: there is no site softmax; expected names .* e\.g\. 0"):
        convert(cnn(), OPI(), images(), allow=("softmax",))


class Doubling(nn.Module):
    """Linear, but not one of torch's own layers, and not traceable."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x if float(x.detach().sum()) > -1e9 else x


def test_leaves_keep_a_module_whole() -> None:
    net = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), Doubling(), nn.Linear(6, 2))
    with pytest.raises(ConversionError, match="cannot be traced"):
        convert(net, OPI(), VECTORS)
    with pytest.raises(ConversionError, match=r"2 \(Doubling\): write a rule for it, .* or list it in allow"):
        convert(net, OPI(), VECTORS, leaves=(Doubling,))
    conversion = convert(net, OPI(), VECTORS, leaves=(Doubling,), allow=("2",))
    assert isinstance(conversion.model.module.get_submodule("2"), Doubling)
    close_after(conversion, VECTORS[:20], 64, 0.05)


def test_a_max_pool_becomes_a_gate_or_loudly_an_average_pool() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2))
    conversion = convert(net, OPI(threshold=Maximum()), images())
    assert [row.rule for row in conversion.replaced] == ["ReLU -> IF", "max pool -> gate"]
    close_after(conversion, images(10), 256, 0.02)
    with pytest.warns(UserWarning, match="train it with the average pool before converting") as caught:
        conversion = convert(net, OPI(threshold=Maximum()), images(), extra=(max_pool_to_average,))
    assert caught[0].filename == __file__
    assert [row.rule for row in conversion.replaced] == ["ReLU -> IF", "max pool -> average pool"]
    assert list(conversion.neurons()) == ["1"]


# networks that decide on shapes


class Padding(nn.Module):
    """Images of an odd size are padded, which plain tracing cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(1, 4, 3, stride=2), nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % 2 == 0:
            x = F.pad(x, (1, 0, 1, 0))
        return self.fc(F.relu(self.conv(x))[..., :3, :3].flatten(1))


@pytest.mark.parametrize("form", [lambda x: x, lambda x: [(x, 0)], lambda x: iter([x[:100], x[100:]])])
def test_the_first_calibration_batch_settles_decisions_on_shapes(form) -> None:
    conversion = convert(Padding(), OPI(threshold=Maximum()), form(images()))
    assert conversion.thresholds["relu"] == convert(Padding(), OPI(threshold=Maximum()), images()).thresholds["relu"]
    close_after(conversion, images(10), 128, 0.05)


def test_an_example_settles_them_where_nothing_is_calibrated() -> None:
    with pytest.raises(ConversionError, match="give an example batch"):
        prepare(Padding(), QCFS())
    made = prepare(Padding(), QCFS(v_threshold=1.0), example=images(2))
    conversion = convert(made, QCFS())  # the prepared network is a graph, in which all is decided
    assert list(conversion.neurons()) == ["relu"]
    thresholds = {"relu": torch.tensor(1.0)}
    assert convert(Padding(), OPI(), thresholds=thresholds, example=images(1)).thresholds == thresholds


def test_the_example_is_not_asked_for_where_plain_tracing_works() -> None:
    drawn = []

    class Loader:
        def __iter__(self):
            drawn.append(1)
            return iter([images()])

    convert(cnn(), OPI(), Loader())
    assert len(drawn) == 1


# the result


def test_table_of_sites() -> None:
    conversion = convert(cnn(), OPI(threshold=Maximum(groups=per_channel)), images())
    table = conversion.table()
    rows = [tuple(row) for row in table.rows]
    assert [(row[0], row[1], row[2], row[4], row[5]) for row in rows] == [
        ("2", "ReLU", "ReLU -> IF", 0.5, 4),
        ("7", "ReLU", "ReLU -> IF", 0.5, 8),
    ]
    assert rows[0][3] == pytest.approx(float(conversion.thresholds["2"].mean()))


def test_copy_state_and_dtype_of_the_model() -> None:
    conversion = convert(cnn(), OPI(), images())
    x = images(6).expand(5, 6, 1, 8, 8)
    out = conversion.model(x)
    assert torch.equal(copy.deepcopy(conversion.model)(x), out)
    other = convert(cnn(), OPI(), images().square()).model
    assert not torch.equal(other(x), out)
    other.load_state_dict(conversion.model.state_dict())
    assert torch.equal(other(x), out)
    assert conversion.model.double()(x.double()).dtype == torch.float64


def test_float64_from_the_start() -> None:
    conversion = convert(cnn().double(), OPI(threshold=Maximum()), images().double())
    close_after(conversion, images(10).double(), 256, 0.02)


def test_nothing_is_kept_between_calls() -> None:
    model = convert(cnn(), OPI(), images()).model
    x = images(6)
    first = model(x.expand(5, 6, 1, 8, 8))
    model(images(3, size=8).expand(2, 3, 1, 8, 8))
    assert torch.equal(model(x.expand(5, 6, 1, 8, 8)), first)


def test_temporal_layers_of_the_source_stay() -> None:
    net = nn.Sequential(nn.Linear(6, 6), IF(v_threshold=0.5), nn.Linear(6, 2))
    conversion = convert(net, OPI())
    assert isinstance(conversion.model.module.get_submodule("1"), Temporal)
    assert conversion.replaced == ()


# bad input


@pytest.mark.parametrize("recipe", [OPI(), RobustNorm()])
def test_calibration_is_asked_for(recipe) -> None:
    name = type(recipe).__name__
    with pytest.raises(ConversionError, match=f"{name}: sets thresholds from data at 2 sites, but got no calibration"):
        convert(cnn(), recipe)


@pytest.mark.parametrize("calibration", [[], torch.zeros(0, 1, 8, 8), iter(()), [torch.zeros(0, 1, 8, 8)]])
def test_calibration_must_not_be_empty(calibration) -> None:
    with pytest.raises(DataError, match="calibration: got no sample; expected at least one batch of images"):
        convert(cnn(), OPI(), calibration)


def test_calibration_must_be_large_enough_for_the_percentile() -> None:
    with pytest.raises(
        DataError, match=r"2: got 512 values per group for the 99\.9th percentile; expected at least 1000"
    ):
        convert(cnn(), OPI(threshold=Percentile(percentile=99.9)), images(2))


def test_calibration_must_be_images() -> None:
    with pytest.raises(DataError, match=r"calibration: got torch\.uint8; expected floating-point image batches"):
        convert(cnn(), OPI(), torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(DataError, match="calibration: got dict; expected floating-point image batches"):
        convert(cnn(), OPI(), [{"image": images()}])
    with pytest.raises(DataError, match="calibration: got int; expected a tensor"):
        convert(cnn(), OPI(), 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_calibration_must_be_finite(bad: float) -> None:
    x = images()
    x[17, 0, 3, 3] = bad
    with pytest.raises(DataError, match="calibration: got NaN or infinite values in batch 1; expected finite images"):
        convert(cnn(), OPI(), [images(), x])


def test_broken_weights_show_in_calibration() -> None:
    net = cnn()
    net[6].weight.data[0, 0] = math.nan
    with pytest.raises(DataError, match="calibration: 7 holds NaN or infinite values; the input or the weights"):
        convert(net, OPI(), images())


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (torch.rand(4, 3, 8, 8), r"\[4, 3, 8, 8\] in torch.float32"),
        (torch.rand(4, 1, 9, 12), r"\[4, 1, 9, 12\] in torch.float32"),
        (torch.rand(4, 1, 8, 8, dtype=torch.float64), r"\[4, 1, 8, 8\] in torch.float64"),
        (torch.rand(4, 64), r"\[4, 64\] in torch.float32"),
    ],
)
def test_calibration_must_fit_the_network(x: Tensor, shape: str) -> None:
    with pytest.raises(ShapeError, match=f"calibration: the network cannot take a batch of shape {shape}"):
        convert(cnn(), OPI(), x)


@pytest.mark.parametrize("statistic", [Maximum(), Percentile()])
def test_a_dead_layer_has_no_threshold(statistic) -> None:
    net = cnn()
    net[6].bias.data.fill_(-100.0)
    with pytest.raises(ConversionError, match="7: is never, or too rarely, active on the calibration data"):
        convert(net, OPI(threshold=statistic), images())


def test_a_network_without_activation_needs_no_spikes() -> None:
    with pytest.raises(ConversionError, match="OPI: found no activation to turn into a neuron"):
        convert(nn.Sequential(nn.Linear(6, 2)), OPI(), VECTORS)


def test_a_network_without_relus_is_told_where_neurons_can_stand() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2))
    with pytest.raises(ConversionError, match='encode="everything" every wire into a layer with weights'):
        convert(net, DCGS(), torch.rand(8, 4))
    assert convert(net, DCGS(encode="everything"), torch.rand(8, 4)).neurons()


def test_qcfs_asks_for_a_prepared_network() -> None:
    with pytest.raises(ConversionError) as caught:
        convert(cnn(), QCFS())
    first, second, *rest = str(caught.value).splitlines()
    assert first == "QCFS: no rule handles 2 operations:"
    assert second.startswith("  2, 7 (ReLU): train it with prepare(model, recipe) first, or use OPI, which takes ")
    assert "with threshold=ErrorOptimal(groups=per_channel) and training images" in second
    assert len(rest) == 1


def test_every_method_takes_trained_thresholds() -> None:
    neurons = convert(prepare(cnn(), QCFS(v_threshold=2.0)), RobustNorm()).neurons().values()
    assert {(neuron.v_threshold.item(), neuron.start.item()) for neuron in neurons} == {(2.0, 0.0)}


def test_wrong_input_to_a_converted_model() -> None:
    model = convert(cnn(), OPI(), images()).model
    with pytest.raises(ShapeError, match=r"Spiking: got shape \[4, 1\]; expected \[T, N, \.\.\.\]"):
        model(torch.rand(4, 1))
    with pytest.raises(ShapeError, match=r"Spiking: got dtype torch.uint8; expected a floating-point dtype"):
        model(torch.zeros(2, 4, 1, 8, 8, dtype=torch.uint8))
