"""The examples in the docstrings of the report package run as printed."""

import doctest
import importlib
import pkgutil

import pytest

import spikewright.report

NAMES = [module.name for module in pkgutil.walk_packages(spikewright.report.__path__, "spikewright.report.")]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
