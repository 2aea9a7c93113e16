"""Training against attacks: losses on attacked inputs, penalties and rules for weights, all for the one loop `fit`."""

from .adversarial import adversarial as adversarial
from .examples import Attacked as Attacked
from .examples import Examples as Examples
from .examples import Mixture as Mixture
from .examples import View as View
from .gradient_sparsity import gradient_sparsity as gradient_sparsity
from .matrices import linear_maps as linear_maps
from .monitor import BestKept as BestKept
from .monitor import Monitor as Monitor
from .operator_norm import NormLimit as NormLimit
from .operator_norm import input_shapes as input_shapes
from .operator_norm import operator_norm as operator_norm
from .retraction import Retraction as Retraction
from .retraction import largest_singular_values as largest_singular_values
from .retraction import retracted as retracted
from .row_sums import one_sided_row_sums as one_sided_row_sums
from .row_sums import row_sums as row_sums
from .simplex import keep_convex as keep_convex
from .simplex import onto_simplex as onto_simplex
from .trades import trades as trades
