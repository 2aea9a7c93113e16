"""What is allowed: one set of perturbations per file; the imports below are the registry."""

from ...core.registry import collect
from ..budget import Budget
from .event_counts import EventCounts as EventCounts
from .l0 import L0 as L0
from .l2 import L2 as L2
from .linf import Linf as Linf
from .spike_flips import SpikeFlips as SpikeFlips
from .spike_shifts import SpikeShifts as SpikeShifts

BUDGETS = collect(globals(), Budget)
