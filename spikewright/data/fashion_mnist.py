"""Fashion-MNIST: 70,000 grey images of clothes, 28x28 pixels, in the files of MNIST."""

from __future__ import annotations

from pathlib import Path

from .idx import load_idx
from .images import ImageDataset
from .spec import DatasetSpec, RemoteFile

MIRROR = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"

SPEC = DatasetSpec(
    name="fashion_mnist",
    kind="images",
    shape=(1, 28, 28),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    splits={"train": 60_000, "test": 10_000},
    mean=(0.28604059,),
    std=(0.35302424,),
    files=(
        RemoteFile(url=MIRROR + "train-images-idx3-ubyte.gz", size=26_421_880, md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        RemoteFile(url=MIRROR + "train-labels-idx1-ubyte.gz", size=29_515, md5="25c81989df183df01b3e8a0aad5dffbe"),
        RemoteFile(url=MIRROR + "t10k-images-idx3-ubyte.gz", size=4_422_102, md5="bef4ecab320f06d8554ea6380940ec79"),
        RemoteFile(url=MIRROR + "t10k-labels-idx1-ubyte.gz", size=5_148, md5="bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    licence="MIT",
    citation="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
    "Learning Algorithms, arXiv:1708.07747, 2017",
    source="https://github.com/zalandoresearch/fashion-mnist",
)

FOLDERS = ("fashion_mnist", "FashionMNIST/raw")


def load(root: Path | None = None, split: str = "train") -> ImageDataset:
    """Load one split of Fashion-MNIST.

    Args:
        root: folder that holds `fashion_mnist/*-ubyte`, plain, .gz or .xz; None: see `data_root`.
        split: "train" or "test".

    Raises:
        DataError: the split is unknown, a file is missing or broken, or a label is out of range.
    """
    return load_idx(SPEC, FOLDERS, root, split)
