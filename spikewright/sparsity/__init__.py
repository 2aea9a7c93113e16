"""Fewer spikes and fewer weights: penalties on activity, firing rates while training, pruning."""

from .penalties import activity as activity
from .penalties import delivered as delivered
from .penalties import rate_band as rate_band
from .penalties import unit_spikes as unit_spikes
from .rates import firing_rates as firing_rates
from .rates import logged_rates as logged_rates
