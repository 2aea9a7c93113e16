"""What a neuron fires at a membrane potential, for any coding; the imports below are the registry."""

from ...core.registry import collect
from .firing import Firing as Firing
from .firing import Sign as Sign
from .harmony import Harmony as Harmony
from .multi_threshold import MultiThreshold as MultiThreshold
from .single_threshold import SingleThreshold as SingleThreshold

FIRINGS = collect(globals(), Firing)
