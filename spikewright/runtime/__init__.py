"""Spiking networks compiled: on a CPU so that a silent neuron costs no time, on a CUDA device dense and recorded."""

from .dense import DenseNetwork as DenseNetwork
from .driver import compile as compile
from .network import EventNetwork as EventNetwork
