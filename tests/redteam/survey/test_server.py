"""The survey over HTTP: a whole walk, going on after anything, and everything that is refused."""

import re
import threading
from collections import Counter

import pytest

from spikewright.core.errors import ArgumentError
from spikewright.redteam.survey import SurveyServer, results
from spikewright.redteam.survey.pages import POLICY


def test_a_whole_walk(server, browser) -> None:
    first = browser.get("/")
    assert "What &lt;is&gt; it?" in first
    assert "trained to" in first
    assert "4 questions" in first
    assert browser.post("/start")[1]["location"] == "/practice?new"
    page = browser.get("/practice")
    assert len(browser.shown(page)) == 8
    assert page.count("<li>") == 10
    made = server.study.practice
    place = browser.shown(page).index(f"/picture/{server.study.address(made.options[made.truth])}.png") + 1
    status, headers, _ = browser.post("/practice", place=place)
    assert (status, headers["location"]) == (303, f"/practised?place={place}")
    assert "That is right." in browser.get(headers["location"])
    assert f"it was option {place}." in browser.get(f"/practised?place={place % 8 + 1}")
    seen = []
    for number in range(1, 5):
        page = browser.get("/question")
        assert f"Question {number} of 4" in page
        seen.append(browser.asked(page))
        assert browser.post("/answer", question=seen[-1], place=browser.right(server.study, page))[0] == 303
    assert len(set(seen)) == 4
    assert "Thank you!" in browser.get("/question")
    assert "Continue where you stopped" in browser.get("/")
    by_method, by_trojan, who = results(server.study.folder)
    assert dict(who.rows) == {
        "began": 1, "gave an answer": 1, "finished": 1, "failed an attention check": 0, "answers": 4,
    }  # fmt: skip
    assert by_method.rows[0][:6] == ("method0", "trojaned", 3, 1, 3, 1.0)
    assert by_trojan.column("right")[:3] == (1.0, 1.0, 1.0)
    assert by_trojan.column("raters") == (1, 1, 1, *[0] * 9)


def test_nothing_tells_the_truth_before_it_is_answered(server, browser) -> None:
    """Names, files, methods and truth stay on the server; the place of the truth differs from rater to rater."""
    page = browser.begin()
    everything = browser.get("/") + browser.get("/practice") + page
    study = server.study
    files = {name for each in study.questions for name in (*each.options, *each.gallery)}
    assert not [
        word for word in (*files, "secret", "method0", "method1", "twin", "truth", "drawn") if word in everything
    ]


def test_the_truth_stands_at_every_place_alike(server) -> None:
    from spikewright.redteam.survey.order import options_for, questions_for

    (made,) = [each for each in server.study.questions if each.id == "q001"]
    places = Counter(options_for(server.study, rater, made).index(made.truth) for rater in range(800))
    assert all(60 < places[place] < 140 for place in range(8))  # property 24
    orders = {tuple(each.id for each in questions_for(server.study, rater, made.condition)) for rater in range(50)}
    assert len(orders) > 5
    assert all(order[0] != "q013" for order in orders)


def test_an_answer_counts_once_and_stays(server, browser) -> None:
    name = browser.asked(browser.begin())
    for place in (3, 3, 5):
        assert browser.post("/answer", question=name, place=place)[1]["location"] == "/question"
    (answer,) = server.store.answers()
    assert answer.place == 2
    assert answer.seconds is not None


def test_a_reload_and_another_browser_go_on_where_it_stopped(server, browser, new_browser) -> None:
    page = browser.begin()
    assert browser.get("/question") == page
    browser.post("/answer", question=browser.asked(page), place=1)
    page = browser.get("/question")
    link = re.search(r'href="(/resume/[\w-]+)"', page)
    assert link
    other = new_browser()
    assert other.get("/question").count("Begin with a practice question") == 1
    assert other.ask("GET", link[1])[1]["location"] == "/question"
    assert other.get("/question") == page
    assert new_browser().ask("GET", "/resume/guessed")[0] == 404


def test_raters_are_divided_evenly(server, new_browser) -> None:
    for _ in range(9):
        new_browser().post("/start")
    count = Counter(rater.condition for rater in server.store.raters())
    assert sorted(count.values()) == [2, 2, 2, 3]


def test_without_a_choice_the_question_is_asked_again(browser) -> None:
    page = browser.begin()
    status, _, content = browser.post("/answer", question=browser.asked(page))
    assert status == 422
    assert b'role="alert">Please choose one of the options first.' in content
    assert browser.asked(content.decode()) == browser.asked(page)


def test_without_cookies_it_says_so(browser) -> None:
    browser.post("/start")
    browser.cookie = ""
    assert "keeps no cookies" in browser.get("/practice?new")
    assert browser.get("/question").count("Begin with") == 1


