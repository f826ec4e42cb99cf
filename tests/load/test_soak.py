"""What the soak would notice, and a soak of a quarter of a minute."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from tests.duplicates.copies import copy, group_of
from tests.load.conservation import (
    _DECLARED_GROUPS,
    _PAIRS_IN_FORCE,
    Library,
    decision_problems,
    declared_problems,
    library_problems,
    result_problems,
)
from tests.load.journal import DONE, REFUSED, UNKNOWN, Answer, Journal, Told, share, slope
from tests.load.people import ASIDE, LIST
from tests.load.person import PASSWORD, Person, groups_in, last_verb, told_by, verbs_of
from tests.load.report import Outcome
from tests.load.soak import Plan, soak

BEFORE = Library({1: (3, 5, True), 2: (4, None, True), 3: (0, 2, True)}, {9: {0: 2, 1: 3}}, {}, {})
# Track 2 was removed: track 1 has its plays and its place.
AFTER = Library({1: (7, 5, True), 2: (4, None, False), 3: (0, 2, True)}, {9: {0: 1, 1: 3}}, {2: 1}, {})


class TestTheLibrary:
    def test_a_removal_that_moved_everything_is_no_loss(self) -> None:
        assert list(library_problems(BEFORE, AFTER)) == []

    @pytest.mark.parametrize(
        "after",
        [
            pytest.param(replace(AFTER, tracks=AFTER.tracks | {1: (3, 5, True)}), id="plays"),
            pytest.param(replace(AFTER, tracks=AFTER.tracks | {1: (7, None, True)}), id="rating"),
            pytest.param(replace(AFTER, tracks=AFTER.tracks | {3: (0, 2, False)}), id="removed without a merge"),
            pytest.param(replace(AFTER, places={9: {1: 3}}), id="a song of a playlist"),
            pytest.param(replace(AFTER, places={9: {0: 3, 1: 3}}), id="a place that is another's"),
            pytest.param(replace(AFTER, places={9: {0: 1}}), id="a place nobody touched"),
        ],
    )
    def test_what_was_lost_is_found(self, after: Library) -> None:
        assert list(library_problems(BEFORE, after)) != []


class TestDecisions:
    @pytest.mark.parametrize(
        ("outcome", "in_the_database", "is_right"),
        [
            pytest.param(DONE, 1, True, id="told and there"),
            pytest.param(DONE, 0, False, id="told and lost"),
            pytest.param(DONE, 2, False, id="told once and done twice"),
            pytest.param(REFUSED, 0, True, id="refused and not there"),
            pytest.param(REFUSED, 1, False, id="refused and done"),
            pytest.param(UNKNOWN, 0, True, id="answer lost, not done"),
            pytest.param(UNKNOWN, 1, True, id="answer lost, done"),
            pytest.param(UNKNOWN, 2, False, id="answer lost, done twice"),
        ],
    )
    def test_each_is_there_as_often_as_was_told(self, outcome: str, in_the_database: int, is_right: bool) -> None:
        journal = Journal(told=[Told("mara", "later", 7, outcome, 0.0)])

        kept = Counter({("mara", "later", 7): in_the_database})

        assert (list(decision_problems(journal, kept)) == []) is is_right

    def test_one_that_nobody_sent_is_found(self) -> None:
        journal = Journal(told=[Told("mara", "later", 7, DONE, 0.0)])

        assert list(decision_problems(journal, Counter({("mara", "later", 7): 1, ("mara", "remove", 8): 1}))) != []


class TestResults:
    """`House.rows` is all that is asked for: each query gets the rows that a test gives it."""

    @pytest.mark.parametrize(
        ("declared", "in_force", "many"),
        [
            pytest.param([7], [7], 0, id="both"),
            pytest.param([7], [], 1, id="decision lost"),
            pytest.param([], [7], 1, id="reopened, and still in force"),
        ],
    )
    def test_a_group_declared_different_has_its_decision(
        self, declared: list[int], in_force: list[int], many: int
    ) -> None:
        answers = {_DECLARED_GROUPS: declared, _PAIRS_IN_FORCE: in_force}
        home: Any = SimpleNamespace(rows=lambda query: [(pk,) for pk in answers[query]])

        assert len(list(declared_problems(home))) == many

    @pytest.mark.parametrize(
        ("rows", "is_whole"),
        [
            pytest.param(("a", 2, 3, 2, 5), True, id="whole"),
            pytest.param(("a", 2, 3, 1, 2), False, id="a group lost"),
            pytest.param(("a", 2, 3, 2, 6), False, id="a member twice"),
        ],
    )
    def test_an_analysis_has_what_it_says(self, rows: tuple[Any, ...], is_whole: bool) -> None:
        home: Any = SimpleNamespace(rows=lambda _query: [rows])

        assert (list(result_problems(home)) == []) is is_whole


class TestPages:
    def test_a_page_is_read_as_a_person_reads_it(self) -> None:
        page = """
            <ul class="messagelist"><li class="success">Saved.</li></ul>
            <form method="post" action="/x/7/decide/" class="last-decision"><button name="verb" value="reopen"></form>
            <button type="submit" form="decision" name="verb" value="remove" disabled>
            <button type="submit" form="decision" name="verb" value="later">"""

        assert (told_by(page), last_verb(page), verbs_of(page)) == (DONE, "reopen", ["later"])

    def test_a_refusal_is_no_success(self) -> None:
        assert told_by('<li class="warning">Not saved. Somebody was faster.</li>') == REFUSED

    def test_links_to_groups_are_found_once(self) -> None:
        link = '<a href="/admin/duplicates/duplicateanalysisgroup/7/change/?a=1&amp;b=2">'

        assert groups_in(link * 2) == ["/admin/duplicates/duplicateanalysisgroup/7/change/?a=1&b=2"]


@pytest.mark.django_db(transaction=True)
class TestAPerson:
    """The pages are the real ones, so that a changed form does not go unnoticed until the next soak."""

    @pytest.fixture
    def mara(self, live_server: Any) -> Person:
        get_user_model().objects.create_superuser("mara", password=PASSWORD)
        person = Person("mara", live_server.url, Journal(), 1)
        assert person.log_in()
        return person

    def open(self, person: Person) -> str:
        group = group_of(copy(play_count=3), copy(play_count=4))
        (link,) = groups_in(person.read("list", f"{LIST}?analysis={group.analysis_id}&decision=open"))
        return person.read("page", link)

    @pytest.mark.parametrize(
        ("verb", "way_back"), [("remove", "undo"), ("not_duplicates", "reopen"), ("later", "reopen")]
    )
    def test_decides_is_told_and_undoes(self, mara: Person, verb: str, way_back: str) -> None:
        page = self.open(mara)

        following = mara.decide(page, verb)
        mara.decide(following, last_verb(following), is_undo=True)

        assert [(one.verb, one.outcome) for one in mara.journal.told] == [(verb, DONE), (way_back, DONE)]

    @pytest.mark.parametrize("kind", ASIDE)
    def test_may_open_every_page_of_the_mix(self, mara: Person, kind: str) -> None:
        group = group_of(copy(), copy())
        path = ASIDE[kind][1].format(analysis=group.analysis_id, word="ba", track=group.keeper_track_id)

        answer = mara.visit(kind, path)

        assert answer is not None
        assert answer.status_code == 200
        assert mara.journal.broken == []

    def test_that_is_refused_is_a_broken_promise(self, mara: Person) -> None:
        mara.visit("a page that is gone", "/admin/duplicates/precisionsample/judge/999999/")

        assert len(mara.journal.broken) == 1

    def test_is_told_when_somebody_was_faster(self, mara: Person) -> None:
        page = self.open(mara)

        for verb in ("later", "not_duplicates"):
            mara.decide(page, verb)

        assert [one.outcome for one in mara.journal.told] == [DONE, REFUSED]


class TestFigures:
    def test_a_share_is_a_value_that_was_measured(self) -> None:
        assert [share(range(1, 101), percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]

    def test_a_slope_is_growth_a_unit(self) -> None:
        assert slope([(0, 10), (1, 12), (2, 14)]) == 2

    def test_only_a_missing_database_excuses_an_error(self) -> None:
        away = Answer("page", 500, 1.0, 10.5, "/")
        journal = Journal(answers=[away, replace(away, at=30.0)], windows=[(9.0, 12.0)])

        assert journal.unexcused() == [journal.answers[1]]

    def test_slow_pages_errors_and_growing_processes_break_promises(self) -> None:
        answers = [Answer("page", 500, 0.1, 1.0, "/"), Answer("page", 200, 0.9, 2.0, "/")]
        memory = [(float(at), "web", 100.0 + at, 2) for at in range(0, 600, 5)]

        outcome = Outcome(600, 500, Journal(answers=answers), memory, [], ["lost"], {})

        assert [promise.split()[0] for promise in outcome.broken()] == ["lost", "1", "pages", "web"]

    def test_pages_seldom_asked_for_are_judged_together(self) -> None:
        """Of ten requests, 95 of 100 are all of them: one slow one would be the figure of its kind."""
        often = [Answer("often", 200, 0.6, 1.0, "/")] * 100
        seldom = [Answer(f"page {n}", 200, 0.1 if n else 9.0, 1.0, "/") for n in range(40)]

        outcome = Outcome(60, 500, Journal(answers=often + seldom), [], [], [], {})

        assert outcome.broken() == ["often: 95 of 100 take 600 ms"]


@pytest.mark.slow
@pytest.mark.database
def test_a_short_day_loses_nothing(tmp_path: Path) -> None:
    """How fast it was depends on who else uses the machine, so only the figures of a quiet one are judged."""
    plan = Plan("sqlite", 30, 5, 2_000, 1_000, pause=(1.0, 3.0), most_ms=float("inf"))

    outcome = soak(plan, tmp_path)

    assert outcome.broken() == []
    assert sum(one.outcome == DONE for one in outcome.journal.told) > 5
