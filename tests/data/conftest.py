"""Small fake copies of every dataset, and a local server to download from."""

from __future__ import annotations

import gzip
import http.server
import io
import re
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image


class Fake(NamedTuple):
    """How to write a small copy of a dataset's training split."""

    write: Callable[[Path, list[int]], list[Path]]  # (root, labels) -> the files written
    smallest: int  # fewest images it can hold


def cifar10(root: Path, labels: list[int]) -> list[Path]:
    parts = np.array_split(np.array(labels), 5)
    names = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)]
    return [write(root / name, b"".join(record([k], k) for k in part)) for name, part in zip(names, parts)]


def cifar100(root: Path, labels: list[int]) -> list[Path]:
    return [write(root / "cifar-100-binary/train.bin", b"".join(record([7, k], k) for k in labels))]


def record(label: list[int], value: int) -> bytes:
    """One record of the CIFAR binary format: red = value, green = 1, blue = 2."""
    return bytes(label) + bytes([value]) * 1024 + bytes([1]) * 1024 + bytes([2]) * 1024


def idx_files(folder: str) -> Callable[[Path, list[int]], list[Path]]:
    def write_both(root: Path, labels: list[int]) -> list[Path]:
        pixels = b"".join(bytes([k]) * 784 for k in labels)
        images = gzip.compress(idx(pixels, len(labels), 28, 28))
        path = root / folder / "train-images-idx3-ubyte.gz"
        other = root / folder / "train-labels-idx1-ubyte.gz"
        return [write(path, images), write(other, gzip.compress(idx(bytes(labels), len(labels))))]

    return write_both


def idx(content: bytes, *shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + content


def imagenet(root: Path, labels: list[int]) -> list[Path]:
    blobs = [jpeg(224, 224, k % 256) for k in labels]
    offset = np.cumsum([0, *map(len, blobs)])
    out = io.BytesIO()
    names = np.array([f"{place}.JPEG" for place in range(len(labels))])
    joined = np.frombuffer(b"".join(blobs), np.uint8)
    np.savez(out, jpeg=joined, offset=offset, label=np.array(labels, np.int16), filename=names)
    return [write(root / "imagenet/train100_224.npz", out.getvalue())]


def jpeg(width: int, height: int, value: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (value, value, value)).save(out, "JPEG", quality=95)
    return out.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


FAKES = {
    "cifar10": Fake(cifar10, 5),
    "cifar100": Fake(cifar100, 1),
    "fashion_mnist": Fake(idx_files("fashion_mnist"), 1),
    "imagenet": Fake(imagenet, 1),
    "mnist": Fake(idx_files("mnist"), 1),
}


@pytest.fixture
def fakes() -> dict[str, Fake]:
    """The writers of small fake copies, by the name of the dataset; synthetic needs none."""
    return FAKES


@pytest.fixture
def tar_bytes() -> Callable[[dict[str, bytes]], bytes]:
    """Make a .tar.gz in memory from names and contents."""

    def make(members: dict[str, bytes]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()

    return make


class Server(NamedTuple):
    """A local server: what it holds, how it behaves, and what it was asked."""

    url: str
    files: dict[str, bytes]
    behaviour: dict[str, Any]  # "ranges": bool, "cut": bytes after which it hangs up
    asked: list[tuple[str, str | None]]  # path and Range header of each request


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An HTTP server on 127.0.0.1 that knows Range, unless told to forget it."""
    monkeypatch.setenv("no_proxy", "*")
    files: dict[str, bytes] = {}
    behaviour: dict[str, Any] = {"ranges": True, "cut": None}
    asked: list[tuple[str, str | None]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Range"]))
            content = files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404, "Not Found")
                return
            start, code = 0, 200
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            if wanted and behaviour["ranges"]:
                start, code = int(wanted[1]), 206
                if start >= len(content):
                    self.send_error(416, "Range Not Satisfiable")
                    return
            self.send_response(code)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : behaviour["cut"]])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield Server(f"http://127.0.0.1:{running.server_address[1]}/", files, behaviour, asked)
        running.shutdown()
        thread.join()
