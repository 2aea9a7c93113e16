"""A hundred raters at once, and the server killed in the middle: is any answer lost that was acknowledged?

python benchmarks/survey_load.py

Every rater opens a connection on the loopback, loads each page with its pictures, answers without a pause and keeps
what was acknowledged. When a part of the answers is in, the server gets `kill -9` and is started again; raters go on
with their cookies. Then the answers on the disk are compared with those that were acknowledged. The server is forked
from a process that has imported everything, so that its new start is its own and not that of the libraries.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from run import HERE, say, store

CASE = "survey-load"
SEED, RATERS, QUESTIONS = 42, 100, 12
LIMIT = 300.0
"""Seconds after which a rater gives up, so that the benchmark ends in any case."""


class LostError(Exception):
    """The server did not answer within the limit."""


class Rater(threading.Thread):
    """Takes the whole test, whatever happens to the server."""

    def __init__(self, number: int, port: int) -> None:
        super().__init__()
        self.number, self.port = number, port
        self.token, self.failed = "", 0
        self.acknowledged: dict[str, int] = {}
        self.seconds: list[float] = []
        self.requests, self.pictures = 0, set[str]()
        self.done = False
        self._connection: http.client.HTTPConnection | None = None
        self._until = time.monotonic() + LIMIT

    def ask(self, method: str, path: str, **fields: object) -> tuple[int, str, str]:
        """One request, again and again until it is answered: status, where to, content."""
        body = urlencode(fields) if method == "POST" else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        while time.monotonic() < self._until:
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                cookie = {"Cookie": f"rater={self.token}"} if self.token else {}
                self._connection.request(method, path, body, kind | cookie)
                answer = self._connection.getresponse()
                content = answer.read()
                self.requests += 1
                kept = re.match(r"rater=([\w-]+)", answer.getheader("Set-Cookie", ""))
                self.token = kept[1] if kept else self.token
                return answer.status, answer.getheader("Location", ""), content.decode("utf-8", "replace")
            except (OSError, http.client.HTTPException):
                self.failed += 1
                self._connection = None
                time.sleep(0.05)
        raise LostError

    def page(self, path: str) -> str:
        """A page behind its redirects, with the pictures that this rater has not seen yet."""
        status, where, content = self.ask("GET", path)
        while status == 303:
            status, where, content = self.ask("GET", where)
        for address in re.findall(r'src="(/picture/\w+\.png)"', content):
            if address not in self.pictures:
                self.pictures.add(address)
                self.ask("GET", address)
        return content

    def run(self) -> None:
        """From the first page to the last."""
        try:
            self.page("/")
            self.ask("POST", "/start")
            self.page("/practice")
            self.ask("POST", "/practice", place=1)
            page = self.page("/question")
            while "Thank you" not in page:
                name = re.search(r'name="question" value="(\w+)"', page)
                if name is None:
                    return
                place, start = 1 + (self.number + len(self.acknowledged)) % 8, time.perf_counter()
                if self.ask("POST", "/answer", question=name[1], place=place)[0] == 303:
                    self.seconds.append(time.perf_counter() - start)
                    self.acknowledged[name[1]] = place
                page = self.page("/question")
            self.done = True
        except LostError:
            return
        finally:
            if self._connection is not None:
                self._connection.close()


def serve_forked(folder: Path, port: int) -> int:
    """A server in a process of its own; its number."""
    from spikewright.redteam.survey import serve

    child = os.fork()
    if not child:
        try:
            serve(folder, port=port)
        finally:
            os._exit(1)
    return child


def until_it_answers(port: int, limit: float = 60.0) -> float:
    """Seconds until the first page is there."""
    start = time.perf_counter()
    while time.perf_counter() - start < limit:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
            return time.perf_counter() - start
        except OSError:
            time.sleep(0.01)
    raise SystemExit("survey-load: the server does not answer")


def make_study(folder: Path, questions: int) -> None:
    """One method, so many trojans, pictures of 64 x 64 pixels."""
    import torch

    from spikewright.core.seed import generator
    from spikewright.redteam.judge import Option, question
    from spikewright.redteam.survey import Shown, write_study

    draw = generator(SEED)
    pool = [Option(name=f"t{i}", pictures=torch.rand(1, 3, 64, 64, generator=draw)) for i in range(max(questions, 8))]
    shown = [
        Shown(
            method="any", network="trojaned", trojan=f"t{i}", gallery=torch.rand(10, 3, 64, 64, generator=draw),
            question=question(f"t{i}", pool, seed=i),
        )
        for i in range(questions)
    ]  # fmt: skip
    write_study(folder, shown, title="Load", seed=SEED)


def measure(count: int, questions: int) -> dict[str, Any]:
    """All of it; the result as stored."""
    from spikewright.report.environment import environment

    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "study"
        make_study(folder, questions)
        with socket.socket() as made:
            made.bind(("127.0.0.1", 0))
            port = made.getsockname()[1]
        child = serve_forked(folder, port)  # before there are threads
        spare = Spare(folder, port)
        try:
            found = walk(folder, child, spare, port, count, questions)
        finally:
            os.kill(spare.pid, signal.SIGKILL)
            os.waitpid(spare.pid, 0)
    return {
        "case": CASE,
        "what": f"{count} raters at once on the loopback, and the server killed with SIGKILL in the middle",
        "seed": SEED,
        "environment": environment(("torch", "numpy", "spikewright"), source=Path(__file__)),
        "load_before_and_after": [list(before), list(os.getloadavg())],
        **found,
    }


class Spare:
    """A second server process that waits for a word before it opens anything, forked while there is one thread."""

    def __init__(self, folder: Path, port: int) -> None:
        reading, self._writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            from spikewright.redteam.survey import serve

            os.close(self._writing)
            try:
                if os.read(reading, 1):
                    serve(folder, port=port)
            finally:
                os._exit(1)
        os.close(reading)

    def go(self) -> None:
        """Let it serve."""
        os.write(self._writing, b"1")


def walk(folder: Path, child: int, spare: Spare, port: int, count: int, questions: int) -> dict[str, Any]:
    """Let everybody answer, kill and replace the server in the middle, compare."""
    until_it_answers(port)
    raters = [Rater(number, port) for number in range(count)]
    start = time.perf_counter()
    for rater in raters:
        rater.start()
    while sum(len(rater.acknowledged) for rater in raters) < count * (questions + 1) // 3:
        if time.perf_counter() - start > LIMIT:
            os.kill(child, signal.SIGKILL)
            raise SystemExit("survey-load: the raters do not come on")
        time.sleep(0.01)
    killed_at, given = time.perf_counter() - start, sum(len(rater.acknowledged) for rater in raters)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    say(f"killed after {killed_at:.1f} s and {given} acknowledged answers")
    spare.go()
    away = until_it_answers(port)
    for rater in raters:
        rater.join()
    took = time.perf_counter() - start
    seconds = sorted(second for rater in raters for second in rater.seconds)
    return {
        "raters": count, "questions": questions + 1, "finished": sum(rater.done for rater in raters),
        "seconds": took, "requests": sum(rater.requests for rater in raters),
        "failed_requests": sum(rater.failed for rater in raters),
        "killed_after": killed_at, "acknowledged_before_kill": given, "seconds_until_it_answered_again": away,
        "answer_seconds": {
            "median": statistics.median(seconds), "p99": seconds[int(0.99 * (len(seconds) - 1))], "most": seconds[-1],
        },
        **compared(folder, raters),
    }  # fmt: skip


def compared(folder: Path, raters: list[Rater]) -> dict[str, int]:
    """Acknowledged answers against those on the disk."""
    from spikewright.redteam.survey import Store, load_study

    opened = Store(load_study(folder))
    numbers = {rater.token: rater.number for rater in opened.raters()}
    stored = {(each.rater, each.question): each.place + 1 for each in opened.answers()}
    opened.close()
    given = {(numbers[r.token], name): place for r in raters for name, place in r.acknowledged.items()}
    return {
        "acknowledged": len(given),
        "stored": len(stored),
        "lost": sum(key not in stored for key in given),
        "other_than_acknowledged": sum(stored.get(key, place) != place for key, place in given.items()),
        "stored_without_being_acknowledged": sum(key not in given for key in stored),
    }


def comparison(result: dict[str, Any]) -> Any:
    """One row: who took part, what was acknowledged and stored, and how long an answer took."""
    from spikewright.report.table import Column, Table

    took = result["answer_seconds"]
    row = (
        result["raters"], result["finished"], result["acknowledged"], result["stored"], result["lost"],
        result["requests"] / result["seconds"], took["median"], took["p99"],
    )  # fmt: skip
    columns = (
        Column("raters"), Column("finished"), Column("acknowledged"), Column("stored"), Column("lost"),
        Column("requests", "per second", 0, "pages, pictures and answers; raters and server share the machine"),
        Column("median answer", "s", None, "from sending an answer to its acknowledgement"),
        Column("99th percentile", "s", None, "where the server was away the wait counts"),
    )  # fmt: skip
    return Table("Survey under load", columns, (row,))


def main() -> int:
    """Run the benchmark as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raters", type=int, default=RATERS)
    parser.add_argument("--quick", action="store_true", help="8 raters, 3 questions; nothing is stored")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    result = measure(8, 3) if options.quick else measure(options.raters, QUESTIONS)
    shown = {name: value for name, value in result.items() if name not in ("environment", "load_before_and_after")}
    print(json.dumps(shown, indent=1))
    failed = bool(result["lost"] or result["other_than_acknowledged"])
    if options.quick or failed:
        return int(failed)
    say(f"stored in {store(result, options.results / CASE).name}")
    import tables

    return tables.main([]) if options.results == HERE / "results" else 0


if __name__ == "__main__":
    sys.exit(main())
