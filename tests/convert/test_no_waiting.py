"""A step on a device never waits for the host: no value is looked at once a sequence has begun."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode

from spikewright.coding import repeat
from spikewright.convert import COS, DCGS, HMT, OPI, SRP, Conversion, ErrorOptimal, Maximum, convert
from spikewright.convert.codings import differential
from spikewright.convert.recipes import cos
from spikewright.core import carry_state, layout, spiking
from spikewright.core.errors import DataError

IMAGES = torch.rand(32, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LOOKS = ("_local_scalar_dense", "nonzero", "is_nonzero", "item", "masked_select", "equal")


class NoLooking(TorchDispatchMode):
    """Raises where a value is read, or a shape is made to depend on values."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket._qualified_op_name.removeprefix("aten::")
        counts_steps = bool(args) and isinstance(args[0], Tensor) and args[0].dtype == torch.int64 and not args[0].dim()
        if name in LOOKS and not counts_steps:  # step counters of SRP live on the host
            raise AssertionError(f"{name} looks at a value")
        if name in ("index", "index_put_", "index_put"):
            assert not any(part is not None and part.dtype == torch.bool for part in args[1]), "index by a mask"
        return func(*args, **(kwargs or {}))


class Small(nn.Module):
    """Convolutions, a residual sum and a pool."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)
        self.pool, self.head = pool, nn.Linear(128, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.norm(self.first(x))))
        return self.head(F.relu(self.second(x) + x).flatten(1))


def transformer() -> nn.Module:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
    return nn.Sequential(nn.Conv2d(3, 8, 2, 2), nn.Flatten(2), nn.Linear(16, 8), layer, nn.Flatten(), nn.Linear(64, 5))


EVERYTHING: Any = {"encode": "everything", "threshold": Maximum()}
CASES: dict[str, tuple[Any, Any]] = {
    "OPI": (Small(nn.MaxPool2d(2)), OPI(threshold=Maximum())),
    "SRP": (Small(nn.AvgPool2d(2)), SRP(threshold=Maximum())),
    "COS": (Small(nn.AvgPool2d(2)), COS(threshold=ErrorOptimal(timesteps=4))),
    "DCGS": (Small(nn.MaxPool2d(2)), DCGS(threshold=Maximum())),
    "HMT": (Small(nn.MaxPool2d(2)), HMT(threshold=Maximum())),
    "DCGS, transformer": (transformer(), DCGS(**EVERYTHING)),
    "HMT, transformer": (transformer(), HMT(**EVERYTHING)),
    "HMT, transformer, differential": (transformer(), HMT(**EVERYTHING, coding=differential, signed=True)),
}


@pytest.fixture(params=CASES)
def conversion(request, monkeypatch: pytest.MonkeyPatch) -> Conversion:
    """A converted network that believes its tensors to be on a device; so its steps are those of a GPU."""
    net, recipe = CASES[request.param]
    made = convert(net.eval(), recipe, IMAGES)
    for home in (layout, spiking, cos):
        monkeypatch.setattr(home, "on_host", lambda xs: False)
    return made


def test_a_step_looks_at_no_value(conversion: Conversion) -> None:
    model = conversion.model
    begin = max(model.phases.steps(1), 1)
    with torch.inference_mode(), carry_state(model):
        model(repeat(IMAGES[:4], begin))
        step = repeat(IMAGES[:4], 1)
        with NoLooking():
            out = model(step)
    assert out.isfinite().all()


def test_the_beginning_of_a_sequence_looks_only_whether_it_is_finite(
    conversion: Conversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    xs = repeat(IMAGES[:4], conversion.model.phases.steps(3))
    with torch.inference_mode():
        expected = conversion.model(xs)
        monkeypatch.setattr(spiking, "check_finite", lambda xs, who: None)
        with NoLooking():
            out = conversion.model(xs)
    assert torch.equal(out, expected)


def test_the_watch_sees_a_look() -> None:
    with pytest.raises(AssertionError, match="looks at a value"), NoLooking():
        bool((IMAGES > 0).all())
    with pytest.raises(AssertionError, match="looks at a value"), NoLooking():
        IMAGES.sum().item()


def test_on_the_host_every_call_of_a_carried_sequence_is_checked() -> None:
    model = convert(CASES["OPI"][0].eval(), OPI(threshold=Maximum()), IMAGES).model
    with carry_state(model), torch.no_grad():
        model(repeat(IMAGES[:2], 1))
        with pytest.raises(DataError, match="NaN or infinite"):
            model(torch.full((1, 2, 3, 8, 8), torch.nan))
