"""What is allowed: one set of perturbations per file; the imports below are the registry."""

from ...core.registry import collect
from ..budget import Budget
from .l0 import L0 as L0
from .l2 import L2 as L2
from .linf import Linf as Linf

BUDGETS = collect(globals(), Budget)
