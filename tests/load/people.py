"""What people do all day: reviewers read and decide, a curator starts analyses, exports and imports."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.load.journal import now
from tests.load.person import TRIES, Person, groups_in, last_verb, verbs_of

LIST = "/admin/duplicates/duplicateanalysisgroup/"
GROUPS_IN_A_ROW = 6
ROWS_A_PAGE = 100
# Reads beside the queue, and how often of a hundred times: every page that reviewers have a link to.
ASIDE = {
    "overview": (6, "/admin/"),
    "go on reviewing": (2, LIST + "review/"),
    "search": (7, LIST + "?analysis={analysis}&q={word}"),
    "analyses": (4, "/admin/duplicates/duplicateanalysisresult/"),
    "page of an analysis": (4, "/admin/duplicates/duplicateanalysisresult/{analysis}/change/"),
    "tracks": (3, "/admin/library/track/?q={word}"),
    "page of a track": (2, "/admin/library/track/{track}/change/"),
    "any pair": (1, LIST + "pair/?left={track}&right=1"),
    "audit trail": (3, "/admin/duplicates/auditrecord/"),
    "history of clean-up": (2, "/admin/duplicates/auditrecord/history/"),
    "decisions": (2, "/admin/duplicates/notduplicate/"),
    "quarantine": (2, "/admin/duplicates/cleanupaction/"),
    "plans": (1, "/admin/duplicates/cleanupplan/"),
    "exports": (1, "/admin/duplicates/duplicateanalysisexport/"),
    "measured precision": (1, "/admin/duplicates/precisionsample/"),
    "preferences": (1, "/admin/duplicates/duplicatepreferences/"),
    "playlists": (1, "/admin/library/playlist/"),
}
WORDS = ("ba", "ki", "lo", "man", "sil", "tu")


@dataclass(frozen=True)
class Shift:
    """How long people work, on which analysis of how many tracks, and how long they think."""

    analysis: str
    groups: int
    tracks: int
    ends_at: float
    pause: tuple[float, float] = (3.0, 10.0)

    def is_over(self) -> bool:
        return now() >= self.ends_at

    def think(self, person: Person) -> None:
        time.sleep(max(0.0, min(person.draw.uniform(*self.pause), self.ends_at - now())))


def review(person: Person, shift: Shift) -> None:
    """Come in, not all in the same second, and read and decide until the shift is over."""
    shift.think(person)
    if not person.log_in():
        person.journal.broken.append(f"{person.name} could not log in")
        return
    while not shift.is_over():
        if not _read_aside(person, shift):
            _go_through_a_queue(person, shift)
        shift.think(person)


def _read_aside(person: Person, shift: Shift) -> bool:
    chance = person.draw.uniform(0, 100)
    for kind, (often, path) in ASIDE.items():
        chance -= often
        if chance < 0:
            track = person.draw.randint(1, shift.tracks)
            person.visit(kind, path.format(analysis=shift.analysis, word=person.draw.choice(WORDS), track=track))
            return True
    return False


def _go_through_a_queue(person: Person, shift: Shift) -> None:
    """Open a list of open groups, choose one, decide, and go on to where that leads."""
    at = person.draw.randint(1, max(1, shift.groups // ROWS_A_PAGE // 2))
    listed = person.visit("list of groups", f"{LIST}?analysis={shift.analysis}&decision=open&p={at}")
    groups = groups_in(listed.text) if listed is not None else []
    if not groups:
        return
    shift.think(person)
    answer = person.visit("page of a group", person.draw.choice(groups))
    page = answer.text if answer is not None and answer.status_code == 200 else ""
    for _ in range(GROUPS_IN_A_ROW):
        if not page or shift.is_over():
            return
        shift.think(person)
        page = _decide_something(person, page)


def _decide_something(person: Person, page: str) -> str:
    """Take one step on the page of a group: mostly remove the others, sometimes something else, sometimes undo."""
    if (back := last_verb(page)) and person.draw.random() < 0.15:
        return person.decide(page, back, is_undo=True)
    verbs = verbs_of(page)
    keeping = [verb for verb in verbs if verb.startswith("keep:")]
    usual = [verb for verb in ("remove", "remove", "remove", "not_duplicates", "later") if verb in verbs]
    if not usual:
        return ""
    if keeping and person.draw.random() < 0.2:
        page = person.decide(page, person.draw.choice(keeping))
        usual = ["remove"] if "remove" in verbs_of(page) else []
    return person.decide(page, person.draw.choice(usual)) if usual else ""


# --- The curator ------------------------------------------------------------------------------------------------------

WISHES = (
    {"preset": "release"},
    {"preset": "song"},
    {"preset": "exact"},
    {"preset": "recording", "min_confidence": 0.9},
    {"preset": "recording", "keep_explicit_apart": True},
)


def start_analysis(person: Person, number: int, started: list[str]) -> None:
    """Start an analysis and follow it to its end."""
    answer = person.api("start (API)", "analyses/", json={**WISHES[number % len(WISHES)], "force": True})
    if answer is None or answer.status_code != 201:
        person.journal.broken.append(f"analysis {number} was not started: {answer and answer.text}")
        return
    started.append(answer.json()["analysis_id"])
    _follow(person, f"analyses/{started[-1]}/progress/", lambda row: row["status"] in ("completed", "failed"))


def export(person: Person, analysis: str, number: int, *, may_fail: bool = False) -> bool:
    """Ask for an export, fetch it and compare its digest. Says whether it came."""
    wish = {"analysis": analysis, "format": ("csv", "json", "jsonl")[number % 3], "is_compressed": number % 2 == 1}
    answer = person.api("export (API)", "exports/", tries=1 if may_fail else TRIES, json=wish)
    if answer is None or answer.status_code != 201:
        return _failed(person, f"export {number}", answer and answer.text, may_fail)
    row = answer.json()
    done = _follow(person, f"exports/{row['id']}/", lambda one: one["download_url"] or one["status"] == "failed")
    if not done or not done["download_url"]:
        return _failed(person, f"export {number}", done and done["error_message"], may_fail)
    file = person.api("download (API)", f"exports/{row['id']}/download/", "GET")
    if file is None or hashlib.sha256(file.content).hexdigest() != done["sha256"]:
        return _failed(person, f"the file of export {number}", "it is not what was promised", may_fail)
    return True


def send_import(person: Person, name: str, content: bytes, *, may_fail: bool = False) -> bool:
    """Send a file and wait until it is imported. Says whether it was."""
    wish = {"source": name, "id_column": "id"}
    file = {"file": (f"{name}.csv", content)}
    answer = person.api("import (API)", "imports/", tries=1 if may_fail else TRIES, files=file, data=wish)
    if answer is None or answer.status_code not in (201, 202):
        return _failed(person, name, answer and answer.text, may_fail)
    path = f"imports/{answer.json()['id']}/progress/"
    row = _follow(person, path, lambda one: one["status"] not in ("queued", "reading", "applying"))
    if not row or row["status"] != "completed":
        return _failed(person, name, row, may_fail)
    return True


def _failed(person: Person, what: str, said: object, may_fail: bool) -> bool:
    if not may_fail:
        person.journal.broken.append(f"{what}: {str(said)[:300]}")
    return False


def _follow(person: Person, path: str, is_over: Callable[[dict], object]) -> dict | None:
    """Ask every second how far something is."""
    for _ in range(240):
        answer = person.api("progress (API)", path, "GET")
        if answer is None or answer.status_code != 200:
            return None
        if is_over(answer.json()):
            return dict(answer.json())
        time.sleep(1)
    return None
