"""Every gradient rule leaves the forward pass alone, and has the gradient that its paper states."""

import math

import pytest
import torch
from torch import nn

from spikewright.attack import (
    ASSG,
    BPTR,
    GRADIENT_RULES,
    HART,
    PDSG,
    PGD,
    RGA,
    AnalogTwin,
    Classifier,
    LastSteps,
    Linf,
    Mixed,
    RateSlope,
    SurrogateBPTT,
    WithoutTime,
    perturb,
)  # fmt: skip
from spikewright.coding import as_given
from spikewright.core import ATan, Spiking, Triangle, bptt, gradient_rule, to_zero
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator
from spikewright.neurons import ATLIF, IF, LI, LIF, PLIF, MaskedPSN, SignedIF
from tests.attack.conftest import small_network

RULES = [
    HART(gamma=0.25), HART(gamma=2.0), BPTR(), RGA(), RateSlope(), SurrogateBPTT(surrogate=ATan()),
    SurrogateBPTT(surrogate=Triangle(gamma=0.5)), LastSteps(steps=2), WithoutTime(rule=RGA()), WithoutTime(),
    ASSG(), ASSG().fresh(), PDSG(), Mixed(rules=(HART(gamma=1.0), RGA(), None)), Mixed(rules=(ASSG(),) * 2).fresh(),
]  # fmt: skip
SAME_FORWARD = pytest.mark.parametrize("rule", RULES, ids=str)


def input_gradient(model, x, rule, timesteps=4):
    x = x.clone().requires_grad_()
    logits = Classifier(model, timesteps, rule=rule and rule.fresh())(x)
    weights = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    (gradient,) = torch.autograd.grad((weights * logits).sum(), x)
    return gradient


def unrolled(neuron, rule, xs, arriving):
    """Gradient of xs when `arriving` arrives at the spikes."""
    xs = xs.clone().requires_grad_()
    _, spikes = rule(neuron, neuron.init_state(xs[0]), xs)
    spikes.backward(arriving)
    return spikes.detach(), xs.grad


@pytest.fixture
def drive():
    return torch.rand(6, 3, 5, generator=torch.Generator().manual_seed(3)) - torch.linspace(0, 0.9, 5)


@pytest.fixture
def arriving():
    return torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(4))


def test_the_list_above_has_every_rule():
    assert {type(rule).__name__ for rule in RULES} | {"AnalogTwin"} == set(GRADIENT_RULES)


@SAME_FORWARD
@pytest.mark.parametrize("neuron", [IF, LIF, PLIF, lambda: LIF(tau=3.0, reset=to_zero)])
def test_logits_are_those_of_the_network_bit_for_bit(rule, neuron, images):
    model = small_network(neuron)
    assert torch.equal(Classifier(model, 4, rule=rule)(images), Classifier(model, 4)(images))


@SAME_FORWARD
def test_its_gradient_is_finite_and_not_that_of_the_network(rule, network, images):
    gradient = input_gradient(network, images, rule)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
    assert not torch.allclose(gradient, input_gradient(network, images, None))


@SAME_FORWARD
def test_samples_do_not_depend_on_each_other(rule, network, images):
    together = input_gradient(network, images, rule)
    logits = Classifier(network, 4)(images)
    weights = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    for n in range(len(images)):
        x = images[n : n + 1].clone().requires_grad_()
        (weights[n] * Classifier(network, 4, rule=rule.fresh())(x)).sum().backward()
        torch.testing.assert_close(x.grad[0], together[n], rtol=1e-4, atol=1e-6)


@SAME_FORWARD
def test_the_rule_is_gone_after_an_exception(rule, network, images):
    before = {name: layer.unroll for name, layer in network.named_modules() if hasattr(layer, "unroll")}
    spikes = {name: layer.spike for name, layer in network.named_modules() if hasattr(layer, "spike")}
    with pytest.raises(Exception, match="cannot take a batch"):
        Classifier(network, 4, rule=rule)(images[:, :, :5])
    assert before == {name: layer.unroll for name, layer in network.named_modules() if hasattr(layer, "unroll")}
    assert spikes == {name: layer.spike for name, layer in network.named_modules() if hasattr(layer, "spike")}


