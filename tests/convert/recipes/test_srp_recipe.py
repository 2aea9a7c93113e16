"""SRP: the residual tells wrong counts, the mask takes them out, and everything else stays as in QCFS."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spikewright.convert import QCFS, SRP, convert, prepare
from spikewright.convert.recipes.srp import MaskedIF, authors_code, masked_if_unroll, paper
from spikewright.core import Spiking, bptt, carry_state, gradient_rule, recording
from spikewright.core.errors import ArgumentError
from spikewright.neurons import IF

D = torch.float64


def drive(seed: int, tau: int, shape: tuple[int, ...] = (50, 40)) -> Tensor:
    """Random input of both signs, away from ties, [tau, N, F]."""
    return torch.randn(tau, *shape, dtype=D, generator=torch.Generator().manual_seed(seed)) * 0.8 + 0.2


def counted(xs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Spikes N, residual v, unclipped and clipped wanted count of IF neurons with threshold 1 and start 1/2."""
    neuron = IF(start=0.5).double()
    with recording(neuron) as records:
        n = neuron.over_time(xs).sum(0)
    v = records[""].states[0].v[-1]
    unclipped = torch.floor(xs.sum(0) + 0.5)
    return n, v, unclipped, unclipped.clamp(0, len(xs))


@pytest.mark.parametrize("tau", [1, 2, 4, 8, 16])
def test_residual_identity_and_its_equivalences(tau: int) -> None:
    """SRP 1 and 2: floor(v) = k_u - N; over-firing, under-firing and silent-but-firing are read off v and N."""
    n, v, unclipped, k = counted(drive(tau, tau))
    assert torch.equal(torch.floor(v), unclipped - n)
    assert torch.equal(n > k, (v < 0) & (n >= 1))
    assert torch.equal(n < k, (v >= 1) & (n < tau))
    assert torch.equal((k == 0) & (n >= 1), (n >= 1) & (v < 1 - n))


def test_share_of_silent_ones_among_those_that_fire_too_often() -> None:
    """SRP section 4: all of them at tau = 2, ever fewer at more steps."""
    shares = []
    for tau in (2, 4, 8, 16):
        n, _, _, k = counted(torch.randn(tau, 400, 500, dtype=D, generator=torch.Generator().manual_seed(0)))
        shares.append(float(((k == 0) & (n > k)).sum() / (n > k).sum()))
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.7


def mlp() -> nn.Module:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 5))
    return prepare(net, QCFS(levels=4, v_threshold=0.7))


def images(n: int = 30) -> Tensor:
    return torch.randn(n, 12, generator=torch.Generator().manual_seed(1))


def stage_2(model: Spiking, x: Tensor, timesteps: int) -> Tensor:
    phases = model.phases
    return model(x.expand(phases.steps(timesteps), *x.shape))[phases.rehearsal :]


@torch.no_grad()
def test_without_masks_the_run_is_qcfs_bit_for_bit() -> None:
    """SRP 3: every mask 1 (a border far below), and tau = 0."""
    net, x = mlp(), images()
    plain = convert(net, QCFS()).model(x.expand(6, *x.shape))
    assert torch.equal(stage_2(convert(net, SRP(tau=4, mask_threshold=-1e6)).model, x, 6), plain)
    none = convert(net, SRP(tau=0)).model
    assert none.phases.rehearsal == 0
    assert torch.equal(none(x.expand(6, *x.shape)), plain)


@torch.no_grad()
def test_masked_neurons_deliver_nothing_and_the_others_of_layer_1_what_qcfs_delivers() -> None:
    """SRP 4, 6 and 7: on random sequences, layer 1 by itself."""
    tau, timesteps = 4, 7
    xs = drive(5, tau)
    run = torch.cat([xs, drive(6, timesteps)])
    masked, plain = MaskedIF(rehearsal=tau).double().over_time(run)[tau:], IF(start=0.5).double()
    _, v, _, _ = counted(xs)
    expected = plain.over_time(run[tau:])
    assert 0 < float((v < 0).double().mean()) < 1
    assert (masked[:, v < 0] == 0).all()
    assert torch.equal(masked[:, v >= 0], expected[:, v >= 0])
    assert (masked <= expected).all()
    shorter = MaskedIF(rehearsal=tau).double().over_time(run[: tau + 3])[tau:]
    assert torch.equal(shorter, masked[:3])


