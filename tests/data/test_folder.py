"""Class folders: lazily decoded, resized and cut as usual, broken ones refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spikewright.core.errors import ArgumentError, DataError
from spikewright.data import Batches, imagenet, load_dataset, load_folder
from spikewright.data.folder import FolderImages, ResizeCentreCrop, list_folder


def picture(path: Path, width: int = 12, height: int = 10, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (value, 0, 0)).save(path)
    return path


@pytest.mark.parametrize(
    ("size", "resized"),
    [((500, 375), (341, 256)), ((375, 500), (256, 341)), ((256, 256), (256, 256)), ((9, 9), (256, 256))],
)
def test_the_short_side_becomes_256_and_the_centre_224(size, resized):
    width, height = resized
    # Red says the column, green the row of the resized image.
    red, green = np.meshgrid(np.arange(width) % 251, np.arange(height) % 241)
    image = Image.fromarray(np.stack([red, green, red], -1).astype(np.uint8))
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    view = np.asarray(ResizeCentreCrop()(image))
    assert view.shape == (224, 224, 3)
    assert view[0, 0].tolist()[:2] == [left % 251, top % 241]
    assert ResizeCentreCrop()(Image.new("RGB", size)).size == (224, 224)


def test_resizing_averages_neighbours():
    image = Image.fromarray(np.array([[[0, 0, 0], [200, 0, 0]]] * 2, np.uint8))
    assert np.asarray(ResizeCentreCrop(1, 1)(image))[0, 0, 0] == 100


@pytest.mark.parametrize("sides", [(4, 5), (4, 0)])
def test_a_crop_larger_than_the_image_is_refused(sides):
    with pytest.raises(ArgumentError, match=r"ResizeCentreCrop: .*expected 1 <= crop <= resize"):
        ResizeCentreCrop(*sides)


def test_folders_are_classes_and_files_are_decoded_when_asked_for(tmp_path):
    picture(tmp_path / "dog/b.png", value=20)
    picture(tmp_path / "dog/a.png", value=10)
    picture(tmp_path / "cat/c.PNG", value=30)
    (tmp_path / "dog/notes.txt").write_text("no image")
    (tmp_path / "readme.txt").write_text("no class")
    data = load_folder(tmp_path, ResizeCentreCrop(8, 6))
    assert data.classes == ("cat", "dog")
    assert [path.name for path in data.paths] == ["c.PNG", "a.png", "b.png"]
    assert data.labels.tolist() == [0, 1, 1]
    x, y = data.gather(torch.tensor([2, 0]))
    assert (tuple(x.shape), y.tolist()) == ((2, 3, 6, 6), [1, 0])
    assert (x[:, 0, 3, 3] * 255).round().tolist() == [20, 30]
    assert data[1][1] == 1
    part = data.subset([2, 1])
    assert [path.name for path in part.paths] == ["b.png", "a.png"]
    assert [len(y) for _, y in Batches(data, 2, seed=0)] == [2, 1]


def test_broken_and_missing_images_are_named_when_they_are_decoded(tmp_path):
    path = picture(tmp_path / "cat/a.png", 100, 100)
    data = load_folder(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"a.png: got an image that cannot be decoded .*expected a whole image"):
        data[0]
    path.unlink()
    with pytest.raises(DataError, match=r"a.png: .*No such file"):
        data[0]


def test_a_view_must_give_one_size(tmp_path):
    picture(tmp_path / "cat/a.png", 4, 4)
    picture(tmp_path / "cat/b.png", 5, 5)
    data = load_folder(tmp_path, view=lambda image: image)
    with pytest.raises(DataError, match=r"expected a view that gives one size"):
        data.gather(torch.tensor([0, 1]))


def test_folders_without_classes_or_images_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"load_folder: got no folder"):
        load_folder(tmp_path / "none")
    with pytest.raises(DataError, match=r"no class folder; expected one folder per class, such as 'cat'"):
        load_folder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match=r"class folders without images; expected files .jpeg"):
        load_folder(tmp_path)


def test_the_label_is_the_place_in_the_given_order(tmp_path):
    picture(tmp_path / "b/x.png")
    assert list_folder(tmp_path, ("a", "b", "c"))[1].tolist() == [1]
    with pytest.raises(DataError, match=r"class folders that are not known, such as 'b'"):
        list_folder(tmp_path, ("a", "c"))


def test_folder_images_must_have_images_and_possible_labels():
    with pytest.raises(DataError, match=r"FolderImages.paths: got no image"):
        FolderImages((), torch.zeros(0, dtype=torch.int64), ("a",))
    with pytest.raises(DataError, match=r"FolderImages.labels: got label 1 at image 0"):
        FolderImages((Path("x"),), torch.tensor([1]), ("a",))


def test_imagenet_folders_have_official_labels(tmp_path):
    picture(tmp_path / "imagenet/val/n01443537/a.JPEG", 300, 280)
    picture(tmp_path / "imagenet/val/n15075141/b.JPEG", 280, 300)
    data = load_dataset("imagenet", tmp_path, "val")
    assert data.labels.tolist() == [1, 999]
    assert [data.classes[label] for label in data.labels] == ["goldfish", "toilet tissue"]
    assert data.note == "imagenet val: 2 of the 50000 official images"
    assert data.gather(torch.tensor([0, 1]))[0].shape == (2, *imagenet.SPEC.shape)
    picture(tmp_path / "imagenet/val/goldfish/a.JPEG")
    with pytest.raises(DataError, match=r"not known, such as 'goldfish'; expected one folder per class, such as 'n014"):
        load_dataset("imagenet", tmp_path, "val")


def test_imagenet_has_a_thousand_names_and_sorted_wnids():
    assert len(imagenet.SPEC.classes) == len(set(imagenet.WNIDS)) == 1000
    assert list(imagenet.WNIDS) == sorted(imagenet.WNIDS)
