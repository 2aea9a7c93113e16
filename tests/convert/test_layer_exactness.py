"""One IF layer against its closed form: counts, charge balance, moments, scale, delay, prefixes."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spikewright.convert.layers import qcfs
from spikewright.core import Record, Spiking, gradient_rule, recorded
from spikewright.neurons import IF

STARTS = [0.0, 0.25, 0.5, 0.75]
D = torch.float64


def counts(z: Tensor, v_threshold: float | Tensor, start: float, timesteps: int) -> Tensor:
    """Number of spikes for a constant input z [N, *F]."""
    return IF(v_threshold=v_threshold, start=start).over_time(z.expand(timesteps, *z.shape)).sum(0)


def mean_output(z: Tensor, v_threshold: float, start: float, timesteps: int) -> Tensor:
    """Average over time of what the layer delivers."""
    layer = IF(v_threshold=v_threshold, amplitude=v_threshold, start=start)
    return layer.over_time(z.expand(timesteps, *z.shape)).sum(0) / timesteps


@pytest.mark.parametrize("timesteps", [1, 2, 3, 4, 5, 7, 8, 16, 33])
@pytest.mark.parametrize("v_threshold", [0.5, 0.75, 1.0, 1.5, 2.0])
def test_mean_output_is_the_closed_form(v_threshold: float, timesteps: int) -> None:
    """OPI 1: theta clip(floor(T z/theta + p), 0, T)/T in whole numbers, for z below 0 and above theta too."""
    sixty_fourths = torch.arange(-128, 257)
    z = (sixty_fourths / 64).unsqueeze(0)
    unit = int(64 * v_threshold)
    for start in STARTS:
        expected = torch.div(timesteps * sixty_fourths + int(start * unit), unit, rounding_mode="floor")
        expected = expected.clamp(0, timesteps).float()
        assert torch.equal(counts(z, v_threshold, start, timesteps)[0], expected)
        assert torch.equal(mean_output(z, v_threshold, start, timesteps)[0], expected * v_threshold / timesteps)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.floats(-4, 8), st.floats(0.05, 8), st.floats(0, 0.999), st.integers(1, 40))
def test_any_numbers_give_the_closed_form(z: float, v_threshold: float, start: float, timesteps: int) -> None:
    """OPI 1: the same for any numbers, away from ties; and within theta/(2T) of the clipped ReLU for p = 1/2."""
    thresholds = timesteps * z / v_threshold + start
    assume(abs(thresholds - round(thresholds)) > 1e-9)
    found = counts(torch.tensor([[z]], dtype=D), torch.tensor(v_threshold, dtype=D), start, timesteps)
    assert found.item() == min(max(math.floor(thresholds), 0), timesteps)
    half = counts(torch.tensor([[z]], dtype=D), torch.tensor(v_threshold, dtype=D), 0.5, timesteps)
    error = half.item() * v_threshold / timesteps - min(max(z, 0.0), v_threshold)
    assert abs(error) <= v_threshold / (2 * timesteps) * (1 + 1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(-3, 3), st.floats(0.1, 4))
def test_charge_balance(seed: int, timesteps: int, start: float, v_threshold: float) -> None:
    """OPI 2: phi(T) = z - (v(T) - v(0))/T for every neuron and any input sequence."""
    g = torch.Generator().manual_seed(seed)
    xs = torch.randn(timesteps, 3, 5, dtype=D, generator=g) * 2
    neurons = IF(v_threshold=torch.rand(5, dtype=D, generator=g) + v_threshold, start=start)
    record = Record()
    neurons.unroll = recorded(record)
    phi = (neurons.over_time(xs) * neurons.v_threshold).mean(0)
    v_first, v_last = neurons.start * neurons.v_threshold, record.states[0].v[-1]
    assert torch.allclose(phi, xs.mean(0) - (v_last - v_first) / timesteps, atol=1e-12)


def test_charge_balance_in_a_deep_network() -> None:
    """OPI 2: the balance holds in every layer for the input it really received."""
    g = torch.Generator().manual_seed(0)
    layers = [nn.Linear(8, 12), IF(v_threshold=0.7, start=0.5), nn.Linear(12, 10), IF(v_threshold=0.4, start=0.5)]
    model = Spiking(nn.Sequential(*layers)).double()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=D, generator=g) * 0.5
    record, x = Record(), torch.rand(4, 8, dtype=D, generator=g)
    with gradient_rule(model, recorded(record)):
        model(x.expand(13, 4, 8))
    first = layers[0](x).expand(13, 4, 12)
    second = layers[2](record.spikes[0])  # amplitude is 1
    for xs, spikes, state, v_threshold in zip((first, second), record.spikes, record.states, (0.7, 0.4), strict=True):
        balance = xs.mean(0) - (state.v[-1] - 0.5 * v_threshold) / 13
        assert torch.allclose(v_threshold * spikes.mean(0), balance, atol=1e-6)  # the constants are float32 numbers


@pytest.mark.parametrize("timesteps", [1, 2, 4, 8])
@pytest.mark.parametrize("start", STARTS)
def test_moments_of_the_error(start: float, timesteps: int) -> None:
    """OPI 3: mean (theta/T)(1/2 - p) and mean square (theta/T)^2 (1/12 + (1/2 - p)^2)."""
    v_threshold, points = 2.0, 4096
    z = v_threshold * (torch.arange(points, dtype=D) + 0.5) / points
    error = z - mean_output(z.unsqueeze(0), v_threshold, start, timesteps)[0]
    step = v_threshold / timesteps
    assert error.mean().item() == pytest.approx(step * (0.5 - start), abs=1e-12)
    assert error.square().mean().item() == pytest.approx(step**2 * (1 / 12 + (0.5 - start) ** 2), rel=1e-4)


@pytest.mark.parametrize("timesteps", [1, 2, 4, 8, 32])
def test_second_moment_against_the_clipped_relu(timesteps: int) -> None:
    """QCFS 8: lambda^2/(12 T^2) on [0, lambda); four times that without the shift."""
    z = 3.0 * (torch.arange(8192, dtype=D) + 0.5) / 8192
    for start, expected in ((0.5, 1 / 12), (0.0, 1 / 3)):
        error = z - mean_output(z.unsqueeze(0), 3.0, start, timesteps)[0]
        assert error.square().mean().item() == pytest.approx((3.0 / timesteps) ** 2 * expected, rel=1e-4)


@pytest.mark.parametrize("levels", [1, 2, 4, 8])
@pytest.mark.parametrize("timesteps", [1, 2, 4, 8, 16])
def test_expected_difference_of_two_lengths(levels: int, timesteps: int) -> None:
    """QCFS 7: the mean of h_T - h_L over [0, lambda] is 0 with the shift, lambda (1/L - 1/T)/2 without."""
    z = 2.0 * ((torch.arange(4096, dtype=D) + 0.5) / 4096).unsqueeze(0)
    for start, expected in ((0.5, 0.0), (0.0, 2.0 * (1 / levels - 1 / timesteps) / 2)):
        difference = mean_output(z, 2.0, start, timesteps) - mean_output(z, 2.0, start, levels)
        assert difference.mean().item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("timesteps", [1, 2, 3, 4, 5, 6, 7, 8, 16, 31])
@pytest.mark.parametrize("v_threshold", [0.5, 1.5, 4.0])
def test_mean_output_is_the_qcfs_activation(v_threshold: float, timesteps: int) -> None:
    """QCFS 4: v(0) = theta/2 and constant input: the average over T is QCFS with L := T, exactly."""
    z = torch.arange(-128, 513).unsqueeze(0) / 64
    assert torch.equal(mean_output(z, v_threshold, 0.5, timesteps), qcfs(z, torch.tensor(v_threshold), timesteps))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.floats(0.1, 4), st.integers(1, 32))
def test_counts_are_those_of_the_qcfs_activation(seed: int, v_threshold: float, timesteps: int) -> None:
    """QCFS 4: for general numbers the counts agree."""
    z = torch.randn(2, 20, dtype=D, generator=torch.Generator().manual_seed(seed)) * v_threshold
    level = torch.tensor(v_threshold, dtype=D)
    expected = (qcfs(z, level, timesteps) * timesteps / level).round()
    assert torch.equal(counts(z, level, 0.5, timesteps), expected)


@pytest.mark.parametrize("c", [2.0**-20, 0.25, 2.0, 1024.0])
def test_scale_invariance(c: float) -> None:
    """OPI 4: scaling W, b and theta of any layer by a power of two leaves all spikes bit-identical."""
    g = torch.Generator().manual_seed(1)
    xs = torch.rand(3, 6, generator=g).expand(9, 3, 6)

    def spikes(scaled: int, factor: float) -> list[Tensor]:
        draw, seen, x = torch.Generator().manual_seed(2), [], xs
        for layer, (inputs, outputs, v_threshold) in enumerate(((6, 20, 0.8), (20, 20, 0.37), (20, 8, 0.6))):
            by = factor if layer == scaled else 1.0
            weight, bias = torch.randn(outputs, inputs, generator=draw), 0.1 * torch.randn(outputs, generator=draw)
            current = x @ (by * weight).T + by * bias
            x = v_threshold * IF(v_threshold=by * torch.tensor(v_threshold), start=0.5).over_time(current)
            seen.append(x)
        return seen

    plain = spikes(0, 1.0)
    assert all(0.05 < (layer != 0).float().mean() < 0.95 for layer in plain)
    for scaled in range(3):
        assert all(torch.equal(a, b) for a, b in zip(spikes(scaled, c), plain, strict=True))


def test_scale_invariance_of_other_factors() -> None:
    """OPI 4: other factors leave the counts of random inputs as they are, up to ties."""
    z = torch.randn(10, 100, dtype=D, generator=torch.Generator().manual_seed(0))
    level = torch.tensor(0.7, dtype=D)
    for c in (3.0, 0.1, 7.3):
        assert torch.equal(counts(c * z, c * level, 0.5, 12), counts(z, level, 0.5, 12))


def test_weight_normalised_form() -> None:
    """OPI 5: W' = W theta_before/theta, b' = b/theta, threshold 1 and unit spikes give the same spike trains."""
    g = torch.Generator().manual_seed(3)
    x = torch.rand(4, 6, dtype=D, generator=g).expand(17, 4, 6)
    weighted = normalised = x
    before = 1.0
    for inputs, outputs, v_threshold in ((6, 30, 0.8), (30, 30, 0.37), (30, 30, 2.3)):
        weight = torch.randn(outputs, inputs, dtype=D, generator=g) / math.sqrt(inputs)
        bias = 0.2 * torch.randn(outputs, dtype=D, generator=g)
        level = torch.tensor(v_threshold, dtype=D)
        weighted = IF(v_threshold=level, amplitude=level, start=0.5).over_time(weighted @ weight.T + bias)
        current = normalised @ (weight * before / level).T + bias / level
        normalised = IF(v_threshold=1.0, start=0.5).over_time(current)
        assert torch.equal(weighted != 0, normalised == 1)
        assert 0.02 < normalised.mean() < 0.98
        before = level


def first_spike(spikes: Tensor) -> Tensor:
    """Step of the first spike along axis 0, counted from 0; T where there is none."""
    never = torch.full_like(spikes[:1], 0.5)
    return torch.cat([spikes, never]).argmax(0).where((spikes > 0).any(0), torch.tensor(len(spikes)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.floats(-0.5, 1.0))
def test_first_spike_is_never_later_with_a_higher_start(seed: int, mean: float) -> None:
    """OPI 8: for one and the same input sequence of any signs."""
    xs = mean + torch.randn(20, 4, 6, generator=torch.Generator().manual_seed(seed))
    first = [first_spike(IF(v_threshold=1.5, start=start).over_time(xs)) for start in (-0.5, 0.0, 0.3, 0.5, 0.9)]
    assert all((later <= earlier).all() for earlier, later in zip(first, first[1:], strict=False))


def test_first_spike_by_hand() -> None:
    """OPI 8: input 1/4 against threshold 1 first fires at step 4 from 0 and at step 2 from 1/2."""
    xs = torch.full((6, 1, 1), 0.25)
    assert [int(first_spike(IF(start=start).over_time(xs))) + 1 for start in (0.0, 0.5)] == [4, 2]


def test_outputs_of_the_first_steps_do_not_depend_on_the_rest() -> None:
    """OPI 9, QCFS 10: the prefix property, in a network of two layers."""
    model = Spiking(nn.Sequential(nn.Linear(5, 9), IF(start=0.5, v_threshold=0.3), nn.Linear(9, 9), IF(start=0.5)))
    x = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model(x.expand(16, 3, 5))
        assert all(torch.equal(model(x.expand(t, 3, 5)), whole[:t]) for t in (1, 2, 5, 8))


def test_the_published_example_of_unevenness() -> None:
    """Weight 1.5, threshold 1, start 0: spikes at steps 1, 3, 4 give three, at steps 3, 4 two spikes out."""
    for steps, fired, left in (((1, 3, 4), 3, 1.5), ((3, 4), 2, 1.0)):
        xs = torch.tensor([[[1.5 * (t in steps)]] for t in (1, 2, 3, 4)])
        record, layer = Record(), IF()
        layer.unroll = recorded(record)
        assert int(layer.over_time(xs).sum()) == fired
        assert record.states[0].v[-1].item() == left


@pytest.mark.parametrize("timesteps", [1, 2, 4, 8, 16, 64])
def test_read_out_error_of_one_hidden_layer_is_bounded(timesteps: int) -> None:
    """OPI 6: at most the largest absolute row sum of the read-out times theta/(2T)."""
    g = torch.Generator().manual_seed(5)
    for _ in range(5):
        weight = torch.randn(40, 12, dtype=D, generator=g)
        read_out = torch.randn(7, 40, dtype=D, generator=g)
        z = torch.rand(16, 12, dtype=D, generator=g) @ weight.T
        level = torch.quantile(z.clamp(min=0), 0.95)
        spikes = IF(v_threshold=level, amplitude=level, start=0.5).over_time(z.expand(timesteps, *z.shape))
        error = (spikes @ read_out.T).mean(0) - torch.minimum(z.clamp(min=0), level) @ read_out.T
        bound = read_out.abs().sum(1).max() * level / (2 * timesteps)
        assert error.abs().max() <= bound * (1 + 1e-12)
