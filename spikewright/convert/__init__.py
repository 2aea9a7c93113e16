"""An ordinary network becomes a spiking one by graph rewriting."""

from .beyond_relu import product_to_expectation as product_to_expectation
from .beyond_relu import sigmoid_to_expectation as sigmoid_to_expectation
from .check import check as check
from .diagnose import diagnose as diagnose
from .diagnosis import Diagnosis as Diagnosis
from .driver import convert as convert
from .driver import prepare as prepare
from .fine_tune import prepare_trained as prepare_trained
from .max_pools import max_pool_to_average as max_pool_to_average
from .max_pools import max_pool_to_gate as max_pool_to_gate
from .recipe import Conversion as Conversion
from .recipe import Recipe as Recipe
from .recipes import COS as COS
from .recipes import OPI as OPI
from .recipes import QCFS as QCFS
from .recipes import SRP as SRP
from .recipes import RobustNorm as RobustNorm
from .rules import Rule as Rule
from .start import FittedStart as FittedStart
from .start import fit_starts as fit_starts
from .statistics import ErrorOptimal as ErrorOptimal
from .statistics import Maximum as Maximum
from .statistics import Percentile as Percentile
from .statistics import per_channel as per_channel
from .statistics import per_layer as per_layer
