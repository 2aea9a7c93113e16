"""The event-driven runtime: a spiking network compiled for the CPU so that a silent neuron costs no time."""

from .network import EventNetwork as EventNetwork
from .network import compile as compile
