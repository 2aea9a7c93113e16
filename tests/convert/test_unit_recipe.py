"""Conversion of any network: which layer becomes what, on which wires spikes travel, and that it comes to its source."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.coding import repeat, running_mean
from spikewright.convert import (
    DCGS,
    HMT,
    ErrorOptimal,
    GaussianOptimal,
    Maximum,
    check,
    convert,
    diagnose,
    per_channel,
    thresholds_without_data,
)
from spikewright.convert.codings import differential, rate
from spikewright.convert.layers.differential_if import DifferentialIF
from spikewright.convert.layers.graded_unit import GradedUnit
from spikewright.convert.statistics import Levels
from spikewright.core.errors import ArgumentError, ConversionError
from spikewright.models import Normalize, vit
from spikewright.neurons import HarmonyPair, HarmonyStore, MultiThresholdIF
from spikewright.neurons.firing import Harmony, MultiThreshold, Sign, SingleThreshold
from spikewright.profile import FLOAT32_45NM, count_macs, count_operations, count_spikes, estimate, per_bit

X = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
EVERYTHING: Any = {"encode": "everything", "threshold": Maximum()}


class Mixed(nn.Module):
    """ReLU with a max pool behind, SiLU, squeeze and excitation, a residual sum, GELU, a normalisation, attention."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.conv, self.silu = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.SiLU()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 17, 8))
        self.attention, self.layer_norm = nn.MultiheadAttention(8, 2, batch_first=True), nn.LayerNorm(8)
        self.fc1, self.act, self.fc2, self.head = nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = F.max_pool2d(F.relu(self.norm(self.stem(x - 0.5))), 2)
        h = h * torch.sigmoid(self.excite(F.relu6(self.squeeze(h.mean((2, 3), keepdim=True)))))
        h = self.silu(self.conv(h)) + h
        tokens = torch.cat([self.token.expand(h.shape[0], -1, -1), h.flatten(2).transpose(1, 2)], 1) + self.position
        normed = self.layer_norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        return self.head((tokens + self.fc2(self.act(self.fc1(tokens))))[:, 0])


def mixed() -> nn.Module:
    net = Mixed().train()
    with torch.no_grad():
        net(X)
    return net.eval()


RECIPES = [
    DCGS(threshold=Maximum()),
    DCGS(**EVERYTHING, firing=MultiThreshold(thresholds=8)),
    DCGS(**EVERYTHING, coding=rate, firing=MultiThreshold(thresholds=8), scale=1.5),
    HMT(threshold=Maximum()),
    HMT(**EVERYTHING, firing=Harmony(thresholds=6)),
    HMT(**EVERYTHING, coding=differential, signed=True, firing=Harmony(thresholds=6, dead_zone=0.75)),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{type(r).__name__}-{r.coding}-{r.encode}-{r.firing}")
def test_every_kind_of_layer_converts_and_comes_to_its_source(recipe):
    net = mixed().double()
    conversion = convert(net, recipe, X.double())
    x = X[:6].double()
    with torch.no_grad():
        source = net(x)
        torch.testing.assert_close(conversion.source(x), source)
        out = running_mean(conversion.model(repeat(x, 128)))
    errors = (out - source).square().mean((1, 2)).sqrt() / source.std()
    assert errors[127] < 0.05
    assert errors[127] < 0.5 * errors[3]


def test_with_exact_units_for_neurons_the_network_is_its_source_from_the_first_step():
    net = mixed().double()
    for coding in (rate, differential):
        conversion = convert(net, DCGS(**EVERYTHING, coding=coding), X.double())
        for row in conversion.replaced:
            neuron: Any = conversion.model.module.get_submodule(row.path)
            if isinstance(neuron, DifferentialIF | MultiThresholdIF):
                rectifier = nn.ReLU6() if row.kind == "relu6" else nn.ReLU()
                exact = nn.Identity() if neuron.sign is Sign.BOTH else rectifier
                conversion.model.module.set_submodule(row.path, coding.unit(exact))
        with torch.no_grad():
            out = running_mean(conversion.model(repeat(X[:4].double(), 3)))
            torch.testing.assert_close(out, net(X[:4].double()).expand(3, -1, -1), rtol=0, atol=1e-10)


def test_a_relu_in_front_of_a_max_pool_changes_places_with_it():
    conversion = convert(mixed(), DCGS(threshold=Maximum()), X)
    kinds = [row.kind for row in conversion.replaced]
    assert kinds.index("max_pool2d") < kinds.index("relu")
    with torch.no_grad():
        torch.testing.assert_close(conversion.source(X), mixed()(X))


def test_neurons_stand_in_front_of_every_layer_with_weights_that_gets_no_spikes():
    plain, everything = (convert(mixed(), DCGS(encode=e, threshold=Maximum()), X) for e in ("relu", "everything"))
    assert len(plain.neurons()) == 2
    wires = [row.site for row in everything.replaced if row.kind == "Wire"]
    assert "stem_wire" in wires  # the image itself
    assert not any(wire.startswith("excite") for wire in wires)  # behind a ReLU
    assert len(everything.neurons()) == len(wires) + 2
    for wire in wires:
        neuron = everything.neurons()[wire]
        assert isinstance(neuron, DifferentialIF)
        assert neuron.sign is Sign.BOTH


def test_channels_of_tokens_are_their_last_axis():
    torch.manual_seed(0)
    net: Any = nn.Sequential(
        nn.Flatten(2), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 3), nn.Flatten(), nn.Linear(9, 2)
    )
    conversion = convert(net, DCGS(encode="everything", threshold=Maximum(groups=per_channel)), X)
    shapes = {site: list(neuron.v_threshold.shape) for site, neuron in conversion.neurons().items()}
    assert shapes["2"] == [12]  # not the 3 tokens
    assert shapes["1_wire"] == [64]


