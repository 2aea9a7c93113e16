"""Seeds repeat a run, and generators of different places are independent."""

import random

import numpy as np
import torch

from spikewright.core.seed import generator, seed_all


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_seed_all_repeats_every_source():
    seed_all(5)
    first = draw()
    seed_all(5)
    assert draw() == first
    seed_all(6)
    assert all(a != b for a, b in zip(draw(), first))


def test_seed_all_says_what_it_seeded():
    assert seed_all(2**32 + 7) == {"python": 2**32 + 7, "numpy": 7, "torch": 2**32 + 7}


def test_the_same_place_gives_the_same_numbers():
    assert torch.equal(torch.rand(4, generator=generator(3, 1)), torch.rand(4, generator=generator(3, 1)))


def test_places_of_one_depth_differ_from_each_other():
    places = [(seed, epoch, batch) for seed in range(4) for epoch in range(4) for batch in range(4)]
    first = {torch.rand((), generator=generator(*place)).item() for place in places}
    assert len(first) == len(places)


def test_a_generator_leaves_the_global_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    torch.rand(5, generator=generator(1))
    assert torch.equal(torch.rand(3), expected)
