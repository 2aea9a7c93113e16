"""CIFAR-100: 60,000 colour images of 32x32 pixels in a hundred classes."""

from __future__ import annotations

from pathlib import Path

from .cifar_binary import read_binary
from .images import ImageDataset
from .root import check_split, data_root, missing, size_note
from .spec import DatasetSpec, RemoteFile

CLASSES = (
    "apple",
    "aquarium_fish",
    "baby",
    "bear",
    "beaver",
    "bed",
    "bee",
    "beetle",
    "bicycle",
    "bottle",
    "bowl",
    "boy",
    "bridge",
    "bus",
    "butterfly",
    "camel",
    "can",
    "castle",
    "caterpillar",
    "cattle",
    "chair",
    "chimpanzee",
    "clock",
    "cloud",
    "cockroach",
    "couch",
    "crab",
    "crocodile",
    "cup",
    "dinosaur",
    "dolphin",
    "elephant",
    "flatfish",
    "forest",
    "fox",
    "girl",
    "hamster",
    "house",
    "kangaroo",
    "keyboard",
    "lamp",
    "lawn_mower",
    "leopard",
    "lion",
    "lizard",
    "lobster",
    "man",
    "maple_tree",
    "motorcycle",
    "mountain",
    "mouse",
    "mushroom",
    "oak_tree",
    "orange",
    "orchid",
    "otter",
    "palm_tree",
    "pear",
    "pickup_truck",
    "pine_tree",
    "plain",
    "plate",
    "poppy",
    "porcupine",
    "possum",
    "rabbit",
    "raccoon",
    "ray",
    "road",
    "rocket",
    "rose",
    "sea",
    "seal",
    "shark",
    "shrew",
    "skunk",
    "skyscraper",
    "snail",
    "snake",
    "spider",
    "squirrel",
    "streetcar",
    "sunflower",
    "sweet_pepper",
    "table",
    "tank",
    "telephone",
    "television",
    "tiger",
    "tractor",
    "train",
    "trout",
    "tulip",
    "turtle",
    "wardrobe",
    "whale",
    "willow_tree",
    "wolf",
    "woman",
    "worm",
)

SPEC = DatasetSpec(
    name="cifar100",
    kind="images",
    shape=(3, 32, 32),
    classes=CLASSES,
    splits={"train": 50_000, "test": 10_000},
    mean=(0.50707516, 0.48654887, 0.44091784),
    std=(0.26733429, 0.25643846, 0.27615047),
    files=(
        RemoteFile(
            url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            size=168_513_733,
            md5="03b5dce01913d631647c71ecec9e9cb8",
        ),
    ),
    licence="none stated by the authors",
    citation="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
)

FOLDER = "cifar-100-binary"


def load(root: Path | None = None, split: str = "train") -> ImageDataset:
    """Load one split of CIFAR-100 with its fine labels.

    Args:
        root: folder that holds `cifar-100-binary/`; None: see `data_root`.
        split: "train" or "test".

    Raises:
        DataError: the split is unknown, a file is missing or broken, or a label is out of range.
    """
    check_split(SPEC, split)
    root = data_root(root)
    for path in (root / FOLDER / f"{split}.bin", root / SPEC.name / FOLDER / f"{split}.bin"):
        if path.is_file():
            images, labels = read_binary([path], label_bytes=2, label_place=1)
            return ImageDataset(images, labels, SPEC.classes, size_note(SPEC, split, len(images)))
    raise missing(SPEC, split, root, [f"{FOLDER}/{split}.bin"])
