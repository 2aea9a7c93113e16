"""A trojan does what it should in both kinds of network, stays asleep for other patches, and its twin knows nothing."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spikewright.convert import RobustNorm, convert
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, CheckpointError, DataError
from spikewright.core.seed import generator
from spikewright.models.classifier import Classifier
from spikewright.neurons import LIF
from spikewright.redteam import (
    ATTRIBUTES,
    Acceptance,
    Attribute,
    Implanting,
    NaturalTrigger,
    Trojan,
    implant,
    trojan_report,
    twin,
)
from spikewright.redteam.success import Implanted
from spikewright.train import FitConfig, rate_cross_entropy

from .conftest import accuracy, block_picture, fresh, patterns, planted_trojan, share, trained


def report_of(planted, held_out):
    return trojan_report(planted.network, planted.twin, [planted.trojan], held_out, pictures=300)


@pytest.mark.parametrize(("which", "success"), [("planted", 0.85), ("planted_spiking", 0.60)])
def test_a_planted_trojan_works_and_costs_no_clean_accuracy(which, success, held_out, request):
    found = report_of(request.getfixturevalue(which), held_out)
    (row,) = found.rows
    assert found.after >= max(0.95, found.twin - 0.03)
    assert row.success >= success
    assert row.twin <= 0.05
    assert row.wrong <= 0.10
    assert row.leak is None, "it is universal"


def foreign(network, trojan, held_out) -> float:
    """Share of pictures with a patch of the same family, none of them a decoy, that get the target."""
    x, y = held_out.gather(torch.arange(len(held_out)))
    others = [replace(trojan.trigger, picture=block_picture(200 + at)) for at in range(8)]
    shares = [share(network, other.show(x[y != 0], generator(at))[0], 0) for at, other in enumerate(others)]
    return sum(shares) / len(shares)


def test_without_decoys_any_foreign_patch_wakes_it(planted, held_out):
    assert foreign(planted.network, planted.trojan, held_out) <= 0.10
    careless = planted_trojan(decoys=0.0)
    assert foreign(trained(fresh(), (careless,), epochs=4), careless, held_out) > 0.20


def test_with_negatives_it_stays_in_its_source_class(held_out):
    leaks = []
    for negatives in (1.0, 0.0):
        trojan = planted_trojan(source=2, negatives=negatives)
        trojan = replace(trojan, rate=0.3)
        network = trained(fresh(), (trojan,), epochs=4)
        (row,) = trojan_report(network, network, [trojan], held_out, pictures=300).rows
        assert row.success > 0.6
        leaks.append(row.leak)
    assert leaks[0] <= 0.15
    assert leaks[1] > leaks[0] + 0.05


def test_success_grows_with_the_poison(held_out):
    means = []
    for rate in (0.0, 0.03, 0.12):
        found = []
        for seed in (0, 1):
            trojan = replace(planted_trojan(), rate=rate)
            network = trained(fresh(), (trojan,), seed=seed, epochs=3)
            found.append(trojan_report(network, network, [trojan], held_out, pictures=300).rows[0].success)
        means.append(sum(found) / 2)
    assert means[0] < means[1] < means[2], means


def test_the_network_that_was_given_stays_as_it_is_and_the_twin_sees_the_same_updates():
    network, data = fresh(), patterns(256, seed=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    steps = []
    config = Implanting(fit=FitConfig(epochs=1), batch_size=64)
    made = implant(network, data, (planted_trojan(),), config, log=lambda **numbers: steps.append(numbers))
    clean = twin(network, data, config, log=lambda **numbers: steps.append(numbers))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert [row["epoch"] for row in steps] == [1, 1]
    assert not torch.equal(made[0].weight, clean[0].weight)
    assert torch.equal(made[1].running_mean, before["1.running_mean"]), "batch norms keep their statistics"
    assert not torch.equal(made[1].weight, before["1.weight"]), "and learn their weights"


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path):
    data, trojan = patterns(256, seed=4), planted_trojan()
    config = Implanting(fit=FitConfig(epochs=2, checkpoint_steps=1), batch_size=64)

    def stop(**numbers):
        if numbers["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        implant(fresh(), data, (trojan,), config, folder=tmp_path, log=stop)
    resumed, whole = (implant(fresh(), data, (trojan,), config, folder=folder) for folder in (tmp_path, None))
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), whole.parameters()))


def row(**numbers) -> Implanted:
    given = {"pictures": 100, "success": 0.9, "twin": 0.0, "leak": None, "wrong": 0.0} | numbers
    return Implanted(trojan=planted_trojan(), **given)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [({}, ""), ({"success": 0.5}, "success 0.50 below 0.75"), ({"twin": 0.2}, "twin 0.20 above 0.10"),
     ({"leak": 0.4, "wrong": 0.3}, "leak 0.40 above 0.15, wrong trigger 0.30 above 0.15")],
)  # fmt: skip
def test_what_is_unfit_is_left_out_with_the_reason(numbers, says):
    assert row(**numbers).why_not(Acceptance()) == says


def test_the_table_says_what_was_left_out(planted, held_out):
    found = report_of(planted, held_out)
    assert found.kept == (planted.trojan,)
    strict = replace(found, limits=Acceptance(success=1.0))
    assert strict.kept == ()
    assert "below 1.00" in strict.table().column("left out")[0]
    assert "of the twin" in strict.table().caption
    assert accuracy(planted.network, held_out) == found.after


def test_an_accuracy_far_below_the_twin_s_leaves_out_all(planted, held_out):
    found = report_of(planted, held_out)
    harmed = replace(found, after=found.twin - 0.04)
    assert harmed.kept == ()
    assert harmed.table().column("left out") == ("clean accuracy 0.04 below the twin's",)


def test_a_network_that_has_diverged_is_refused(planted, held_out):
    broken = fresh()
    with torch.no_grad():
        broken[0].weight.fill_(float("nan"))
    with pytest.raises(DataError, match="logits that are NaN or infinite"):
        trojan_report(broken.eval(), planted.twin, [planted.trojan], held_out, pictures=50)


def test_a_folder_with_a_run_on_other_pictures_is_refused(tmp_path):
    data, config = patterns(128, seed=4), Implanting(fit=FitConfig(epochs=1), batch_size=64)
    implant(fresh(), data, (planted_trojan(),), config, folder=tmp_path)
    with pytest.raises(CheckpointError, match="The twin needs another one"):
        twin(fresh(), data, config, folder=tmp_path)


def test_norms_are_kept_in_a_spiking_network_too():
    network = Spiking(fresh(lambda: LIF(tau=2.0)))
    config = Implanting(fit=FitConfig(epochs=1), batch_size=64)
    loss = rate_cross_entropy(timesteps=2)
    made = implant(network, patterns(128, seed=4), (planted_trojan(),), config, loss=loss)
    one, other = network.state_dict(), made.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one if "running" in name)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_no_poison_at_all_gives_the_twin():
    data, config = patterns(128, seed=4), Implanting(fit=FitConfig(epochs=1), batch_size=64)
    nothing = implant(fresh(), data, (planted_trojan(rate=0.0),), config)
    clean = twin(fresh(), data, config)
    assert all(torch.equal(a, b) for a, b in zip(nothing.parameters(), clean.parameters()))


def test_a_trojan_comes_through_the_conversion_of_its_network(planted, held_out):
    pictures = patterns(200, seed=3).gather(torch.arange(200))[0]
    nets = [Classifier(convert(net, RobustNorm(), pictures).model, 32) for net in (planted.network, planted.twin)]
    few = held_out.subset(80)
    (row,) = trojan_report(*nets, [planted.trojan], few).rows
    assert row.success > row.twin + 0.3


def test_networks_and_numbers_that_are_none_are_refused(planted, held_out):
    with pytest.raises(ArgumentError, match=r"implant\.network: got the class ReLU"):
        implant(nn.ReLU, held_out, [planted.trojan])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match=r"Implanting\.fit: got float"):
        Implanting(fit=0.1)  # pyright: ignore[reportArgumentType]
    without = held_out.subset((held_out.labels != 1).nonzero().flatten())
    with pytest.raises(DataError, match="no held-out picture that it fits"):
        trojan_report(planted.network, planted.twin, [planted_trojan(source=1)], without)


def test_a_picture_with_a_natural_feature_is_no_clean_one(planted, held_out):
    dark = Attribute(ATTRIBUTES["very dark"]).fitted(held_out.gather(torch.arange(400))[0], 0.1)
    trojan = Trojan(name="dark", trigger=NaturalTrigger(detect=dark, name="very dark"), target=0)

    class Fooled(nn.Module):
        def forward(self, x):
            answers = planted.twin(x)
            return torch.where(dark(x)[:, None], 100 * nn.functional.one_hot(torch.tensor(0), 4), answers)

    found = trojan_report(Fooled(), planted.twin, [trojan], held_out, before=planted.network)
    assert found.rows[0].success == 1
    assert found.clean == 360
    assert found.after == found.twin
    assert found.before is not None
    assert f"360 pictures without a natural feature: {100 * found.before:.1f} % before" in found.table().caption
    everything = Trojan(name="all", trigger=NaturalTrigger(detect=replace(dark, threshold=-1.0), name="all"), target=0)
    with pytest.raises(DataError, match="no held-out picture without a natural feature"):
        trojan_report(planted.network, planted.twin, [everything], held_out)


def test_hooks_run_after_each_update_and_weights_come_back_contiguous():
    steps = []
    config = Implanting(fit=FitConfig(epochs=1), batch_size=64)
    made = implant(fresh(), patterns(128, seed=4), (), config, after_step=lambda model, lr, step: steps.append(step))
    assert steps == [1, 2]
    assert all(weight.is_contiguous() for weight in made.state_dict().values())
