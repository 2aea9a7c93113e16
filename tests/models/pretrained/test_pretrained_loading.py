"""pretrained: a small network by hand, and a readable sentence for every broken file."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from spikewright.core.errors import CheckpointError, DataError
from spikewright.models import pretrained
from spikewright.models.pretrained import classes_of, describe, described

from .conftest import Write, tensors


def by_hand(x: torch.Tensor) -> torch.Tensor:
    """The network of the fixture, written out."""
    w = tensors()
    shape = (1, 3, 1, 1)
    x = (x * 255 * 0.5 - torch.tensor([10, 20, 30.5]).view(shape)) / torch.tensor([2.0, 4, 8]).view(shape)
    a = F.conv2d(F.pad(x, (0, 1, 0, 1)), w["stem.weight"], w["stem.bias"], 2).relu()
    b = F.conv2d(a, w["block.conv.weight"].float(), w["block.conv.bias"], padding=1, groups=2)
    b = F.relu6(a + b)
    c = F.max_pool2d(F.pad(torch.cat([a, b], 1), (0, 1, 1, 0)), 3, 2, ceil_mode=True).mean((2, 3))
    return F.linear(c, w["fc.weight.int8"].float() * w["fc.weight.scale"].view(-1, 1), w["fc.bias"])


@pytest.mark.parametrize("file", ["tiny.safetensors", "tiny.safetensors.xz"])
def test_a_small_network_gives_what_was_worked_out(file: str, write: Write) -> None:
    model, x = pretrained("tiny", write({"file": file})), torch.rand(3, 3, 8, 8)
    assert not model.training
    assert classes_of(model) == 5
    torch.testing.assert_close(model(x), by_hand(x), rtol=1e-5, atol=1e-4)
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())


def test_a_description_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEWRIGHT_DATA", str(write()))
    assert described() == ["tiny"]
    found = describe("tiny")
    assert (found.source, found.licence) == ("made for this test", "none needed")
    assert found.accuracy == {"synthetic": 0.25}
    mean, std = found.in_unit_pixels
    assert mean == (10 / 127.5, 20 / 127.5, 30.5 / 127.5)
    assert std == (2 / 127.5, 4 / 127.5, 8 / 127.5)


def test_a_name_that_is_not_there(write: Write) -> None:
    root = write()
    with pytest.raises(CheckpointError, match=r"pretrained: got 'tinny', of which .*weights knows nothing; expected "):
        pretrained("tinny", root)
    with pytest.raises(
        CheckpointError, match=r"expected one of tiny\. Name the folder that holds weights/ with --data"
    ):
        pretrained("../tiny", root)


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"and no folder .*weights; expected tiny\.json in that folder\. Name the"
    ):
        pretrained("tiny", tmp_path)
    with pytest.raises(DataError, match=r"the data folder: got '.*none'; expected a folder that exists"):
        pretrained("tiny", tmp_path / "none")
    assert described(tmp_path) == described(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"tiny\.json: got no readable JSON \(Expecting property name"),
        ("[1]", r"tiny\.json: got list; expected an object"),
        ('"\udcff"', r"tiny\.json: got no readable JSON \('utf-8' codec"),
    ],
)
def test_broken_json(text: str, message: str, write: Write) -> None:
    root = write()
    (root / "weights" / "tiny.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=message):
        pretrained("tiny", root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "huge"}, r"tiny\.json: got the name 'huge'; expected 'tiny'"),
        ({"sha256": None}, r"tiny\.json, sha256: got None; expected text"),
        ({"source": ""}, r"tiny\.json, source: got ''; expected text"),
        ({"file": "../tiny.safetensors"}, r"file: got '\.\./tiny\.safetensors'; expected the name of a file beside it"),
        ({"normalise": {"mean": [0], "std": [1]}}, r"normalise: got \{.*\}; expected scale above 0, and mean and std"),
        ({"normalise": {"scale": 1, "mean": [0, 0], "std": [1]}}, r"normalise: got .* one number per channel"),
        ({"normalise": {"scale": 1, "mean": [0], "std": [0]}}, r"normalise: got .*std \(above 0\)"),
        ({"normalise": {"scale": 1, "mean": ["0"], "std": [1]}}, r"normalise: got"),
        ({"graph": []}, r"got the graph \[\]; expected a list of operations"),
    ],
)
def test_descriptions_that_are_not_as_they_should_be(change: dict[str, Any], message: str, write: Write) -> None:
    with pytest.raises(CheckpointError, match=message):
        pretrained("tiny", write(change))


def test_neither_graph_nor_model(write: Write) -> None:
    root = write()
    path = root / "weights" / "tiny.json"
    data = json.loads(path.read_text())
    del data["graph"]
    path.write_text(json.dumps(data))
    with pytest.raises(
        CheckpointError, match=r"description of tiny: got no graph; expected a graph, or the name of cif"
    ):
        pretrained("tiny", root)


def test_a_wrong_checksum(write: Write) -> None:
    with pytest.raises(
        CheckpointError, match=r"tiny\.safetensors: got a file with the sha256 \w{64}; expected 00\. Get"
    ):
        pretrained("tiny", write({"sha256": "00"}))


def test_a_file_that_is_gone(write: Write) -> None:
    root = write()
    (root / "weights" / "tiny.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"weights .*tiny\.safetensors: got no readable file \(.*No such file"):
        pretrained("tiny", root)


def test_truncated_files(write: Write) -> None:
    with pytest.raises(
        CheckpointError, match=r"tiny\.safetensors: got no safetensors file \(.*\); expected a whole one"
    ):
        pretrained("tiny", write(change=lambda content: content[:-9]))
    with pytest.raises(CheckpointError, match=r"tiny\.safetensors\.xz: got a broken xz file \(.*\); expected a whole"):
        pretrained("tiny", write({"file": "tiny.safetensors.xz"}, change=lambda content: content[:-9]))
    with pytest.raises(CheckpointError, match=r"got no safetensors file"):
        pretrained("tiny", write(change=lambda content: b""))


def test_a_pickle_is_never_opened(write: Write, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    with pytest.raises(CheckpointError, match="got no safetensors file"):
        pretrained("tiny", write(change=lambda content: pickle.dumps(Trap())))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight.scale": None}, r"fc\.weight: got no scale; expected one number for each of 5 output channels"),
        (
            {"fc.weight.scale": torch.ones(4)},
            r"fc\.weight: got a scale of shape \[4\]; expected one number for each of 5",
        ),
        (
            {"fc.weight.int8": torch.ones(5, 8)},
            r"fc\.weight: got torch\.float32 of shape \[5, 8\]; expected torch\.int8",
        ),
        ({"fc.weight.int8": None}, r"fc\.weight: got a scale alone; expected fc\.weight\.int8 too"),
        ({"fc.bias": torch.ones(6)}, r"does not fit GraphNetwork: fc\.bias has shape \[6\], the model's has \[5\]"),
        ({"more": torch.ones(1)}, r"does not fit GraphNetwork: more is not in the model"),
        ({"stem.bias": torch.full((4,), torch.nan)}, r"stem\.bias holds NaN or infinite values"),
        ({"stem.weight": None}, r"graph, stem: got no weight; expected a weight of 4 axes"),
        (
            {"stem.weight": torch.ones(4, 3)},
            r"graph, stem: got a weight of shape \[4, 3\]; expected a weight of 4 axes",
        ),
        (
            {"block.conv.weight": torch.ones(3, 2, 3, 3)},
            r"block\.conv: got 3 output channels in 2 groups; expected gro",
        ),
    ],
)
def test_tensors_that_do_not_fit(change: dict[str, Any], message: str, write: Write) -> None:
    weights = {name: value for name, value in {**tensors(), **change}.items() if value is not None}
    with pytest.raises(CheckpointError, match=message):
        pretrained("tiny", write(weights=weights))