def test_an_unroll_rule_works_by_gradient_rule_as_well(network, images):
    x = images.clone().requires_grad_()
    with gradient_rule(network, HART(gamma=0.7)):
        logits = network(x.expand(4, *x.shape)).mean(0)
    (torch.linspace(-1, 1, logits.numel()).view_as(logits) * logits).sum().backward()
    torch.testing.assert_close(x.grad, input_gradient(network, images, HART(gamma=0.7)))


def test_surrogate_bptt_is_bptt_with_that_surrogate(drive, arriving):
    for neuron in (IF(reset=to_zero), LIF(), LIF(reset=to_zero)):
        spikes, gradient = unrolled(neuron, SurrogateBPTT(surrogate=Triangle(gamma=0.7)), drive, arriving)
        neuron.spike = Triangle(gamma=0.7)
        expected, expected_gradient = unrolled(neuron, bptt, drive, arriving)
        assert torch.equal(spikes, expected)
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_widths_are_in_thresholds(drive, arriving):
    one, three = (LIF(v_threshold=v, amplitude=v, reset=to_zero) for v in (1.0, 3.0))
    for rule in (SurrogateBPTT(surrogate=Triangle()), HART(), BPTR(), RGA(), RateSlope()):
        spikes, gradient = unrolled(one, rule, drive, arriving)
        scaled, scaled_gradient = unrolled(three, rule, 3 * drive, arriving)
        assert torch.equal(spikes, scaled)
        torch.testing.assert_close(gradient, 3 * scaled_gradient, rtol=1e-4, atol=1e-6)


def test_hart_is_the_same_at_every_step(drive, arriving):
    _, gradient = unrolled(IF(reset=to_zero), HART(gamma=0.5), drive, arriving)
    assert torch.equal(gradient, gradient[:1].expand_as(gradient))
    assert gradient.abs().sum() > 0


def test_hart_by_hand():
    neuron = IF(reset=to_zero)
    xs = torch.tensor([0.75, 0.75]).view(2, 1, 1)
    _, gradient = unrolled(neuron, HART(gamma=1.0), xs, torch.tensor([2.0, 4.0]).view(2, 1, 1))
    # u = -0.25, then 1.5 - 1 = 0.5: (2 * 0.75 + 4 * 0.5) / 2
    assert gradient.flatten().tolist() == [1.75, 1.75]


@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_hart_at_one_step_is_bptt(gamma, network, images):
    hart = input_gradient(network, images, HART(gamma=gamma), timesteps=1)
    assert torch.equal(hart, input_gradient(network, images, SurrogateBPTT(surrogate=Triangle(gamma=gamma)), 1))


def test_hart_without_memory_is_bptt(images):
    model = small_network(lambda: LIF(tau=1e-9, reset=to_zero))
    assert float(next(layer.decay for layer in model.modules() if isinstance(layer, LIF))) == 0
    hart = input_gradient(model, images, HART(gamma=0.8))
    torch.testing.assert_close(
        hart, input_gradient(model, images, SurrogateBPTT(surrogate=Triangle(gamma=0.8))), rtol=1e-5, atol=1e-7
    )


def test_hart_with_a_wide_triangle_is_the_network_without_neurons(network, images):
    linear = nn.Sequential(*(part for part in network.module if not isinstance(part, IF))).eval()
    x = images.clone().requires_grad_()
    logits = linear(x)
    (torch.linspace(-1, 1, logits.numel()).view_as(logits) * logits).sum().backward()
    hart = input_gradient(network, images, HART(gamma=1e4))
    scaled = hart / hart.abs().amax((1, 2, 3), keepdim=True)  # the slopes are tiny
    assert torch.cosine_similarity(scaled.flatten(1), x.grad.flatten(1)).min() > 0.9999


