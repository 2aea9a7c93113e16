"""How adversarial inputs are looked for: one search per file; the imports below are the registry."""

from ...core.registry import collect
from ..search import Search
from .fgsm import FGSM as FGSM
from .greedy_events import GreedyEvents as GreedyEvents
from .pgd import PGD as PGD

SEARCHES = collect(globals(), Search)
