"""An ordinary network becomes a spiking one by graph rewriting."""

from .check import check as check
from .diagnose import diagnose as diagnose
from .diagnosis import Diagnosis as Diagnosis
from .driver import convert as convert
from .driver import prepare as prepare
from .recipe import Conversion as Conversion
from .recipe import Recipe as Recipe
from .recipes import COS as COS
from .recipes import OPI as OPI
from .recipes import QCFS as QCFS
from .recipes import SRP as SRP
from .recipes import RobustNorm as RobustNorm
from .rules import Rule as Rule
from .rules import max_pool_to_average as max_pool_to_average
from .start import FittedStart as FittedStart
from .start import fit_starts as fit_starts
from .statistics import ErrorOptimal as ErrorOptimal
from .statistics import Maximum as Maximum
from .statistics import Percentile as Percentile
from .statistics import per_channel as per_channel
from .statistics import per_layer as per_layer
