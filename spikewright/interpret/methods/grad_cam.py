"""GradCAM and GuidedGradCAM: the maps of one layer, weighted by their mean gradient, over time where there is time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...core.arguments import named
from ...core.errors import ArgumentError, sentence
from ...core.layer_outputs import emits_spikes
from ..captum_door import captum
from ..method import Found, Method
from ..view import View
from .guided_backprop import guided_gradient, refuses_positive

POOLS = (nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Identity, nn.Dropout)


def weighted_maps(outs: Tensor, gradients: Tensor) -> Tensor:
    """relu(sum_k a_k A_k) with A the mean over time and a_k the mean gradient over time and places, [N, 1, h, w].

    Args:
        outs, gradients: of a layer, [T, N, C, h, w].

    Source: Selvaraju et al. 2017, "Grad-CAM", ICCV 2017, eq. 1 and 2. Differs: time, of which they have none.

    Example:
        >>> weighted_maps(torch.ones(2, 1, 1, 1, 2), torch.full((2, 1, 1, 1, 2), 3.0))
        tensor([[[[3., 3.]]]])
    """
    weights = gradients.mean((0, 3, 4))[:, :, None, None]
    return (weights * outs.mean(0)).sum(1, keepdim=True).relu()


def layer_maps(view: View, layer: nn.Module) -> Tensor:
    """`weighted_maps` of a layer of a spiking network, [N, 1, h, w].

    All steps of all passes are seen: a hook that keeps one output alone would know the last step only.
    """
    outs: list[Tensor] = []

    def see(module: nn.Module, inputs: object, out: Tensor) -> None:
        outs.append(out)

    handle = layer.register_forward_hook(see)
    try:
        with torch.enable_grad():
            x = view.images.detach().clone().requires_grad_()
            score = view.asked()(x).gather(1, view.targets[:, None]).sum()
            gradients = torch.autograd.grad(score, outs)
    finally:
        handle.remove()
    count = len(view.images)
    steps = [torch.cat([part.reshape(-1, count, *part.shape[1:]) for part in parts]) for parts in (outs, gradients)]
    return weighted_maps(steps[0].detach(), steps[1])


def last_layer(view: View) -> str:
    """The name of the last layer with places side by side that is no pool; empty if there is none."""
    sides: dict[str, bool] = {}
    handles = []
    for name, part in view.network.named_modules():
        if not list(part.children()) or emits_spikes(part):

            def see(module: nn.Module, inputs: object, out: object, name: str = name) -> None:
                spatial = isinstance(out, Tensor) and out.dim() == 4 and out.shape[2] * out.shape[3] > 1
                sides[name] = spatial and not isinstance(module, POOLS)

            handles.append(part.register_forward_hook(see))
    try:
        with torch.no_grad():
            view.network(view.images[:1])
    finally:
        for handle in handles:
            handle.remove()
    return next((name for name, spatial in reversed(sides.items()) if spatial), "")


@dataclass(frozen=True, kw_only=True)
class GradCAM(Method):
    """relu(sum_k a_k A_k) of one layer, enlarged to the size of the images; a_k is the mean gradient of map k.

    On a spiking network A is the mean over time and a_k that over time and places.

    Args:
        layer: name of the layer, as `named_modules` of the network has it; empty for the last one with places side by
            side that is no pool.

    Raises:
        ArgumentError: when run, if there is no layer of that name.

    Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks", ICCV 2017.
    """

    per_pixel: ClassVar[bool] = False
    layer: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.layer, str):
            raise ArgumentError(sentence(f"{type(self).__name__}.layer", named(self.layer), "the name of a layer"))

    def refuses(self, view: View) -> str:
        name = self.layer or last_layer(view)
        if not name:
            return "no layer of it gives maps [N, C, h, w] with places side by side"
        if name not in dict(view.network.named_modules()):
            names = [name for name, part in view.network.named_modules() if not list(part.children())]
            raise ArgumentError(sentence(f"{type(self).__name__}.layer", repr(name), f"one of {', '.join(names)}"))
        called = {call.name: call.times for call in view.audit.calls}
        if not view.audit.spiking and called.get(name, 1) > 1:
            return f"layer {name} is called {called[name]} times in one pass, and one call alone would be seen"
        return ""

    def coarse(self, view: View) -> Tensor:
        """The map of the layer as large as the images, [N, 1, H, W]."""
        layer = view.network.get_submodule(self.layer or last_layer(view))
        if view.audit.spiking:
            small = layer_maps(view, layer)
        else:
            cam = captum().LayerGradCam(view.network, layer)
            small = cam.attribute(view.images.detach().clone(), target=view.targets, relu_attributions=True).detach()
        if small.dim() != 4:
            met = f"layer {self.layer}, whose output has no places side by side"
            raise ArgumentError(sentence(f"{type(self).__name__}.layer", met, "a layer of maps [N, C, h, w]"))
        return F.interpolate(small, view.images.shape[-2:], mode="bilinear")

    def run(self, view: View) -> Found:
        return Found(self.coarse(view))


@dataclass(frozen=True, kw_only=True)
class GuidedGradCAM(GradCAM):
    """`GuidedBackprop` times `GradCAM`.

    Source: Selvaraju et al. 2017, "Grad-CAM", ICCV 2017, section 3.2.
    """

    per_pixel: ClassVar[bool] = True

    def refuses(self, view: View) -> str:
        return refuses_positive(view) or super().refuses(view)

    def run(self, view: View) -> Found:
        return Found(guided_gradient(view) * self.coarse(view))