@pytest.mark.parametrize("rule", [HART(gamma=0.3), HART(gamma=1.0), RGA(), BPTR(), RateSlope()], ids=str)
@pytest.mark.parametrize("neuron", [None, lambda: LIF(tau=3.0), PLIF])
def test_without_time_is_the_rule(rule, neuron, images):
    model = small_network(neuron)
    fast, plain = input_gradient(model, images, WithoutTime(rule=rule)), input_gradient(model, images, rule)
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5 * float(plain.abs().max()))


def test_without_time_refuses_what_is_not_linear_in_time(images):
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(IF(), nn.MaxPool2d(2), nn.Conv2d(1, 3, 3), IF(), nn.Flatten(), nn.Linear(3, 2)))
    view = Classifier(model.eval(), 4, rule=WithoutTime(rule=HART()))
    with pytest.raises(
        ArgumentError, match=r"WithoutTime: got a network whose means over time do not follow from means"
    ):
        view(images * torch.linspace(0.3, 2, 6))


def test_without_time_refuses_an_input_that_changes(network, images):
    frames = torch.stack([images, images.flip(0), 0 * images], 1)
    view = Classifier(network, 3, encode=as_given, rule=WithoutTime(rule=HART()))
    with pytest.raises(ArgumentError, match=r"repeated input"):
        view(frames)


def test_bptr_passes_all_or_nothing(drive, arriving):
    spikes, gradient = unrolled(IF(reset=to_zero), BPTR(), drive, arriving)
    fired = spikes.sum(0) > 0
    assert 0 < int(fired.sum()) < fired.numel()
    assert torch.equal(gradient[:, fired], arriving[:, fired])
    assert not gradient[:, ~fired].any()


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9, 1.0])
def test_rga_rises_from_0_to_1(decay):
    tau = -1 / math.log(decay) if 0 < decay < 1 else 1e-9
    neuron = IF() if decay == 1 else LIF(tau=tau)
    edges = torch.linspace(0, 2, 200_001, dtype=torch.float64)
    middles = (edges[1:] + edges[:-1]) / 2
    slope = RGA().slope(neuron.double(), middles.view(1, 1, -1), torch.zeros(1))
    assert float(slope.sum() * (edges[1] - edges[0])) == pytest.approx(1, abs=1e-5)


def test_rga_ends_at_its_edges():
    slope = RGA().slope(IF(), torch.tensor([-0.01, 0.5, 2.0, 2.01]).view(1, 1, 4), torch.zeros(1))
    assert slope.flatten().tolist() == [0, 0.5, 0.5, 0]


def test_rate_slope_by_hand():
    xs = torch.tensor([[0.5, 0.25, -1.0]]).view(1, 1, 3).expand(4, 1, 3)
    spikes, gradient = unrolled(IF(), RateSlope(), xs, torch.ones(4, 1, 3))
    assert spikes.mean(0).flatten().tolist() == [0.5, 0.25, 0]
    torch.testing.assert_close(gradient[0].flatten(), torch.tensor([1.0, 1.0, 0.0]) * 2 / 2.001)


def test_the_last_steps_alone(drive, arriving):
    neuron = LIF(reset=to_zero, spike=Triangle())
    _, whole = unrolled(neuron, bptt, drive, arriving)
    for steps in (1, 3, 6, 9):
        spikes, gradient = unrolled(neuron, LastSteps(steps=steps), drive, arriving)
        assert torch.equal(spikes, unrolled(neuron, bptt, drive, arriving)[0])
        early = max(0, 6 - steps)
        assert not gradient[:early].any()
        torch.testing.assert_close(gradient[early:], whole[early:], rtol=1e-5, atol=1e-6)


