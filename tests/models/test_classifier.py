"""Classifier: a spiking network as an ordinary module."""

import pytest
import torch
from torch import nn

from spikewright.attack import HART
from spikewright.coding import as_given, last, poisson, repeat
from spikewright.convert import SRP, convert, prepare
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.models.classifier import Classifier
from spikewright.neurons import IF, LI


def model():
    torch.manual_seed(0)
    return Spiking(nn.Sequential(nn.Flatten(), nn.Linear(4, 6), IF(), nn.Linear(6, 3)))


X = torch.rand(5, 4, generator=torch.Generator().manual_seed(1))


def test_it_is_the_mean_output_over_time():
    network = model()
    torch.testing.assert_close(Classifier(network, 4)(X), network(repeat(X, 4)).mean(0))


def test_it_keeps_nothing_and_takes_any_batch():
    view = Classifier(model(), 4)
    whole = view(X)
    torch.testing.assert_close(torch.cat([view(X[:2]), view(X[2:])]), whole)
    assert torch.equal(view(X), whole)


def test_another_read_out():
    network = Spiking(nn.Sequential(nn.Flatten(), LI()))
    assert torch.equal(Classifier(network, 3, readout=last)(X), network(repeat(X, 3))[-1])


def test_sequences_are_batch_first():
    network, frames = model(), torch.rand(4, 5, 4, generator=torch.Generator().manual_seed(1))
    view = Classifier(network, 4, encode=as_given)
    torch.testing.assert_close(view(frames.movedim(1, 0)), network(frames).mean(0))


def test_the_steps_of_a_rehearsal_do_not_count():
    torch.manual_seed(0)
    source = prepare(nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).eval(), SRP(tau=3))
    network = convert(source, SRP(tau=3), [X]).model.eval()
    out = network(repeat(X, network.phases.steps(4)))
    torch.testing.assert_close(Classifier(network, 4)(X), out[3:].mean(0))


def test_an_ordinary_network_passes_through():
    linear = nn.Linear(4, 3)
    assert torch.equal(Classifier(linear)(X), linear(X))


def test_seen_by_changes_the_rule_alone():
    view = Classifier(model(), 4, readout=last)
    other = view.seen_by(HART())
    assert (other.model, other.timesteps, other.readout, other.rule) == (view.model, 4, last, HART())
    assert other.seen_by(None).rule is None


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Classifier("resnet20"), r"Classifier.model: got 'resnet20'; expected a network"),
        (lambda: Classifier(model()), r"Classifier.timesteps: got None; expected a whole number of at least 1"),
        (lambda: Classifier(model(), 0), r"Classifier.timesteps: got 0"),
        (lambda: Classifier(nn.Linear(1, 1), 4), r"Classifier: got time steps for Linear; expected them for a Spiking"),
        (lambda: Classifier(nn.Linear(1, 1), rule=HART()), r"Classifier: got a gradient rule for Linear"),
        (lambda: Classifier(model(), 4, encode="repeat"), r"Classifier.encode: got 'repeat'; expected a function"),
        (
            lambda: Classifier(model(), 4, encode=poisson),
            r"encode: got poisson\(.*; expected a function of images and T",
        ),
        (lambda: Classifier(model(), 4, readout=None), r"Classifier.readout: got None"),
        (lambda: Classifier(model(), 4, rule=HART), r"Classifier.rule: got the class HART; expected a gradient rule"),
    ],
)
def test_wrong_arguments(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_an_output_that_is_no_logits():
    with pytest.raises(
        ShapeError, match=r"Classifier: got an output of shape \[1, 2, 4, 4\]; expected logits \[N, K\]"
    ):
        Classifier(nn.Conv2d(1, 2, 1))(torch.zeros(1, 1, 4, 4))


def test_an_input_that_does_not_fit():
    with pytest.raises(ShapeError, match=r"Classifier: the network cannot take a batch of shape \[2, 9\]"):
        Classifier(model(), 4)(torch.zeros(2, 9))
