"""trace(): a graph with the same function and names, every call site a node, in-place writes resolved, readable failure."""

import operator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.core import Spiking, Temporal
from spikewright.core.errors import ConversionError
from spikewright.core.trace import free_path, module_of, path_of, trace
from spikewright.neurons import IF


class Net(nn.Module):
    """A forward pass of choice over a few layers."""

    def __init__(self, run) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.act = nn.ReLU(inplace=True)
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


X = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))


def same(run, x: Tensor = X) -> None:
    """The graph computes what the network computes, in both modes, and writes into nothing."""
    net = Net(run)
    for mode in (True, False):
        graph = trace(net.train(mode))
        assert graph.training is mode
        given = x.clone()
        assert torch.equal(graph(given), net(x.clone()))
        assert torch.equal(given, x)


RUNS = {
    "functions": lambda net, x: F.relu(net.a(x)) + torch.tanh(net.b(x)),
    "methods": lambda net, x: net.a(x).relu().mul(net.scale).view(-1, 2, 2).flatten(1),
    "nested": lambda net, x: net.b(net.inner(net.inner(x))),
    "shapes": lambda net, x: net.a(x).view(x.size(0), 2, -1).reshape(x.shape),
    "unpacked shape": lambda net, x: net.a(x).view(*[d for d in (x.shape[0], x.shape[1])]),
    "constant": lambda net, x: (net.a(x) - 0.5) / torch.tensor(2.0),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_graph_is_the_same_function(name: str) -> None:
    same(RUNS[name])


WRITES = {
    "relu_ whose result is dropped": lambda net, x: (y := net.a(x), y.relu_(), net.b(y))[2],
    "F.relu_": lambda net, x: net.b(F.relu_(net.a(x))),
    "torch.relu_": lambda net, x: (y := net.a(x), torch.relu_(y), y + 1)[2],
    "F.relu inplace": lambda net, x: (y := net.a(x), F.relu(y, inplace=True), y * 2)[2],
    "module inplace": lambda net, x: (y := net.a(x), net.act(y), net.b(y))[2],
    "shortcut reads what was overwritten": lambda net, x: (y := net.a(x), net.b(net.act(y)) + y)[1],
    "used before and after": lambda net, x: (y := net.a(x), z := y * 3, y.relu_(), z + y)[3],
    "twice": lambda net, x: (y := net.a(x), y.add_(1).relu_(), y.mul_(2), y)[3],
    "augmented": lambda net, x: (y := net.a(x), z := y, z := operator.iadd(z, 1), z * y)[3],
    "view afterwards": lambda net, x: (y := net.a(x), y.relu_(), z := y.flatten(1), net.b(z))[3],
    "size afterwards": lambda net, x: (y := net.a(x), z := y.view(-1, 2), z.relu_(), z.view(y.size(0), 4))[3],
    "clamp_": lambda net, x: (y := net.a(x), y.clamp_(0, 1), y)[2],
    "F.hardtanh_": lambda net, x: (y := net.a(x), F.hardtanh_(y, 0, 1), y)[2],
    "input": lambda net, x: (x.mul_(2), net.a(x))[1],
    "dropped for good": lambda net, x: (y := net.a(x), z := y + 1, z.relu_(), y)[3],
}


@pytest.mark.parametrize("name", WRITES)
def test_writes_are_resolved(name: str) -> None:
    """Whoever reads what an in-place operation has changed gets the result, and the input stays as it is."""
    same(WRITES[name])


def augmented(net: Net, x: Tensor) -> Tensor:
    y = net.a(x)
    kept = y
    y += 1
    y -= net.scale
    y *= 3
    y /= 2
    return y + kept


def test_augmented_assignment_is_a_write_too() -> None:
    same(augmented)


def test_augmented_sizes_are_numbers() -> None:
    def run(net: Net, x: Tensor) -> Tensor:
        wide = x.size(1)
        half = wide
        half /= 2
        half *= 2
        return net.a(x).view(-1, wide) + half - wide

    same(run)


def test_nothing_in_the_graph_writes() -> None:
    graph = trace(Net(lambda net, x: net.act(net.a(x)).add_(1).relu_()))
    assert [node.target for node in graph.graph.nodes if node.op == "call_method"] == ["add", "relu"]
    assert graph.act.inplace is False


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: (y := net.a(x), z := y.view(-1, 2), z.relu_(), net.b(y))[3],
        lambda net, x: (y := net.a(x), z := y.flatten(1), y.relu_(), net.b(z))[3],
        lambda net, x: (y := net.a(x), first := y[:, :2], first.relu_(), net.b(y))[3],
    ],
)
def test_a_write_through_another_view_is_refused(run) -> None:
    with pytest.raises(ConversionError, match=r"relu_: changes .* in place, which is then read through another view"):
        trace(Net(run))


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (lambda net, x: (y := net.a(x), y.zero_(), net.b(y))[2], "zero_"),
        (lambda net, x: (y := net.a(x), torch.add(y, 1, out=y), net.b(y))[2], "add"),
    ],
)
def test_a_write_without_another_form_is_refused(run, name: str) -> None:
    with pytest.raises(ConversionError, match=f"{name} writes into a tensor; expected operations that return"):
        trace(Net(run))


