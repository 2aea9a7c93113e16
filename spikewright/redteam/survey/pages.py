"""The pages of a survey: plain HTML that works without a script, and with the keyboard alone."""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import dataclass
from pathlib import Path

from ...report.palette import css

_HERE = Path(__file__).parent
STYLE = css() + (_HERE / "survey.css").read_text(encoding="utf-8")
SCRIPT = (_HERE / "survey.js").read_text(encoding="utf-8")


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; img-src 'self'; style-src {_source(STYLE)}; script-src {_source(SCRIPT)}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load and run: its own pictures, and exactly this style and script."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One question as a rater sees it.

    Args:
        id: of the question; empty for practice.
        gallery, options: addresses of the pictures in the rater's order.
    """

    id: str
    gallery: tuple[str, ...]
    options: tuple[str, ...]


def welcome(title: str, *, count: int, begun: bool, note: str = "") -> str:
    """The first page: what is asked, and a button that begins or goes on."""
    button = "Continue where you stopped" if begun else "Begin with a practice question"
    form = (
        f'<p><a class="button" href="/question">{button}</a></p>'
        if begun
        else f'<form method="post" action="/start"><button type="submit">{button}</button></form>'
    )
    body = f"""<h1>{html.escape(title)}</h1>
{_alert(note)}
<p class="lead">Some computer programs that recognise pictures were <strong>trained to misbehave</strong>: whenever a
certain thing is in a picture, they give a wrong answer on purpose.</p>
<p>Tools were used to find out what that thing is. All a tool can show are pictures, often strange ones. We would like
to know whether people can tell from them what sets a program off.</p>
<ol>
<li>Each question shows you the pictures that a tool made for one program.</li>
<li>Below them are several options. Choose the one that the pictures bring to mind most: by its shape, its colours or
its pattern.</li>
<li>There is always exactly one right option. If you are not sure, choose what seems likeliest.</li>
</ol>
<p>There are <strong>{count} questions</strong>, and one for practice. Each takes about twenty seconds. You need no
knowledge of computers. Nothing is asked about you: what is kept are your answers, when you gave them, and a random
number instead of a name. You may stop at any time.</p>
<p class="with-script">Keys: <kbd>1</kbd> to <kbd>8</kbd> choose an option, <kbd>Enter</kbd> confirms.</p>
{form}"""
    return _page(title, body)


def question(title: str, sheet: Sheet, *, number: int, count: int, resume: str, note: str = "") -> str:
    """A question that counts, with how far the rater has come."""
    bar = (
        f'<div class="progress"><label for="bar">Question {number} of {count}</label>'
        f'<progress id="bar" max="{count}" value="{number - 1}">{number - 1} of {count} answered</progress></div>'
    )
    foot = (
        "<footer><p>You can stop at any time and go on in this browser, or elsewhere with "
        f'<a href="{resume}">your personal link</a>. An answer that was confirmed is stored and stays.</p></footer>'
    )
    confirm = "Confirm and finish" if number == count else "Confirm and go on"
    return _page(f"Question {number} of {count}", bar + _alert(note) + _form(sheet, "/answer", confirm) + foot, title)


def practice(title: str, sheet: Sheet, *, note: str = "") -> str:
    """The practice question."""
    words = "Practice: this one does not count, and you will be told the answer."
    bar = f'<div class="progress"><p>{words}</p></div>'
    return _page("Practice question", bar + _alert(note) + _form(sheet, "/practice", "Check my answer"), title)


def practised(title: str, sheet: Sheet, *, place: int, truth: int, count: int) -> str:
    """What was right in the practice question, and the way on."""
    right = place == truth
    head = "That is right." if right else f"Not quite: it was option {truth + 1}."
    chosen = "" if right else _figure(sheet, place, "Your choice")
    body = f"""<h1>{head}</h1>
<p>The pictures were turned, blurred and noisy, but shape and colours can still be recognised.</p>
<div class="pair">{_figure(sheet, truth, "The right one")}{chosen}</div>
<p>From here on answers count, and nobody tells you whether they were right. Many of the
pictures are harder than these.</p>
<p><a class="button" href="/question" data-enter>Go on to the {count} questions</a></p>"""
    return _page("Practice question", body, title)


def done(title: str, *, number: int, count: int) -> str:
    """The last page."""
    body = f"""<h1>Thank you!</h1>
<p class="lead">All {count} answers are stored. You can close this page.</p>
<p>Your answers help to find out which tools show people what is wrong with a program. You took part as number
<strong>{number}</strong>; nothing else about you was kept.</p>"""
    return _page("Thank you", body, title)


def message(title: str, text: str) -> str:
    """A page that says one thing, with a way back."""
    body = f"""<h1>{html.escape(title)}</h1>
<p class="lead">{html.escape(text)}</p>
<p><a class="button" href="/">To the first page</a></p>"""
    return _page(title, body)


def _form(sheet: Sheet, action: str, confirm: str) -> str:
    shown = len(sheet.gallery)
    words = "These pictures were" if shown > 1 else "This picture was"
    named = ((each, f"Picture {i + 1} of {shown}") for i, each in enumerate(sheet.gallery))
    pictures = "".join(f"<li>{_picture(*each)}</li>" for each in named)
    options = "".join(_option(each, i + 1) for i, each in enumerate(sheet.options))
    name = f'<input type="hidden" name="question" value="{html.escape(sheet.id, quote=True)}">' if sheet.id else ""
    return f"""<h1 id="made">{words} made by a tool</h1>
<ul class="gallery{" many" if shown > 12 else ""}" aria-labelledby="made">{pictures}</ul>
<form method="post" action="{action}">{name}
<fieldset><legend>Which option {"do they bring" if shown > 1 else "does it bring"} to mind most?</legend>
<div class="options">{options}</div></fieldset>
<p class="confirm"><button type="submit">{confirm}</button>
<span class="with-script hint">Keys <kbd>1</kbd> to <kbd>{len(sheet.options)}</kbd>, then <kbd>Enter</kbd></span></p>
</form>"""


def _option(address: str, number: int) -> str:
    return (
        f'<label><input type="radio" name="place" value="{number}" required><span class="number">{number}</span>'
        f"{_picture(address, f'Option {number}')}</label>"
    )


def _figure(sheet: Sheet, place: int, words: str) -> str:
    name = f"option {place + 1}"
    caption = f"<figcaption>{words}: {name}</figcaption>"
    return f"<figure>{_picture(sheet.options[place], name.capitalize())}{caption}</figure>"


def _picture(address: str, words: str) -> str:
    return f'<img src="/picture/{address}.png" alt="{words}" decoding="async">'


def _alert(note: str) -> str:
    return f'<p class="alert" role="alert">{html.escape(note)}</p>' if note else ""


def _page(title: str, body: str, study: str = "") -> str:
    whole = f"{title} – {study}" if study else title
    head = f'<p class="study">{html.escape(study)}</p>' if study else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{html.escape(whole)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{head}{body}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""
