"""DatasetSpec and RemoteFile refuse what cannot be."""

from __future__ import annotations

import pytest

from spikewright.core.errors import ArgumentError
from spikewright.data.spec import DatasetSpec, RemoteFile

GOOD = {"name": "toy", "kind": "images", "shape": (1, 2, 2), "classes": ("a", "b"), "splits": {"test": 3}}


def test_sha256_is_preferred_to_md5():
    assert RemoteFile(url="http://x/a", md5="0" * 32).checksum == ("md5", "0" * 32)
    assert RemoteFile(url="http://x/a", md5="0" * 32, sha256="1" * 64).checksum == ("sha256", "1" * 64)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"url": "http://x/"}, "expected an address that ends in a file name"),
        ({"url": "http://x/a"}, "RemoteFile a: got no checksum; expected a sha256 or an md5"),
        ({"url": "http://x/a", "md5": "0" * 31}, "RemoteFile a.md5: .*expected 32 lower-case hexadecimal digits"),
        ({"url": "http://x/a", "sha256": "G" * 64}, "RemoteFile a.sha256: .*expected 64 lower-case"),
        ({"url": "http://x/a", "md5": "A" * 32}, "RemoteFile a.md5"),
    ],
)
def test_a_file_needs_name_and_checksum(fields, match):
    with pytest.raises(ArgumentError, match=match):
        RemoteFile(**fields)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"classes": ()}, "DatasetSpec toy.classes: .*expected at least one name, each once"),
        ({"classes": ("a", "a")}, "each once"),
        ({"splits": {"train": 3}}, r"toy.splits: got no 'test' in \['train'\]; expected the evaluation split"),
        ({"mean": (0.5, 0.5)}, "toy.mean: got 2 numbers; expected 1, one per channel, or none"),
        ({"std": (0.5, 0.5)}, "toy.std"),
    ],
)
def test_a_spec_must_fit_together(change, match):
    with pytest.raises(ArgumentError, match=match):
        DatasetSpec(**{**GOOD, **change})