def test_names_and_weights_are_kept_and_not_shared() -> None:
    net = Net(lambda net, x: net.b(net.inner(net.a(x))) * net.scale)
    graph = trace(net)
    assert sorted(graph.state_dict()) == sorted(net.state_dict())
    assert type(graph).__name__.startswith("Net") or graph._get_name() == "Net"
    pointers = {parameter.data_ptr() for parameter in net.parameters()}
    assert not pointers & {parameter.data_ptr() for parameter in graph.parameters()}


def test_the_module_is_left_untouched() -> None:
    net = Net(lambda net, x: net.act(net.a(x)))
    trace(net)
    assert net.act.inplace is True
    assert [name for name, _ in net.named_children()] == ["a", "b", "inner", "act"]


def test_call_sites_have_paths() -> None:
    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.fc(x)).relu()

    net = Net(lambda net, x: F.relu(net.second(net.first(x))))
    net.first, net.second = Inner(), nn.Sequential(Inner())
    nodes = [node for node in trace(net).graph.nodes if node.op.startswith("call_")]
    assert [path_of(node) for node in nodes] == [
        *("first.fc", "first.relu", "first.relu_1", "second.0.fc", "second.0.relu_2", "second.0.relu_3", "relu_4")
    ]


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (F.dropout, nn.Dropout),
        (F.dropout2d, nn.Dropout2d),
        (F.alpha_dropout, nn.AlphaDropout),
        (F.feature_alpha_dropout, nn.FeatureAlphaDropout),
    ],
)
@pytest.mark.filterwarnings("ignore:dropout2d")
def test_functional_dropout_follows_the_mode(function, kind: type[nn.Module]) -> None:
    net = Net(lambda net, x: function(net.a(x) + 1, 0.25, net.training))
    for start in (True, False):
        graph = trace(net.train(start))
        layers = [module for module in graph.modules() if isinstance(module, kind)]
        assert [layer.p for layer in layers] == [0.25]
        assert torch.equal(graph.eval()(X), net.eval()(X))
        assert not torch.equal(graph.train()(X), net.eval()(X))


def test_temporal_layers_and_chosen_classes_are_kept_whole() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.detach().sum()) > 0 else -x

    net = nn.Sequential(nn.Linear(4, 4), IF(), Branching())
    graph = trace(net, leaves=(Branching,))
    kinds = [type(module_of(graph, node)) for node in graph.graph.nodes if node.op == "call_module"]
    assert kinds == [nn.Linear, IF, Branching]
    assert issubclass(IF, Temporal)
    assert Spiking(graph)(X.expand(2, 10, 4)).shape == (2, 10, 4)


def test_free_path() -> None:
    graph = trace(Net(lambda net, x: net.inner(net.a(x)) * net.scale))
    found = [free_path(graph, path) for path in ("new", "a", "inner.0", "inner.2", "scale", "float", "a.weight")]
    assert found == ["new", "a_2", "inner.0_2", "inner.2", "scale_2", "float_2", "a.weight_2"]


