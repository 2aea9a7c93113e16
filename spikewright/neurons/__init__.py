"""One neuron per file: state, pure step, module."""

from ..core.neuron import Neuron
from ..core.registry import collect
from .alif import ALIF as ALIF
from .at_lif import ATLIF as ATLIF
from .cuba_lif import CubaLIF as CubaLIF
from .dn import DN as DN
from .harmony_pair import HarmonyPair as HarmonyPair
from .harmony_store import HarmonyStore as HarmonyStore
from .if_ import IF as IF
from .li import LI as LI
from .lif import LIF as LIF
from .lmh import LMH as LMH
from .multi_threshold_if import MultiThresholdIF as MultiThresholdIF
from .plif import PLIF as PLIF
from .psn import PSN as PSN
from .psn import MaskedPSN as MaskedPSN
from .psn import ParallelNeuron
from .psn import SlidingPSN as SlidingPSN
from .signed_if import SignedIF as SignedIF
from .signed_memory_if import SignedMemoryIF as SignedMemoryIF

NEURONS = collect(globals(), Neuron)

PARALLEL_NEURONS = collect(globals(), ParallelNeuron)
"""Neurons without a step of their own."""
