"""check(): its verdicts, and that it says what convert() then does."""

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert import OPI, QCFS, Maximum, Recipe, Rule, check, convert, max_pool_to_average, prepare
from spikewright.convert.operations import is_relu
from spikewright.core.errors import ConversionError, SpikewrightError
from spikewright.neurons import IF


class Run(nn.Module):
    """A forward pass of choice over a few layers, on images [N, 1, 8, 8]."""

    def __init__(self, run) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.act = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(256, 3), nn.ReLU()
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.run(self, self.conv(x)).flatten(1))


def seq(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *layers, nn.Flatten(), nn.LazyLinear(3))


NETS = {
    "relu": lambda: seq(nn.ReLU()),
    "functional": lambda: Run(lambda net, h: F.relu(h)),
    "batch norm and dropout": lambda: seq(nn.BatchNorm2d(4), nn.ReLU6(), nn.Dropout(0.5)),
    "used twice": lambda: Run(lambda net, h: net.act(net.act(h) - 0.1)),
    "residual": lambda: Run(lambda net, h: net.act(h) + h),
    "max pool": lambda: seq(nn.ReLU(), nn.MaxPool2d(2)),
    "max pool without activation": lambda: seq(nn.MaxPool2d(2)),
    "dilated max pool": lambda: seq(nn.ReLU(), nn.MaxPool2d(2, dilation=2)),
    "functional max pool": lambda: Run(lambda net, h: F.interpolate(F.max_pool2d(net.act(h), 2), scale_factor=2)),
    "gelu": lambda: seq(nn.ReLU(), nn.GELU()),
    "leaky": lambda: seq(nn.LeakyReLU()),
    "sigmoid alone": lambda: seq(nn.Sigmoid()),
    "sigmoid and relu": lambda: seq(nn.ReLU(), nn.Sigmoid()),
    "sizes": lambda: Run(lambda net, h: net.act(h) if h.shape[2] == 8 else h),
    "softmax": lambda: nn.Sequential(seq(nn.ReLU()), nn.Softmax(1)),
    "product": lambda: Run(lambda net, h: net.act(h) * h),
    "mean over the batch": lambda: Run(lambda net, h: net.act(h) - h.mean(0)),
    "no activation": lambda: seq(),
    "weights alone": lambda: Run(lambda net, h: F.relu(net.fc.weight).sum() * h),
    "own neuron": lambda: seq(IF()),
    "branch": lambda: Run(lambda net, h: h if h.sum() > 0 else -h),
}
X = torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def net_of(name: str) -> nn.Module:
    net = NETS[name]()
    if any(isinstance(module, nn.LazyLinear) for module in net.modules()):
        # a dry run gives the lazy layer its size; the neuron needs time, the graph does not
        torch.manual_seed(0)
        body = [module for module in net.modules() if not list(module.children()) and not isinstance(module, IF)]
        with torch.no_grad():
            nn.Sequential(*body)(X[:2])
    return net.eval()


def converts(net: nn.Module, recipe: Recipe) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            ready = prepare(net, recipe, example=X[:2]) if recipe.prepare() else net
            convert(ready, recipe, X)
    except SpikewrightError:
        return False
    return True


def convertible(net: nn.Module, recipe: Recipe) -> bool:
    try:
        return check(net, recipe, example=X[:2]).convertible
    except SpikewrightError:
        return False


@pytest.mark.parametrize("recipe", [OPI(threshold=Maximum()), QCFS()], ids=["OPI", "QCFS"])
@pytest.mark.parametrize("name", NETS)
def test_check_agrees_with_convert(name: str, recipe: Recipe) -> None:
    net = net_of(name)
    if name == "own neuron" and recipe.prepare():
        pytest.skip("there is nothing to prepare, so that it converts without that step")
    assert convertible(net, recipe) is converts(net, recipe)


def test_both_answers_occur() -> None:
    answers = {name: convertible(net_of(name), QCFS()) for name in NETS}
    assert [name for name, answer in answers.items() if answer] == [
        *("relu", "functional", "batch norm and dropout", "used twice", "residual", "max pool", "functional max pool"),
        *("sizes", "own neuron"),
    ]
    answers = {name: convertible(net_of(name), OPI()) for name in NETS}
    assert [name for name, answer in answers.items() if not answer] == [
        *("max pool without activation", "gelu", "sigmoid alone", "softmax", "mean over the batch", "no activation"),
        *("weights alone", "branch"),
    ]


def test_verdicts() -> None:
    net = nn.Sequential(
        *(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4), nn.GELU(), nn.Linear(4, 2))
    )
    found = check(net, QCFS())
    assert [(row.site, row.kind, row.verdict) for row in found.rows] == [
        ("0", "Conv2d", "stays"),
        ("1", "ReLU", "becomes QCFS with prepare(), to be trained"),
        ("2", "MaxPool2d", "becomes average pool with prepare(), to be trained"),
        ("3", "Flatten", "stays"),
        ("4", "Linear", "stays"),
        ("5", "GELU", "not handled"),
        ("6", "Linear", "stays"),
    ]
    assert [row.site for row in found.unhandled] == ["5"]
    assert found.unhandled[0].advice.startswith(
        "it is not a count of spikes; train with ReLU or QCFS instead; the recipe DCGS"
    )
    assert not found.convertible
    assert found.recipe == "QCFS"


def test_verdicts_of_a_prepared_network_and_of_opi() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert [row.verdict for row in check(net, OPI()).rows] == ["stays", "becomes IF", "stays"]
    assert [row.verdict for row in check(prepare(net, QCFS()), QCFS()).rows] == ["stays", "becomes IF", "stays"]


def test_a_threshold_that_cannot_be_used_is_reported() -> None:
    net = prepare(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), QCFS())
    net.get_submodule("1").v_threshold.data.fill_(-1.0)
    found = check(net, QCFS())
    assert not found.convertible
    assert "expected a threshold above 0" in found.unhandled[0].advice


def test_extra_rules_and_leaves_count() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.MaxPool1d(2), nn.Linear(2, 2))
    assert check(net, OPI()).rows[2].verdict == "becomes gate"
    assert check(net, OPI(), extra=(max_pool_to_average,)).rows[2].verdict == "becomes average pool"
    rule = Rule("ReLU -> nothing", is_relu, lambda site: nn.Identity())
    assert not check(net, OPI(), extra=(max_pool_to_average, rule)).convertible


def test_nothing_is_changed_and_nothing_is_warned() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    check(net, QCFS())  # a warning would fail this test
    assert net.training
    assert [type(layer) for layer in net] == [nn.Conv2d, nn.ReLU, nn.MaxPool2d]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_an_example_settles_decisions_on_shapes() -> None:
    with pytest.raises(ConversionError, match="give an example batch, example=images"):
        check(net_of("sizes"), OPI())
    assert check(net_of("sizes"), OPI(), example=X[:1]).convertible


def test_analog_work_is_named() -> None:
    found = check(net_of("product"), OPI())
    assert [row.verdict for row in found.rows if row.kind == "mul"] == ["becomes expectation (analog)"]
    assert not check(net_of("sigmoid alone"), OPI()).convertible  # nothing in it spikes


def test_table() -> None:
    table = check(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), OPI()).table()
    assert [column.name for column in table.columns] == ["site", "operation", "verdict", "advice"]
    assert tuple(table.rows[1])[:3] == ("1", "Tanh", "not handled")


def test_untraceable_network() -> None:
    with pytest.raises(ConversionError, match="Run: cannot be traced into a graph"):
        check(net_of("branch"), OPI())
