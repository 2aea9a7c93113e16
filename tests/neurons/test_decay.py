"""Time constants: what is refused, and how the conventions of others map on decay = exp(-1/tau)."""

import math

import pytest
import torch

from spikewright.core.errors import ArgumentError
from spikewright.neurons import ALIF, LI, LIF, PLIF, CubaLIF
from spikewright.neurons.decay import decay

XS = torch.tensor([0.4, -0.2, 0.9, 0.3, 0.0, -0.5], dtype=torch.float64).view(6, 1, 1)
STEP = 0.001
"""Length of a time step in seconds."""


def integrate(slope, v, substeps=20000):
    """Differential equation over one step, in many small Euler steps."""
    for _ in range(substeps):
        v = v + slope(v) * STEP / substeps
    return v


def test_a_number_gives_a_number_and_a_tensor_a_tensor():
    assert decay(1.0, "me") == math.exp(-1)
    assert decay(torch.tensor([1.0, 2.0]), "me").tolist() == pytest.approx([math.exp(-1), math.exp(-0.5)])


@pytest.mark.parametrize(
    "tau", [0, -2.0, math.inf, math.nan, torch.tensor([2.0, 0.0]), torch.tensor([math.inf]), torch.zeros(0)]
)
def test_a_time_constant_must_be_finite_and_above_zero(tau):
    message = r"LIF\.tau: got .*; expected finite numbers above 0 \(time steps\)\. For no leak use IF\."
    with pytest.raises(ArgumentError, match=message):
        LIF(tau=tau)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (PLIF, "tau"),
        (ALIF, "tau"),
        (ALIF, "tau_adapt"),
        (CubaLIF, "tau_syn"),
        (CubaLIF, "tau_mem"),
        (LI, "tau"),
    ],
)
def test_the_error_names_neuron_and_argument(kind, name):
    with pytest.raises(ArgumentError, match=rf"{kind.__name__}\.{name}: got 0\.0;"):
        kind(**{name: 0.0})


def test_nir_leaky_integrator_with_r_of_one_over_one_minus_decay():
    neuron = LI(tau=torch.tensor(3.0, dtype=torch.float64))
    tau_nir, r = 3.0 * STEP, 1 / (1 - neuron.decay.item())
    v, met = 0.0, []
    for x in XS.flatten().tolist():
        v = integrate(lambda v, x=x: (r * x - v) / tau_nir, v)
        met.append(v)
    assert neuron.over_time(XS).flatten().tolist() == pytest.approx(met, abs=1e-4)


def test_nir_parametric_neuron_with_r_of_one():
    neuron = PLIF(tau=torch.tensor(3.0, dtype=torch.float64), v_threshold=100.0)
    v, state = 0.0, neuron.init_state(XS[0])
    for x in XS:
        v = integrate(lambda v, x=float(x): (x - v) / (3.0 * STEP), v)
        state, _ = neuron.step(state, x)
        assert state.v.item() == pytest.approx(v, abs=1e-4)


def test_nir_current_based_neuron_with_a_current_held_during_a_step():
    taus = {name: torch.tensor(value, dtype=torch.float64) for name, value in (("tau_syn", 1.5), ("tau_mem", 4.0))}
    neuron = CubaLIF(**taus, v_threshold=100.0)
    w_in, r = (1 / (1 - value.item()) for value in (neuron.decay_syn, neuron.decay_mem))
    i, v, state = 0.0, 0.0, neuron.init_state(XS[0])
    for x in XS:
        i = integrate(lambda i, x=float(x): (w_in * x - i) / (1.5 * STEP), i)
        v = integrate(lambda v, i=i: (r * i - v) / (4.0 * STEP), v)
        state, _ = neuron.step(state, x)
        assert state.i_syn.item() == pytest.approx(i, abs=1e-4)
        assert state.v.item() == pytest.approx(v, abs=1e-3)


@pytest.mark.parametrize("tau_e", [1.25, 2.0, 10.0])
def test_euler_step_with_scaled_input(tau_e):
    neuron = LI(tau=torch.tensor(-1 / math.log(1 - 1 / tau_e), dtype=torch.float64))
    v, met = 0.0, []
    for x in XS.flatten().tolist():
        v = v + (x - v) / tau_e
        met.append(v)
    assert neuron.over_time(XS / tau_e).flatten().tolist() == pytest.approx(met, rel=1e-12)


def test_euler_step_with_plain_input():
    tau_e = 4.0
    neuron = LI(tau=torch.tensor(-1 / math.log(1 - 1 / tau_e), dtype=torch.float64))
    v, met = 0.0, []
    for x in XS.flatten().tolist():
        v = v - v / tau_e + x
        met.append(v)
    assert neuron.over_time(XS).flatten().tolist() == pytest.approx(met, rel=1e-12)


def test_published_parametric_neuron_with_its_start_value():
    tau_e = 2.0
    neuron = PLIF(tau=torch.tensor(-1 / math.log(1 - 1 / tau_e), dtype=torch.float64), v_threshold=100.0)
    v, state = 0.0, neuron.init_state(XS[0])
    for x in XS:
        v = v + (x.item() - v) / tau_e
        state, _ = neuron.step(state, x)
        assert state.v.item() == pytest.approx(v, rel=1e-12)
