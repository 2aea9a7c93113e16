"""Statistics of activations over calibration data, per layer or per channel; the imports below are the registry."""

from ...core.registry import collect
from .error_optimal import ErrorOptimal as ErrorOptimal
from .maximum import Maximum as Maximum
from .measure import Thresholds as Thresholds
from .measure import WatchedRun as WatchedRun
from .measure import images as images
from .measure import measure as measure
from .percentile import Percentile as Percentile
from .statistic import At as At
from .statistic import Groups as Groups
from .statistic import Measure as Measure
from .statistic import Statistic as Statistic
from .statistic import at as at
from .statistic import check_statistic as check_statistic
from .statistic import per_channel as per_channel
from .statistic import per_layer as per_layer
from .statistic import positive_output as positive_output
from .statistic import size_of_input as size_of_input

STATISTICS: dict[str, type[Statistic]] = collect(globals(), Statistic)
