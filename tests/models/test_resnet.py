"""ResNet: shapes, shortcuts, stems, and a block by hand."""

import torch
from torch import nn

from spikewright.models import resnet18, resnet20, resnet34, resnet56
from spikewright.models.resnet import BasicBlock, cifar_stem, imagenet_stem, zero_padded


def test_feature_maps_of_resnet20():
    with torch.device("meta"):
        model = resnet20().eval()
    sizes = []
    for block in model.blocks:
        block.register_forward_hook(lambda block, inputs, output: sizes.append(tuple(output.shape[1:])))
    model(torch.zeros(1, 3, 32, 32, device="meta"))
    assert sizes == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3


def test_shortcuts_are_identities_unless_the_shape_changes():
    with torch.device("meta"):
        for model in (resnet18(), resnet20(), resnet34()):
            changed = [not isinstance(block.shortcut, nn.Identity) for block in model.blocks]
            assert sum(changed) == len({block.second[0].out_channels for block in model.blocks}) - 1
            assert not changed[0]


def test_a_block_adds_its_shortcut_before_the_last_activation():
    block = BasicBlock(1, 1, 1, nn.ReLU).eval()
    with torch.no_grad():
        for conv in (block.first[0], block.second[0]):
            conv.weight.zero_()
            conv.weight[0, 0, 1, 1] = -1.0
        x = torch.tensor([2.0, -3.0]).view(2, 1, 1, 1)
        # batch norm at its start values divides by sqrt(1 + 1e-5):
        # 2 -> relu(-2) = 0 -> 0 + 2 = 2;  -3 -> relu(3) = 3 -> -3 - 3 = -6 -> 0
        torch.testing.assert_close(block(x).flatten(), torch.tensor([2.0, 0.0]), rtol=1e-4, atol=1e-4)


def test_a_shortcut_without_weights_skips_pixels_and_adds_maps_of_zeros():
    x = torch.arange(1.0, 19.0).view(1, 2, 3, 3)
    out = zero_padded(2, 5, 2)(x)
    assert out.shape == (1, 5, 2, 2)
    assert out[0, 1:3].tolist() == [[[1, 3], [7, 9]], [[10, 12], [16, 18]]]
    assert not out[0, [0, 3, 4]].any()
    assert torch.equal(zero_padded(2, 2, 1)(x), x)


def test_resnet56_with_shortcuts_as_published():
    with torch.device("meta"):
        model = resnet56(shortcut=zero_padded).eval()
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert len(model.blocks) == 27
    assert sum(p.numel() for p in model.parameters()) == 853_018
    assert [i for i, block in enumerate(model.blocks) if not isinstance(block.shortcut, nn.Identity)] == [9, 18]


def test_stems():
    with torch.device("meta"):
        x = torch.zeros(1, 3, 64, 64)
        assert cifar_stem(3, 8, nn.ReLU)(x).shape == (1, 8, 64, 64)
        assert imagenet_stem(3, 8, nn.ReLU)(x).shape == (1, 8, 16, 16)
        assert resnet18(stem=imagenet_stem).stem[0].kernel_size == (7, 7)
        assert resnet34(stem=cifar_stem).stem[0].kernel_size == (3, 3)


def test_grey_images():
    with torch.device("meta"):
        model = resnet20(mean=(0.5,), std=(0.25,)).eval()
        assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_convolutions_have_no_bias_before_batch_norm():
    with torch.device("meta"):
        assert all(m.bias is None for m in resnet18().modules() if isinstance(m, nn.Conv2d))
