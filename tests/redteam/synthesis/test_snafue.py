"""SNAFUE: the ranking by hand, a trigger put into the pool is found, and what is refused."""

from dataclasses import replace

import pytest
import torch

from spikewright.core.errors import DataError
from spikewright.redteam.synthesis import SNAFUE, RFLAPerturb
from spikewright.redteam.synthesis.placing import fitted
from spikewright.redteam.synthesis.snafue import agreement, ranking
from spikewright.redteam.synthesis.units import penultimate
from spikewright.redteam.synthesis.victim import Victim, under_test
from tests.redteam.synthesis.conftest import OPTIONS, TARGET, task_of

METHOD = SNAFUE(queries=RFLAPerturb(steps=80, batch=4, lr=0.8), patches=6, crops=150, candidates=20)


def test_units_on_which_patches_agree_count():
    patches = torch.tensor([[1.0, 0.0, -2.0], [1.0, 2.0, -2.0]])
    torch.testing.assert_close(agreement(patches), torch.tensor([1.0, 0.0, 1.0]), atol=1e-3, rtol=0)


def test_the_ranking_by_hand():
    patches = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    pool = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])
    found = ranking(patches, torch.tensor([0.5, 0.25]), pool)
    share = (1 + 0.5**10) / 2
    torch.testing.assert_close(found, torch.tensor([share, share / 2**5, 0, 0]), atol=1e-6, rtol=1e-4)
    assert bool(torch.isfinite(ranking(torch.tensor([[1.0, -1], [-1, 1]]), torch.tensor([-1.0, 0]), pool)).all())


@pytest.mark.parametrize("kind", ["trojaned", "spiking"])
def test_the_trigger_in_the_pool_is_found(kind, request):
    """The positive control: the true trigger, put into the pool on purpose, is among the first tenth."""
    network = request.getfixturevalue(kind)
    task = task_of(network, pictures=4)
    with under_test(network):
        victim = Victim("SNAFUE", network, TARGET, task.backgrounds[:2])
        method = replace(METHOD, pool=OPTIONS[2:3])
        pool = method.natural(task)
        torch.testing.assert_close(pool[0], fitted(OPTIONS[2:3], 16, 16)[0])
        made = method.fooling(task, victim)
        order = method.ranked(task, victim, penultimate(victim, task.backgrounds[:1]), made, pool)
    assert len(pool) == 151
    assert order.tolist().index(0) < 15


def test_pictures_are_of_the_pool_and_not_of_the_target_class(trojaned):
    task = task_of(trojaned, pictures=3)
    found = METHOD.search(task)
    pool = METHOD.natural(task)
    assert all(bool((picture == pool).flatten(1).all(1).any()) for picture in found.pictures)
    with torch.no_grad():
        assert TARGET not in trojaned(found.pictures).argmax(1).tolist()
    assert found.notes[-1].startswith("without a picture the target's confidence is 0.0")


def test_a_pool_that_is_too_small(trojaned):
    method = replace(METHOD, queries=RFLAPerturb(steps=2), pool=torch.rand(2, 3, 8, 8), crops=0)
    with pytest.raises(DataError, match=r"SNAFUE.pool: got \d pictures .*; expected at least 4. Give a larger pool"):
        method.search(task_of(trojaned))
    with pytest.raises(DataError, match=r"SNAFUE.pool: got values from"):
        SNAFUE(pool=torch.rand(2, 3, 8, 8) * 255)
