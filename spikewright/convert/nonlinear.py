"""is_one_input_nonlinear(site): functions of one activity, image by image, such as norms, softmax and GELU."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from ..core.temporal import Temporal
from .first_axis import argument, is_other
from .layers import TRAINED
from .operations import Site, called, calls, depends_on_input, is_relu

_smooth = called(
    *("gelu", "silu", "mish", "elu", "selu", "celu", "softplus", "softsign", "hardswish"),
    *("sigmoid", "hardsigmoid", "logsigmoid", "expit", "tanh", "hardtanh", "tanhshrink", "softshrink", "hardshrink"),
    *("leaky_relu", "prelu", "clamp", "clip", "clamp_min", "clamp_max"),
    modules=(
        *(nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.SELU, nn.CELU, nn.Softplus, nn.Softsign, nn.Hardswish),
        *(nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, nn.Tanh, nn.Hardtanh, nn.Tanhshrink, nn.Softshrink),
        *(nn.Hardshrink, nn.LeakyReLU, nn.PReLU),
    ),
)
_elementary = called(
    *("pow", "square", "sqrt", "rsqrt", "reciprocal", "abs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
    *("sin", "cos", "tan", "atan", "arctan", "sinh", "cosh", "erf", "maximum", "minimum"),
)
_larger = called("maximum", "minimum")
_divides = called("div", "divide", "true_divide", "truediv")
_normalises = called(
    *("layer_norm", "rms_norm", "group_norm", "local_response_norm"),
    modules=(nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.LocalResponseNorm),
)
_instance_norm = called("instance_norm", modules=(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d))
_softmax = called("softmax", "log_softmax", "softmin", modules=(nn.Softmax, nn.LogSoftmax, nn.Softmin))
_along = called("amax", "amin", "logsumexp", "std", "var", "prod", "cumprod")
_along_third = called("norm", "vector_norm")
_unit_length = called("normalize")
_gated = called("glu", modules=(nn.GLU,))


def is_softmax(site: Site) -> bool:
    """Softmax, its logarithm, or softmax of the negative, along an axis that is given and is not the first."""
    if calls(modules=(nn.Softmax2d,))(site):
        return True
    return _softmax(site) and is_other(_axis(site, 1))


def is_norm_of_input(site: Site) -> bool:
    """A normalisation by statistics of the image itself: layer, RMS, group, instance and local response norm."""
    if _instance_norm(site):
        if site.module is not None:
            return site.module.running_mean is None
        return argument(site.node, 5, "use_input_stats", default=True) is True
    return _normalises(site)


def is_smooth_activation(site: Site) -> bool:
    """An activation that acts on each element and is no ReLU: GELU, SiLU, sigmoid, tanh, leaky ReLU, a clamp..."""
    return _smooth(site) and not is_relu(site)


def is_elementary(site: Site) -> bool:
    """A power, root, exponential, logarithm, absolute value, or a constant divided by the activity..."""
    return _elementary(site) or is_reciprocal(site)


def is_reciprocal(site: Site) -> bool:
    """A constant divided by an activity, without rounding."""
    divisor = argument(site.node, 1, "other")
    by_activity = isinstance(divisor, fx.Node) and depends_on_input(divisor)
    return _divides(site) and by_activity and site.node.kwargs.get("rounding_mode") is None


def is_reduction(site: Site) -> bool:
    """Greatest, smallest, spread, length or the like along axes that are given and are not the first."""
    if _unit_length(site):
        return is_other(argument(site.node, 2, "dim", default=1))
    if _gated(site):
        return is_other(_axis(site, 1, default=-1))
    return (_along(site) and is_other(_axis(site, 1))) or (_along_third(site) and is_other(_axis(site, 2)))


def _axis(site: Site, place: int, default: Any = None) -> Any:
    if site.module is not None:
        return site.module.dim
    return argument(site.node, place, "dim", "axis", default=default)


def is_larger_of_two(site: Site) -> bool:
    """The larger or smaller of two activities, element by element."""
    return _larger(site) and len(site.activities()) == 2


def is_kept_whole(site: Site) -> bool:
    """A module of one or two activities that is no layer of torch and was not looked into (`convert(leaves=...)`)."""
    layer = site.module
    if layer is None or isinstance(layer, (Temporal, *TRAINED)) or type(layer).__module__.partition(".")[0] == "torch":
        return False
    return 1 <= len(site.activities()) <= 2


_ONE_INPUT = (is_smooth_activation, is_softmax, is_norm_of_input, is_elementary, is_reduction)


def is_one_input_nonlinear(site: Site) -> bool:
    """A known function of exactly one activity that treats every image by itself, and varies smoothly with it.

    So the function of the mean over time is what the function of the activity is in the source. ReLU and max pools
    have tests of their own; steps, such as rounding, sign or a comparison, are none of these.
    """
    return len(site.activities()) == 1 and any(matches(site) for matches in _ONE_INPUT)
