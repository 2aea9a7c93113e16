"""Statistics of activations over calibration data, for groups of values; the imports below are the registry."""

from ...core.registry import collect
from .batch_norm_moments import Moments as Moments
from .batch_norm_moments import batch_norm_moments as batch_norm_moments
from .error_optimal import ErrorOptimal as ErrorOptimal
from .gain import gain as gain
from .gain import gaussian_error as gaussian_error
from .gain import iterated_threshold as iterated_threshold
from .gain import level as level
from .gain import optimal_threshold as optimal_threshold
from .gaussian_optimal import GaussianOptimal as GaussianOptimal
from .groups import GROUPS as GROUPS
from .groups import Groups as Groups
from .groups import per_channel as per_channel
from .groups import per_feature as per_feature
from .groups import per_layer as per_layer
from .groups import per_neuron as per_neuron
from .level_statistic import LevelStatistic as LevelStatistic
from .levels import Levels as Levels
from .maximum import Maximum as Maximum
from .measure import Thresholds as Thresholds
from .measure import WatchedRun as WatchedRun
from .measure import images as images
from .measure import measure as measure
from .measure import threshold_of as threshold_of
from .percentile import Percentile as Percentile
from .statistic import At as At
from .statistic import Measure as Measure
from .statistic import Statistic as Statistic
from .statistic import at as at
from .statistic import check_statistic as check_statistic
from .statistic import positive_output as positive_output
from .statistic import signed_input as signed_input
from .statistic import size_of_input as size_of_input

STATISTICS: dict[str, type[Statistic]] = collect(globals(), Statistic)
