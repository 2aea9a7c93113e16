"""The contract of every dataset of images: load from a fake archive, match the spec, fail readably."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright.core.errors import ConfigError, DataError
from spikewright.data import DATASETS, RemoteFile, fetch_dataset, load_dataset

IMAGES = sorted(name for name, module in DATASETS.items() if module.SPEC.kind == "images")
FROM_FILES = sorted(set(IMAGES) - {"synthetic"})


def test_every_dataset_has_a_fake(fakes):
    assert sorted(fakes) == FROM_FILES


@pytest.mark.parametrize("name", IMAGES)
def test_spec_is_complete(name):
    module, spec = DATASETS[name], DATASETS[name].SPEC
    assert spec.name == name == module.__name__.rsplit(".", 1)[-1]
    assert spec.kind == "images"
    assert {"train", spec.evaluation_split} <= set(spec.splits)
    assert spec.licence
    assert spec.citation
    assert len(spec.mean) == len(spec.std) == spec.shape[0]
    assert all(0 < value < 1 for value in (*spec.mean, *spec.std))


@pytest.mark.parametrize("name", FROM_FILES)
def test_loads_a_fake_archive_and_matches_its_spec(name, fakes, tmp_path):
    spec, labels = DATASETS[name].SPEC, [3, 1, 4, 1, 5, 9]
    fakes[name].write(tmp_path, labels)
    data = load_dataset(name, tmp_path, "train")
    assert data.labels.tolist() == labels
    assert data.classes == spec.classes
    assert data.note == f"{name} train: 6 of the {spec.splits['train']} official images"
    x, y = data[2]
    assert (tuple(x.shape), x.dtype, y) == (spec.shape, torch.float32, 4)
    # Every fake image holds its label in the first channel; JPEG may move a value by one.
    assert abs(float(x[0].mean()) * 255 - 4) <= (1 if name == "imagenet" else 1e-4)


@pytest.mark.parametrize("name", FROM_FILES)
def test_a_missing_file_is_named_with_the_way_to_get_it(name, fakes, tmp_path):
    with pytest.raises(DataError, match=rf"dataset {name}, split train: got nothing of .* in .*--data or SPIKE"):
        load_dataset(name, tmp_path, "train")
    fakes[name].write(tmp_path, [0] * fakes[name].smallest)[0].unlink()
    with pytest.raises(DataError, match=r"expected one of them"):
        load_dataset(name, tmp_path, "train")


@pytest.mark.parametrize("name", FROM_FILES)
@pytest.mark.parametrize("kept", [0.0, 0.55])
def test_a_truncated_file_is_refused(name, kept, fakes, tmp_path):
    path = fakes[name].write(tmp_path, [0] * 5)[0]
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=path.name):
        load_dataset(name, tmp_path, "train")


@pytest.mark.parametrize("name", FROM_FILES)
def test_a_label_out_of_range_is_refused(name, fakes, tmp_path):
    classes = len(DATASETS[name].SPEC.classes)
    fakes[name].write(tmp_path, [0, 0, classes, 0, 0])
    with pytest.raises(DataError, match=rf"got label {classes} at image 2 .*expected 0..{classes - 1}"):
        load_dataset(name, tmp_path, "train")


@pytest.mark.parametrize("name", IMAGES)
def test_an_unknown_split_is_refused(name, tmp_path):
    with pytest.raises(DataError, match=rf"dataset {name}: got split 'dev'; expected train or"):
        load_dataset(name, tmp_path, "dev")


def test_an_unknown_name_lists_those_that_are():
    with pytest.raises(ConfigError, match=r"dataset: got 'cifar11'; expected one of cifar10, cifar100, fashion"):
        load_dataset("cifar11")


def test_names_are_found_whatever_the_case():
    assert len(load_dataset("Synthetic", split="test")) == 200


@pytest.mark.parametrize("name", [name for name in FROM_FILES if DATASETS[name].SPEC.files])
def test_a_download_is_verified_and_then_loads(name, fakes, tmp_path, server, tar_bytes):
    spec = served(name, fakes, tmp_path / "made", server, tar_bytes)
    root = tmp_path / "root"
    root.mkdir()
    assert fetch_dataset(spec, root) == root / name
    assert load_dataset(name, root, "train").labels.tolist() == [3, 1, 4, 1, 5]
    asked = len(server.asked)
    fetch_dataset(spec, root)
    assert len(server.asked) == asked  # the second call downloads nothing


@pytest.mark.parametrize("name", [name for name in FROM_FILES if DATASETS[name].SPEC.files])
def test_a_download_with_a_wrong_checksum_leaves_nothing(name, fakes, tmp_path, server, tar_bytes):
    spec = served(name, fakes, tmp_path / "made", server, tar_bytes)
    wrong = replace(spec, files=(RemoteFile(url=spec.files[0].url, md5="0" * 32),))
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(DataError, match=r"got md5 [0-9a-f]{32}; expected md5 0{32}"):
        fetch_dataset(wrong, root)
    assert list((root / name).iterdir()) == []


@pytest.mark.parametrize(("name", "match"), [("imagenet", "by hand, see https://image-net.org"), ("synthetic", "made")])
def test_what_cannot_be_downloaded_says_so(name, match, tmp_path):
    with pytest.raises(DataError, match=f"dataset {name}: got no file to download.*{match}"):
        fetch_dataset(DATASETS[name].SPEC, tmp_path)


def served(name, fakes, made: Path, server, tar_bytes):
    """The spec of a fake copy that the local server holds: one tar.gz for CIFAR, single files for the others."""
    paths = fakes[name].write(made, [3, 1, 4, 1, 5])
    if name.startswith("cifar"):
        whole = tar_bytes({str(path.relative_to(made)): path.read_bytes() for path in paths})
        server.files[f"{name}.tar.gz"] = whole
    else:
        server.files.update({path.name: path.read_bytes() for path in paths})
    files = tuple(
        RemoteFile(url=server.url + file, md5=hashlib.md5(content).hexdigest())
        for file, content in server.files.items()
    )
    return replace(DATASETS[name].SPEC, files=files)
