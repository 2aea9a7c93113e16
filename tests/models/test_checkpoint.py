"""Checkpoints: round trip, atomic writing, and every kind of broken file."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from spikewright.core.errors import CheckpointError
from spikewright.models import checkpoint
from spikewright.models.checkpoint import load, save
from spikewright.train import load_model, save_model


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "model.safetensors"
    description = {"architecture": "toy", "accuracy": 0.1 + 0.2, "widths": [1, 2], "nested": {"a": None, "ß": "é"}}
    save_model(path, net(), description)
    other = net()
    for value in other.state_dict().values():
        value.zero_()
    assert load_model(path, other) == description
    assert all(torch.equal(value, net().state_dict()[name]) for name, value in other.state_dict().items())
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


def test_any_dtype_and_shape(tmp_path: Path) -> None:
    tensors = {
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "none": torch.zeros(0, 2),
        "bytes": torch.arange(256).to(torch.uint8),
        "half": torch.randn(3).bfloat16(),
        "strided": torch.randn(4, 6).t()[::2],
        "bool": torch.tensor([True, False]),
    }
    tensors["same memory"] = tensors["scalar"]
    save(tmp_path / "a.safetensors", tensors, {})
    found, description = load(tmp_path / "a.safetensors")
    assert description == {}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in tensors.items())


def test_foreign_safetensors_are_read(tmp_path: Path) -> None:
    save_file(net().state_dict(), tmp_path / "foreign.safetensors")
    assert load_model(tmp_path / "foreign.safetensors", net()) == {}


def test_a_text_is_a_path_too(tmp_path: Path) -> None:
    save(str(tmp_path / "a.safetensors"), {"x": torch.ones(1)}, {})  # type: ignore[arg-type]
    assert load(str(tmp_path / "a.safetensors"))[0]["x"].item() == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [640, 896, 1152, 1408, 19280])
def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path: Path, length: int) -> None:
    """The file begins with the header's length: 640 is the bytes 80 02, as a pickle begins with; 19280 is "PK"."""
    path = tmp_path / "a.safetensors"
    for padding in range(20_000):
        save_file({"x": torch.ones(1)}, path, {"description": "{}", "padding": "x" * padding})
        found = int.from_bytes(path.read_bytes()[:8], "little")
        if found == length:
            break
        if found < length - 16:  # go there in one leap
            save_file({"x": torch.ones(1)}, path, {"description": "{}", "padding": "x" * (length - found + padding)})
            found = int.from_bytes(path.read_bytes()[:8], "little")
            if found == length:
                break
    assert found == length
    assert path.read_bytes()[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    assert load(path)[0]["x"].item() == 1


# writing


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("I/O error"), PermissionError(13, "denied")]
)
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch, error: Exception) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, net(), {"number": 1})
    before = path.read_bytes()

    def half(tensors, filename, metadata) -> None:
        Path(filename).write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(checkpoint, "save_file", half)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: could not be written .*an earlier checkpoint"):
        save_model(path, net(), {"number": 2})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of processes are a Unix matter")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The real thing: the operating system refuses to let the file grow."""
    import resource

    path = tmp_path / "model.safetensors"
    save_model(path, net(), {"number": 1})
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="could not be written"):
            save(path, {"large": torch.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="could not be written"):
        save(tmp_path / "file" / "model.safetensors", {"x": torch.ones(1)}, {})


# reading


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors: there is no such file"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="there is no such file"):
        load(tmp_path)


def test_unreadable(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, net(), {})

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CheckpointError, match=r"cannot be read .*Permission denied.*Check the permissions"):
        load(path)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 0.5, -1])
def test_truncated(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, net(), {"a": 1})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if kept == 0.5 else int(kept)])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: is truncated or no safetensors file"):
        load(path)


def test_other_files(tmp_path: Path) -> None:
    for content in (b"hello, world, this is some text", b"\x00" * 100, b"\xff" * 100, b"{}" * 50):
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError, match="is truncated or no safetensors file"):
            load(tmp_path / "a.safetensors")


def test_broken_description(tmp_path: Path) -> None:
    save_file({"x": torch.ones(1)}, tmp_path / "a.safetensors", {"description": "{not json"})
    with pytest.raises(CheckpointError, match="is truncated or no safetensors file"):
        load(tmp_path / "a.safetensors")


class Harmful:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_never_run(tmp_path: Path, protocol: int) -> None:
    path, trace = tmp_path / "model.safetensors", tmp_path / "was run"
    path.write_bytes(pickle.dumps({"weights": Harmful(trace)}, protocol=protocol))
    with pytest.raises(
        CheckpointError, match=r"this is a pickle \(torch\.save\), which can run code .*weights_only=True"
    ):
        load(path)
    assert not trace.exists()


def test_a_pickle_of_the_oldest_kind_is_not_run_either(tmp_path: Path) -> None:
    path, trace = tmp_path / "model.safetensors", tmp_path / "was run"
    path.write_bytes(pickle.dumps({"weights": Harmful(trace)}, protocol=0))
    with pytest.raises(CheckpointError, match="is truncated or no safetensors file"):
        load(path)
    assert not trace.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saves_is_refused(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "model.safetensors"
    buffer = io.BytesIO()
    torch.save(net().state_dict(), buffer, _use_new_zipfile_serialization=zipped)
    path.write_bytes(buffer.getvalue())
    assert zipfile.is_zipfile(path) is zipped
    with pytest.raises(CheckpointError, match="this is a pickle"):
        load(path)


# filling


def test_another_architecture(tmp_path: Path) -> None:
    save_model(tmp_path / "a.safetensors", net(), {})
    other = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 4), nn.Linear(4, 4))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"does not fit Sequential: 4\.weight is missing; 4\.bias is missing; "):
        load_model(tmp_path / "a.safetensors", other)
    with pytest.raises(CheckpointError, match=r"3\.weight has shape \[3, 8\], the model's has \[4, 8\] and 1 more"):
        load_model(tmp_path / "a.safetensors", other)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
