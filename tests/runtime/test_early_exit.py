"""EarlyExit: the answers are those of the rule, whatever the chunks, networks and states; judged on a real network."""

import math

import pytest
import torch
from torch import Tensor, nn

from spikewright.coding import repeat
from spikewright.convert import COS, OPI, QCFS, SRP, Maximum, convert, prepare
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.core.spiking import Timed
from spikewright.data import load_dataset
from spikewright.experiments.network import load_network
from spikewright.neurons import IF
from spikewright.runtime import EarlyExit, ExitRule, compile, fit_exit
from spikewright.runtime.exit_rule import exits, leads

IMAGES = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def spiking(recipe: OPI | SRP | COS) -> Spiking:
    torch.manual_seed(3)
    source: nn.Module = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2) if isinstance(recipe, OPI) else nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(72, 5)),
    ).eval()
    if recipe.prepare():
        source = prepare(source, recipe).eval()
    return convert(source, recipe, [IMAGES] if recipe.statistics() else None).model.eval()


def rule_for(outputs: Tensor) -> ExitRule:
    """Margins that let some images go at every step."""
    lead, _ = leads(outputs.cumsum(0))
    return ExitRule(tuple(lead[:-1].quantile(0.7, dim=1).tolist()), 0.1, 0.9, 0.1, 10)


@pytest.mark.parametrize("chunk", [1, 2, 3, 9])
@pytest.mark.parametrize(
    "recipe",
    [OPI(threshold=Maximum()), SRP(levels=4, tau=2, v_threshold=0.6), COS(levels=4, rho=3, v_threshold=0.6)],
    ids=["OPI", "SRP", "COS"],
)
@pytest.mark.parametrize("compiled", [False, True], ids=["torch", "events"])
def test_answers_are_those_of_the_rule(recipe: OPI | SRP | COS, chunk: int, compiled: bool) -> None:
    model: Timed = spiking(recipe)
    xs = repeat(IMAGES, model.phases.steps(6))
    with torch.no_grad():
        outputs = model(xs)[model.phases.rehearsal :][:6]
    rule = rule_for(outputs)
    lead, _ = leads(outputs.cumsum(0))
    at = exits(lead, torch.tensor(rule.margins))
    if compiled:
        model = compile(model, xs)  # pyright: ignore[reportArgumentType]
    logits, steps, run = EarlyExit(model, rule, chunk=chunk)(xs)
    assert len(set(steps.tolist())) > 2
    assert torch.equal(steps, at + 1)
    expected = (outputs.cumsum(0)[at, torch.arange(7)]) / (at + 1)[:, None]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert bool((run >= steps).all())
    assert int(run.max()) <= 6
    if chunk == 1 and model.phases.window == 0:
        assert torch.equal(run, steps)


def test_a_moving_input_is_followed() -> None:
    model = spiking(OPI(threshold=Maximum()))
    xs = torch.rand(6, 7, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        outputs = model(xs)
    rule = rule_for(outputs)
    lead, _ = leads(outputs.cumsum(0))
    assert torch.equal(EarlyExit(model, rule)(xs).steps, exits(lead, torch.tensor(rule.margins)) + 1)


def test_rows_of_an_image_leave_together() -> None:
    class Tokens(nn.Module):
        """Three tokens of an image as rows of the batch."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.fire, self.head = nn.Linear(4, 6), IF(v_threshold=0.4), nn.Linear(18, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.fire(self.first(x.reshape(-1, 4))).reshape(-1, 18))

    torch.manual_seed(0)
    model, xs = Spiking(Tokens()).eval(), repeat(torch.rand(6, 3, 4), 8)
    with torch.no_grad():
        outputs = model(xs)
    rule = rule_for(outputs)
    lead, _ = leads(outputs.cumsum(0))
    assert torch.equal(EarlyExit(model, rule)(xs).steps, exits(lead, torch.tensor(rule.margins)) + 1)


def test_a_rule_that_shows_nothing_runs_all_steps() -> None:
    model = spiking(OPI(threshold=Maximum()))
    rule = ExitRule((math.inf,) * 3, 0.01, 0.95, 0.0, 20)
    answers = EarlyExit(model, rule)(repeat(IMAGES, 4))
    with torch.no_grad():
        torch.testing.assert_close(answers.logits, model(repeat(IMAGES, 4)).mean(0))
    assert answers.steps.tolist() == [4] * 7


def test_a_trained_network_answers_earlier_with_nearly_the_same_answers() -> None:
    network = load_network("cifar10_resnet20_qcfs_l4_fine_tune").model.eval()
    model = convert(network, QCFS()).model.eval()
    images, labels = load_dataset("cifar10", None, "sample").gather(torch.arange(200))
    compiled = compile(model, repeat(images[:4], 8))
    rule = fit_exit(compiled, images[:150], 8, error=0.1, confidence=0.9)
    assert (rule.timesteps, rule.images) == (8, 100)
    judged = EarlyExit(compiled, rule, chunk=2).judge([(images[150:], labels[150:])])
    assert judged.images == 50
    assert judged.steps < 7.5
    assert judged.steps <= judged.run <= 8
    assert judged.agreement >= 0.8
    assert abs(judged.accuracy - judged.full_accuracy) <= 0.12
    assert judged.table().column("agreement")[1] == 1.0


def test_wrong_arguments_are_refused() -> None:
    model, rule = spiking(OPI(threshold=Maximum())), ExitRule((1.0, 1.0), 0.01, 0.95, 0.0, 20)
    with pytest.raises(ArgumentError, match=r"EarlyExit\.network: got .*; expected a Spiking network"):
        EarlyExit(nn.Linear(2, 2), rule)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match=r"EarlyExit\.rule: got .*expected an ExitRule. fit_exit makes one"):
        EarlyExit(model, 0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match=r"EarlyExit\.chunk: got 0"):
        EarlyExit(model, rule, chunk=0)
    with pytest.raises(ShapeError, match=r"expected \[T, N, \.\.\.\] with N >= 1 and T of at least 3.*repeat\(images"):
        EarlyExit(model, rule)(repeat(IMAGES, 2))
    with pytest.raises(DataError, match="NaN or infinite"):
        EarlyExit(model, rule)(repeat(IMAGES * float("nan"), 3))
    with pytest.raises(DataError, match="no image"):
        EarlyExit(model, rule).judge([])
