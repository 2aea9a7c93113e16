"""Vision transformer: patches by hand, attention beside torch's own, shapes, tracing."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from spikewright.core.errors import ArgumentError
from spikewright.core.trace import trace
from spikewright.models import vit
from spikewright.models.vit import Attention, patches


def test_patches_go_row_by_row_with_channels_last():
    x = torch.arange(32.0).view(1, 2, 4, 4)
    cut = patches(x, 2)
    assert cut.shape == (1, 4, 8)
    assert cut[0, 0].tolist() == [0, 16, 1, 17, 4, 20, 5, 21]
    assert cut[0, 1].tolist() == [2, 18, 3, 19, 6, 22, 7, 23]
    assert cut[0, 2, 0] == 8


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    layer, x = Attention(6, 2, 5), torch.randn(3, 7, 6)
    q, k, v = layer.qkv(x).view(3, 7, 3, 2, 5).permute(2, 0, 3, 1, 4)  # query, key, value; then heads; then width
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(3, 7, 10)
    torch.testing.assert_close(layer(x), layer.proj(mixed))


def test_only_the_class_token_is_read():
    torch.manual_seed(0)
    model, x = vit(depth=0).eval(), torch.rand(2, 3, 32, 32)
    token = model.class_token[0, 0] + model.position[0, 0]
    torch.testing.assert_close(model(x), model.head(model.norm(token)).expand(2, 10))


def test_sizes_and_channels():
    with torch.device("meta"):
        grey = vit(size=28, mean=(0.5,), std=(0.25,))
        assert grey.patch.in_features == 16
        assert grey.position.shape == (1, 50, 64)
        assert grey(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize(("size", "patch"), [(30, 4), (2, 4), (4, 0)])
def test_an_image_that_is_not_cut_evenly_is_refused(size, patch):
    with pytest.raises(ArgumentError, match=rf"ViT\.size: got {size} with patches of {patch}; expected a multiple of"):
        vit(size=size, patch=patch)


def test_it_traces_for_any_batch():
    torch.manual_seed(0)
    model = vit(depth=2).eval()
    graph = trace(model)
    for n in (1, 3):
        x = torch.rand(n, 3, 32, 32)
        assert torch.equal(graph(x), model(x))
