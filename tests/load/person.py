"""One person at the site, by HTTP as a browser would: logs in by the form, reads pages, sends the forms they hold."""

import html
import random
import re
import time
import uuid
from http.cookiejar import Cookie
from typing import Any
from urllib.parse import urljoin

import requests
from requests.cookies import RequestsCookieJar

from tests.load.journal import DONE, REFUSED, UNKNOWN, Answer, Journal, Told, now

PASSWORD = "a-long-enough-phrase-for-the-soak"
TRIES = 60  # a second apart: longer than a restart takes
GROUP_PAGE = re.compile(r"/duplicateanalysisgroup/(\d+)/")
SAVED = "What you sent was saved"
_NOT_SAVED = ("Not saved", "Nothing was done", "Not undone yet", "was not saved")


class OpenJar(RequestsCookieJar):
    """Keeps cookies that are for https only and sends them by http: the proxy that would speak https is left out."""

    def set_cookie(self, cookie: Cookie, *args: Any, **kwargs: Any) -> Any:
        cookie.secure = False
        return super().set_cookie(cookie, *args, **kwargs)


class Person:
    """A session of one person."""

    def __init__(self, name: str, address: str, journal: Journal, number: int) -> None:
        self.name, self.address, self.journal = name, address, journal
        self.draw = random.Random(number)
        self.session = requests.Session()
        self.session.cookies = OpenJar()
        secure = address.replace("http://", "https://")
        # As nginx does: gunicorn closes idle connections after 2 s, and one may be used in that very moment.
        self.session.headers["Connection"] = "close"
        self.session.headers["X-Forwarded-Proto"] = "https"
        self.session.headers["X-Forwarded-For"] = f"10.8.{number // 250}.{number % 250 + 1}"
        self.session.headers["Referer"] = f"{secure}/admin/"

    def ask(self, kind: str, path: str, method: str = "GET", **what: Any) -> requests.Response | None:
        """Send one request and note how long it took; None where the connection broke."""
        began = now()
        try:
            answer = self._send(method, urljoin(self.address, path), **what)
        except requests.RequestException:
            self.journal.answers.append(Answer(kind, 0, now() - began, now(), path))
            return None
        self.journal.answers.append(Answer(kind, answer.status_code, now() - began, now(), path))
        return answer

    def _send(self, method: str, address: str, **what: Any) -> requests.Response:
        """Send a request on a connection of its own, and one more for each place a page sends on to.

        A server may close a connection without a word, just as the next request takes it.
        """
        answer = self.session.request(method, address, timeout=90, allow_redirects=False, **what)
        self.session.close()
        while method == "GET" and answer.next is not None:
            answer = self.session.send(answer.next, timeout=90, allow_redirects=False)
            self.session.close()
        return answer

    def visit(self, kind: str, path: str) -> requests.Response | None:
        """Open a page there is a link to; a refusal is a broken promise, and quick to be given."""
        answer = self.ask(kind, path)
        if answer is not None and 400 <= answer.status_code < 500:
            self.journal.broken.append(f"{self.name} got {answer.status_code} for {path}")
        return answer

    def read(self, kind: str, path: str) -> str:
        """Return a page, asking again while there is no good answer; empty if that never comes."""
        for _ in range(TRIES):
            answer = self.ask(kind, path)
            if answer is not None and answer.status_code < 500:
                return answer.text
            time.sleep(1)
        return ""

    def log_in(self) -> bool:
        """Log in by the form, as everybody does."""
        for _ in range(TRIES):
            token = _hidden(self.read("log-in form", "/admin/login/"), "csrfmiddlewaretoken")
            form = {"csrfmiddlewaretoken": token, "username": self.name, "password": PASSWORD, "next": "/admin/"}
            answer = self.ask("log-in", "/admin/login/", "POST", data=form)
            if answer is not None and answer.status_code < 500:
                return answer.status_code == 302
            time.sleep(1)
        return False

    def api(
        self, kind: str, path: str, method: str = "POST", *, tries: int = TRIES, **what: Any
    ) -> requests.Response | None:
        """Ask the API until it answers; a POST repeats itself under one key, so that it is done once."""
        key = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}
        for _ in range(tries):
            headers = {"X-CSRFToken": self.session.cookies.get("csrftoken") or "", **key}
            answer = self.ask(kind, f"/api/v1/{path}", method, headers=headers, **what)
            if answer is not None and answer.status_code < 500:
                return answer
            time.sleep(1)
        return None

    def decide(self, page: str, verb: str, *, is_undo: bool = False) -> str:
        """Send the form of a group's page with a verb, note what was told, and return the page that follows."""
        form = _form(page, 'class="last-decision"' if is_undo else 'id="decision"')
        path = html.unescape(re.search(r'action="([^"]+)"', form)[1])  # type: ignore[index]
        fields: dict[str, Any] = {name: _hidden(form, name) for name in ("csrfmiddlewaretoken", "version", "keeper")}
        group = int(GROUP_PAGE.search(path)[1])  # type: ignore[index]
        answer = self.ask("decision", path, "POST", data=fields | {"verb": verb, "removing": _ticked(page)})
        at, following = now(), ""
        if answer is None or (answer.status_code >= 500 and answer.status_code != 503):
            outcome = UNKNOWN
        elif SAVED in answer.text:
            outcome = DONE
        elif answer.status_code != 302:
            outcome = REFUSED
        else:
            following = self.read("page of a group", answer.headers["Location"])
            outcome = told_by(following)
        self.journal.told.append(Told(self.name, verb.partition(":")[0], group, outcome, at))
        return following


def told_by(page: str) -> str:
    """Read from the page behind a decision what it says of it."""
    if not page:
        return UNKNOWN
    said = re.findall(r'<li class="(?:warning|error)[^"]*">(.*?)</li>', page, re.DOTALL)
    is_refused = any(words in one for one in said for words in _NOT_SAVED) or "Not undone yet." in page
    return REFUSED if is_refused else DONE


def last_verb(page: str) -> str:
    """Return the verb that takes the last decision back, where the page offers it."""
    found = re.search(r'name="verb" value="([^"]+)"', _form(page, 'class="last-decision"'))
    return found[1] if found else ""


def verbs_of(page: str) -> list[str]:
    """Return what the page of a group lets this person do."""
    buttons = re.findall(r'<button[^>]*form="decision"[^>]*>', page)
    able = [one for one in buttons if " disabled" not in one]
    return [found[1] for one in able if (found := re.search(r'name="verb" value="([^"]+)"', one))]


def groups_in(page: str) -> list[str]:
    """Return the addresses of the groups a list shows."""
    links = re.findall(r'href="([^"]*/duplicateanalysisgroup/\d+/change/[^"]*)"', page)
    return sorted({html.unescape(one) for one in links})


def _form(page: str, mark: str) -> str:
    found = re.search(rf"<form[^>]*{mark}.*?</form>", page, re.DOTALL)
    return found[0] if found else ""


def _hidden(form: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', form)
    return html.unescape(found[1]) if found else ""


def _ticked(page: str) -> list[str]:
    return re.findall(r'name="removing" value="(\d+)" form="decision" checked', page)
