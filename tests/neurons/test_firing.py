"""What neurons with several thresholds fire: single threshold, MT, H-MT; rate-coded, by hand and as the papers state."""

from typing import Any

import pytest
import torch

from spikewright.core.errors import ArgumentError
from spikewright.neurons import HarmonyPair, HarmonyStore, MultiThresholdIF
from spikewright.neurons.firing import FIRINGS, Harmony, MultiThreshold, Sign, SingleThreshold
from spikewright.neurons.firing.firing import power_of_two_below

SIGNS = tuple(Sign)


def wrong(value) -> Any:
    return value


def sequence(values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype).view(-1, 1, 1)


def noise(timesteps, n, mean=0.0, std=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return mean + std * torch.randn(timesteps, 1, n, generator=generator, dtype=torch.float64)


def run(neuron, xs):
    return neuron.double().over_time(xs)


def states(neuron, xs):
    state, seen, out = neuron.double().init_state(xs[0]), [], []
    for x in xs:
        state, s = neuron.step(state, x)
        seen.append(state)
        out.append(s)
    return seen, torch.stack(out)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_power_of_two_below_is_read_off_the_exponent(dtype):
    x = torch.tensor([0.0, 0.25, 0.3, 0.99, 1.0, 1.5, 5.0], dtype=dtype)
    assert power_of_two_below(x).tolist() == [0.0, 0.25, 0.25, 0.5, 1.0, 1.0, 4.0]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("thresholds", [1, 2, 4, 6, 8])
def test_multi_threshold_fires_the_first_threshold_that_the_rule_allows(thresholds, sign):
    generator = torch.Generator().manual_seed(thresholds)
    v = 3 * torch.randn(4000, generator=generator, dtype=torch.float64)
    emitted = torch.randint(0, 2**thresholds, v.shape, generator=generator) * 2.0 ** (1 - thresholds)
    fired = MultiThreshold(thresholds=thresholds).fire(v, sign, emitted)
    for potential, budget, spike in zip(v.tolist(), emitted.tolist(), fired.tolist()):
        levels = [2.0**-k for k in range(thresholds)]
        up = next((level for level in levels if potential >= 0.75 * level), 0.0)
        allowed = {Sign.POSITIVE: -1.0, Sign.BUDGETED: budget, Sign.BOTH: 9.0}[sign]
        down = next((level for level in levels if potential <= -0.75 * level and allowed >= level), 0.0)
        assert spike == up - down


def test_single_threshold_rests_between_nothing_and_its_threshold():
    v, emitted = torch.tensor([-0.1, 0.0, 0.5, 0.99, 1.0]), torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0])
    assert SingleThreshold().fire(v, Sign.POSITIVE).tolist() == [0, 0, 0, 0, 1]
    assert SingleThreshold().fire(v, Sign.BUDGETED, emitted).tolist() == [0, -1, 0, 0, 1]
    assert SingleThreshold().fire(v, Sign.BOTH).tolist() == [-1, -1, 0, 0, 1]


@pytest.mark.parametrize("thresholds", [1, 3, 4, 8])
def test_harmony_equals_the_sequential_rule_of_the_paper(thresholds):
    xs = noise(12, 500, 0.4, 2.0) * 2**thresholds / 4
    neuron = MultiThresholdIF(firing=Harmony(thresholds=thresholds), sign=Sign.POSITIVE)
    v, expected = torch.full_like(xs[0], 0.5), []
    for x in xs:
        v, total = v + x, torch.zeros_like(x)
        for level in (2.0**k for k in reversed(range(thresholds))):
            s = (v >= level).double()
            v, total = v - level * s, total + level * s
        expected.append(total)
    assert torch.equal(run(neuron, xs), torch.stack(expected))


@pytest.mark.parametrize("thresholds", [1, 3, 4, 8])
def test_the_pair_with_communication_is_one_rounded_residual(thresholds):
    xs = noise(16, 500, 0.2, 2.0) * 2**thresholds / 4
    firing = Harmony(thresholds=thresholds)
    pair = HarmonyPair(firing=firing, v_threshold=1.0)
    assert torch.equal(run(pair, xs), run(MultiThresholdIF(firing=firing, sign=Sign.BOTH), xs))
    seen, _ = states(pair, xs)
    for state in seen:
        torch.testing.assert_close(state.v + state.w, torch.ones_like(state.v), rtol=0, atol=1e-9)


