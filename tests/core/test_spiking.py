"""The shell: folding, freedom of T and N, the prefix property, and its errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from spikewright.core import Spiking, unfold
from spikewright.core.errors import DataError, ShapeError
from spikewright.neurons import IF, LIF


def dyadic(*shape, seed=0, scale=8):
    """Multiples of 1/scale, so that sums are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-scale, 2 * scale, shape, generator=generator) / scale


def network(features=3):
    """Two layers with exact weights and a residual connection."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(features, 4), nn.Linear(4, 4)
            self.act1, self.act2 = IF(start=0.5), IF(start=0.5)
            with torch.no_grad():
                for seed, parameter in enumerate(self.parameters()):
                    parameter.copy_(dyadic(*parameter.shape, seed=seed, scale=4))

        def forward(self, x):
            hidden = self.act1(self.first(x))
            return self.act2(self.second(hidden) + hidden)

    return Net()


def step_by_step(net, xs):
    """The same network with explicit states: what the shell must equal."""
    states = [net.act1.init_state(net.first(xs[0])), None]
    out = []
    for x in xs:
        states[0], a = net.act1.step(states[0], net.first(x))
        z = net.second(a) + a
        states[1], s = net.act2.step(net.act2.init_state(z) if states[1] is None else states[1], z)
        out.append(s)
    return torch.stack(out)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(timesteps=st.integers(1, 7), batch=st.integers(1, 4), features=st.integers(1, 3), seed=st.integers(0, 99))
def test_the_shell_equals_the_loop_over_steps(timesteps, batch, features, seed):
    net, xs = network(features), dyadic(timesteps, batch, features, seed=seed)
    assert torch.equal(Spiking(net)(xs), step_by_step(net, xs))


def test_gradients_of_the_shell_equal_those_of_the_loop():
    net, xs = network().double(), dyadic(5, 2, 3).double().requires_grad_()
    weights = dyadic(5, 2, 4, seed=9).double()
    (Spiking(net)(xs) * weights).sum().backward()
    shell = [xs.grad, *(p.grad for p in net.parameters())]
    xs.grad = None
    net.zero_grad()
    (step_by_step(net, xs) * weights).sum().backward()
    for one, other in zip(shell, [xs.grad, *(p.grad for p in net.parameters())]):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_steps_and_batch_may_change_from_call_to_call():
    model = Spiking(network())
    long, short = dyadic(6, 3, 3), dyadic(2, 5, 3, seed=1)
    first = model(long)
    assert model(short).shape == (2, 5, 4)
    assert torch.equal(model(long), first)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(timesteps=st.integers(2, 9), cut=st.integers(1, 8), seed=st.integers(0, 99))
def test_the_first_steps_do_not_depend_on_how_many_follow(timesteps, cut, seed):
    cut = min(cut, timesteps)
    model, xs = Spiking(network()), dyadic(timesteps, 2, 3, seed=seed)
    assert torch.equal(model(xs[:cut]), model(xs)[:cut])


def test_samples_do_not_mix():
    model, xs = Spiking(network()), dyadic(4, 3, 3)
    assert torch.equal(model(xs)[:, 1:2], model(xs[:, 1:2]))


def test_image_layers_and_a_class_token_work_unchanged():
    class Token(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act, self.token = nn.Conv2d(1, 2, 3, padding=1), LIF(), nn.Parameter(torch.ones(1, 1, 2))

        def forward(self, x):
            x = self.act(self.conv(x)).flatten(2).transpose(1, 2)
            return torch.cat([self.token.expand(len(x), -1, -1), x], 1)

    assert Spiking(Token())(torch.rand(3, 2, 1, 4, 4)).shape == (3, 2, 17, 2)


@pytest.mark.parametrize(
    ("xs", "message"),
    [
        (torch.zeros(4, 3), r"Spiking: got shape \[4, 3\]; expected \[T, N, ...\], time first"),
        (torch.zeros(0, 1, 3), r"Spiking: got shape \[0, 1, 3\]; .*T >= 1"),
        (torch.zeros(1, 0, 3), r"Spiking: got shape \[1, 0, 3\]; .*N >= 1"),
        (torch.zeros(2, 1, 3, dtype=torch.int64), r"Spiking: got dtype torch\.int64; expected a floating"),
        ("image", "Spiking: got str; expected a tensor"),
    ],
)
def test_bad_input_is_refused(xs, message):
    with pytest.raises(ShapeError, match=message):
        Spiking(network())(xs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(bad, dtype):
    """A neuron would never fire again, and the network would answer as if it had seen a dark image."""
    message = "Spiking: got NaN or infinite values; expected finite values. A neuron that meets them never fires again"
    xs = torch.ones(3, 2, 4, dtype=dtype)
    xs[2, 1, 3] = bad
    model = Spiking(IF())
    with pytest.raises(DataError, match=message):
        model(xs)
    with pytest.raises(DataError, match=message):
        model(xs[2].expand(5, 2, 4))
    assert model.module.timesteps is None
    assert model(xs[:2]).sum() == 2 * 2 * 4


def test_the_largest_finite_numbers_are_finite():
    xs = torch.full((2, 1, 3), torch.finfo(torch.float32).max)
    assert Spiking(nn.Identity())(xs).equal(xs)


def test_without_values_nothing_is_refused():
    """Under vmap, in a traced graph and on meta tensors there is no number to look at."""
    model, xs = Spiking(nn.Linear(3, 2)), dyadic(2, 4, 1, 3)
    mapped = torch.func.vmap(model, in_dims=1, out_dims=1)(xs)
    assert torch.allclose(mapped, model(xs.view(2, 4, 3)).view(2, 4, 1, 2))
    assert model.to("meta")(torch.zeros(2, 4, 3, device="meta")).shape == (2, 4, 2)
    traced = make_fx(Spiking(IF()))(torch.full((2, 1, 3), 0.5))
    assert traced(torch.full((2, 1, 3), 0.5)).tolist() == [[[0.0] * 3], [[1.0] * 3]]


@pytest.mark.parametrize("wrap", [lambda shell: shell, lambda shell: nn.Sequential(nn.Flatten(), shell)])
def test_a_shell_inside_a_shell_is_refused(wrap):
    with pytest.raises(ShapeError, match="holds a Spiking shell; expected one shell, outermost"):
        Spiking(wrap(Spiking(IF())))


class Returns(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.act, self.function = IF(), function

    def forward(self, x):
        return self.function(self.act(x))


@pytest.mark.parametrize(
    ("function", "met"),
    [
        (lambda x: x[:1], r"\[1, 2\]"),
        (lambda x: x.flatten(), r"\[12\]"),
        (lambda x: x.sum(), r"\[\]"),
        (lambda x: (x, x), "tuple"),
    ],
)
def test_a_module_that_changes_the_first_axis_is_refused(function, met):
    message = rf"Spiking: the module returned {met}; expected .*3 time steps of 2 samples"
    with pytest.raises(ShapeError, match=message):
        Spiking(Returns(function))(torch.zeros(3, 2, 2))


def test_layers_forget_the_number_of_steps_also_after_an_exception():
    def fail(x):
        raise KeyError("in the middle")

    module = Returns(fail)
    with pytest.raises(KeyError, match="in the middle"):
        Spiking(module)(torch.zeros(3, 2, 2))
    assert module.act.timesteps is None
    with pytest.raises(ShapeError, match="IF: called outside a Spiking shell"):
        module.act(torch.zeros(6, 2))


def test_one_neuron_at_two_places_starts_anew_at_each():
    shared = IF()
    xs = torch.full((2, 1, 1), 0.75)
    assert Spiking(nn.Sequential(shared, shared))(xs).flatten().tolist() == [0.0, 1.0]
    assert torch.equal(shared.over_time(shared.over_time(xs)), Spiking(nn.Sequential(shared, shared))(xs))


def test_unfold_of_the_output_is_time_major():
    xs = dyadic(3, 2, 4)
    assert torch.equal(Spiking(nn.Identity())(xs), unfold(xs.reshape(6, 4), 3))


def test_a_forgotten_time_axis_is_explained() -> None:
    model = Spiking(nn.Sequential(nn.Conv2d(3, 4, 3), IF()))
    with pytest.raises(
        ShapeError, match=r"Spiking: the network cannot take a batch of shape \[2, 3, 8, 8\] .* time first"
    ):
        model(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize(
    ("xs", "met"),
    [
        (torch.rand(2, 1, 1, 8, 8), r"shape \[2, 1, 1, 8, 8\] in torch.float32"),
        (torch.rand(2, 1, 3, 8, 8).double(), r"shape \[2, 1, 3, 8, 8\] in torch.float64"),
        (torch.rand(3, 8, 8), r"shape \[3, 8, 8\] in torch.float32"),
    ],
)
def test_wrong_channels_and_dtypes_are_explained(xs: torch.Tensor, met: str) -> None:
    model = Spiking(nn.Sequential(nn.Conv2d(3, 4, 3), IF()))
    with pytest.raises(ShapeError, match=rf"Spiking: the network cannot take a batch of {met} .* size and dtype that"):
        model(xs)


@pytest.mark.parametrize("shape", [(7,), (7, 1, 1), (2, 1, 4, 1, 1)])
def test_constants_that_do_not_fit_the_input_are_named(shape: tuple[int, ...]) -> None:
    model = Spiking(IF(start=torch.zeros(shape)))
    with pytest.raises(
        ShapeError, match=r"IF\.start: got shape .* for an input of \[2, 4, 8, 8\]; expected a number, or"
    ):
        model(torch.rand(3, 2, 4, 8, 8))
