"""Downloading: once, resumed, verified, and readable when it fails."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from spikewright.core.errors import DataError
from spikewright.data.fetch import fetch, verify
from spikewright.data.spec import RemoteFile

CONTENT = bytes(range(256)) * 20  # 5,120 bytes


@pytest.fixture
def remote(server) -> RemoteFile:
    server.files["a.bin"] = CONTENT
    return RemoteFile(url=server.url + "a.bin", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


def test_a_file_arrives_once(remote, server, tmp_path):
    seen: list[tuple[int, int | None]] = []
    path = fetch(remote, tmp_path / "new", lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "new" / "a.bin"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (5120, 5120)
    fetch(remote, tmp_path / "new")
    assert server.asked == [("/a.bin", None)]
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]


def test_a_half_file_is_completed_from_where_it_ended(remote, server, tmp_path):
    (tmp_path / "a.bin.partial").write_bytes(CONTENT[:2000])
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", "bytes=2000-")]


def test_a_server_without_ranges_sends_all_of_it(remote, server, tmp_path):
    server.behaviour["ranges"] = False
    (tmp_path / "a.bin.partial").write_bytes(b"x" * 2000)
    assert fetch(remote, tmp_path).read_bytes() == CONTENT


def test_a_broken_connection_is_resumed_by_the_next_call(remote, server, tmp_path):
    server.behaviour["cut"] = 3000
    with pytest.raises(DataError, match=r"a connection that ended after 3,000 bytes; expected 5,120 bytes. Call again"):
        fetch(remote, tmp_path)
    assert not (tmp_path / "a.bin").exists()
    server.behaviour["cut"] = None
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.bin", "bytes=3000-")


def test_a_whole_partial_is_verified_without_a_download(remote, server, tmp_path):
    (tmp_path / "a.bin.partial").write_bytes(CONTENT)
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_whole_partial_of_unknown_size_asks_and_takes_416_as_done(remote, server, tmp_path):
    (tmp_path / "a.bin.partial").write_bytes(CONTENT)
    unsized = RemoteFile(url=remote.url, sha256=remote.sha256)
    assert fetch(unsized, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", "bytes=5120-")]


def test_a_wrong_checksum_removes_what_arrived(remote, server, tmp_path):
    server.files["a.bin"] = CONTENT[::-1]
    with pytest.raises(DataError, match=r"got sha256 \w{64}; expected sha256 \w{64}. What had arrived was removed"):
        fetch(remote, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_under_the_right_name_is_not_used(remote, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"other")
    with pytest.raises(DataError, match=r"Delete the file and call again"):
        fetch(remote, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"other"


def test_a_missing_address_is_reported_with_its_code(server, tmp_path):
    gone = RemoteFile(url=server.url + "gone.bin", md5="0" * 32)
    with pytest.raises(DataError, match=r"HTTP 404 Not Found from http://127.0.0.1"):
        fetch(gone, tmp_path)


def test_no_network_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    refused = RemoteFile(url=f"http://127.0.0.1:{port}/a.bin", md5="0" * 32)
    with pytest.raises(DataError, match=r"no answer from .*refused.*expected a network. Without .* by hand"):
        fetch(refused, tmp_path)


def test_a_silent_server_runs_into_the_time_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_file = RemoteFile(url=f"http://127.0.0.1:{silent.getsockname()[1]}/a.bin", md5="0" * 32)
        with pytest.raises(DataError, match=r"no answer from"):
            fetch(silent_file, tmp_path, timeout=0.05)


def test_only_http_is_downloaded(tmp_path):
    with pytest.raises(DataError, match=r"expected an http or https address"):
        fetch(RemoteFile(url="file:///etc/hostname", md5="0" * 32), tmp_path)


def test_a_folder_that_cannot_be_made_is_reported(remote, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(DataError, match=r"download of a.bin: .*expected a folder .* that can be written. Check perm"):
        fetch(remote, tmp_path / "taken" / "inside")


def test_verify_prefers_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    right = hashlib.md5(CONTENT).hexdigest()
    verify(path, RemoteFile(url="http://x/a", md5=right), "")
    with pytest.raises(DataError, match=r"sha256"):
        verify(path, RemoteFile(url="http://x/a", md5=right, sha256="0" * 64), "")


def test_partial_files_are_named_so(remote, server, tmp_path):
    server.behaviour["cut"] = 10
    with pytest.raises(DataError):
        fetch(remote, tmp_path)
    assert [path.name for path in Path(tmp_path).iterdir()] == ["a.bin.partial"]