def test_the_twin_is_the_network_with_an_activation(network, images):
    relu = nn.Sequential(*(nn.ReLU() if isinstance(part, IF) else part for part in network.module)).eval()
    view = Classifier(network, 4, rule=AnalogTwin(activation=torch.relu))
    torch.testing.assert_close(view(images), relu(images))
    x, twin = images.clone().requires_grad_(), images.clone().requires_grad_()
    relu(x).square().sum().backward()
    view(twin).square().sum().backward()
    torch.testing.assert_close(twin.grad, x.grad)


def test_the_twin_rounds_to_eighths(network, images):
    levels = []
    hook = network.module[2].register_forward_hook(lambda *call: levels.append(call[2].detach()))
    Classifier(network, 4, rule=AnalogTwin())(images)
    hook.remove()
    assert torch.equal(levels[0] * 8, (levels[0] * 8).round())
    assert 0 <= float(levels[0].min()) < float(levels[0].max()) <= 1


def potentials(neuron, xs):
    """(v - threshold) / threshold before every reset, [T, N, *F]."""
    seen, before = [], neuron.spike
    neuron.spike = lambda u: seen.append(u.detach() / neuron.v_threshold) or before(u)
    bptt(neuron, neuron.init_state(xs[0]), xs)
    neuron.spike = before
    return torch.stack(seen)


def test_assg_is_an_arctangent_as_sharp_as_its_means_say():
    neuron, rule = IF(reset=to_zero), ASSG(c=0.25)
    xs = torch.tensor([0.5, 0.5]).view(2, 1, 1)
    _, gradient = unrolled(neuron, rule, xs, torch.tensor([1.0, 0.0]).view(2, 1, 1))
    # |u| = 0.5: M = 0.95, D = 0.045, alpha = 2/pi / (0.95 + 0.0675 + 0.0001), and the derivative at -0.5
    alpha = 2 / math.pi / 1.0176
    expected = alpha / 2 / (1 + (math.pi / 2 * alpha * 0.5) ** 2)
    assert gradient.flatten().tolist() == pytest.approx([expected, 0.0])


def test_assg_gets_sharper_from_pass_to_pass_and_begins_anew(drive, arriving):
    neuron = LIF(reset=to_zero)
    rule, u = ASSG(c=0.42).fresh(), potentials(neuron, drive).abs()
    mean, deviation = torch.ones_like(u), torch.zeros_like(u)
    first = unrolled(neuron, rule, drive, arriving)[1]
    for _ in range(4):
        mean = 0.9 * mean + 0.1 * u
        deviation = 0.9 * deviation + 0.1 * (u - mean).abs()
        rule.memory.begin()
    known = rule.memory.known[neuron, 1]
    torch.testing.assert_close(known[0], 0.9 + 0.1 * u)
    for _ in range(3):
        rule.memory.begin()
        later = unrolled(neuron, rule, drive, arriving)[1]
    torch.testing.assert_close(rule.memory.known[neuron, 1], (mean, deviation))
    assert not torch.allclose(later, first)
    torch.testing.assert_close(unrolled(neuron, rule.fresh(), drive, arriving)[1], first)
    torch.testing.assert_close(unrolled(neuron, ASSG(c=0.42), drive, arriving)[1], first)


def test_assg_learns_nothing_from_further_passes_at_one_point_or_without_a_gradient(network, images):
    rule = ASSG().fresh()
    input_of = lambda view: torch.autograd.grad(view(at := images.clone().requires_grad_()).sum(), at)[0]  # noqa: E731
    first = input_of(Classifier(network, 4, rule=rule))
    known = {place: means[0].clone() for place, means in rule.memory.known.items()}
    assert len(known) == 2
    again = input_of(Classifier(network, 4, rule=rule.again()))
    with torch.no_grad():
        Classifier(network, 4, rule=rule)(images)
    torch.testing.assert_close(again, first)
    assert all(torch.equal(rule.memory.known[place][0], mean) for place, mean in known.items())
    assert not torch.allclose(input_of(Classifier(network, 4, rule=rule)), first)