@pytest.mark.parametrize(("clip", "top"), [(nn.ReLU6(), 6.0), (nn.Hardtanh(0.0, 1.5), 1.5)])
@pytest.mark.parametrize("recipe", [DCGS(), HMT(), HMT(coding=differential, signed=True)], ids=repr)
def test_a_clipped_relu_is_clipped_where_its_source_is(recipe, clip, top):
    net: Any = nn.Sequential(nn.Linear(1, 1, bias=False), clip)
    nn.init.constant_(net[0].weight, 4.0)
    x = torch.linspace(-1, 4, 200).view(-1, 1)
    model = convert(net, recipe, x).model
    out = running_mean(model(repeat(x, 64)))[-1]
    torch.testing.assert_close(out, (4 * x).clamp(0, top), rtol=0, atol=0.06)


def test_a_bound_that_is_no_number_is_refused():
    class Bounded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(192, 4)
            self.register_buffer("bound", torch.tensor(2.0))

        def forward(self, x: Tensor) -> Tensor:
            return torch.clamp(self.layer(x.flatten(1)), 0, self.bound)  # pyright: ignore

    with pytest.raises(ConversionError, match=r"clamp \(clamp\): is bounded by a tensor; expected a number above 0"):
        convert(Bounded(), DCGS(), X)


def test_without_data_a_wire_is_refused_by_name_and_a_max_pool_moves_first():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
    )
    thresholds = thresholds_without_data(net.eval(), DCGS())
    assert thresholds.keys() == {"2"}
    out = convert(net, DCGS(), thresholds=thresholds).model(repeat(X[:2], 2))
    assert torch.isfinite(out).all()
    with pytest.raises(ConversionError, match=r"0_wire \(Wire\): no batch norm tells mean and variance"):
        thresholds_without_data(net, DCGS(encode="everything"))


def test_the_threshold_is_told_what_the_neuron_can_say():
    recipe = DCGS(encode="everything", threshold=GaussianOptimal(timesteps=4))
    levels = {at.statistic.levels for at in recipe.statistics()}
    assert levels == {Levels(64, 0, 64), Levels(64, -64, 64)}
    given = GaussianOptimal(timesteps=4, levels=Levels(3, 0, 3))
    assert {at.statistic.levels for at in DCGS(threshold=given).statistics()} == {Levels(3, 0, 3)}
    assert {at.statistic.levels for at in HMT(threshold=ErrorOptimal(timesteps=2)).statistics()} == {
        Levels(2, 0, 30),
        Levels(2, -30, 30),
    }


