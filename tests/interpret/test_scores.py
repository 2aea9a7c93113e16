"""Scores on pictures with a known place: baselines are always there, cheating is refused, and a fresh network scores less."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.interpret import AttributionScores, Occlusion, ShapleySampling, leaking_groups, score_methods
from spikewright.interpret.baselines import BASELINES, EDGE
from spikewright.interpret.scores import ORACLE

from .conftest import PATCH, Pictures, fresh_cnn

GREY = 0.5
SIZED = Occlusion(window=PATCH, stride=1)


def scored(network: nn.Module, batch: Pictures, *methods: object, **settings: object) -> AttributionScores:
    targets = torch.zeros(len(batch.images), dtype=torch.long)
    return score_methods(network, batch.images, batch.masks, targets, methods, baseline=GREY, **settings)  # pyright: ignore


@pytest.mark.parametrize("kind", ["cnn", "snn"])
def test_occlusion_beats_the_edge_detector(kind: str, batch: Pictures, request: pytest.FixtureRequest) -> None:
    found = scored(request.getfixturevalue(kind), batch, SIZED)
    mean, low, high = found.against_edge(SIZED.label)
    assert 0 < low < mean < high
    assert found.beats_edge(SIZED.label)
    assert found.beats_edge(ORACLE, "AUROC")
    assert not found.beats_edge("random")
    assert not found.beats_edge("blank")


def test_a_network_with_new_weights_scores_less_and_edges_stay(cnn: nn.Module, batch: Pictures) -> None:
    known, fresh = (scored(net, batch, SIZED) for net in (cnn, fresh_cnn(seed=4)))
    assert torch.equal(known.row(EDGE).numbers["correlation"], fresh.row(EDGE).numbers["correlation"])
    before, after = (float(one.row(SIZED.label).numbers["correlation"].median()) for one in (known, fresh))
    assert before > 0.5
    assert abs(after) < 0.2 or after < 0


def test_every_table_has_every_baseline_and_counts_what_has_no_correlation(cnn: nn.Module, batch: Pictures) -> None:
    found = scored(cnn, batch, "Saliency", "FeaturePermutation")
    table, comparison = found.tables()
    assert table.column("method") == ("Saliency", "FeaturePermutation", *BASELINES, ORACLE)
    missing = dict(zip(table.column("method"), table.column("no correlation")))
    assert (missing["blank"], missing[EDGE]) == (len(batch.images), 0)
    assert dict(zip(table.column("method"), table.column("correlation")))["blank"] is None
    assert EDGE not in comparison.column("method")
    beats = dict(zip(comparison.column("method"), comparison.column("beats the edge detector in")))
    assert beats["random"] == "none"
    assert "correlation" in str(beats[ORACLE])


def test_rows_without_the_edge_detector_are_refused(cnn: nn.Module, batch: Pictures) -> None:
    rows = scored(cnn, batch, "Saliency").rows
    with pytest.raises(ArgumentError, match="got rows without edge detector; expected a row of every baseline"):
        AttributionScores(rows=tuple(row for row in rows if row.name != EDGE), images=len(batch.images))
    with pytest.raises(ArgumentError, match="two rows of one name"):
        AttributionScores(rows=(*rows, rows[0]), images=len(batch.images))


def test_groups_that_know_the_answer_score_one_and_are_refused(cnn: nn.Module, batch: Pictures) -> None:
    groups, method = leaking_groups(batch.masks), ShapleySampling(orders=2)
    with pytest.raises(ArgumentError, match=r"follow the true place in 12 of 12 images.*say cheating=True"):
        scored(cnn, batch, method, groups=groups)
    found = scored(cnn, batch, method, groups=groups, cheating=True)
    assert float(found.row(method.label).numbers["correlation"].min()) > 0.99
    assert all("cheating" in table.title for table in found.tables())
    assert not any("cheating" in table.title for table in scored(cnn, batch, method).tables())


def test_what_is_not_applicable_has_a_row_with_its_reason(snn: nn.Module, batch: Pictures) -> None:
    found = scored(snn, batch, "DeepLift", "Saliency")
    row = dict(zip((column.name for column in found.table().columns), found.table().rows[0]))
    assert (row["status"], row["correlation"], row["time per image"]) == ("not applicable", None, None)
    assert any(note.startswith("DeepLift: not applicable, no multiplier") for note in found.table().notes)
    assert found.comparison().column("method")[0] == "Saliency"


def test_bad_input(cnn: nn.Module, batch: Pictures) -> None:
    targets = torch.zeros(12, dtype=torch.long)
    with pytest.raises(ShapeError, match=r"score_methods.masks: got masks \[3, 16, 16\] for images"):
        score_methods(cnn, batch.images, batch.masks[:3], targets)
    with pytest.raises(ArgumentError, match="an empty or a full mask"):
        score_methods(cnn, batch.images, torch.zeros_like(batch.masks), targets)
    with pytest.raises(ArgumentError, match="a list of methods"):
        score_methods(cnn, batch.images, batch.masks, targets, "Saliency")
    with pytest.raises(ArgumentError, match=r"score_methods.cheating"):
        score_methods(cnn, batch.images, batch.masks, targets, ["Saliency"], cheating="yes")  # pyright: ignore
    with pytest.raises(ArgumentError, match=r"AttributionScores.row: got 'LRP'; expected one of Saliency"):
        scored(cnn, batch, "Saliency").row("LRP")
