"""What every neuron must do; a new one in spikewright.neurons is tested without a new line."""

import copy

import pytest
import torch
from torch import nn

from spikewright.core import Neuron, Spiking, carry_state
from spikewright.core.errors import ArgumentError
from spikewright.neurons import NEURONS

every = pytest.mark.parametrize("kind", NEURONS.values(), ids=NEURONS)


def sequence(timesteps=8, batch=3, dtype=torch.float32, seed=0):
    """Input that makes every neuron fire, and signed neurons both ways."""
    generator = torch.Generator().manual_seed(seed)
    xs = 2.5 * torch.rand(timesteps, batch, 2, 4, generator=generator, dtype=torch.float64) - 0.75
    return xs.to(dtype)


def storages(neuron):
    return {tensor.untyped_storage().data_ptr() for tensor in [*neuron.parameters(), *neuron.buffers()]}


def test_the_neurons_of_the_first_release_are_registered():
    assert {"IF", "SignedIF", "LIF", "PLIF", "ALIF", "CubaLIF", "LI"} <= set(NEURONS)


@every
def test_it_is_final_and_builds_with_defaults(kind):
    assert kind.__bases__ == (Neuron,)
    assert isinstance(kind(), Neuron)


@every
def test_two_share_no_storage_with_each_other_or_within(kind):
    one, other = kind(), kind()
    constants = [*one.parameters(), *one.buffers()]
    assert len(storages(one)) == len(constants) > 0
    assert not storages(one) & storages(other)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_output_and_state_follow_the_dtype_of_the_input(kind, dtype):
    neuron, xs = kind(learn=kind.learnable), sequence(dtype=dtype)
    state = neuron.init_state(xs[0])
    for x in xs:
        state, s = neuron.step(state, x)
        assert s.dtype == dtype
        assert all(part.dtype == dtype for part in state)
    assert neuron.over_time(xs).dtype == dtype


@every
def test_output_and_state_follow_the_device_of_the_input(kind):
    neuron, xs = kind().to("meta"), sequence().to("meta")
    assert neuron.over_time(xs).device.type == "meta"
    assert all(part.device.type == "meta" for part in neuron.init_state(xs[0]))


@every
def test_the_state_is_a_named_tuple_of_tensors_like_the_input(kind):
    neuron, x = kind(), sequence()[0]
    state = neuron.init_state(x)
    assert "v" in state._fields
    assert all(part.shape == x.shape and part.dtype == x.dtype for part in state)
    assert type(neuron.step(state, x)[0]) is type(state)


@every
def test_the_step_changes_neither_state_nor_input(kind):
    neuron, (x, y, *_) = kind(), sequence()
    state, _ = neuron.step(neuron.init_state(x), x)
    before = [part.clone() for part in (*state, y)]
    neuron.step(state, y)
    assert all(torch.equal(a, b) for a, b in zip(before, (*state, y)))


@every
def test_it_keeps_nothing_between_calls(kind):
    neuron, xs = kind(), sequence()
    before = dict(vars(neuron)), copy.deepcopy(neuron.state_dict())
    first = neuron.over_time(xs)
    neuron.over_time(sequence(seed=1))
    assert torch.equal(neuron.over_time(xs), first)
    assert vars(neuron) == before[0]
    assert all(torch.equal(value, before[1][name]) for name, value in neuron.state_dict().items())


@every
def test_it_accepts_another_number_of_samples_and_steps(kind):
    neuron = kind()
    for timesteps, batch in ((1, 1), (8, 3), (2, 5)):
        assert neuron.over_time(sequence(timesteps, batch)).shape == (timesteps, batch, 2, 4)


@every
def test_a_repeated_static_input_may_be_a_view(kind):
    still = sequence(1)
    expanded = still.expand(6, -1, -1, -1)
    assert torch.equal(kind().over_time(expanded), kind().over_time(expanded.contiguous()))


@every
@pytest.mark.parametrize("cuts", [[1] * 8, [3, 5], [2, 4, 1, 1]])
def test_whole_and_carried_runs_are_equal(kind, cuts):
    neuron, xs = kind(), sequence()
    with carry_state(neuron):
        parts = [neuron.over_time(part) for part in xs.split(cuts)]
    assert torch.equal(torch.cat(parts), neuron.over_time(xs))


@every
def test_later_input_does_not_change_earlier_output(kind):
    neuron, xs = kind(), sequence()
    changed = torch.cat([xs[:5], xs[5:] + 1])
    assert torch.equal(neuron.over_time(xs)[:5], neuron.over_time(changed)[:5])
    assert not torch.equal(neuron.over_time(xs), neuron.over_time(changed))


