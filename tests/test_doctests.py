"""The examples in all docstrings of the package run and show what they say."""

import doctest
import importlib
import pkgutil

import pytest
import torch

import spikewright

MODULES = [
    "spikewright",
    *(
        found.name
        for found in pkgutil.walk_packages(spikewright.__path__, "spikewright.")
        if not found.name.endswith(".__main__")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "triton":  # comes with torch for GPUs only
            raise
        pytest.skip("needs Triton")
    torch.manual_seed(0)  # examples draw weights and inputs; what they show must not hang on the draw
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for case in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(case, out=report.append)
    assert not runner.failures, "".join(report)


def test_the_walk_finds_the_package_and_its_examples():
    assert {"spikewright.core.reset", "spikewright.neurons.lif", "spikewright.coding.encode"} <= set(MODULES)
    module = importlib.import_module("spikewright.neurons.lif")
    assert sum(len(case.examples) for case in doctest.DocTestFinder().find(module)) >= 4
