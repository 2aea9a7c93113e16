"""How adversarial inputs are looked for: one search per file; the imports below are the registry."""

from ...core.registry import collect
from ..search import Search
from .apgd import APGD as APGD
from .cw import CW as CW
from .fgsm import FGSM as FGSM
from .greedy_events import GreedyEvents as GreedyEvents
from .mifgsm import MIFGSM as MIFGSM
from .pgd import PGD as PGD
from .random_noise import RandomNoise as RandomNoise
from .rfgsm import RFGSM as RFGSM
from .sapgd import SAPGD as SAPGD
from .square import Square as Square

SEARCHES = collect(globals(), Search)