@pytest.mark.parametrize(
    "path",
    ["/../study.json", "/picture/../study.json", "/picture/..%2fstudy.json.png", "/picture/answers.sqlite", "/study.json",
     "//etc/passwd", "/picture/%00.png", "/results", "/results?key=", "/results.csv?key=wrong", "/nothing", "/picture/"],
)  # fmt: skip
def test_no_address_reaches_a_file(browser, path) -> None:
    status, _, content = browser.ask("GET", path)
    assert status in (400, 404)
    assert b"truth" not in content


def test_pictures_are_served_under_names_that_tell_nothing(server, browser) -> None:
    address = browser.shown(browser.begin())[0]
    status, headers, content = browser.ask("GET", address)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert content in server.study.pictures.values()
    assert headers["x-content-type-options"] == "nosniff"


def test_every_page_may_load_nothing_from_outside(server, browser) -> None:
    browser.begin()
    for path in ("/", "/practice", "/question", "/nothing", f"/results?key={server.store.key}"):
        _, headers, content = browser.ask("GET", path)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy or path.startswith("/results")
        assert b"http://" not in content
    assert "script-src 'sha256-" in POLICY


FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (413, "x=" + "y" * 5000, FORM),
        (413, "x=" + "y" * 200_000, FORM),
        (415, '{"question": "q001"}', {"Content_Type": "application/json"}),
        (415, "question=q001", {}),
        (403, "question=q001", FORM | {"Origin": "http://elsewhere.example"}),
        (403, "question=q001", FORM | {"Origin": "null"}),
        (403, "question=q001", FORM | {"Sec_Fetch_Site": "cross-site"}),
        (400, "question=q001&place=99", FORM),
        (400, "question=q001&place=1e0", FORM),
        (400, "question=nothing&place=1", FORM),
        (400, "no form", FORM),
        (400, b"question=\xff", FORM),
        (400, "&".join(f"a{i}=1" for i in range(20)), FORM),
        (421, "question=q001", FORM | {"Host": "rebound.example"}),
    ],
)
def test_forms_that_are_refused(server, browser, status, body, headers) -> None:
    browser.begin()
    try:
        found = browser.ask("POST", "/answer", body, **headers)[0]
    except (ConnectionError, BrokenPipeError):
        found = 413  # so long that the connection was closed before all of it was sent
    assert found == status
    assert server.store.answers() == ()


def test_a_form_without_a_length_or_cut_off_is_refused(server, browser) -> None:
    import socket

    head = "POST /answer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    for rest, status in (("\r\n", b"411"), ("Content-Length: 30\r\n\r\nquestion=q001", b"400")):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as made:
            made.sendall((head + rest).encode())
            made.shutdown(socket.SHUT_WR)
            assert made.recv(4096).split(b" ", 2)[1] == status


def test_questions_of_another_condition_are_not_ones_own(server, browser) -> None:
    mine = browser.asked(browser.begin())
    (me,) = server.store.raters()
    other = next(each for each in server.study.questions if each.condition != me.condition and not each.attention)
    assert browser.post("/answer", question=other.id, place=1)[0] == 400
    assert browser.post("/answer", question=mine, place=1)[0] == 303


def test_many_raters_at_once_lose_nothing(server, new_browser) -> None:
    given: list[dict[str, int]] = [{} for _ in range(20)]

    def walk(number: int) -> None:
        browser = new_browser()
        page = browser.begin()
        while "Thank you" not in page:
            name, place = browser.asked(page), 1 + (number + len(given[number])) % 8
            if browser.post("/answer", question=name, place=place)[0] == 303:
                given[number][name] = place
            page = browser.get("/question")

    threads = [threading.Thread(target=walk, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored: dict[int, dict[str, int]] = {}
    for each in server.store.answers():
        stored.setdefault(each.rater, {})[each.question] = each.place + 1
    assert sorted(map(sorted, (each.items() for each in stored.values()))) == sorted(
        map(sorted, (each.items() for each in given))
    )
    assert sum(map(len, given)) == 80


def test_results_open_with_the_key_only(server, browser) -> None:
    browser.begin()
    status, _, content = browser.ask("GET", f"/results?key={server.store.key}")
    assert status == 200
    assert b"Answers by trojan" in content
    status, headers, content = browser.ask("GET", f"/results.csv?key={server.store.key}")
    assert headers["content-type"].startswith("text/csv")
    assert content.startswith(b"rater,attentive,question,")
    assert server.results_address.endswith(f":{server.server_port}/results?key={server.store.key}")


def test_an_answer_that_cannot_be_stored_is_not_acknowledged(server, browser, monkeypatch) -> None:
    import sqlite3

    name = browser.asked(browser.begin())

    def full(*args: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(server.store, "answer", full)
    status, _, content = browser.post("/answer", question=name, place=1)
    assert status == 503
    assert b"could not be stored" in content


def test_a_port_in_use_is_a_clear_sentence(server, folder) -> None:
    with pytest.raises(ArgumentError, match=r"survey: got 127.0.0.1 port \d+, which cannot be used"):
        SurveyServer(folder, port=server.server_port)
    with pytest.raises(ArgumentError, match="a free port"):
        SurveyServer(folder, "no.such.host.invalid", 0)
