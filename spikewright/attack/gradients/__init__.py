"""Whose gradient an attack follows: one rule per file; the imports below are the registry."""

from ...core.registry import collect
from ..rule import GradientRule
from .analog_twin import AnalogTwin as AnalogTwin
from .analog_twin import clip_floor as clip_floor
from .assg import ASSG as ASSG
from .bptt import LastSteps as LastSteps
from .bptt import SurrogateBPTT as SurrogateBPTT
from .hart import HART as HART
from .mixed import Mixed as Mixed
from .pdsg import PDSG as PDSG
from .rates import BPTR as BPTR
from .rates import RGA as RGA
from .rates import RateSlope as RateSlope
from .without_time import WithoutTime as WithoutTime

GRADIENT_RULES = collect(globals(), GradientRule)
