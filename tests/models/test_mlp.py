"""mlp: layers by hand, inputs other than images, bad shapes."""

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError
from spikewright.models import mlp


def test_a_network_by_hand():
    model = mlp(1, shape=(1, 1, 2), widths=(2,), mean=(0.5,), std=(0.25,))
    with torch.no_grad():
        model.layers[1].weight.copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
        model.layers[3].weight.copy_(torch.tensor([[1.0, 10.0]]))
        for layer in (model.layers[1], model.layers[3]):
            layer.bias.zero_()
    # (0, 1) -> (-2, 2) -> (0, -4) -> ReLU 0, 0;  (1, 0.5) -> (2, 0) -> (2, 2) -> 22
    x = torch.tensor([[0.0, 1.0], [1.0, 0.5]]).view(2, 1, 1, 2)
    assert model(x).flatten().tolist() == [0.0, 22.0]


def test_vectors_need_no_scaling():
    model = mlp(4, nn.Tanh, shape=(17,), widths=(8, 6), mean=(), std=())
    assert isinstance(model.normalize, nn.Identity)
    assert model(torch.zeros(3, 17)).shape == (3, 4)
    assert [layer.out_features for layer in model.layers if isinstance(layer, nn.Linear)] == [8, 6, 4]


def test_without_hidden_layers_it_is_linear():
    model = mlp(3, widths=())
    assert sum(isinstance(layer, nn.Linear) for layer in model.layers) == 1
    assert not any(isinstance(layer, nn.ReLU) for layer in model.layers)


@pytest.mark.parametrize("shape", [(17,), (3, 28, 28), (28, 28)])
def test_a_shape_that_does_not_fit_the_scaling_is_refused(shape):
    message = r"MLP\.shape: got \(.*\); expected images \(C, H, W\) with C = 1.*Give mean=\(\), std=\(\)"
    with pytest.raises(ArgumentError, match=message):
        mlp(shape=shape)


def test_std_without_mean_is_refused():
    with pytest.raises(ArgumentError, match="Normalize: got mean"):
        mlp(mean=(), std=(0.5,))
