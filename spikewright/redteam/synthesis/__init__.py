"""Methods that make pictures of what a network reacts to: one per file; the imports below are the registry."""

from ...core.registry import collect
from .adversarial_patch import AdversarialPatch as AdversarialPatch
from .decoder import ConvDecoder as ConvDecoder
from .featvis import CPPNInner as CPPNInner
from .featvis import CPPNTarget as CPPNTarget
from .featvis import FourierInner as FourierInner
from .featvis import FourierTarget as FourierTarget
from .generators import PatchGenerator as PatchGenerator
from .generators import PCAGenerator as PCAGenerator
from .placing import Placing as Placing
from .rfla_gen import RFLAGen as RFLAGen
from .rfla_loss import RFLALoss as RFLALoss
from .rfla_perturb import RFLAPerturb as RFLAPerturb
from .snafue import SNAFUE as SNAFUE
from .tabor import TABOR as TABOR
from .task import Gallery as Gallery
from .task import Synthesis as Synthesis
from .task import Task as Task

SYNTHESES = collect(globals(), Synthesis)