def test_a_largest_activity_is_what_one_step_reaches():
    net: Any = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 2))
    largest = float(net[:3](X).detach().max())
    for recipe, share in ((DCGS(threshold=Maximum()), 1.0), (HMT(threshold=Maximum(), scale=2.0), 2 / 15)):
        (neuron,) = convert(net, recipe, X).neurons().values()
        assert float(neuron.v_threshold) == pytest.approx(largest * share)


def test_signs_and_codings_are_independent_of_each_other():
    net: Any = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 2))
    for signed, sign in ((True, Sign.BUDGETED), (False, Sign.POSITIVE)):
        for coding, kind in ((rate, MultiThresholdIF), (differential, DifferentialIF)):
            for firing in (SingleThreshold(), MultiThreshold(), Harmony()):
                recipe = DCGS(firing=firing, coding=coding, signed=signed, threshold=Maximum())
                (neuron,) = convert(net, recipe, X).neurons().values()
                assert isinstance(neuron, kind)
                assert neuron.sign is sign
                assert neuron.firing == firing


def test_biases_and_embeddings_reach_the_output_at_the_first_step():
    net = mixed().double()
    out = convert(net, DCGS(threshold=Maximum(), firing=MultiThreshold(thresholds=12)), X.double()).model(
        repeat(torch.zeros(1, 3, 8, 8, dtype=torch.float64), 60)
    )
    torch.testing.assert_close(running_mean(out)[-1], net(torch.zeros(1, 3, 8, 8).double()), rtol=0, atol=2e-3)


def test_a_converted_network_is_saved_and_loaded_with_its_constants():
    conversion = convert(mixed(), DCGS(**EVERYTHING), X)
    other = convert(mixed(), DCGS(**EVERYTHING), X * 0.5)
    other.model.load_state_dict(conversion.model.state_dict())
    xs = repeat(X[:4], 4)
    with torch.no_grad():
        assert torch.equal(conversion.model(xs), other.model(xs))


def test_the_vision_transformer_of_this_project_converts():
    torch.manual_seed(0)
    net = vit(size=8, patch=4, width=16, depth=2, heads=2, head_width=8, hidden=32, classes=3).eval()
    conversion = convert(net, DCGS(**EVERYTHING, firing=MultiThreshold(thresholds=8)), X)
    with torch.no_grad():
        out = running_mean(conversion.model(repeat(X[:5], 64)))
        torch.testing.assert_close(out[-1], net(X[:5]), rtol=0, atol=0.01)


def test_an_unknown_operation_is_refused_by_name():
    class Rounds(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(torch.round(x.flatten(1))) @ torch.ones(192, 2)

    with pytest.raises(ConversionError, match=r"DCGS: no rule handles 1 operation:\n  round_1 \(round\)"):
        convert(Rounds(), DCGS(), X)
    assert [row.site for row in check(Rounds(), DCGS()).unhandled] == ["round_1"]


def test_diagnose_compares_estimates():
    conversion = convert(mixed(), DCGS(**EVERYTHING, firing=MultiThreshold(thresholds=8)), X)
    errors = [max(layer.error for layer in diagnose(conversion, X[:8], t).layers) for t in (2, 32)]
    assert errors[1] < 0.3 * errors[0]
    assert errors[1] < 0.05


def counted(recipe, timesteps, **how):
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.ReLU(), nn.Flatten())
    net: Any = nn.Sequential(Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)), *layers)  # a constant in front
    conversion = convert(net, recipe, X)
    return conversion, count_operations(conversion.model, X[:4], timesteps=timesteps, **how)


def test_a_repeated_image_costs_its_layer_once_under_differential_coding():
    _, corrections = counted(DCGS(), 8)
    _, rates = counted(DCGS(coding=rate), 8)
    first = next(layer for layer in corrections.layers if layer.operation == "Conv2d")
    assert first.macs[0] > 0
    assert not first.macs[1:].any()
    assert not first.additions.any()  # biases are known to the receiver
    assert (next(layer for layer in rates.layers if layer.operation == "Conv2d").macs > 0).all()


