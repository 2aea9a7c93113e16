"""Layers for training spiking networks: norms that know of time, and delays."""

from .bntt import BNTT as BNTT
from .delay import Delay as Delay
from .delay import DelayedConv2d as DelayedConv2d
from .delay import DelayedLinear as DelayedLinear
from .delay import NarrowDelays as NarrowDelays
from .delay import round_delays as round_delays
from .tebn import TEBN as TEBN
from .threshold_batch_norm import threshold_batch_norm as threshold_batch_norm
