"""Readers of event files: every format read back from an encoder written here, and every broken file refused."""

from __future__ import annotations

import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from spikewright.core.errors import DataError
from spikewright.data.events import read_aedat4, read_bin, read_dat, read_evt2, read_evt3

SIZE = (30, 34)
RAW2, RAW3 = b"% evt 2.0\n% geometry 34x30\n", b"% evt 3.0\n% geometry 34x30\n"
DAT = b"% Data file containing events\n% Version 2\n% Height 30\n% Width 34\n"


def encode_bin(events):
    t = events.t % 2**23
    columns = (events.x, events.y, events.p.astype(int) << 7 | t >> 16, t >> 8 & 255, t & 255)
    return np.stack(columns, 1).astype(np.uint8).tobytes()


def encode_dat(events):
    place = events.p.astype(np.int64) << 28 | events.y.astype(np.int64) << 14 | events.x
    return DAT + bytes([12, 8]) + np.stack((events.t, place), 1).astype("<u4").tobytes()


def encode_evt2(events):
    words, high = [0xA << 28], -1  # a trigger first, without meaning here
    for x, y, p, t in zip(*(values.tolist() for values in (events.x, events.y, events.p, events.t)), strict=True):
        if t >> 6 != high:
            high = t >> 6
            words.append(0x8 << 28 | high)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    return RAW2 + np.array(words, "<u4").tobytes()


def encode_evt3(events, every: int = 7):
    """Single events, each with its time and row; the time's upper part is repeated now and then, as cameras do."""
    words, high, low = [], -1, -1
    for k, (x, y, p, t) in enumerate(zip(*(v.tolist() for v in (events.x, events.y, events.p, events.t)), strict=True)):
        if t >> 12 != high or k % every == 0:
            low = low if t >> 12 == high else 0  # lower bits count from 0 after a change
            high = t >> 12
            words.append(0x8000 | high & 0xFFF)
        if t & 0xFFF != low:
            low = t & 0xFFF
            words.append(0x6000 | low)
        words += [y, 0x2000 | p << 11 | x]
    return RAW3 + np.array(words, "<u2").tobytes()


