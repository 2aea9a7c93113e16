"""Max pools: a gate that keeps them as they are, or an average pool of the same geometry."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from ..core.errors import ConversionError
from ..core.warn import warn
from .layers.max_pool_gate import MaxPoolGate
from .operations import Site, is_max_pool
from .rules import Rule


def pool_of(site: Site) -> nn.Module:
    """The max pool at a site as a layer of its own.

    Raises:
        ConversionError: if it returns indices, or its window is computed from the input.
    """
    kind, arguments = _geometry(site)
    return kind(**arguments)


def _gate_for(site: Site) -> nn.Module:
    return MaxPoolGate(pool_of(site))


def _average_for(site: Site) -> nn.Module:
    kind, arguments = _geometry(site)
    steps = arguments.pop("dilation", 1)
    if any(step != 1 for step in (steps if isinstance(steps, tuple | list) else (steps,))):
        raise ConversionError(
            f"{site.name} ({site.kind}): has no average pool of the same geometry; replace it in the network."
        )
    warn(
        f"{site.name}: max pool replaced by an average pool of the same geometry. This changes the network: train it "
        "with the average pool before converting, or expect a large loss of accuracy."
    )
    return _AVERAGE[kind](**arguments)


_FUNCTIONS: dict[Any, type[nn.Module]] = {
    **{F.max_pool1d: nn.MaxPool1d, F.max_pool2d: nn.MaxPool2d, F.max_pool3d: nn.MaxPool3d},
    **{torch.max_pool1d: nn.MaxPool1d, torch.max_pool2d: nn.MaxPool2d, torch.max_pool3d: nn.MaxPool3d},
    **{F.adaptive_max_pool1d: nn.AdaptiveMaxPool1d, F.adaptive_max_pool2d: nn.AdaptiveMaxPool2d},
    F.adaptive_max_pool3d: nn.AdaptiveMaxPool3d,
}
_AVERAGE: dict[type[nn.Module], type[nn.Module]] = {
    **{nn.MaxPool1d: nn.AvgPool1d, nn.MaxPool2d: nn.AvgPool2d, nn.MaxPool3d: nn.AvgPool3d},
    **{nn.AdaptiveMaxPool1d: nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool2d: nn.AdaptiveAvgPool2d},
    nn.AdaptiveMaxPool3d: nn.AdaptiveAvgPool3d,
}
_ADAPTIVE = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
_WINDOW = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")


def _geometry(site: Site) -> tuple[type[nn.Module], dict[str, Any]]:
    """Class and arguments of the max pool at a site.

    Raises:
        ConversionError: if it returns indices, or its window is computed from the input.
    """
    kind = _FUNCTIONS[site.node.target] if site.module is None else type(site.module)
    names = ("output_size", "return_indices") if kind in _ADAPTIVE else _WINDOW
    if site.module is None:
        given = {**dict(zip(names, site.node.args[1:])), **site.node.kwargs}
    else:
        given = {name: getattr(site.module, name) for name in names}
    computed: list[fx.Node] = []
    fx.map_arg(given, computed.append)  # pyright: ignore[reportArgumentType]
    if given.pop("return_indices", False) or computed:
        raise ConversionError(
            f"{site.name} ({site.kind}): {'takes sizes of its input' if computed else 'returns indices'}; expected a "
            "max pool of fixed geometry that returns values alone. Change it in the network."
        )
    return kind, {name: given[name] for name in names if name in given}


max_pool_to_gate = Rule("max pool -> gate", is_max_pool, _gate_for)
"""A gate for a max pool: each window lets the input through that has received most so far."""

max_pool_to_average = Rule("max pool -> average pool", is_max_pool, _average_for)
"""Average pools for max pools, with a loud warning at each: for networks that are trained afterwards."""
