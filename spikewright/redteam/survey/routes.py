"""What each address of a survey does; there are no others, and none of them reaches a file."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from . import pages
from .exchange import Exchange, RefusedError
from .order import gallery_for, options_for, questions_for
from .results import answers_csv, results_page
from .store import Rater, Store
from .study import Study, StudyQuestion

if TYPE_CHECKING:
    from .server import SurveyServer

_COOKIE = "rater"
_RESULTS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
_CHOOSE = "Please choose one of the options first."


class Routes(Exchange):
    """The pages of one study, for one request after another."""

    @property
    def survey(self) -> SurveyServer:
        """The server, with the study and its answers."""
        found: SurveyServer = self.server  # type: ignore[assignment]
        return found

    @property
    def study(self) -> Study:
        """What is asked."""
        return self.survey.study

    @property
    def store(self) -> Store:
        """The answers."""
        return self.survey.store

    def knows(self, host: str) -> bool:
        """Whether the survey is reached under this name."""
        return self.survey.knows(host)

    def get(self) -> None:
        path, query = self.target()
        if path.startswith("/picture/"):
            self._picture(path)
        elif path == "/":
            rater = self._rater()
            study = self.study
            count = len(study.of(rater.condition if rater else study.conditions[0]))
            note = "Your browser keeps no cookies; please allow them for this page." if "cookie" in query else ""
            self.send(pages.welcome(study.title, count=count, begun=rater is not None, note=note))
        elif path == "/favicon.ico":
            self.send("", HTTPStatus.NO_CONTENT, cache="max-age=86400")
        elif path.startswith("/resume/"):
            self._resume(path.removeprefix("/resume/"))
        elif path in ("/results", "/results.csv"):
            self._results(path, query)
        elif path in ("/practice", "/practised", "/question", "/done"):
            self._pages(path, query)
        else:
            raise RefusedError(HTTPStatus.NOT_FOUND, "There is nothing under this address.")

    def _pages(self, path: str, query: dict[str, str]) -> None:
        rater = self._rater()
        if rater is None:
            self.go("/?cookie" if "new" in query else "/")
        elif path == "/practice":
            self.send(pages.practice(self.study.title, self._sheet(rater, self.study.practice)))
        elif path == "/practised":
            self._practised(rater, query)
        else:
            self._next(rater, path)

    def post(self) -> None:
        path, _ = self.target()
        form = self.form()
        if path == "/start":
            rater = self._rater() or self.store.join()
            self.go("/practice?new", **_kept(rater.token))
        elif path == "/practice":
            self._practice(form)
        elif path == "/answer":
            self._take(form)
        else:
            raise RefusedError(HTTPStatus.NOT_FOUND, "There is nothing under this address.")

    def _next(self, rater: Rater, path: str, note: str = "", status: HTTPStatus = HTTPStatus.OK) -> None:
        """The question whose turn it is, or what comes before and after all of them."""
        study, store = self.study, self.store
        if not rater.practised:
            return self.go("/practice")
        ordered, known = questions_for(study, rater.number, rater.condition), store.answered(rater)
        open_ones = [each for each in ordered if each.id not in known]
        if bool(open_ones) == (path == "/done"):
            return self.go("/question" if open_ones else "/done")
        if not open_ones:
            return self.send(pages.done(study.title, number=rater.number, count=len(ordered)))
        store.show(rater, open_ones[0].id)
        number = len(ordered) - len(open_ones) + 1
        resume, sheet = f"/resume/{rater.token}", self._sheet(rater, open_ones[0])
        page = pages.question(study.title, sheet, number=number, count=len(ordered), resume=resume, note=note)
        return self.send(page, status)

    def _take(self, form: dict[str, str]) -> None:
        """Store an answer; only what is on the disk is acknowledged."""
        rater, study = self._rater(), self.study
        if rater is None:
            return self.go("/")
        question = next((each for each in study.of(rater.condition) if each.id == form.get("question")), None)
        if question is None or not rater.practised:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "This question is not yours to answer.")
        place = self._place(form, question)
        if place is None:
            return self._next(rater, "/question", _CHOOSE, HTTPStatus.UNPROCESSABLE_ENTITY)
        choice = options_for(study, rater.number, question)[place]
        self.store.answer(rater, question.id, choice, place)
        return self.go("/question")

    def _practice(self, form: dict[str, str]) -> None:
        rater, study = self._rater(), self.study
        if rater is None:
            return self.go("/")
        place = self._place(form, study.practice)
        if place is None:
            page = pages.practice(study.title, self._sheet(rater, study.practice), note=_CHOOSE)
            return self.send(page, HTTPStatus.UNPROCESSABLE_ENTITY)
        self.store.practised(rater)
        return self.go(f"/practised?place={place + 1}")

    def _practised(self, rater: Rater, query: dict[str, str]) -> None:
        study = self.study
        place = self._place(query, study.practice)
        if place is None or not rater.practised:
            return self.go("/practice")
        truth = options_for(study, rater.number, study.practice).index(study.practice.truth)
        sheet, count = self._sheet(rater, study.practice), len(study.of(rater.condition))
        return self.send(pages.practised(study.title, sheet, place=place, truth=truth, count=count))

    def _place(self, form: dict[str, str], question: StudyQuestion) -> int | None:
        """The place chosen, from 0; None if there is none."""
        text = form.get("place", "")
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= len(question.options)):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "There is no such option.")
        return int(text) - 1

    def _sheet(self, rater: Rater, question: StudyQuestion) -> pages.Sheet:
        study = self.study
        gallery = gallery_for(study, rater.number, question)
        options = (question.options[i] for i in options_for(study, rater.number, question))
        name = "" if question is study.practice else question.id
        address = study.address
        return pages.Sheet(id=name, gallery=tuple(map(address, gallery)), options=tuple(map(address, options)))

    def _resume(self, token: str) -> None:
        if self.store.rater(token) is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "Nobody took part under this link.")
        self.go("/question", **_kept(token))

    def _results(self, path: str, query: dict[str, str]) -> None:
        if not hmac.compare_digest(query.get("key", "").encode(), self.store.key.encode()):
            raise RefusedError(HTTPStatus.NOT_FOUND, "There is nothing under this address.")
        study, store = self.study, self.store
        if path == "/results":
            self.send(results_page(study, store), policy=_RESULTS_POLICY)
        else:
            self.send(answers_csv(study, store), kind="text/csv; charset=utf-8")

    def _picture(self, path: str) -> None:
        content = self.survey.pictures.get(path.removeprefix("/picture/").removesuffix(".png"))
        if content is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "There is no such picture.")
        self.send(content, kind="image/png", cache="private, max-age=86400, immutable")

    def _rater(self) -> Rater | None:
        try:
            found = SimpleCookie(self.headers.get("Cookie", "")).get(_COOKIE)
        except CookieError:
            return None
        return self.store.rater(found.value) if found else None


def _kept(token: str) -> dict[str, str]:
    """The header by which a browser remembers its rater; scripts cannot read it, other sites cannot send it along."""
    return {"Set-Cookie": f"{_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000"}
