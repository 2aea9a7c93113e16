"""NoisyPairs: the clean images beside them, the noise's size, the same again from any batch on, bad numbers."""

import pytest
import torch

from spikewright.core.errors import DataError
from spikewright.data import Batches, NoisyPairs, load_dataset


def pairs(seed: int = 0, **numbers) -> NoisyPairs:
    order = Batches(load_dataset("synthetic", split="test"), 50, seed=1)
    return NoisyPairs(order, **({"sigma": 0.1, "seed": seed} | numbers))


def test_the_target_is_the_clean_image() -> None:
    found = pairs()
    clean = [x for x, _ in found.batches.iterate(2)]
    assert len(found) == len(clean) == 4
    for (noisy, target), x in zip(found.iterate(2), clean, strict=True):
        assert torch.equal(target, x)
        assert float((noisy - x).std()) == pytest.approx(0.1, rel=0.02)
        assert float((noisy - x).mean()) == pytest.approx(0.0, abs=0.002)


def test_the_same_noise_again_from_any_batch_on_and_another_in_another_epoch() -> None:
    first, again, later = list(pairs().iterate(3)), list(pairs().iterate(3)), list(pairs().iterate(3, 2))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a[0], b[0])
    for a, b in zip(first[2:], later, strict=True):
        assert torch.equal(a[0], b[0])
    noises = [x - y for source in (pairs().iterate(3), pairs().iterate(4), pairs(1).iterate(3)) for x, y in source]
    assert len({round(float(noise.sum()), 4) for noise in noises}) == len(noises)


@pytest.mark.parametrize("sigma", [0, -0.1, float("inf"), float("nan"), True, "0.1"])
def test_sigma(sigma) -> None:
    with pytest.raises(DataError, match=r"NoisyPairs\.sigma: got .*; expected a finite number above 0"):
        pairs(sigma=sigma)


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_seed(seed) -> None:
    with pytest.raises(DataError, match=r"NoisyPairs\.seed: got .*; expected a whole number from 0 on"):
        pairs(seed)


def test_batches() -> None:
    with pytest.raises(DataError, match=r"NoisyPairs\.batches: got list; expected Batches"):
        NoisyPairs([], sigma=0.1, seed=0)  # pyright: ignore[reportArgumentType]
