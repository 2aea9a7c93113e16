"""Vision transformer: patches of an image as tokens, attention blocks, class token; activation as parameter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from .normalize import Normalize
from .resnet import CIFAR_MEAN, CIFAR_STD, Activation


def patches(x: Tensor, patch: int) -> Tensor:
    """Cut images into square patches: [N, C, H, W] -> [N, L, D], row by row; a patch holds its pixels, channels last.

    Example:
        >>> patches(torch.arange(8.0).view(1, 1, 2, 4), 2).tolist()
        [[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]
    """
    cut = x.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))  # [N, C, rows, patch, columns, patch]
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


class Attention(nn.Module):
    """Softmax attention of several heads, [N, L, D] -> [N, L, D].

    Args:
        width: D.
        heads: A, the number of heads.
        head_width: width of query, key and value of one head.
    """

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, head_width**-0.5
        self.qkv = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.softmax = nn.Softmax(-1)
        self.proj = nn.Linear(heads * head_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """softmax(q k' / sqrt(head_width)) v, the heads side by side, then `proj`."""
        parts = self.qkv(x).chunk(3, 2)
        q, k, v = (parts[place].unflatten(2, (self.heads, -1)).transpose(1, 2) for place in range(3))
        shares = self.softmax(torch.matmul(q, k.transpose(2, 3)) * self.scale)
        return self.proj(torch.matmul(shares, v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then two linear layers with an activation between; each after a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, head_width: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, head_width)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.act = activation()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, D] -> [N, L, D]."""
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    """Vision transformer on square images in [0, 1].

    Args:
        size: height and width of the images in pixels, a multiple of `patch`.
        patch: height and width of a patch in pixels.
        width: width D of a token.
        depth: number of blocks.
        heads, head_width: of the attention.
        hidden: width of the hidden layer of a block.
        classes: number of classes.
        activation: makes one activation module, called once per block.
        mean, std: pixel scaling per channel, for pixels in [0, 1].

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", ICLR 2021, arXiv 2010.11929.
        Differs: ReLU instead of GELU by default; no bias for query, key and value.
    """

    def __init__(
        self,
        size: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        head_width: int,
        hidden: int,
        classes: int,
        activation: Activation,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        if patch < 1 or size < patch or size % patch:
            raise ArgumentError(sentence("ViT.size", f"{size!r} with patches of {patch!r}", "a multiple of the patch"))
        self.normalize, self.patch_size = Normalize(mean, std), patch
        self.patch = nn.Linear(len(mean) * patch**2, width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads, head_width, hidden, activation) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1], [N, C, H, W] -> logits [N, K]."""
        tokens = self.patch(patches(self.normalize(x), self.patch_size))
        token = self.class_token.expand(tokens.shape[0], -1, -1)
        return self.head(self.norm(self.blocks(torch.cat((token, tokens), 1) + self.position))[:, 0])


def vit(
    classes: int = 10,
    activation: Activation = nn.ReLU,
    *,
    size: int = 32,
    patch: int = 4,
    width: int = 64,
    depth: int = 6,
    heads: int = 4,
    head_width: int = 64,
    hidden: int = 128,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> ViT:
    """A small vision transformer, by default for 32x32 images: 0.50 M parameters, 6 activation sites.

    Source: Dosovitskiy et al. 2021, ICLR 2021, section 3.1.
    """
    return ViT(size, patch, width, depth, heads, head_width, hidden, classes, activation, mean, std)
