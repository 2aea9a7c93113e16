"""Exit rules: worked by hand, exact bounds, and the stated error holds on data whose true error is known."""

import math

import pytest
import torch
from torch import Tensor, nn

from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.neurons import IF
from spikewright.runtime import fit_exit
from spikewright.runtime.exit_rule import exits, fitted_rule, greedy_margins, leads, upper_bound


def test_bounds_by_hand() -> None:
    # nothing wrong in n: (1 - p)^n = 0.05; all but one right in 2: 1 - p^2 = 0.1
    assert upper_bound(0, 20, 0.95) == pytest.approx(1 - 0.05 ** (1 / 20))
    assert upper_bound(1, 2, 0.9) == pytest.approx(math.sqrt(0.9))
    assert upper_bound(3, 3, 0.95) == 1.0


def test_a_bound_is_rarely_passed() -> None:
    g = torch.Generator().manual_seed(0)
    wrong = (torch.rand(400, 300, generator=g) < 0.03).sum(1)
    missed = sum(upper_bound(int(k), 300, 0.9) < 0.03 for k in wrong)
    assert 0 < missed <= 400 * 0.1 + 3 * math.sqrt(400 * 0.1 * 0.9)


def test_leads_are_those_of_the_mean_so_far() -> None:
    outputs = torch.tensor([[[2.0, 1.0, 0.0]], [[0.0, 4.0, 0.0]]])
    lead, first = leads(outputs.cumsum(0))
    assert lead.flatten().tolist() == [1.0, 1.5]
    assert first.flatten().tolist() == [0, 1]
    later, _ = leads(outputs.cumsum(0)[1:], before=1)
    assert torch.equal(later, lead[1:])


def test_a_margin_never_splits_equal_leads() -> None:
    lead, agrees = torch.tensor([[2.0, 1.0, 1.0, 1.0]]), torch.tensor([[True, True, True, False]])
    assert greedy_margins(lead, agrees, 0.0).tolist() == [2.0]
    assert greedy_margins(lead, agrees, 0.25).tolist() == [1.0]
    assert greedy_margins(lead, ~agrees, 0.0).tolist() == [math.inf]


def test_a_later_step_may_spend_what_an_earlier_one_has_left() -> None:
    # budgets of 0 and 1 of 4 images; after step 1 two images are answered, at step 2 one of the others is wrong
    lead = torch.tensor([[4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 2.0, 1.0]])
    agrees = torch.tensor([[True, True, False, True], [True, True, False, True]])
    margins = greedy_margins(lead, agrees, 0.25)
    assert margins.tolist() == [3.0, 1.0]
    assert exits(torch.cat([lead, lead[-1:]]), margins).tolist() == [0, 0, 1, 1]


def races(images: int, steps: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Leads and classes of two classes whose outputs are noise around an image's own advantage."""
    advantage = torch.randn(images, generator=g)
    difference = advantage + 2 * torch.randn(steps, images, generator=g)
    outputs = torch.stack([difference, torch.zeros_like(difference)], dim=-1)
    return leads(outputs.cumsum(0))


def test_the_stated_error_holds() -> None:
    g = torch.Generator().manual_seed(1)
    lead, first = races(20_000, 6, g)
    agrees = first == first[-1]
    missed, early = 0, 0.0
    for _ in range(40):
        rule = fitted_rule(*races(900, 6, g), error=0.05, confidence=0.9)
        at = exits(lead, torch.tensor(rule.margins))
        missed += float((~agrees.gather(0, at[None])).float().mean()) > 0.05
        early += float((at < 5).float().mean()) / 40
        assert rule.bound <= 0.05
    assert missed <= 40 * 0.1 + 3 * math.sqrt(40 * 0.1 * 0.9)
    assert early > 0.1


def test_too_few_images_show_nothing() -> None:
    rule = fitted_rule(*races(30, 4, torch.Generator().manual_seed(0)), error=0.01, confidence=0.95)
    assert rule.margins == (math.inf,) * 3
    assert (rule.bound, rule.timesteps, rule.images) == (0.0, 4, 20)
    assert set(rule.table().column("margin")) == {None}


def test_wrong_arguments_are_refused() -> None:
    torch.manual_seed(0)
    model = Spiking(nn.Sequential(nn.Linear(4, 3), IF(), nn.Linear(3, 2))).eval()
    images = torch.rand(9, 4)
    with pytest.raises(ArgumentError, match=r"fit_exit\.model: got .*Linear.*; expected a Spiking network"):
        fit_exit(nn.Linear(4, 2), images, 4)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match=r"fit_exit\.timesteps: got 1; expected a whole number of at least 2"):
        fit_exit(model, images, 1)
    with pytest.raises(ArgumentError, match=r"fit_exit\.error: got 1\.0; expected a number above 0 and below 1"):
        fit_exit(model, images, 4, error=1.0)
    with pytest.raises(ArgumentError, match=r"fit_exit\.confidence"):
        fit_exit(model, images, 4, confidence=0)
    with pytest.raises(DataError, match=r"got 2 images; expected at least 3"):
        fit_exit(model, images[:2], 4)
    with pytest.raises(ShapeError, match=r"expected logits \[T, N, K\], K >= 2"):
        fit_exit(Spiking(nn.Sequential(nn.Linear(4, 1), IF())).eval(), images, 4)
