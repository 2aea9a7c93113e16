"""One published conversion method per file; the imports below are the registry."""

from ...core.registry import collect
from ..recipe import Recipe
from .cos import COS as COS
from .dcgs import DCGS as DCGS
from .hmt import HMT as HMT
from .opi import OPI as OPI
from .qcfs import QCFS as QCFS
from .robust_norm import RobustNorm as RobustNorm
from .srp import SRP as SRP

RECIPES: dict[str, type[Recipe]] = collect(globals(), Recipe)