@torch.no_grad()
def test_constant_input_is_never_masked_by_the_rule_of_the_paper() -> None:
    """SRP 5; and the authors' rule masks correct neurons whose residual is exactly 0 (input 1/8, tau = 4)."""
    z = torch.linspace(-1, 2, 997, dtype=D).unsqueeze(0)
    run = z.expand(12, *z.shape)
    fired = IF(start=0.5).double().over_time(run)[:4].sum(0) > 0
    assert torch.equal(MaskedIF(rehearsal=4).double().over_time(run)[4:], IF(start=0.5).double().over_time(run)[:8])
    assert fired.any()
    eighth = torch.full((12, 1, 1), 0.125)
    assert MaskedIF(rehearsal=4, rule=paper).over_time(eighth)[4:].sum() == 1
    assert MaskedIF(rehearsal=4, rule=authors_code).over_time(eighth)[4:].sum() == 0


@torch.no_grad()
def test_the_same_batch_twice_and_any_prefix() -> None:
    """SRP 7 and 8."""
    model, x = convert(mlp(), SRP(tau=3)).model, images()
    out = stage_2(model, x, 8)
    assert torch.equal(stage_2(model, x, 8), out)
    assert torch.equal(stage_2(model, x, 2), out[:2])


def test_what_masking_does_to_the_error() -> None:
    """SRP 9: k = 0 < N: the error becomes 0 if the input repeats; 0 < k < N: it turns from N - k to -k."""
    xs = drive(9, 8)
    n, v, _, k = counted(xs)
    run = MaskedIF(rehearsal=8).double().over_time(torch.cat([xs, xs]))[8:].sum(0)
    silent, some = (k == 0) & (n >= 1), (k > 0) & (k < n)
    assert silent.any()
    assert some.any()
    assert (run[silent] - k[silent] == 0).all()
    assert torch.equal(run[some] - k[some], -k[some])
    assert (v[silent | some] < 0).all()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 6), st.integers(0, 99))
def test_chunks_and_the_fast_path_give_the_same_bits(cuts: list[int], tau: int, seed: int) -> None:
    xs = drive(seed, tau + sum(cuts), (3, 4)).float()
    model = Spiking(nn.Sequential(MaskedIF(v_threshold=0.7, rehearsal=tau, amplitude=0.7)))
    with torch.no_grad():
        whole = model(xs)
        with carry_state(model):
            parts = torch.cat([model(part) for part in xs.split([*[1] * tau, *cuts])])
        with gradient_rule(model, bptt):
            plain = model(xs)
    assert torch.equal(parts, whole)
    assert torch.equal(plain, whole)
    assert torch.equal(model(xs), whole)  # with a gradient asked for


def test_any_start_and_any_threshold() -> None:
    net = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 3))
    from spikewright.convert import Maximum, per_channel

    recipe = SRP(threshold=Maximum(groups=per_channel), start=0.3, tau=2)
    (neuron,) = convert(net, recipe, images(200)).neurons().values()
    assert isinstance(neuron, MaskedIF)
    assert (neuron.rehearsal, neuron.v_threshold.shape) == (2, (20,))
    assert neuron.start.item() == pytest.approx(0.3)
    assert neuron.unroll is masked_if_unroll


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"tau": -1}, r"SRP\.tau: got -1; expected a whole number of at least 0"),
        ({"tau": 2.0}, r"SRP\.tau: got 2\.0"),
        ({"mask_threshold": float("nan")}, r"SRP\.mask_threshold: got nan; expected none or a finite number"),
        ({"mask_threshold": "a"}, r"SRP\.mask_threshold: got 'a'"),
        ({"rule": "paper"}, r"SRP\.rule: got .*; expected a MaskRule, paper or authors_code"),
        ({"levels": 0}, r"levels: got 0"),
        ({"start": float("inf")}, r"SRP\.start: got inf"),
    ],
)
def test_arguments(arguments: dict, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        SRP(**arguments)
