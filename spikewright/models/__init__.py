"""Networks to convert or train, with the activation as a parameter; and networks that others have trained.

`MODELS` are those that give classes to one input; `denoiser` gives images, `recurrent_mlp` takes sequences only.
"""

from collections.abc import Callable

from torch import nn

from .cifar_cnn import cifar_cnn as cifar_cnn
from .convex_sum import ConvexSum as ConvexSum
from .denoiser import denoiser as denoiser
from .event_cnn import event_cnn as event_cnn
from .mlp import mlp as mlp
from .normalize import Normalize as Normalize
from .pretrained import pretrained as pretrained
from .recurrent_mlp import Recurrent as Recurrent
from .recurrent_mlp import recurrent_mlp as recurrent_mlp
from .resnet import resnet18 as resnet18
from .resnet import resnet20 as resnet20
from .resnet import resnet34 as resnet34
from .resnet import resnet56 as resnet56
from .vgg import vgg11 as vgg11
from .vgg import vgg16 as vgg16
from .vgg import vgg16_slim as vgg16_slim
from .vit import vit as vit
from .vit_gelu import vit_gelu as vit_gelu
from .wide_resnet import wide_resnet16 as wide_resnet16
from .wide_resnet import wide_resnet16_convex as wide_resnet16_convex

MODELS: dict[str, Callable[..., nn.Module]] = {
    builder.__name__: builder
    for builder in (
        cifar_cnn,
        event_cnn,
        mlp,
        resnet18,
        resnet20,
        resnet34,
        resnet56,
        vgg11,
        vgg16,
        vgg16_slim,
        vit,
        vit_gelu,
        wide_resnet16,
        wide_resnet16_convex,
    )
}
