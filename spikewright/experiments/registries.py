"""What the names in configs and on the command line stand for, by type of field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..attack.budget import Budget
from ..attack.budgets import BUDGETS
from ..attack.gradients import GRADIENT_RULES, HART, clip_floor
from ..attack.gradients.analog_twin import Activation
from ..attack.gradients.rates import RateRule
from ..attack.objective import OBJECTIVES, Objective
from ..attack.rule import GradientRule
from ..attack.search import Search
from ..attack.searches import SEARCHES
from ..convert.codings import Coding, differential, rate
from ..convert.layers.qcfs import GradientOrder, clamp_then_floor, floor_then_clamp
from ..convert.recipe import Recipe
from ..convert.recipes import RECIPES
from ..convert.recipes.cos import OffsetRule, guarded, published
from ..convert.recipes.srp import MaskRule, authors_code, paper
from ..convert.statistics import GROUPS, STATISTICS, Groups, Statistic
from ..core import surrogate
from ..core.registry import collect
from ..core.surrogate import Surrogate
from ..data.augment import Augmentation, Cutout, HorizontalFlip, RandomCrop
from ..data.autoaugment import AutoAugment
from ..neurons.firing import FIRINGS, Firing
from ..rl import ACTORS, ALGORITHMS, TARGETS, ActorChoice, Algorithm, Target
from ..robust import Attacked, Examples, Mixture
from ..train.optim import SGD, AdamW, Optimizer
from .hardening import HARDENINGS, Hardening
from .neuron_choice import NEURON_CHOICES, NeuronChoice

SURROGATES = collect(vars(surrogate), Surrogate)

REGISTRIES: dict[Any, dict[str, Any]] = {
    Recipe: RECIPES,
    Statistic: STATISTICS,
    Groups: GROUPS,
    GradientOrder: {order.name: order for order in (floor_then_clamp, clamp_then_floor)},
    MaskRule: {rule.name: rule for rule in (paper, authors_code)},
    OffsetRule: {rule.name: rule for rule in (guarded, published)},
    Firing: FIRINGS,
    Coding: {coding.name: coding for coding in (rate, differential)},
    NeuronChoice: NEURON_CHOICES,
    Surrogate: SURROGATES,
    Callable[..., Tensor]: {"at_threshold": torch.ge, "above_threshold": torch.gt},  # what Surrogate.fires may be
    Optimizer: {"SGD": SGD, "AdamW": AdamW},
    Budget: {name: budget for name, budget in BUDGETS.items() if not budget.discrete},  # of images, as runs attack
    Search: SEARCHES,
    GradientRule: GRADIENT_RULES,
    HART | RateRule: {name: rule for name, rule in GRADIENT_RULES.items() if issubclass(rule, HART | RateRule)},
    Objective: OBJECTIVES,
    Activation: {"relu": torch.relu, "clip_floor": clip_floor},
    Examples: {kind.__name__: kind for kind in (Attacked, Mixture)},
    Hardening: HARDENINGS,
    ActorChoice: ACTORS,
    Algorithm: ALGORITHMS,
    Target: TARGETS,
    Augmentation: {part.__name__: part for part in (RandomCrop, HorizontalFlip, AutoAugment, Cutout)},
}
