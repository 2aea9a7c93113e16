"""What every conversion method must do: leave its source alone, one neuron per call site, pass the audit, converge."""

import copy
import inspect
from dataclasses import fields, is_dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert import Conversion, Recipe, check, convert, prepare
from spikewright.convert.recipes import RECIPES
from spikewright.convert.rules import audit
from spikewright.core import Neuron, Temporal

every_recipe = pytest.mark.parametrize("kind", RECIPES.values(), ids=RECIPES)
X = torch.rand(256, 2, 8, 8, generator=torch.Generator().manual_seed(0))
CALL_SITES = 5


class Toy(nn.Module):
    """Convolution, batch norm, residual sum, one activation used twice, a functional one, pooling, dropout."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.stem = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.conv, self.norm, self.act = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()
        self.pool, self.hidden, self.head = nn.AvgPool2d(2), nn.Linear(96, 20), nn.Linear(20, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.act(self.norm(self.conv(x)) + x)
        x = F.relu(self.conv(x), inplace=True)
        x = F.dropout(self.pool(self.act(x)).flatten(1), 0.2, self.training)
        return self.head(self.hidden(x).relu())


def toy() -> nn.Module:
    """The toy network, whose batch norms have seen data, in train()."""
    net = Toy().train()
    with torch.no_grad():
        for part in X.split(32):
            net(part)
    return net


def ready(net: nn.Module, recipe: Recipe) -> nn.Module:
    """The network as the method wants it, with thresholds that fit it, as training would give them."""
    if not recipe.prepare():
        return net
    made = prepare(net, recipe)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("v_threshold"):
                parameter.fill_(2.0)
    return made


def converted(recipe: Recipe) -> Conversion:
    made = ready(toy(), recipe)
    return convert(made, recipe, X if recipe.statistics() else None)


@every_recipe
def test_is_a_frozen_dataclass_with_defaults_and_a_source(kind: type[Recipe]) -> None:
    recipe = kind()
    assert is_dataclass(recipe)
    with pytest.raises(AttributeError):
        setattr(recipe, (fields(recipe) or [None])[0].name, None)
    assert kind() == recipe
    assert "Source:" in (inspect.getdoc(kind) or "")
    assert ">>>" in (inspect.getdoc(kind) or "")


@every_recipe
def test_leaves_the_source_untouched(kind: type[Recipe]) -> None:
    recipe, net = kind(), toy()
    made = ready(net, recipe)
    nets = [net] if made is net else [net, made]
    states = [copy.deepcopy(part.state_dict()) for part in nets]
    modes = [[module.training for module in part.modules()] for part in nets]
    kinds = [[type(module) for module in part.modules()] for part in nets]
    convert(made, recipe, X if recipe.statistics() else None)
    ready(net, recipe)
    check(net, recipe)
    for part, state, mode, classes in zip(nets, states, modes, kinds, strict=True):
        assert [type(module) for module in part.modules()] == classes
        assert [module.training for module in part.modules()] == mode
        assert all(torch.equal(value, state[name]) for name, value in part.state_dict().items())
        assert not any(module._forward_hooks for module in part.modules())


@every_recipe
def test_one_neuron_per_call_site(kind: type[Recipe]) -> None:
    conversion = converted(kind())
    layers = [module for module in conversion.model.modules() if isinstance(module, Temporal) and module.fires]
    assert len(layers) == CALL_SITES
    assert len({id(layer) for layer in layers}) == CALL_SITES
    called = [str(node.target) for node in conversion.model.module.graph.nodes if node.op == "call_module"]
    neurons = [path for path in called if isinstance(conversion.model.module.get_submodule(path), Neuron)]
    assert len(neurons) == len(set(neurons)) == CALL_SITES
    assert set(conversion.neurons()) <= {row.site for row in conversion.replaced}
    assert len(conversion.neurons()) == CALL_SITES
    assert len(conversion.table().rows) == len(conversion.replaced)


@every_recipe
def test_passes_the_audit_on_the_toy_network(kind: type[Recipe]) -> None:
    recipe = kind()
    assert check(toy(), recipe).convertible
    audit(converted(recipe).model.module, kind.__name__)


@every_recipe
def test_approaches_the_source_as_time_grows(kind: type[Recipe]) -> None:
    """The error falls with T and ends small, against the source with activations clipped at the thresholds."""
    conversion = converted(kind())
    neurons = conversion.neurons()
    clipped = copy.deepcopy(conversion.model.module)
    for row in conversion.replaced:
        neuron = neurons.get(row.site)
        clipped.set_submodule(row.path, nn.Identity() if neuron is None else Clip(most(neuron)))
    x = X[:32]
    with torch.no_grad():
        expected = clipped(x)
        phases = conversion.model.phases
        out = conversion.model(x.expand(phases.steps(256), *x.shape))[phases.rehearsal :].cumsum(0)
    errors = [(out[t - 1] / t - expected).square().mean().sqrt() for t in (2, 16, 256)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1 * expected.std()


def most(neuron: Neuron) -> Tensor:
    """The largest activity of a neuron: what it fires at every step; under differential coding there is none."""
    v_threshold = neuron.get_buffer("v_threshold")
    return (
        torch.full_like(v_threshold, torch.inf) if neuron.sends_corrections else v_threshold * max(neuron.levels or ())
    )


class Clip(nn.Module):
    """ReLU clipped at a largest activity, which is what a neuron tends to."""

    def __init__(self, v_threshold: Tensor) -> None:
        super().__init__()
        self.v_threshold = v_threshold

    def forward(self, z: Tensor) -> Tensor:
        return torch.minimum(z.clamp(min=0), self.v_threshold)


@every_recipe
def test_survives_copy_state_and_double(kind: type[Recipe]) -> None:
    conversion = converted(kind())
    x = X[:8].expand(6, 8, 2, 8, 8)
    with torch.no_grad():
        out = conversion.model(x)
        assert torch.equal(copy.deepcopy(conversion.model)(x), out)
        other = converted(kind()).model
        for tensor in other.state_dict().values():
            tensor.zero_()
        other.load_state_dict(conversion.model.state_dict())
        assert torch.equal(other(x), out)
        assert conversion.model.double()(x.double()).dtype == torch.float64


@every_recipe
def test_any_batch_and_length_and_permutation(kind: type[Recipe]) -> None:
    model = converted(kind()).model.double()
    x = X[:8].double()
    with torch.no_grad():
        out = model(x.expand(7, *x.shape))
        assert torch.allclose(model(x[:3].expand(5, 3, 2, 8, 8)), out[:5, :3], atol=1e-12)
        assert torch.allclose(model(x.flip(0).expand(7, *x.shape)), out.flip(1), atol=1e-12)
