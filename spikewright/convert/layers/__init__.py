"""Layers that only conversion needs."""

from .expectation import Expectation as Expectation
from .max_pool_gate import MaxPoolGate as MaxPoolGate
from .qcfs import QCFSActivation as QCFSActivation
from .qcfs import clamp_then_floor as clamp_then_floor
from .qcfs import floor_then_clamp as floor_then_clamp
from .qcfs import qcfs as qcfs
