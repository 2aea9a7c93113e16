"""Spiking networks compiled: on a CPU so that a silent neuron costs no time, on a CUDA device dense and recorded."""

from .dense import DenseNetwork as DenseNetwork
from .driver import compile as compile
from .early_exit import EarlyExit as EarlyExit
from .exit_rule import ExitRule as ExitRule
from .exit_rule import fit_exit as fit_exit
from .network import EventNetwork as EventNetwork
