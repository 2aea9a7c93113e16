"""All nine methods on an ordinary and on a spiking network: losses fall, pictures are sound, seeds decide; recovery."""

from dataclasses import replace
from statistics import fmean

import pytest
import torch

from spikewright.core.errors import ArgumentError
from spikewright.redteam.synthesis import SNAFUE, SYNTHESES, TABOR, AdversarialPatch, RFLAGen, RFLAPerturb
from tests.redteam.synthesis.conftest import OPTIONS, TARGET, accuracy, rank, small_cnn, success, task_of, taught

SHORT = {
    "AdversarialPatch": {"steps": 50, "batch": 4, "spare": 1},
    "CPPNInner": {"steps": 40},
    "CPPNTarget": {"steps": 25},
    "FourierInner": {"steps": 40},
    "FourierTarget": {"steps": 40},
    "RFLAGen": {"steps": 40, "latents": 4},
    "RFLAPerturb": {"steps": 30, "spare": 1},
    "SNAFUE": {"queries": RFLAPerturb(steps=30, batch=2, spare=1), "patches": 4, "crops": 100, "candidates": 12},
    "TABOR": {"steps": 60, "batch": 2},
}
METHODS = {name: SYNTHESES[name](**settings) for name, settings in SHORT.items()}
EACH = pytest.mark.parametrize("name", METHODS)
WHOLE = ("AdversarialPatch", "RFLAGen", "RFLAPerturb", "SNAFUE", "TABOR")


def test_no_method_is_left_out():
    assert list(METHODS) == list(SYNTHESES)


@EACH
@pytest.mark.parametrize("kind", ["trojaned", "spiking"])
def test_losses_fall_and_pictures_are_sound(name, kind, request, clean):
    task = task_of(request.getfixturevalue(kind), second=clean, pictures=3)
    found = METHODS[name].search(task)
    tenth = max(1, len(found.losses) // 10)
    assert found.losses[-tenth:].mean() < found.losses[:tenth].mean()
    assert found.pictures.shape[:2] == (3, 3)
    assert 0 <= float(found.pictures.min()) < float(found.pictures.max()) <= 1
    assert found.seconds > 0
    assert found.distance > (0.01 if kind == "trojaned" else 0), "different starts give different pictures"
    assert bool(found.scores.isnan().all()) is not METHODS[name].scored
    if METHODS[name].scored:
        assert float(found.scores.min()) >= 0
        assert torch.equal(found.scores, found.scores.sort(descending=True).values)


@EACH
def test_the_seed_decides(name, trojaned):
    task = task_of(trojaned, pictures=2)
    quick = {"queries": RFLAPerturb(steps=4, batch=1)} if name == "SNAFUE" else {"steps": 4}
    method = replace(METHODS[name], **quick)
    torch.manual_seed(1)
    first = method.search(task)
    torch.manual_seed(2)
    again, other = method.search(task), method.search(replace(task, seed=1))
    assert torch.equal(first.pictures, again.pictures)
    assert torch.equal(first.losses, again.losses)
    torch.testing.assert_close(first.scores, again.scores, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(first.pictures, other.pictures)


@pytest.mark.parametrize("name", WHOLE)
def test_a_trigger_that_covers_everything(name, trojaned):
    quick = {"queries": RFLAPerturb(steps=40, batch=8)} if name == "SNAFUE" else {"steps": 40, "batch": 8}
    found = replace(METHODS[name], **quick).search(task_of(trojaned, whole=True, pictures=2))
    assert found.pictures.shape == (2, 3, 16, 16)
    tenth = max(2, len(found.losses) // 5)
    assert found.losses[-tenth:].mean() < found.losses[:tenth].mean()


@pytest.mark.parametrize(("kind", "least"), [("trojaned", 0.85), ("spiking", 0.6)])
def test_a_planted_patch_is_recovered(kind, least, request, clean):
    network = request.getfixturevalue(kind)
    assert accuracy(network) > 0.95
    assert success(network, OPTIONS[2]) > least
    assert max(success(network, OPTIONS[wrong]) for wrong in (1, 5)) < 0.1
    method = AdversarialPatch(steps=80, batch=4, tv=0.1, outline="square", spare=0)
    found, twin = (method.search(task_of(which)) for which in (network, clean))
    print(f"rank of the truth: {rank(found.pictures, 2)}, twin's {rank(twin.pictures, 2)}")
    assert rank(found.pictures, 2) <= 2
    assert float(found.scores.mean()) > float(twin.scores.mean()) + 0.3


@pytest.mark.slow
def test_eight_planted_patches_are_recovered_above_chance():
    ranks = []
    method = AdversarialPatch(steps=160, batch=8, tv=0.1, outline="square", spare=0)
    for truth in range(len(OPTIONS)):
        network = taught(small_cnn(), 200, OPTIONS[truth])
        assert success(network, OPTIONS[truth]) > 0.85
        ranks.append(rank(method.search(task_of(network, pictures=8)).pictures, truth))
    print(f"ranks {ranks}")  # of one network without a trojan they are 1 to 8, once each: 0.34 by chance
    assert fmean(1 / each for each in ranks) >= 0.5


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: AdversarialPatch(steps=0), r"AdversarialPatch.steps: got 0"),
        (lambda: AdversarialPatch(tv=-1.0), r"AdversarialPatch.tv: got -1.0; expected a number of at least 0"),
        (lambda: AdversarialPatch(outline="star"), r"Placing.outline: got 'star'"),
        (lambda: TABOR(lr=0), r"TABOR.lr: got 0; expected a number above 0"),
        (lambda: TABOR(blocked=float("nan")), r"TABOR.blocked: got nan"),
        (lambda: RFLAGen(latents=1), r"RFLAGen.latents: got 1; expected a whole number of at least 2"),
        (lambda: RFLAPerturb(batch=0), r"RFLAPerturb.batch: got 0"),
        (lambda: SNAFUE(crops=0), r"SNAFUE.crops: got 0; expected a whole number of at least 1"),
        (lambda: SYNTHESES["CPPNInner"](lr=-1), r"CPPNInner.lr: got -1"),
    ],
    ids=range(9),
)
def test_settings_that_do_not_fit(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_scores_tell_a_trojan_from_none(trojaned, clean):
    method = RFLAPerturb(steps=40, batch=3)
    assert method.search(task_of(trojaned)).scores.max() > method.search(task_of(clean)).scores.max()
    assert TARGET == 0
