"""A small study, a server that runs in this process, and a browser of one cookie."""

from __future__ import annotations

import http.client
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import torch

from spikewright.redteam.judge import Option, question
from spikewright.redteam.survey import Shown, Study, SurveyServer, write_study


def options() -> list[Option]:
    draw = torch.Generator().manual_seed(0)
    return [Option(name=f"secret{i}", pictures=torch.rand(1, 3, 6, 6, generator=draw)) for i in range(9)]


def questions(methods: int = 2, trojans: int = 3) -> list[Shown]:
    draw, pool = torch.Generator().manual_seed(1), options()
    return [
        Shown(
            method=f"method{m}", network=network, trojan=f"secret{t}", gallery=torch.rand(10, 3, 8, 8, generator=draw),
            question=question(f"secret{t}", pool, seed=t),
        )
        for m in range(methods) for network in ("trojaned", "twin") for t in range(trojans)
    ]  # fmt: skip


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two methods on two networks, three trojans each, and one attention check."""
    place = tmp_path_factory.mktemp("survey") / "study"
    write_study(place, questions(), title="What <is> it?", seed=7)
    return place


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of that study for one test."""
    shutil.copytree(written, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def server(folder: Path) -> Iterator[SurveyServer]:
    made = SurveyServer(folder, port=0)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.close()


class Browser:
    """Sends what a browser without scripts sends, and keeps its cookie."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""

    def ask(
        self, method: str, path: str, body: str | bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request, no redirect followed: status, headers, content."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent.setdefault("Cookie", self.cookie)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            if "set-cookie" in found:
                self.cookie = found["set-cookie"].partition(";")[0]
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> str:
        """Follow redirects to a page."""
        for _ in range(5):
            status, headers, content = self.ask("GET", path)
            if status != 303:
                return content.decode()
            path = headers["location"]
        raise AssertionError("redirected for ever")

    def post(self, path: str, **fields: object) -> tuple[int, dict[str, str], bytes]:
        """Send a form."""
        origin = f"http://127.0.0.1:{self.port}"
        kind = "application/x-www-form-urlencoded"
        return self.ask("POST", path, urlencode(fields), Content_Type=kind, Origin=origin)

    @staticmethod
    def asked(page: str) -> str:
        """The id of the question on a page."""
        found = re.search(r'name="question" value="(\w+)"', page)
        assert found, page
        return found[1]

    @staticmethod
    def shown(page: str) -> list[str]:
        """Addresses of the options on a page, in their order."""
        return re.findall(r'value="\d"[^/]*</span><img src="(/picture/\w+\.png)"', page)

    def right(self, study: Study, page: str) -> int:
        """The place, from 1, of the true option on a page."""
        (made,) = [each for each in study.questions if each.id == self.asked(page)]
        return self.shown(page).index(f"/picture/{study.address(made.options[made.truth])}.png") + 1

    def begin(self) -> str:
        """Start, practise, and return the first question's page."""
        assert self.post("/start")[0] == 303
        assert self.post("/practice", place=1)[0] == 303
        return self.get("/question")


@pytest.fixture
def make_questions() -> Callable[..., list[Shown]]:
    """Makes the questions of a study."""
    return questions


@pytest.fixture
def new_browser(server: SurveyServer) -> Callable[[], Browser]:
    """Makes browsers that know no cookie yet."""
    return lambda: Browser(server.server_port)


@pytest.fixture
def browser(server: SurveyServer) -> Browser:
    """The first browser."""
    return Browser(server.server_port)


@pytest.fixture
def browser_at() -> type[Browser]:
    """Makes browsers of a port."""
    return Browser