def test_an_attack_begins_with_a_rule_that_has_learnt_nothing(network, images, labels):
    learnt = ASSG().fresh()
    for _ in range(5):
        Classifier(network, 4, rule=learnt)(images.clone().requires_grad_())
    results = [
        perturb(Classifier(network, 4, rule=rule), PGD(steps=4), Linf(eps=0.1), images, labels, generator=generator(0))
        for rule in (ASSG(), learnt, ASSG().fresh(), Mixed(rules=(ASSG(), learnt)))
    ]
    assert all(torch.equal(z, results[0]) for z in results[1:])
    one = perturb(
        Classifier(network, 4, rule=ASSG()),
        PGD(steps=1, start=0.0),
        Linf(eps=0.1),
        images,
        labels,
        generator=generator(0),
    )
    assert not torch.equal(one, results[0])


def test_pdsg_is_a_normal_density_that_follows_the_potentials(drive, arriving):
    neuron = IF(reset=to_zero)
    u = potentials(neuron, drive)
    _, gradient = unrolled(neuron, PDSG(), drive[:1], arriving[:1])
    sigma = u[0].std(dim=1, correction=0, keepdim=True)
    density = torch.exp(-0.5 * (u[0] / sigma - 0.5).square()) / (sigma * math.sqrt(2 * math.pi))
    torch.testing.assert_close(gradient[0], arriving[0] * density)
    last = torch.zeros_like(arriving)
    last[-1] = arriving[-1]
    _, gradient = unrolled(LIF(tau=1e-9, reset=to_zero), PDSG(), drive, last)
    sigma = (drive - 1).std(dim=(0, 2), correction=0).view(-1, 1)
    density = torch.exp(-0.5 * ((drive[-1] - 1) / sigma - 0.5).square()) / (sigma * math.sqrt(2 * math.pi))
    torch.testing.assert_close(gradient[-1], arriving[-1] * density)


def test_pdsg_takes_each_channel_over_space():
    xs = torch.tensor([[0.0, 2.0], [0.5, 0.6]]).view(1, 1, 2, 1, 2)
    _, gradient = unrolled(IF(), PDSG(), xs, torch.ones_like(xs))
    for channel, sigma in ((0, 1.0), (1, 0.05)):
        u = xs[0, 0, channel, 0] - 1
        density = torch.exp(-0.5 * (u / sigma - 0.5).square()) / (sigma * math.sqrt(2 * math.pi))
        torch.testing.assert_close(gradient[0, 0, channel, 0], density)


def test_pdsg_of_equal_potentials_is_finite():
    xs = torch.full((2, 1, 3), 1.0)
    _, gradient = unrolled(IF(), PDSG(), xs, torch.ones_like(xs))
    assert gradient.isfinite().all()
    assert gradient.any()


def test_mixed_is_the_mean_of_the_gradients(network, images):
    rules = HART(gamma=0.7), RGA(), None
    mean = sum(input_gradient(network, images, rule) for rule in rules) / 3
    torch.testing.assert_close(input_gradient(network, images, Mixed(rules=rules)), mean, rtol=1e-4, atol=1e-6)


def test_mixed_of_equal_rules_is_the_rule(network, images):
    rule = HART(gamma=0.7)
    torch.testing.assert_close(
        input_gradient(network, images, Mixed(rules=(rule, rule))), input_gradient(network, images, rule)
    )


