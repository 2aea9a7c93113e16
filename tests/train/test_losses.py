"""Losses: cross-entropy by hand, sums and multiples, bad input."""

import math

import pytest
import torch
from torch import Tensor, nn

from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.train import Loss, cross_entropy, distillation, mean_squared_error

G = torch.Generator()


class Fixed(nn.Module):
    """Logits that are given."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits


TWO = Fixed(torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64))
BATCH = torch.zeros(2, 1), torch.tensor([0, 1])


def test_cross_entropy_by_hand() -> None:
    """Probabilities 3/4 and 1/2 of the right class."""
    value, numbers = cross_entropy()(TWO, BATCH, G)
    assert value.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert numbers["loss"].item() == value.item()
    assert not numbers["loss"].requires_grad
    assert numbers["accuracy"].item() == 0.5  # of two equal logits the first counts


def test_label_smoothing_by_hand() -> None:
    """A fifth of each label is spread over both classes: 0.9 and 0.1."""
    value, _ = cross_entropy(label_smoothing=0.2)(TWO, BATCH, G)
    first = 0.9 * math.log(4 / 3) + 0.1 * math.log(4)
    assert value.item() == pytest.approx((first + math.log(2)) / 2)


def test_sum_and_multiple() -> None:
    def constant(number: float, name: str) -> Loss:
        return Loss(lambda model, batch, generator: (torch.tensor(number), {name: torch.tensor(number)}))

    value, numbers = (constant(2.0, "a") + 0.5 * constant(3.0, "b"))(TWO, BATCH, G)
    assert value.item() == 3.5
    assert {name: number.item() for name, number in numbers.items()} == {"a": 2.0, "b": 3.0}


def test_the_generator_reaches_every_part() -> None:
    draws = Loss(lambda model, batch, generator: (torch.rand((), generator=generator), {}))
    one = (draws + draws)(TWO, BATCH, torch.Generator().manual_seed(3))[0]
    assert torch.equal(one, torch.rand(2, generator=torch.Generator().manual_seed(3)).sum())


def test_gradient() -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([0, 3, 1])

    def of(x: Tensor) -> Tensor:
        return cross_entropy(label_smoothing=0.1)(nn.Identity(), (x, labels), G)[0]

    assert torch.autograd.gradcheck(of, logits)


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_must_be_classes_of_the_network(label: int) -> None:
    with pytest.raises(DataError, match=rf"labels: got values .*{label}.*; expected 0\.\.1"):
        cross_entropy()(TWO, (BATCH[0], torch.tensor([0, label])), G)


def test_images_must_fit_the_network() -> None:
    with pytest.raises(ShapeError, match=r"cross_entropy: the network cannot take a batch of shape \[2, 3\]"):
        cross_entropy()(nn.Linear(4, 2), (torch.zeros(2, 3), torch.tensor([0, 1])), G)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_label_smoothing_range(share: float) -> None:
    with pytest.raises(ArgumentError, match=r"cross_entropy\.label_smoothing: got .*; expected a number in 0\.\.1"):
        cross_entropy(label_smoothing=share)


# distillation


def test_distillation_by_hand() -> None:
    """At temperature 2 the teacher says 3/4 and 1/4, the model 1/2 and 1/2: 4 KL = 4 (ln 2 - H(1/4))."""
    teacher = Fixed(torch.tensor([[2 * math.log(3), 0.0]], dtype=torch.float64))
    value, numbers = distillation(teacher, temperature=2.0, weight=0.5)(Fixed(torch.zeros(1, 2).double()), BATCH, G)
    kl = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert numbers["distillation"].item() == pytest.approx(4 * kl)
    assert value.item() == pytest.approx(2 * kl)
    assert not numbers["distillation"].requires_grad


def test_distillation_is_a_mean_over_the_batch() -> None:
    one, two = (Fixed(torch.tensor([[1.0, 0.0]]).expand(n, 2).clone()) for n in (1, 2))
    flat = (Fixed(torch.zeros(n, 2)) for n in (1, 2))
    values = [distillation(teacher)(model, BATCH, G)[0].item() for teacher, model in zip((one, two), flat)]
    assert values[0] == pytest.approx(values[1])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_equal_logits_up_to_a_constant_have_no_distance_and_no_gradient(temperature: float) -> None:
    model = Fixed(TWO.logits.detach() + 3)
    value, _ = distillation(TWO, temperature=temperature)(model, BATCH, G)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-15)
    assert model.logits.grad is not None
    assert model.logits.grad.abs().max() < 1e-15


def test_gradient_of_distillation() -> None:
    """As autograd finds it by differences, and (T/N) (softmax(z/T) - softmax(t/T)) as in the paper."""
    g = torch.Generator().manual_seed(0)
    teacher, logits = (torch.randn(3, 4, dtype=torch.float64, generator=g) for _ in range(2))
    loss = distillation(Fixed(teacher), temperature=3.0)
    logits.requires_grad_()

    def of(x: Tensor) -> Tensor:
        return loss(nn.Identity(), (x, torch.tensor([0, 3, 1])), G)[0]

    assert torch.autograd.gradcheck(of, logits)
    (found,) = torch.autograd.grad(of(logits), logits)
    assert torch.allclose(found, ((logits / 3).softmax(1) - (teacher / 3).softmax(1)) * 3 / 3)


def test_the_teacher_runs_in_eval_without_gradient_and_keeps_its_modes() -> None:
    teacher = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Dropout(0.5)).train()
    teacher[2].eval()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    model, x = nn.Linear(3, 2), torch.rand(4, 3)
    value, _ = distillation(teacher)(model, (x, torch.zeros(4, dtype=torch.int64)), G)
    value.backward()
    assert [part.training for part in teacher.modules()] == [True, True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert model.weight.grad is not None


def test_of_a_sum_of_losses_of_logits_the_model_runs_once() -> None:
    class Counting(Fixed):
        runs = 0

        def forward(self, x: Tensor) -> Tensor:
            self.runs += 1
            return self.logits

    model = Counting(TWO.logits.detach())
    teacher = Fixed(torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64))
    parts = cross_entropy(), distillation(teacher, temperature=2.0)
    both, numbers = (parts[0] + 0.5 * parts[1])(model, BATCH, G)
    assert model.runs == 1
    assert both.item() == pytest.approx(sum(f * part(model, BATCH, G)[0].item() for f, part in zip((1, 0.5), parts)))
    assert set(numbers) == {"loss", "accuracy", "distillation"}
    penalty = Loss(lambda model, batch, generator: (torch.tensor(2.0), {}))
    assert (parts[0] + penalty)(model, BATCH, G)[0].item() == pytest.approx(parts[0](model, BATCH, G)[0].item() + 2)


def test_the_teacher_must_have_the_same_classes_and_take_the_images() -> None:
    with pytest.raises(ShapeError, match=r"distillation: got logits of shape \[2, 2\] and a teacher's of shape \[2, 3"):
        distillation(Fixed(torch.zeros(2, 3)))(TWO, BATCH, G)
    with pytest.raises(ShapeError, match=r"distillation\.teacher: the network cannot take a batch of shape \[2, 1\]"):
        distillation(nn.Linear(4, 2))(TWO, BATCH, G)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, r"distillation\.temperature: got 0\.0; expected a finite number above 0"),
        ({"temperature": math.inf}, r"distillation\.temperature: got inf"),
        ({"weight": -1.0}, r"distillation\.weight: got -1\.0; expected a finite number of at least 0"),
        ({"weight": "1"}, r"distillation\.weight: got '1'"),
    ],
)
def test_numbers_of_distillation(arguments: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        distillation(TWO, **arguments)


def test_mean_squared_error_by_hand() -> None:
    targets = torch.tensor([[1.0, 0.0], [0.0, 4.0]], dtype=torch.float64)
    model = Fixed(torch.zeros(2, 2, dtype=torch.float64))
    value, numbers = mean_squared_error()(model, (BATCH[0], targets), G)
    assert value.item() == 17 / 4
    assert numbers["loss"].item() == 17 / 4
    with pytest.raises(
        ShapeError, match=r"mean_squared_error: got values of shape \[2, 2\] and targets of shape \[2\]"
    ):
        mean_squared_error()(model, (BATCH[0], torch.zeros(2)), G)
