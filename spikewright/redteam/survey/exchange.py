"""One request and its answer: what is refused before anything is looked at, forms, and the headers of every answer."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import pages

MOST_BODY = 4096
"""Bytes of a form; an answer has about fifty."""
MOST_READ = 1 << 16
"""Bytes of a body that are read, though it is too long, so that its sender hears why."""
IDLE = 20
"""Seconds that a connection may be silent."""


class RefusedError(Exception):
    """A request that is answered with a status and one sentence."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Exchange(ABC, BaseHTTPRequestHandler):
    """Everything about HTTP; what the addresses do stands in `routes.py`, in `get`, `post` and `knows`."""

    protocol_version = "HTTP/1.1"
    server_version = "survey"
    sys_version = ""
    timeout = IDLE

    @abstractmethod
    def knows(self, host: str) -> bool:
        """Whether the server is reached under this name."""
        ...

    @abstractmethod
    def get(self) -> None:
        """Answer a GET."""
        ...

    @abstractmethod
    def post(self) -> None:
        """Answer a POST that one of the server's own pages sent."""
        ...

    def log_message(self, format: str, *args: Any) -> None:
        """Keep no log: raters are anonymous."""

    def do_GET(self) -> None:
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # nobody reads that body
        self._answer(self.get)

    def do_POST(self) -> None:
        # Read before anything is refused: a connection closed on unread bytes may take the refusal with it.
        self._body = self.rfile.read(min(self._length() or 0, MOST_READ))
        self._answer(self._own_post)

    def _own_post(self) -> None:
        self._same_origin()
        self.post()

    def _answer(self, act: Callable[[], None]) -> None:
        try:
            if not self.knows(self.headers.get("Host", "")):
                raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "This survey is not reached under that name.")
            act()
        except RefusedError as refused:
            self.close_connection = True
            self.send(pages.message(refused.status.phrase, refused.text), refused.status)
        except sqlite3.Error:
            self.close_connection = True
            text = "Your answer could not be stored. Go back and try again in a moment."
            self.send(pages.message("Not stored", text), HTTPStatus.SERVICE_UNAVAILABLE)

    def target(self) -> tuple[str, dict[str, str]]:
        """The path asked for, and the fields behind it."""
        try:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True, max_num_fields=8)
        except ValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "That address cannot be read.") from error
        return parts.path, {name: values[0] for name, values in query.items()}

    def _same_origin(self) -> None:
        """Refuse a form that another site sends on a reader's behalf."""
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "same-origin")
        host = self.headers.get("Host", "")
        if (origin is not None and origin not in (f"http://{host}", f"https://{host}")) or site != "same-origin":
            raise RefusedError(HTTPStatus.FORBIDDEN, "Answers are taken from the pages of this survey only.")

    def form(self) -> dict[str, str]:
        """The fields of the form that was sent, the first value of each."""
        if self.headers.get_content_type() != "application/x-www-form-urlencoded":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only the forms of this survey are taken.")
        length = self._length()
        if length is None or "Transfer-Encoding" in self.headers:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "The length of the form is missing.")
        if length > MOST_BODY:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is more than a form of this survey holds.")
        try:
            if len(self._body) != length:
                raise ValueError("the form broke off")
            text = self._body.decode("ascii")
            fields = parse_qs(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=8)
        except ValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "That form cannot be read.") from error
        return {name: values[0] for name, values in fields.items()}

    def _length(self) -> int | None:
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    def go(self, where: str, **headers: str) -> None:
        """Send the reader to another address."""
        self.send("", HTTPStatus.SEE_OTHER, extra={"Location": where, **headers})

    def send(
        self, content: str | bytes, status: HTTPStatus = HTTPStatus.OK, *, kind: str = "text/html; charset=utf-8",
        cache: str = "no-store", policy: str = pages.POLICY, extra: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Answer with headers that let a page load and run nothing but its own."""
        data = content.encode("utf-8") if isinstance(content, str) else content
        self.send_response(status)
        headers = {
            "Content-Type": kind, "Content-Length": str(len(data)), "Cache-Control": cache,
            "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
            # "no-referrer" would make browsers hide the origin of a form too
            "Referrer-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
        }  # fmt: skip
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in (headers | (extra or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
