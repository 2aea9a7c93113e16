"""Spiking networks trained and judged on recordings: batches that are time first, all the way through fit."""

import pytest
import torch
from torch import nn

from spikewright import IF, LIF, Spiking
from spikewright.coding import as_given
from spikewright.core.errors import ShapeError
from spikewright.data import EventBatches, EventDataset
from spikewright.data.events import FixedBins, events_from
from spikewright.models import mlp
from spikewright.train import AdamW, FitConfig, accuracy, accuracy_of, accuracy_over_time, fit, rate_cross_entropy


def left_or_right(n: int) -> EventDataset:
    """Recordings of a row of six sensors, of which the left or the right half fires."""
    drawn = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    made = []
    for label in labels.tolist():
        x = (torch.randint(0, 3, (20,), generator=drawn) + 3 * label).numpy()
        t = torch.randint(0, 500, (20,), generator=drawn).numpy()
        made.append(events_from("made", x, 0 * x, 0 * x, t, size=(1, 6), polarities=1))
    return EventDataset(made, labels, ("left", "right"), (1, 1, 6))


FRAMES = FixedBins(5, width=100)


def test_fit_trains_on_recordings_and_goes_on_where_it_stopped(tmp_path):
    data = left_or_right(40)

    def run(folder, minutes=float("inf")):
        torch.manual_seed(1)
        model = Spiking(mlp(2, LIF, shape=data.shape, widths=(16,), mean=(), std=()))
        train, test = EventBatches(data, 10, FRAMES, seed=2), EventBatches(data, 20, FRAMES)
        config = FitConfig(epochs=6, optimizer=AdamW(lr=0.01), seed=2)
        judge = accuracy_of(5, encode=as_given)
        history = fit(model, rate_cross_entropy(), train, test, config, folder=folder, minutes=minutes, judge=judge)
        return model, history, test

    model, history, test = run(tmp_path / "a")
    over_time = accuracy_over_time(model, test, 5, encode=as_given)
    assert over_time.samples == 40
    assert history[-1]["eval_accuracy"] == over_time.accuracy[-1] == 1.0
    for _ in range(50):
        again, resumed, _ = run(tmp_path / "b", minutes=0)  # one update at a time
        if len(resumed) == 6:
            break
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


MODEL = Spiking(nn.Sequential(nn.Flatten(), nn.Linear(6, 2), IF()))
XS = torch.zeros(5, 3, 1, 1, 6)


def test_labels_are_counted_against_samples_and_not_against_steps():
    assert accuracy_over_time(MODEL, [(XS, torch.zeros(3, dtype=torch.int64))], 5, encode=as_given).samples == 3
    with pytest.raises(
        ShapeError, match=r"accuracy_over_time: got 3 images and labels of shape \[5\]; expected as many"
    ):
        accuracy_over_time(MODEL, [(XS, torch.zeros(5, dtype=torch.int64))], 5, encode=as_given)


def test_the_judge_of_ordinary_networks_names_the_one_of_spiking_ones():
    with pytest.raises(
        ShapeError, match=r"output has the shape \[5, 3, 2\]; expected logits \[N, K\].*judge=accuracy_of"
    ):
        accuracy(MODEL, [(XS, torch.zeros(3, dtype=torch.int64))])
