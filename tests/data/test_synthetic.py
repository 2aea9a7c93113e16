"""Synthetic stripes: repeatable, balanced, and learnt by a small network in seconds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError
from spikewright.data import Batches, load_dataset
from spikewright.data.synthetic import stripes


def test_the_same_images_on_every_call_and_others_in_the_test_split():
    train, again, test = (load_dataset("synthetic", split=split) for split in ("train", "train", "test"))
    assert isinstance(train.images, torch.Tensor)
    assert torch.equal(train.images, again.images)
    assert train.labels.bincount().tolist() == [200] * 4
    assert not {image.numpy().tobytes() for image in train.images} & {i.numpy().tobytes() for i in test.images}


def test_the_direction_is_the_class():
    data = stripes(2, (1, 20, 20), 2, torch.Generator().manual_seed(0))
    x = data.images.float()[:, 0]
    across = (x.diff(dim=1).abs().mean((1, 2)), x.diff(dim=2).abs().mean((1, 2)))
    for label in range(2):  # class 0 changes from row to row, class 1 from column to column
        place = int((data.labels == label).nonzero())
        assert float(across[label][place]) > 2 * float(across[1 - label][place])


def test_a_small_network_learns_it():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    weights = list(net.parameters())
    batches = Batches(load_dataset("synthetic"), 25, seed=0)
    for epoch in range(4):
        for x, y in batches.iterate(epoch):
            gradients = torch.autograd.grad(nn.functional.cross_entropy(net(x - 0.5), y), weights)
            with torch.no_grad():  # plain gradient descent, as the import of torch.optim alone takes seconds
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight -= 0.5 * gradient
    x, y = load_dataset("synthetic", split="test").gather(torch.arange(200))
    assert float((net(x - 0.5).argmax(1) == y).float().mean()) > 0.9


@pytest.mark.parametrize(("n", "classes"), [(0, 2), (4, 1)])
def test_too_few_are_refused(n, classes):
    with pytest.raises(ArgumentError, match=f"stripes: got n={n}, classes={classes}"):
        stripes(n, (1, 4, 4), classes, torch.Generator())