@pytest.mark.parametrize(
    ("rule", "neuron", "match"),
    [
        (ASSG(), ATLIF, r"ASSG: got layer 2 \(ATLIF\)"),
        (PDSG(), ATLIF, r"PDSG: got layer 2 \(ATLIF\)"),
        (Mixed(rules=(HART(), BPTR())), SignedIF, r"BPTR: got layer 2 \(SignedIF\)"),
        (Mixed(), lambda: MaskedPSN(steps=4, order=2), r"HART: got layer 2 \(MaskedPSN\)"),
        (
            HART(),
            ATLIF,
            r"HART: got layer 2 \(ATLIF\); expected neurons with a threshold, differentiated by a surrogate",
        ),
        (SurrogateBPTT(), ATLIF, r"SurrogateBPTT: got layer 2 \(ATLIF\)"),
        (BPTR(), SignedIF, r"BPTR: got layer 2 \(SignedIF\); expected neurons with a threshold and spikes 0 and 1"),
        (RGA(), lambda: IF(spike=Triangle(fires=torch.gt)), r"RGA: got layer 2 \(IF\); expected IF, LIF or PLIF"),
        (
            HART(),
            lambda: MaskedPSN(steps=4, order=2),
            r"HART: got layer 2 \(MaskedPSN\); expected neurons with a step of their own",
        ),
        (AnalogTwin(), SignedIF, r"AnalogTwin: got layer 2 \(SignedIF\)"),
        (WithoutTime(rule=BPTR()), SignedIF, r"BPTR: got layer 2 \(SignedIF\)"),
    ],
)
def test_a_rule_refuses_neurons_that_it_does_not_know(rule, neuron, match):
    with pytest.raises(ArgumentError, match=match):
        Classifier(small_network(neuron), 4, rule=rule)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: HART(gamma=0.0), r"HART.gamma: got 0.0; expected a number above 0"),
        (lambda: LastSteps(steps=0), r"LastSteps.steps: got 0"),
        (lambda: SurrogateBPTT(surrogate="triangle"), r"SurrogateBPTT.surrogate: got 'triangle'"),
        (lambda: LastSteps(surrogate=None), r"LastSteps.surrogate: got None"),
        (lambda: WithoutTime(rule=SurrogateBPTT()), r"WithoutTime.rule: got SurrogateBPTT"),
        (lambda: ASSG(c=0.5), r"ASSG.c: got 0.5; expected a number above 0 and below 0.5"),
        (lambda: Mixed(rules=()), r"Mixed.rules: got \(\); expected a tuple of gradient rules"),
        (lambda: Mixed(rules=(HART,)), r"Mixed.rules: got .*HART.*; expected a tuple of gradient rules"),
        (lambda: Mixed(rules=(AnalogTwin(),)), r"Mixed.rules: got AnalogTwin; expected rules with the network's own"),
    ],
)
def test_wrong_arguments(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


@pytest.mark.parametrize("rule", [r for r in RULES if not isinstance(r, WithoutTime)] + [AnalogTwin()], ids=str)
def test_a_leaky_readout_keeps_its_own_gradient(rule, drive):
    network = Spiking(nn.Sequential(nn.Flatten(), IF(), nn.Linear(5, 4), LI()))
    assert bool(input_gradient(network, drive[0], rule).abs().amax() > 0)
    if rule.same_forward:
        assert torch.equal(Classifier(network, 4, rule=rule.fresh())(drive[0]), Classifier(network, 4)(drive[0]))


def test_a_leaky_readout_alone_has_the_same_gradient_by_every_rule(drive):
    network = Spiking(nn.Sequential(nn.Flatten(), nn.Linear(5, 4), LI()))
    own = input_gradient(network, drive[0], None)
    for rule in (HART(), RGA(), BPTR(), RateSlope(), SurrogateBPTT(), ASSG(), PDSG()):
        assert torch.equal(input_gradient(network, drive[0], rule), own), rule


def test_a_network_without_neurons_is_refused(drive):
    with pytest.raises(ArgumentError, match=r"^HART: got a network without neurons; expected a spiking network"):
        input_gradient(Spiking(nn.Linear(5, 4)), drive[0], HART())


def test_without_time_refuses_a_leaky_readout(drive):
    network = Spiking(nn.Sequential(nn.Flatten(), IF(), nn.Linear(5, 4), LI()))
    with pytest.raises(ArgumentError, match="whose means over time"):
        input_gradient(network, drive[0], WithoutTime())
