"""What the names in configs and on the command line stand for, by type of field."""

from __future__ import annotations

from typing import Any

from ..convert.codings import Coding, differential, rate
from ..convert.layers.qcfs import GradientOrder, clamp_then_floor, floor_then_clamp
from ..convert.recipe import Recipe
from ..convert.recipes import RECIPES
from ..convert.recipes.cos import OffsetRule, guarded, published
from ..convert.recipes.srp import MaskRule, authors_code, paper
from ..convert.statistics import GROUPS, STATISTICS, Groups, Statistic
from ..data.augment import Augmentation, Cutout, HorizontalFlip, RandomCrop
from ..data.autoaugment import AutoAugment
from ..neurons.firing import FIRINGS, Firing
from ..train.optim import SGD, AdamW, Optimizer

REGISTRIES: dict[Any, dict[str, Any]] = {
    Recipe: RECIPES,
    Statistic: STATISTICS,
    Groups: GROUPS,
    GradientOrder: {order.name: order for order in (floor_then_clamp, clamp_then_floor)},
    MaskRule: {rule.name: rule for rule in (paper, authors_code)},
    OffsetRule: {rule.name: rule for rule in (guarded, published)},
    Firing: FIRINGS,
    Coding: {coding.name: coding for coding in (rate, differential)},
    Optimizer: {"SGD": SGD, "AdamW": AdamW},
    Augmentation: {part.__name__: part for part in (RandomCrop, HorizontalFlip, AutoAugment, Cutout)},
}
