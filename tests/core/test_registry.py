"""The registry read off a namespace, and picking from it by name."""

from abc import ABC, abstractmethod

import pytest

from spikewright.core.errors import ConfigError
from spikewright.core.registry import collect, pick


class Kind(ABC):
    @abstractmethod
    def do(self): ...


class Half(Kind):
    """Still abstract."""


class Second(Kind):
    def do(self): ...


class First(Kind):
    def do(self): ...


class Stranger: ...


def test_collect_takes_final_classes_of_the_kind_sorted_by_name():
    namespace = {
        "Second": Second,
        "First": First,
        "Kind": Kind,
        "Half": Half,
        "Stranger": Stranger,
        "number": 3,
        "instance": First(),
    }
    assert list(collect(namespace, Kind).items()) == [("First", First), ("Second", Second)]


def test_collect_leaves_out_a_concrete_base():
    assert collect({"Stranger": Stranger}, Stranger) == {}


def test_pick_ignores_case():
    assert pick({"LIF": 1, "IF": 2}, "lif", "neuron") == 1


def test_pick_names_what_was_asked_for_and_what_there_is():
    with pytest.raises(ConfigError, match=r"neuron: got 'lof'; expected one of LIF, IF\."):
        pick({"LIF": 1, "IF": 2}, "lof", "neuron")
