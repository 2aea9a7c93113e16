"""split_header: the lines of text before the data of Prophesee's files, DAT and RAW."""

from __future__ import annotations

import re

from ...core.errors import DataError, sentence
from .events import check_size


def split_header(content: bytes) -> tuple[dict[str, str], bytes]:
    """Header lines, each "% name value", and the bytes after them.

    Args:
        content: a whole file.

    Returns:
        Names in lower case with their values, and the data; a header that is cut off leaves none.

    Source: Metavision documentation, "RAW file format" and "DAT file format".
    Example:
        >>> split_header(b"% evt 3.0\\n% geometry 640x480\\n% end\\n\\x01")
        ({'evt': '3.0', 'geometry': '640x480'}, b'\\x01')
    """
    fields: dict[str, str] = {}
    start = 0
    while content[start : start + 2] == b"% ":
        stop = content.find(b"\n", start)
        if stop < 0:
            return fields, b""
        words = content[start + 1 : stop].decode("latin-1").split(None, 1)
        start = stop + 1
        if [word.strip().lower() for word in words] == ["end"]:
            break
        if words:
            fields[words[0].lower()] = words[1].strip() if len(words) == 2 else ""
    return fields, content[start:]


def sensor_size(name: str, fields: dict[str, str], given: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of the sensor: those given, else those of the header.

    Args:
        name: what to call the file in an error.
        fields: the header.
        given: (height, width) in pixels, or None.

    Raises:
        DataError: neither states them.

    Example:
        >>> sensor_size("x", {"format": "EVT3;height=720;width=1280"}, None)
        (720, 1280)
    """
    if given is not None:
        return check_size(name, given)
    geometry = re.fullmatch(r"(\d+)x(\d+)", fields.get("geometry", ""))
    if geometry:
        return check_size(name, (int(geometry[2]), int(geometry[1])))
    parts = dict(part.split("=", 1) for part in fields.get("format", "").split(";") if "=" in part)
    sides = [parts.get(side, fields.get(side, "")) for side in ("height", "width")]
    if all(side.isdecimal() for side in sides):
        return check_size(name, (int(sides[0]), int(sides[1])))
    todo = "Give it: size=(height, width), e.g. size=(480, 640) for a Gen3 and size=(720, 1280) for a Gen4 sensor"
    raise DataError(sentence(name, "a header without the sensor's size", "a known size", todo))


def check_format(name: str, fields: dict[str, str], version: str) -> None:
    """Refuse a RAW file whose header names another format than this version of EVT, or none.

    Raises:
        DataError: names the format that was met.

    Example:
        >>> check_format("x", {"format": "EVT2;width=640"}, "2")
    """
    evt = fields.get("evt", "").removesuffix(".0")
    stated = f"EVT{evt}" if evt else fields.get("format", "").split(";")[0].upper()
    if stated.removesuffix(".0") != f"EVT{version}":
        met = f"the format {stated!r}" if stated else "a header that names no format"
        todo = "There are read_evt2, read_evt3 and read_dat; other files can be converted with Metavision"
        raise DataError(sentence(name, met, f"EVT{version}", todo))
