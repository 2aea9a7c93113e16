"""spikewright: spiking neural networks, converted from trained networks and judged at every time step.

Shell, neurons, encoders and read-outs are here; each task has a package of its own: `convert`, `train`, `profile`,
`data`, `models`, `report`, `experiments`.
"""

from .coding import last as last
from .coding import latency as latency
from .coding import max_membrane as max_membrane
from .coding import mean as mean
from .coding import poisson as poisson
from .coding import repeat as repeat
from .coding import running_mean as running_mean
from .core import Neuron as Neuron
from .core import Spiking as Spiking
from .core import Temporal as Temporal
from .core import carry_state as carry_state
from .core import gradient_rule as gradient_rule
from .core import recording as recording
from .core.errors import SpikewrightError as SpikewrightError
from .neurons import ALIF as ALIF
from .neurons import IF as IF
from .neurons import LI as LI
from .neurons import LIF as LIF
from .neurons import PLIF as PLIF
from .neurons import CubaLIF as CubaLIF
from .neurons import SignedIF as SignedIF
