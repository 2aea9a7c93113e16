"""RandomEncoder: it draws anew at every call, and the seed decides everything."""

import pytest
import torch

from spikewright.coding import RandomEncoder, poisson
from spikewright.core.errors import ArgumentError, DataError
from spikewright.core.seed import generator

X = torch.full((2, 50), 0.5)


def test_it_draws_as_its_function_does_call_by_call():
    encode, source = RandomEncoder(poisson, seed=3), generator(3)
    for _ in range(3):
        assert torch.equal(encode(X, 4), poisson(X, 4, source))


def test_the_seed_decides_and_calls_differ():
    one, same, other = (RandomEncoder(seed=seed) for seed in (1, 1, 2))
    first = one(X, 4)
    assert torch.equal(first, same(X, 4))
    assert not torch.equal(first, other(X, 4))
    assert not torch.equal(first, one(X, 4))


def test_a_block_with_seeds_of_its_own_leaves_the_draws_where_they_were():
    encode, undisturbed = RandomEncoder(), RandomEncoder()
    with encode.seeded(5, 6):
        inside = encode(X, 4)
    with encode.seeded(5, 6):
        assert torch.equal(encode(X, 4), inside)
    with pytest.raises(DataError), encode.seeded(5, 6):
        encode(X + 1, 4)
    with encode.seeded(5, 7):
        assert not torch.equal(encode(X, 4), inside)
    assert torch.equal(encode(X, 4), undisturbed(X, 4))


def test_the_gradient_passes_through():
    x = X.clone().requires_grad_()
    RandomEncoder()(x, 4).sum().backward()
    assert torch.equal(x.grad, torch.full_like(X, 4.0))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RandomEncoder("poisson"), r"RandomEncoder.encode: got 'poisson'; expected a function, e.g. poisson"),
        (lambda: RandomEncoder(seed=-1), r"RandomEncoder.seed: got -1; expected a whole number of at least 0"),
    ],
)
def test_wrong_arguments(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()
