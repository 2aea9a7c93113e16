"""The web server of a survey: standard library only, one thread per connection."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...core.errors import ArgumentError, sentence
from .routes import Routes
from .store import Store
from .study import Study, load_study


class SurveyServer(ThreadingHTTPServer):
    """A study that is being served; `serve_forever` to answer, `close` to end.

    Args:
        folder: of the study.
        host: name or address; others than those of this machine alone let everybody in the network take part.
        port: 0 for any that is free.

    Raises:
        DataError: if the study or its answers cannot be used.
        ArgumentError: if host and port cannot be listened at.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 8000) -> None:
        self.study: Study = load_study(folder)
        self.store = Store(self.study)
        self.pictures = {self.study.address(name): content for name, content in self.study.pictures.items()}
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), Routes)
        except (OSError, OverflowError) as error:
            self.store.close()
            met, todo = f"{host} port {port}, which cannot be used ({error})", "Name another with --port"
            raise ArgumentError(sentence("survey", met, "an address of this machine and a free port", todo)) from error
        self._local = _is_loopback(self.server_address[0])

    def server_bind(self) -> None:
        """Bind without asking the network for the machine's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def address(self) -> str:
        """Where the survey is."""
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}/"

    @property
    def results_address(self) -> str:
        """Where its results are; whoever knows the key in it sees them."""
        return f"{self.address}results?key={self.store.key}"

    def knows(self, host: str) -> bool:
        """Whether a request may name this host: a survey of this machine alone answers to its own names only."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name in {"127.0.0.1", "localhost", "::1", self.server_name} if self._local else bool(name)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a connection that breaks off is the reader's matter, and answers are safe or not given."""

    def close(self) -> None:
        """Stop listening and close the answers."""
        self.server_close()
        self.store.close()


def _is_loopback(host: Any) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    folder: Path, host: str = "127.0.0.1", port: int = 8000, *, say: Callable[[str], None] = lambda text: None
) -> None:
    """Serve a study until it is interrupted (Ctrl-C); answers given until then are on the disk, also after `kill -9`.

    Args:
        folder: of the study, see `write_study`.
        host: where to listen; by default this machine alone.
        port: 0 for any that is free.
        say: told in one line each where the survey and its results are, once it listens.

    Raises:
        DataError: if the study or its answers cannot be used.
        ArgumentError: if host and port cannot be listened at.
    """
    server = SurveyServer(folder, host, port)
    try:
        say(f"survey: {server.address}")
        say(f"results: {server.results_address}")
        server.serve_forever()
    except KeyboardInterrupt:
        say("survey: ended; every confirmed answer is stored")
    finally:
        server.close()