def test_with_every_output_an_event_each_step_costs_an_accumulation_for_each_mac():
    torch.manual_seed(0)
    net: Any = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3, bias=False)).double()
    nn.init.constant_(net[0].bias, 5.0)
    x = torch.rand(8, 4, dtype=torch.float64)
    model = convert(net, DCGS(coding=rate, threshold=Maximum()), x).model
    layer = count_operations(model, x, timesteps=5).layers[-1]
    macs = count_macs(net, x[:1]).layers[-1].exact_macs
    assert (layer.synops == macs * 8).all()
    assert float(layer.synops.sum()) * 0.9 / (8 * macs * 4.6) == pytest.approx(5 * 0.9 / 4.6)
    silent = convert(net, DCGS(coding=rate, threshold=Maximum(), scale=1e4), x).model
    assert count_spikes(silent, x, timesteps=5).spikes_per_sample() == 0


def test_bits_are_counted_apart_from_outputs():
    conversion, outputs = counted(HMT(threshold=Maximum()), 4)
    bits = count_operations(conversion.model, X[:4], timesteps=4, events=per_bit)
    assert bits.totals().synops > 1.2 * outputs.totals().synops
    assert "per_bit: " in bits.table().caption
    assert "per_output: " in outputs.table().caption
    spikes = count_spikes(conversion.model, X[:4], timesteps=4, events=per_bit)
    assert spikes.spikes_per_sample() > count_spikes(conversion.model, X[:4], timesteps=4).spikes_per_sample()


def test_products_cost_what_is_new_on_either_side():
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            h = x.flatten(2).mean(1).unflatten(1, (8, 8))
            return (self.left(h).relu() @ self.right(h).relu()).flatten(1)

    torch.manual_seed(0)
    conversion = convert(Product(), DCGS(**EVERYTHING), X)
    source = count_macs(conversion.source, X[:1])
    spiking = count_operations(conversion.model, X[:4], timesteps=6)
    product = next(layer for layer in spiking.layers if layer.operation == "GradedUnit")
    assert product.exact_macs == 8 * 8 * 8
    assert 0 < product.synops[0] <= 4 * 512
    assert not product.macs.any()
    assert (estimate(spiking, FLOAT32_45NM, ann=source).ratio or 0) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"firing": "MT"}, r"DCGS.firing: got 'MT'; expected a firing function: MultiThreshold\(\)"),
        ({"coding": "rate"}, r"DCGS.coding: got 'rate'; expected rate or differential"),
        ({"encode": "all"}, r"DCGS.encode: got 'all'; expected 'relu' or 'everything'"),
        ({"scale": 0}, r"DCGS.scale: got 0; expected a finite number above 0"),
        ({"threshold": 0.5}, r"DCGS.threshold: got float; expected a statistic"),
        ({"signed": "no"}, r"DCGS.signed: got 'no'; expected True or False"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ArgumentError, match=message):
        DCGS(**settings)


def test_h_mt_takes_its_variants():
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 2))
    made = HMT(encode="everything", threshold=Maximum(), communication=False, store=True)
    kinds = {site: type(neuron) for site, neuron in convert(net, made, X).neurons().items()}
    assert kinds == {"1_wire": HarmonyPair, "2": HarmonyStore}
    x = X[:4]
    with torch.no_grad():
        out = running_mean(convert(net.double(), made, X.double()).model(repeat(x.double(), 64)))[-1]
        torch.testing.assert_close(out, net.double()(x.double()), rtol=0, atol=0.02)
    with pytest.raises(ArgumentError, match=r"HMT.communication: got False with Harmony\(.*\) in differential coding"):
        HMT(coding=differential, communication=False)
    with pytest.raises(ArgumentError, match=r"HMT.store: got True with signed=True; expected one of the two"):
        HMT(store=True, signed=True)


def test_units_are_in_the_state_dict_with_their_weights():
    conversion = convert(mixed(), DCGS(threshold=Maximum()), X)
    names = [name for name, part in conversion.model.named_modules() if isinstance(part, GradedUnit)]
    assert any("layer_norm" in name for name in names)
    assert any("layer_norm" in name and name.endswith("weight") for name in conversion.model.state_dict())