def test_both_halves_never_fire_in_one_step():
    xs, firing = noise(16, 500, 0.2, 4.0), Harmony(thresholds=3)
    pair = HarmonyPair(firing=firing, v_threshold=1.0).double()
    state = pair.init_state(xs[0])
    for x in xs:
        both = (firing.fire(state.v + x, Sign.POSITIVE) > 0) & (firing.fire(state.w - x, Sign.POSITIVE) > 0)
        assert not both.any()
        state, _ = pair.step(state, x)


@pytest.mark.parametrize("thresholds", [1, 2, 4])
def test_what_is_left_of_an_unsaturated_potential_is_less_than_the_smallest_threshold(thresholds):
    top = 2.0**thresholds
    v = torch.rand(5000, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * top
    left = v - Harmony(thresholds=thresholds).fire(v, Sign.POSITIVE)
    assert (left >= -1e-5).all()
    assert (left < 1).all()


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("firing", [SingleThreshold(), MultiThreshold(thresholds=3), Harmony(thresholds=3)], ids=repr)
def test_only_the_listed_values_are_fired(firing, sign):
    xs = noise(30, 400, 0.3, 1.5) * firing.reach
    out = run(MultiThresholdIF(firing=firing, sign=sign), xs)
    assert set(out.flatten().tolist()) == set(firing.values(sign))
    assert (firing.bits(out) <= (3 if isinstance(firing, Harmony) else 1)).all()


@pytest.mark.parametrize("firing", FIRINGS.values(), ids=FIRINGS)
def test_a_budget_is_never_overdrawn(firing):
    xs = noise(40, 500, -0.1, 1.5) * firing().reach / 2
    out = run(MultiThresholdIF(firing=firing(), sign=Sign.BUDGETED), xs)
    assert (out < 0).any()
    assert (out.cumsum(0) >= -1e-9).all()


@pytest.mark.parametrize("communication", [True, False])
@pytest.mark.parametrize("timesteps", [1, 2, 3, 4, 7, 16])
def test_a_constant_input_has_the_mean_of_the_closed_form(timesteps, communication):
    firing = Harmony(thresholds=3)
    z = torch.linspace(-9, 9, 400, dtype=torch.float64) + 0.0123
    xs = z.view(1, 1, -1).expand(timesteps, -1, -1)
    basal = run(MultiThresholdIF(firing=firing, sign=Sign.POSITIVE), xs).mean(0)
    full = run(HarmonyPair(firing=firing, v_threshold=1.0, communication=communication), xs).mean(0)
    n, _, highest = firing.steps(timesteps, Sign.BOTH)
    level = torch.floor(z * n + 0.5)
    torch.testing.assert_close(basal[0], level.clamp(0, highest) / n)
    torch.testing.assert_close(full[0], level.clamp(-highest, highest) / n)


@pytest.mark.parametrize("timesteps", [1, 4, 16])
def test_with_communication_the_mean_is_right_for_any_order_of_the_input(timesteps):
    xs = noise(timesteps, 2000, 0.3, 1.0).clamp(-3, 3)
    out = run(MultiThresholdIF(firing=Harmony(thresholds=3), sign=Sign.BOTH), xs)
    assert ((out.mean(0) - xs.mean(0)).abs() <= 1 / (2 * timesteps) + 1e-9).all()
    mirrored = run(MultiThresholdIF(firing=Harmony(thresholds=3), sign=Sign.BOTH), -xs)
    assert torch.equal(mirrored, -out)


def test_without_communication_the_output_follows_the_largest_sum_so_far():
    xs = noise(12, 1000, 0.1, 1.0).clamp(-3, 3)
    total = run(MultiThresholdIF(firing=Harmony(thresholds=4), sign=Sign.POSITIVE), xs).cumsum(0)
    largest = torch.floor(xs.cumsum(0) + 0.5).clamp(min=0).cummax(0).values
    torch.testing.assert_close(total, largest)


def test_with_one_threshold_it_is_an_ordinary_neuron_started_at_half():
    xs = noise(12, 500, 0.3, 0.7)
    one = run(MultiThresholdIF(firing=Harmony(thresholds=1), sign=Sign.POSITIVE), xs)
    assert torch.equal(one, run(MultiThresholdIF(firing=SingleThreshold(), sign=Sign.POSITIVE), xs))


@pytest.mark.parametrize(
    ("values", "thresholds", "communication", "expected"),
    [
        ([-4, 1, 1, 1, 1], 1, False, [-1, -1, 0, 0, 0]),
        ([-4, 1, 1, 1, 1], 1, True, [-1, -1, 0, 1, 1]),
        ([4, 2, -3, 6, -2, -6], 3, False, [4, 2, 0, 3, 0, 0]),
        ([4, 2, -3, 6, -2, -6], 3, True, [4, 2, -3, 6, -2, -6]),
        ([9, 1.5, 8.5, -6, -4, -5], 3, False, [7, 4, 7, 0, 0, 0]),
        ([9, 1.5, 8.5, -6, -4, -5], 3, True, [7, 4, 7, -5, -4, -5]),
    ],
)
def test_worked_cases_of_the_paper(values, thresholds, communication, expected):
    pair = HarmonyPair(firing=Harmony(thresholds=thresholds), v_threshold=1.0, communication=communication)
    assert run(pair, sequence(values)).flatten().tolist() == expected


@pytest.mark.parametrize(("values", "without", "with_"), [([2, 2, 2, -2, -2], 4, 3), ([2, -2, 2, -2, 2], 2, 1)])
def test_worked_totals_of_the_paper(values, without, with_):
    totals = [
        run(HarmonyPair(firing=Harmony(thresholds=1), v_threshold=1.0, communication=told), sequence(values)).sum()
        for told in (False, True)
    ]
    assert totals == [without, with_]


def test_the_correcting_neuron_equals_the_pair_where_the_input_never_sums_below_nothing():
    xs = noise(12, 2000, 0.8, 1.0).clamp(-3, 3)
    kept = (xs.cumsum(0) >= 0).all(0)[0]
    assert kept.sum() > 200
    firing = Harmony(thresholds=4)
    out, full = (run(MultiThresholdIF(firing=firing, sign=sign), xs)[..., kept] for sign in (Sign.BUDGETED, Sign.BOTH))
    assert torch.equal(out, full)


def test_the_correcting_neuron_is_nearer_to_the_mean_than_the_basal_one():
    xs = noise(4, 4000, 0.0, 1.0)
    wanted = xs.mean(0).clamp(min=0)
    errors = {
        sign: (
            run(MultiThresholdIF(firing=Harmony(), sign=sign, v_threshold=0.24, amplitude=0.24), xs).mean(0) - wanted
        )
        .square()
        .mean()
        for sign in (Sign.POSITIVE, Sign.BUDGETED)
    }
    assert errors[Sign.BUDGETED] < 0.2 * errors[Sign.POSITIVE]


def test_the_store_gives_back_only_what_the_total_allows():
    xs = noise(20, 1000, 0.1, 2.0)
    seen, out = states(HarmonyStore(firing=Harmony(thresholds=4), v_threshold=1.0), xs)
    for state, before in zip(seen, out.cumsum(0)):
        torch.testing.assert_close(before, state.total + state.store)  # what waits has not been taken off yet
        assert (before >= -1e-9).all()


def test_a_leaky_neuron_begins_where_its_first_charge_brings_it_to_the_start():
    neuron = MultiThresholdIF(firing=SingleThreshold(), sign=Sign.POSITIVE, decay=0.5)
    assert run(neuron, sequence([0.5, 0.9, 0.9])).flatten().tolist() == [1, 0, 1]


def test_bits_are_counted_of_the_size():
    assert Harmony(thresholds=4).bits(torch.tensor([0.0, 1.0, -3.0, 15.0, 8.0])).tolist() == [0, 1, 2, 4, 1]
    assert MultiThreshold().bits(torch.tensor([0.0, 0.5, -1.0])).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiThreshold(thresholds=0), r"MultiThreshold.thresholds: got 0; expected a whole number from 1"),
        (lambda: Harmony(thresholds=wrong(2.5)), r"Harmony.thresholds: got 2.5; expected a whole number from 1 to 14"),
        (lambda: Harmony(dead_zone=0.2), r"Harmony.dead_zone: got 0.2; expected a number from 0.5"),
        (
            lambda: MultiThresholdIF(firing=wrong("MT")),
            r"MultiThresholdIF.firing: got 'MT'; expected a firing function",
        ),
        (lambda: MultiThresholdIF(sign=wrong("both")), r"MultiThresholdIF.sign: got 'both'; expected Sign.POSITIVE"),
        (lambda: MultiThresholdIF(decay=1.5), r"MultiThresholdIF.decay: got 1.5; expected numbers above 0, at most 1"),
        (
            lambda: HarmonyPair(firing=wrong(MultiThreshold())),
            r"HarmonyPair.firing: got MultiThreshold; expected Harmony",
        ),
        (lambda: HarmonyStore(v_threshold=0.0), r"HarmonyStore.v_threshold: got 0; expected numbers above 0"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
