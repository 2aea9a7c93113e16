"""kind_of(site): what an operation is to a conversion that handles more than ReLU networks."""

from __future__ import annotations

from collections.abc import Callable

from spikewright.convert.linear import is_linear
from spikewright.convert.nonlinear import is_larger_of_two, is_one_input_nonlinear
from spikewright.convert.operations import Site, is_matmul, is_max_pool, is_product, is_relu

KINDS: tuple[tuple[str, Callable[[Site], bool]], ...] = (
    ("linear", is_linear),
    ("ReLU", is_relu),
    ("max pool", is_max_pool),
    ("one input", is_one_input_nonlinear),
    ("larger of two", is_larger_of_two),
    ("product", is_product),
    ("matrix product", is_matmul),
)
"""The first test that matches gives the kind."""


def kind_of(site: Site) -> str | None:
    """The kind of a site, one of `KINDS`; None for an operation that is not known."""
    return next((kind for kind, matches in KINDS if matches(site)), None)
