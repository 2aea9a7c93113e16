"""fused: the unroll that runs all steps of a layer in one pass, forward and backward, with the results of `bptt`."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .dynamics import Hierarchical, Leaky, dynamics_of
from .kernels.derivatives import AS_WIDE_AS_THRESHOLD, code_of
from .norm_again import norm_behind
from .packing import recomputes
from .reset import detached, forward_of, none, subtract, to_zero
from .surrogate import Surrogate
from .types import State
from .unroll import bptt

_RESETS = {subtract: 0, to_zero: 1, none: 2}


@dataclass(frozen=True)
class Kind:
    """What the loops are told of a layer besides its numbers.

    Args:
        hierarchical: two potentials, as in LMH; otherwise one.
        reset: 0 subtract, 1 to zero, 2 none.
        detached: whether no gradient passes through the reset.
        code, parameter: surrogate derivative, see `kernels.derivatives`.
        adaptive: whether threshold and activity get the gradients of `at_lif_step`.
        strict: whether only a potential above the threshold fires, not one that is equal to it.
    """

    hierarchical: bool
    reset: int
    detached: bool
    code: int
    parameter: float
    adaptive: bool
    strict: bool = False


def fused(neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
    """Run all steps of a layer in one pass over memory; results and gradients are those of `bptt`.

    Of the layer only its input is kept for the backward pass, where `bptt` keeps several values per neuron and step.
    Half-precision input is computed with in single precision, with constants that are not rounded. Where the passes do
    not know a neuron, its surrogate or its reset, there is no Triton for the GPU, or code is being compiled by torch,
    which fuses steps itself, this is `bptt`; `fuses(neuron)` says whether a neuron is known.

    Args:
        neuron: the neuron: IF without mask, LIF, PLIF, LMH or ATLIF.
        state: state before the first step, parts [N, *F].
        xs: input, [T, N, *F], on the CPU or a CUDA device.

    Returns:
        State after the last step, and the unit spikes, [T, N, *F].

    Example:
        >>> from spikewright.neurons import LIF
        >>> neuron = LIF(tau=2.0)
        >>> neuron.unroll = fused
        >>> neuron.over_time(torch.full((4, 1, 1), 0.5)).flatten()
        tensor([0., 0., 0., 1.])
    """
    if torch.compiler.is_compiling() or not _runs_on(xs) or not isinstance(state, tuple):
        return bptt(neuron, state, xs)
    found = _described(neuron)
    if found is None:
        return bptt(neuron, state, xs)
    kind, constants = found
    dtype = torch.promote_types(xs.dtype, torch.float32)
    constants = [value.to(dtype) for value in constants]
    parts = [part.to(dtype) for part in state]
    spikes, *ends = _Fused.apply(kind, xs, *parts, *constants)  # pyright: ignore[reportGeneralTypeIssues]
    return type(state)(*(end.to(xs.dtype) for end in ends)), spikes


def fuses(neuron: nn.Module) -> bool:
    """Whether `fused` runs a neuron in one pass; where it does not, it is `bptt`.

    Example:
        >>> from spikewright.neurons import ALIF, LIF
        >>> fuses(LIF()), fuses(ALIF())
        (True, False)
    """
    return _described(neuron) is not None


def _runs_on(xs: Tensor) -> bool:
    known = xs.device.type == "cpu" or (xs.device.type == "cuda" and _has_triton())
    return known and xs.numel() > 0 and type(xs) in (Tensor, nn.Parameter)


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def _described(neuron: Any) -> tuple[Kind, list[Tensor]] | None:
    """A neuron as the loops take it: its kind and its constants; None for one that they do not know."""
    reset: Any = getattr(neuron, "reset", none)
    spike: Any = getattr(neuron, "spike", None)
    strict = isinstance(spike, Surrogate) and spike.fires is torch.gt
    found = dynamics_of(_firing_at_threshold(neuron) if strict else neuron)
    kind, known = _RESETS.get(forward_of(reset)), code_of(spike)
    if kind is None or known is None or not isinstance(found, Leaky | Hierarchical):
        return None
    code, parameter = known
    if isinstance(found, Hierarchical) and not strict:
        constants = [found.a1, found.b1, found.a2, found.b2, found.v_threshold]
        if found.v_threshold.requires_grad:
            return None
        return Kind(True, kind, isinstance(reset, detached), code, parameter, False), constants
    if isinstance(found, Hierarchical) or found.mask is not None or (strict and found.activity is not None):
        return None
    constants = [found.decay, found.gain, found.v_threshold]
    if found.activity is None:
        return Kind(False, kind, isinstance(reset, detached), code, parameter, False, strict), constants
    adaptive = Kind(False, kind, isinstance(reset, detached), AS_WIDE_AS_THRESHOLD, 1.0, True)
    return adaptive, [*constants, found.activity]


def _firing_at_threshold(neuron: Any) -> Any:
    """The same neuron, constants shared, whose spikes come at the threshold: what `dynamics` can say."""
    twin = copy.copy(neuron)
    twin.spike = replace(neuron.spike, fires=torch.ge)
    return twin


class _Fused(torch.autograd.Function):
    """Spikes and last state from input, first state and constants; the loops of the device do both directions."""

    @staticmethod
    def forward(ctx, kind: Kind, xs: Tensor, *given: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        loops, asked = _loops(xs), any(ctx.needs_input_grad)
        ctx.again = norm_behind(xs) if asked and recomputes.get() else None
        outputs, kept, ctx.order = loops.forward(kind, xs, given, asked and ctx.again is None)
        ctx.kind, ctx.loops, ctx.parts = kind, loops, len(kept)
        ctx.save_for_backward(*kept, *given)
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx, gspikes, *gends):  # pyright: ignore[reportIncompatibleMethodOverride]
        kept, given = ctx.saved_tensors[: ctx.parts], ctx.saved_tensors[ctx.parts :]
        if ctx.again is not None:
            kept = ctx.loops.kept_of(ctx.kind, ctx.again(), given)
        wanted = ctx.needs_input_grad[1:]
        return None, *ctx.loops.backward(ctx.kind, ctx.order, kept, given, gspikes, gends, wanted)


def _loops(xs: Tensor):
    if xs.is_cuda:
        from .kernels import gpu

        return gpu
    from .kernels import cpu

    return cpu