# readable failure


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (lambda net, x: net.a(x) if x.sum() > 0 else net.b(x), "symbolically traced variables cannot be used"),
        (lambda net, x: net.a(x) * float(x.max()), "TypeError"),
        (lambda net, x: torch.stack([net.a(row) for row in x]), "Proxy object cannot be iterated"),
    ],
)
def test_control_flow_on_data_is_refused(run, reason: str) -> None:
    with pytest.raises(
        ConversionError, match=rf"Net: cannot be traced .*: its own forward pass fails \(.*{reason}"
    ) as got:
        trace(Net(run))
    assert "If it decides on shapes alone, give an example batch" in str(got.value)
    assert "leaves" not in str(got.value)  # the network itself cannot be kept whole


def test_the_submodule_that_cannot_be_traced_is_named() -> None:
    class Picky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.max() > 0 else -x

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.pick = nn.Linear(4, 4), Picky()

        def forward(self, x: Tensor) -> Tensor:
            return self.pick(self.fc(x))

    with pytest.raises(
        ConversionError, match=r"Sequential: .* graph: 1\.0\.pick \(Picky\) fails \(TraceError: "
    ) as got:
        trace(nn.Sequential(nn.Linear(4, 4), nn.Sequential(Block(), Block())))
    assert (
        "or keep the module whole with leaves=(Picky,): DCGS and HMT make a unit of it, others need a rule or allow=(...)."
        in str(got.value)
    )


def test_a_plain_fault_is_not_taken_for_control_flow() -> None:
    with pytest.raises(
        ConversionError, match=r"its own forward pass fails \(AttributeError: .*\. Does Net run by itself\?"
    ) as got:
        trace(Net(lambda net, x: net.missing(x)))
    assert "leaves" not in str(got.value)


def test_one_tensor_in() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    with pytest.raises(ConversionError, match=r"Two: takes 2 tensors \(x, y\); expected one, the images"):
        trace(Two())


def test_the_images_may_be_one_of_any_number_of_arguments() -> None:
    class Any(nn.Module):
        def forward(self, *xs: Tensor, **options: bool) -> Tensor:
            return sum(xs) if options.get("plain", True) else -xs[0]

    assert torch.equal(trace(Any())(X), X)


def test_constants_of_a_symbolic_size_are_part_of_the_graph() -> None:
    graph = trace(Net(lambda net, x: torch.cat([x + torch.ones(x.shape[0], 1), torch.full((x.size(0), 2), 3.0)], 1)))
    for rows in (1, 4):
        assert torch.equal(graph(X[:rows]), torch.cat([X[:rows] + 1, torch.full((rows, 2), 3.0)], 1))
    assert torch.ones(2).sum() == 2


def test_further_arguments_with_defaults_are_fine() -> None:
    class Optional(nn.Module):
        def forward(self, x: Tensor, factor: float = 2.0) -> Tensor:
            return x * factor

    assert torch.equal(trace(Optional())(X), 2 * X)

    class Masked(nn.Module):
        def forward(self, x: Tensor, mask: Tensor | None = None, *, scale: bool = False) -> Tensor:
            x = x if mask is None else x * mask
            return 3 * x if scale else x + 1

    assert torch.equal(trace(Masked())(X), X + 1)


@pytest.mark.parametrize(("run", "kind"), [(lambda net, x: (net.a(x), x), "tuple"), (lambda net, x: {"y": x}, "dict")])
def test_one_tensor_out(run, kind: str) -> None:
    with pytest.raises(ConversionError, match=f"Net: returns {kind}; expected one tensor, the logits"):
        trace(Net(run))


def test_what_cannot_be_copied_is_named() -> None:
    net = Net(lambda net, x: net.a(x))
    net.kept = net.a(X)  # as a hook that stores activations leaves it
    with pytest.raises(ConversionError, match=r"Net: cannot be copied \(RuntimeError: .*Remove what its forward pass"):
        trace(net)


def test_an_out_that_is_none_writes_into_nothing() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            one, other = x.unbind(1)
            return F.normalize(one, dim=-1) + one + other

    x = torch.rand(3, 2, 4)
    assert torch.equal(trace(Net())(x), Net()(x))
