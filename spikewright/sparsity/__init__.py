"""Fewer spikes and fewer weights: penalties on activity, firing rates while training, pruning."""

from .penalties import activity as activity
from .penalties import delivered as delivered
from .penalties import rate_band as rate_band
from .penalties import unit_spikes as unit_spikes
from .prune import MagnitudePruning as MagnitudePruning
from .prune import globally as globally
from .prune import per_layer as per_layer
from .rates import firing_rates as firing_rates
from .rates import logged_rates as logged_rates
from .soft_threshold import SoftThresholdPruning as SoftThresholdPruning
from .soft_threshold import soft_threshold as soft_threshold
from .weights import permanent as permanent
from .weights import weights_left as weights_left
