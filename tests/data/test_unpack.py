"""Unpacking: every kind, nothing outside the folder, broken archives refused."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from spikewright.core.errors import DataError
from spikewright.data.unpack import unpack

FILES = {"a/one.bin": b"1" * 100, "two.bin": b"2"}


def zip_bytes(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/", b"")
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_archives_are_unpacked_and_not_twice(kind, tar_bytes, tmp_path):
    archive = tmp_path / f"x.{kind}"
    archive.write_bytes(zip_bytes(FILES) if kind == "zip" else tar_bytes(FILES))
    paths = unpack(archive, tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in paths} == FILES
    (tmp_path / "out/two.bin").write_bytes(b"9")  # same length: kept
    (tmp_path / "out/a/one.bin").write_bytes(b"1")  # cut short: written again
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/two.bin").read_bytes() == b"9"
    assert (tmp_path / "out/a/one.bin").read_bytes() == FILES["a/one.bin"]


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_single_files_are_unpacked(suffix, pack, tmp_path):
    archive = tmp_path / f"images.{suffix}"
    archive.write_bytes(pack(b"content"))
    (path,) = unpack(archive, tmp_path / "out")
    assert (path.name, path.read_bytes()) == ("images", b"content")


@pytest.mark.parametrize("name", ["../evil.bin", "a/../../evil.bin", "/tmp/evil.bin", "..\\evil.bin", "C:\\evil.bin"])
@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_no_path_leads_outside(name, kind, tar_bytes, tmp_path):
    archive = tmp_path / f"x.{kind}"
    archive.write_bytes(zip_bytes({name: b"evil"}) if kind == "zip" else tar_bytes({name: b"evil"}))
    with pytest.raises(DataError, match=r"expected paths inside the folder. Do not trust this archive"):
        unpack(archive, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == [archive.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind, tmp_path):
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(info)
    with pytest.raises(DataError, match=r"'link', which is a link or a device; expected files and folders only"):
        unpack(tmp_path / "x.tar", tmp_path / "out")


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "gz", "xz"])
def test_broken_archives_are_refused(kind, tar_bytes, tmp_path):
    whole = {
        "tar.gz": tar_bytes(FILES),
        "zip": zip_bytes(FILES),
        "gz": gzip.compress(bytes(100)),
        "xz": lzma.compress(bytes(100)),
    }[kind]
    archive = tmp_path / f"x.{kind}"
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a broken archive \(.*expected a whole archive. Delete it"):
        unpack(archive, tmp_path / "out")


def test_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "x.rar").write_bytes(b"")
    with pytest.raises(DataError, match=r"an archive of kind '.rar'; expected tar, zip, gz or xz"):
        unpack(tmp_path / "x.rar", tmp_path)


def test_a_folder_that_cannot_be_written_is_reported(tar_bytes, tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(tar_bytes(FILES))
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match=r"expected a folder .*out that can be written"):
        unpack(tmp_path / "x.tar.gz", tmp_path / "out")
