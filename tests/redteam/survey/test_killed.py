"""A server process that is killed with SIGKILL while people answer: no acknowledged answer is lost."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from spikewright.redteam.survey import Store, load_study

# Imports once, then forks a server for every port it is told: a new start takes no longer than the server's own.
CODE = """
import os, sys
from pathlib import Path
from spikewright.redteam.survey import serve
for line in iter(sys.stdin.readline, ""):
    child = os.fork()
    if not child:
        serve(Path(sys.argv[1]), port=int(line), say=lambda text: print(os.getpid(), text, flush=True))
    os.waitpid(child, 0)
"""
RATERS = 8


def start(parent: subprocess.Popen[str], port: int = 0) -> tuple[int, int]:
    """A server in a process of its own, once it listens: process and port."""
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(f"{port}\n")
    parent.stdin.flush()
    child, word, address = parent.stdout.readline().split()
    assert word == "survey:"
    parent.stdout.readline()  # where the results are
    return int(child), int(address.rstrip("/").rpartition(":")[2])


def test_no_acknowledged_answer_is_lost(folder: Path, browser_at) -> None:
    command = [sys.executable, "-c", CODE, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        given = killed_in_mid_run(parent, browser_at)
    store = Store(load_study(folder))
    tokens = {rater.token: rater.number for rater in store.raters()}
    stored = {(each.rater, each.question): each.place + 1 for each in store.answers()}
    store.close()
    for token, acknowledged in given.items():
        assert all(stored[tokens[token], name] == place for name, place in acknowledged)
    assert len(stored) == 4 * RATERS  # what was sent and not acknowledged was asked, or counted, once


def killed_in_mid_run(parent: subprocess.Popen[str], browser_at) -> dict[str, list[tuple[str, int]]]:
    """Let everybody answer, kill the server, start another, let everybody finish: what was acknowledged, by token."""
    child, port = start(parent)
    browsers = [browser_at(port) for _ in range(RATERS)]
    acknowledged: list[list[tuple[str, int]]] = [[] for _ in range(RATERS)]
    enough = threading.Event()

    def walk(number: int) -> None:
        browser = browsers[number]
        with suppress(OSError, http.client.HTTPException):
            page = browser.begin()  # who has begun stays who it is
            while "Thank you" not in page:
                time.sleep(0.1)  # so that the server is killed before everybody is through
                name = browser.asked(page)
                if browser.post("/answer", question=name, place=2)[0] == 303:
                    acknowledged[number].append((name, 2))
                if sum(map(len, acknowledged)) >= RATERS:
                    enough.set()
                page = browser.get("/question")

    def everybody() -> list[threading.Thread]:
        threads = [threading.Thread(target=walk, args=(number,)) for number in range(RATERS)]
        for thread in threads:
            thread.start()
        return threads

    threads = everybody()
    try:
        assert enough.wait(60)
    finally:
        os.kill(child, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert RATERS <= sum(map(len, acknowledged)) < 4 * RATERS  # in the middle
    child, _ = start(parent, port)
    try:
        for thread in everybody():
            thread.join()
        assert all("Thank you" in browser.get("/question") for browser in browsers)
    finally:
        os.kill(child, signal.SIGKILL)
    return {browser.cookie.partition("=")[2]: given for browser, given in zip(browsers, acknowledged)}
