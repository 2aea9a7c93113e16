"""ahead: order, errors and early ends are those of the batches themselves."""

import threading
import time

import pytest

from spikewright.train.ahead import ahead


def test_the_order_stays():
    assert list(ahead(range(50), depth=3)) == list(range(50))
    assert list(ahead([])) == []


def test_batches_are_made_before_they_are_asked_for():
    made = []

    def batches():
        for number in range(5):
            made.append(number)
            yield number

    rest = ahead(batches(), depth=2)
    assert next(rest) == 0
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(made) in (3, 4)  # two that wait, and one in the hand


def test_an_error_comes_in_its_place():
    def batches():
        yield 1
        raise ValueError("broken")

    rest = ahead(batches())
    assert next(rest) == 1
    with pytest.raises(ValueError, match="broken"):
        next(rest)


def test_the_thread_ends_when_nobody_asks_any_more():
    before = threading.active_count()
    rest = ahead(iter(range(10**9)))
    next(rest)
    rest.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