@every
def test_the_gradient_is_there_and_the_same_in_train_and_eval(kind):
    gradients = []
    for training in (True, False):
        neuron, xs = kind().train(training), sequence().requires_grad_()
        (neuron.over_time(xs) * sequence(seed=1)).sum().backward()
        gradients.append(xs.grad)
    assert torch.isfinite(gradients[0]).all()
    assert gradients[0].abs().sum() > 0
    assert torch.equal(*gradients)


@every
def test_the_forward_pass_is_the_same_in_train_and_eval(kind):
    neuron, xs = kind(), sequence()
    assert torch.equal(neuron.train().over_time(xs), neuron.eval().over_time(xs))


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_forward_pass_is_the_same_without_gradients(kind, dtype):
    neuron, still = kind(), sequence(1, dtype=dtype).expand(6, -1, -1, -1)
    for xs in (sequence(dtype=dtype), still):
        expected, before = neuron.over_time(xs), xs.clone()
        with torch.no_grad():
            out = neuron.over_time(xs)
        assert out.dtype == dtype
        assert torch.equal(out, expected)
        assert torch.equal(xs, before)


@every
def test_it_emits_only_allowed_values(kind):
    met = set(kind(amplitude=2.0).over_time(sequence(timesteps=16)).flatten().tolist())
    if kind.levels is None:
        assert len(met) > 100  # a read-out: real values
    else:
        assert met == {2.0 * level for level in kind.levels}


@every
def test_it_is_permutation_equivariant_over_samples(kind):
    neuron, xs, order = kind(), sequence(batch=5), torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(neuron.over_time(xs[:, order]), neuron.over_time(xs)[:, order])


@every
def test_it_is_permutation_equivariant_over_units(kind):
    neuron, xs, order = kind(), sequence(), torch.tensor([3, 0, 2, 1])
    assert torch.equal(neuron.over_time(xs[..., order]), neuron.over_time(xs)[..., order])


@every
def test_constants_survive_the_state_dict(kind):
    source, target, xs = kind(), kind(), sequence()
    with torch.no_grad():
        for value in source.state_dict().values():
            value.mul_(0.75)
    assert not torch.equal(source.over_time(xs), target.over_time(xs))
    target.load_state_dict(source.state_dict())
    assert torch.equal(source.over_time(xs), target.over_time(xs))


@every
def test_a_deep_copy_is_equal_and_independent(kind):
    neuron, xs = kind(learn=kind.learnable), sequence()
    twin = copy.deepcopy(neuron)
    expected = neuron.over_time(xs).detach()
    assert not storages(neuron) & storages(twin)
    with torch.no_grad():
        for value in neuron.state_dict().values():
            value.mul_(0.5)
    assert torch.equal(twin.over_time(xs), expected)


@every
def test_double_makes_everything_float64(kind):
    neuron = kind().double()
    assert all(value.dtype == torch.float64 for value in neuron.state_dict().values())
    assert neuron.over_time(sequence(dtype=torch.float64)).dtype == torch.float64


@every
def test_every_learnable_constant_learns(kind):
    neuron = kind(learn=kind.learnable)
    assert set(kind.learnable) <= set(dict(neuron.named_parameters()))
    (neuron.over_time(sequence()) * sequence(seed=1)).sum().backward()
    for name, parameter in neuron.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every
def test_other_names_cannot_be_learnt(kind):
    with pytest.raises(ArgumentError, match=rf"{kind.__name__}\.learn: got \('nothing',\)"):
        kind(learn=("nothing",))


@every
def test_it_runs_in_a_shell_as_alone(kind):
    neuron, xs = kind(), sequence()
    assert torch.equal(Spiking(nn.Sequential(neuron))(xs), neuron.over_time(xs))


@every
def test_it_compiles_into_one_graph_with_equal_results(kind):
    torch._dynamo.reset()
    model = Spiking(nn.Sequential(nn.Flatten(), kind()))
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    xs, twin = (sequence(timesteps=2).requires_grad_() for _ in range(2))
    out, expected = compiled(xs), model(twin)
    assert torch.equal(out, expected)
    out.sum().backward()
    expected.sum().backward()
    assert torch.equal(xs.grad, twin.grad)


def test_one_graph_also_holds_the_backward_pass():
    torch._dynamo.reset()
    model = Spiking(NEURONS["ALIF"]())
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    xs, twin = (sequence(timesteps=2).requires_grad_() for _ in range(2))
    out, expected = compiled(xs), model(twin)
    assert torch.equal(out, expected)
    out.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(xs.grad, twin.grad)
