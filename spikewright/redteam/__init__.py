"""Red-teaming: hidden faults are put into networks on purpose, and tools that should find them are judged."""

from .drawings import PATCHES as PATCHES
from .drawings import STYLES as STYLES
from .drawings import draw as draw
from .drawings import load_triggers as load_triggers
from .implant import Implanting as Implanting
from .implant import implant as implant
from .implant import twin as twin
from .natural import ATTRIBUTES as ATTRIBUTES
from .natural import Attribute as Attribute
from .natural import GridDetector as GridDetector
from .poison import PoisonPlan as PoisonPlan
from .poison import plan_poison as plan_poison
from .poison import poisoned as poisoned
from .success import Acceptance as Acceptance
from .success import TrojanReport as TrojanReport
from .success import trojan_report as trojan_report
from .triggers import NaturalTrigger as NaturalTrigger
from .triggers import PatchTrigger as PatchTrigger
from .triggers import Picture as Picture
from .triggers import StyleTrigger as StyleTrigger
from .triggers import Trigger as Trigger
from .trojans import Trojan as Trojan
