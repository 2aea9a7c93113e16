"""MNIST: 70,000 grey images of handwritten digits, 28x28 pixels."""

from __future__ import annotations

from pathlib import Path

from .idx import load_idx
from .images import ImageDataset
from .spec import DatasetSpec, RemoteFile

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"

SPEC = DatasetSpec(
    name="mnist",
    kind="images",
    shape=(1, 28, 28),
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    splits={"train": 60_000, "test": 10_000},
    mean=(0.13066048,),
    std=(0.30810781,),
    files=(
        RemoteFile(url=MIRROR + "train-images-idx3-ubyte.gz", size=9_912_422, md5="f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        RemoteFile(url=MIRROR + "train-labels-idx1-ubyte.gz", size=28_881, md5="d53e105ee54ea40749a09fcbcd1e9432"),
        RemoteFile(url=MIRROR + "t10k-images-idx3-ubyte.gz", size=1_648_877, md5="9fb629c4189551a2d022fa330f9573f3"),
        RemoteFile(url=MIRROR + "t10k-labels-idx1-ubyte.gz", size=4_542, md5="ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    licence="none stated by the authors; commonly cited as CC BY-SA 3.0",
    citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document "
    "Recognition, Proceedings of the IEEE 86(11), 1998",
    source="http://yann.lecun.com/exdb/mnist/",
)

FOLDERS = ("mnist", "MNIST/raw")


def load(root: Path | None = None, split: str = "train") -> ImageDataset:
    """Load one split of MNIST.

    Args:
        root: folder that holds `mnist/*-ubyte`, plain, .gz or .xz; None: see `data_root`.
        split: "train" or "test".

    Raises:
        DataError: the split is unknown, a file is missing or broken, or a label is out of range.
    """
    return load_idx(SPEC, FOLDERS, root, split)
