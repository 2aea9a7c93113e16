"""What each pixel did for a logit: one method per file; the imports below are the registry."""

from ...core.registry import collect
from ..method import Method
from .deconvolution import Deconvolution as Deconvolution
from .deep_lift import DeepLift as DeepLift
from .deep_lift_shap import DeepLiftSHAP as DeepLiftSHAP
from .feature_ablation import FeatureAblation as FeatureAblation
from .feature_permutation import FeaturePermutation as FeaturePermutation
from .grad_cam import GradCAM as GradCAM
from .grad_cam import GuidedGradCAM as GuidedGradCAM
from .gradient_shap import GradientSHAP as GradientSHAP
from .guided_backprop import GuidedBackprop as GuidedBackprop
from .input_x_gradient import InputXGradient as InputXGradient
from .integrated_gradients import IntegratedGradients as IntegratedGradients
from .kernel_shap import KernelSHAP as KernelSHAP
from .lime import LIME as LIME
from .lrp import LRP as LRP
from .occlusion import Occlusion as Occlusion
from .saliency import Saliency as Saliency
from .shapley_sampling import ShapleySampling as ShapleySampling

METHODS = collect(globals(), Method)