FORMATS = {
    "bin": (encode_bin, lambda source: read_bin(source, SIZE)),
    "dat": (encode_dat, read_dat),
    "evt2": (encode_evt2, read_evt2),
    "evt3": (encode_evt3, read_evt3),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_what_was_written_is_read(name, seed, made, tmp_path):
    encode, read = FORMATS[name]
    events = made(2000, SIZE, seed=seed)
    content = encode(events)
    path = tmp_path / "recording"
    path.write_bytes(content)
    for found in (read(content), read(path), read(str(path))):
        assert found.shape == (2, *SIZE)
        for part in "xypt":
            assert np.array_equal(getattr(found, part), getattr(events, part)), part


@pytest.mark.parametrize("name", FORMATS)
def test_a_clock_that_begins_again_goes_on(name, made):
    encode, read = FORMATS[name]
    bits = {"bin": 23, "dat": 32, "evt2": 34, "evt3": 24}[name]
    events = made(1500, SIZE)
    late = events_at(events, events.t + 2**bits - events.t[len(events) // 2])
    wrapped = events_at(events, late.t % 2**bits)
    found = read(encode(wrapped))
    assert np.array_equal(found.t - found.t[0], events.t - events.t[0])


def events_at(events, t):
    """The same events at other times, which may fall: for encoders only."""
    return SimpleNamespace(x=events.x, y=events.y, p=events.p, t=t)


@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_file_is_refused(name, made):
    encode, read = FORMATS[name]
    with pytest.raises(DataError, match=r"got [\d,]+ bytes; expected a whole number of \d-byte .*truncated"):
        read(encode(made(50, SIZE))[:-1])


@pytest.mark.parametrize("read", [read_bin, read_dat, read_evt2, read_evt3, read_aedat4])
def test_what_is_no_recording_is_refused(read, tmp_path):
    name = read.__name__
    with pytest.raises(DataError, match=f"{name}: got an empty file; expected a recording"):
        read(b"")
    with pytest.raises(DataError, match=rf"{name} .*gone: got no readable file \(No such file"):
        read(tmp_path / "gone")
    with pytest.raises(DataError, match=f"{name}: got int; expected a path or the bytes"):
        read(3)


def test_bin_overflow_marks_move_the_clock():
    assert read_bin(bytes([1, 1, 0, 0, 9, 0, 240, 0, 0, 0, 1, 1, 0, 0, 9])).t.tolist() == [9, 9 + 2**13]
    # a sensor that has a row 240 has no such marks
    assert read_bin(bytes([1, 240, 0, 0, 9]), (260, 346)).y.tolist() == [240]


def test_bin_of_a_larger_sensor_is_refused():
    with pytest.raises(DataError, match=r"read_bin: got x = 34 at event 0 .*expected 0..33. .*give its size"):
        read_bin(bytes([34, 0, 0, 0, 0]))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (DAT.replace(b"Version 2", b"Version 3") + bytes([12, 8]), "got version '3'; expected a DAT file of version 2"),
        (b"\x0c\x08" + bytes(8), "got a header without a version"),
        (DAT + bytes([12, 8]), "got a header without events"),
        (DAT + bytes([5, 16]) + bytes(16), "got events of kind 0x05 with 16 bytes; expected kind 0x0c with 8"),
        (b"% Version 2\n" + bytes([12, 8]) + bytes(8), r"without the sensor's size; .*Give it: size=\(height, width\)"),
        (b"% Version 2", "got a header without a version"),  # cut off inside the header
    ],
)
def test_other_dat_files_are_refused(content, match):
    with pytest.raises(DataError, match=match):
        read_dat(content)


@pytest.mark.parametrize(
    ("read", "content", "match"),
    [
        (read_evt2, RAW3 + bytes(4), "got the format 'EVT3'; expected EVT2. There are read_evt2, read_evt3"),
        (read_evt3, RAW2 + bytes(4), "got the format 'EVT2'; expected EVT3"),
        (read_evt2, b"% format EVT21;height=4;width=4\n" + bytes(4), "got the format 'EVT21'; expected EVT2"),
        (read_evt3, bytes(4), "got a header that names no format"),
        (read_evt2, b"% evt 2.0\n" + bytes(4), "without the sensor's size"),
        (read_evt2, RAW2 + struct.pack("<I", 0x5 << 28), r"a word of kind 0x5 at word 0 \(1 of unknown kinds\)"),
        (read_evt3, RAW3 + struct.pack("<2H", 0x8000, 0xB000), "a word of kind 0xb at word 1.*The file is broken"),
        (read_evt3, RAW3 + struct.pack("<3H", 0x8000, 0x0001, 0x2022), "got x = 34 at event 0 .*expected 0..33"),
    ],
)
def test_other_raw_files_are_refused(read, content, match):
    with pytest.raises(DataError, match=match):
        read(content)


@pytest.mark.parametrize("end", [b"", b"% end\n"])
def test_the_size_is_read_from_newer_headers(end):
    header = b"% format EVT3;height=30;width=34\n" + end
    assert read_evt3(header + struct.pack("<3H", 0x8000, 0x0001, 0x2002)).shape == (2, 30, 34)


def test_a_size_that_is_given_comes_first():
    assert read_evt2(RAW2 + struct.pack("<2I", 0x8 << 28, 0), (40, 50)).shape == (2, 40, 50)


def test_evt3_vectors_move_their_base():
    # base 3, polarity 1; then 12 bits (0 and 11 set), 8 bits (7 set), 12 bits (0 set); a new base; 8 bits (0 set)
    words = [0x8001, 0x6005, 0x0004, 0x3803, 0x4801, 0x5080, 0x4001, 0x3000, 0x5001]
    found = read_evt3(RAW3 + np.array(words, "<u2").tobytes())
    assert found.x.tolist() == [3, 14, 22, 23, 0]
    assert found.p.tolist() == [1, 1, 1, 1, 0]
    assert set(found.y) == {4}
    assert set(found.t) == {4096 + 5}


def test_evt3_ignores_bits_of_a_vector_of_8_beyond_them():
    found = read_evt3(RAW3 + np.array([0x8000, 0x0000, 0x3000, 0x5F01], "<u2").tobytes())
    assert found.x.tolist() == [0]


def test_evt3_lower_bits_count_from_0_after_the_upper_ones_changed():
    words = [0x8001, 0x6FFF, 0x0000, 0x2000, 0x8001, 0x2001, 0x8002, 0x2002, 0x6003, 0x2003]
    found = read_evt3(RAW3 + np.array(words, "<u2").tobytes())
    assert found.t.tolist() == [8191, 8191, 8192, 8195]


@pytest.mark.parametrize(
    ("read", "header", "words"),
    [(read_evt2, RAW2, [5 << 22, 0x8 << 28 | 1, 6 << 22]), (read_evt3, RAW3, [0x0000, 0x2000, 0x8000, 0x6046, 0x2001])],
)
def test_events_before_the_first_time_are_left_out(read, header, words):
    found = read(header + np.array(words, "<u4" if read is read_evt2 else "<u2").tobytes())
    assert found.t.tolist() == [70]


def test_a_recording_without_events_is_empty():
    assert len(read_evt3(RAW3 + np.array([0x6000, 0x0000, 0x3000, 0x4FFF], "<u2").tobytes())) == 0


def test_another_aedat_version_is_refused():
    with pytest.raises(DataError, match=r"got a file that begins with '#!AER-DAT3.1'; expected '#!AER-DAT4.0'"):
        read_aedat4(b"#!AER-DAT3.1\r\nrest")


def test_a_cut_aedat4_is_refused():
    pytest.importorskip("aedat")
    with pytest.raises(DataError, match=r"read_aedat4: got a file that cannot be decoded \(.*\); expected a whole"):
        read_aedat4(b"#!AER-DAT4.0\r\n")


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "aedat", None)
    with pytest.raises(DataError, match=r"got no package aedat .*pip install 'spikewright\[events\]'"):
        read_aedat4(b"#!AER-DAT4.0\r\n")
