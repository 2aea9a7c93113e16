"""Layers that only conversion needs."""

from .clip import ClippedReLU as ClippedReLU
from .clip import clipped_relu as clipped_relu
from .expectation import Expectation as Expectation
from .max_pool_gate import MaxPoolGate as MaxPoolGate
from .qcfs import QCFSActivation as QCFSActivation
from .qcfs import clamp_then_floor as clamp_then_floor
from .qcfs import floor_then_clamp as floor_then_clamp
from .qcfs import qcfs as qcfs

TRAINED = (QCFSActivation, ClippedReLU)
"""The activations that train a threshold, `v_threshold`, which every method keeps."""
