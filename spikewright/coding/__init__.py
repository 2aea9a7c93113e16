"""Values to spikes and back: encoders and read-outs."""

from collections.abc import Callable

from torch import Tensor

from .delta import delta as delta
from .encode import as_given as as_given
from .encode import latency as latency
from .encode import poisson as poisson
from .encode import repeat as repeat
from .random_encoder import RandomEncoder as RandomEncoder
from .readout import last as last
from .readout import max_membrane as max_membrane
from .readout import mean as mean
from .readout import running_mean as running_mean

ENCODERS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function for function in (delta, latency, poisson, repeat)
}
READOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    function.__name__: function for function in (last, max_membrane, mean, running_mean)
}
