"""Counts of many changes, kept with the revision they belong to and brought up to date by what happened since.

Counting reads every change since, and after a large import each page that tells the age of an analysis would read them
all again. So where the log is long a count is made once, and from then on only the tracks are looked at that changed
after it: what they came to then is taken off, what they come to now is added. A count from another moment of the
library, or without what an analysis did itself, is had from its neighbour in the same way. All of it is exact.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched

from library.changes import (
    ChangeCounts,
    Stretch,
    TooMany,
    changed_between,
    changed_for,
    changes_since,
    count_stretches,
    current_revision,
)

SIMPLY_READ = 2_000  # recorded changes; as many are read by everybody who asks
SHORT = 20_000  # recorded changes; as many are looked at to bring a count forward instead of counting anew
FEW = 500  # of them; more are not looked at for a count whose neighbour is up to date
QUESTIONS_PER_QUERY = 100
GOOD_FOR = 3_600.0  # seconds; compaction spares what is younger than a day, so all that happened after a count is there
MOST_KEPT = 1_000

type Question = tuple[int, str]  # revision, cause to ignore
type Step = tuple[Stretch, Stretch]  # what is taken off, what is added


@dataclass(frozen=True, slots=True)
class Count:
    """An answer, and the revision of the library it holds for."""

    question: Question
    counts: ChangeCounts
    at: int
    good_until: float


class LargeCounts:
    """What this process counted lately."""

    def __init__(self) -> None:
        self._kept: dict[Question, Count] = {}
        self._beside: dict[Question, tuple[int, int]] = {}  # the revision of the count, and what was asked beside it

    def since_each(self, questions: Sequence[Question]) -> list[ChangeCounts]:
        """Return the net changes after each (revision, cause to ignore), in order; an equal one is counted once.

        While the log is short that is one statement for up to 100. Where it is long each new count takes its own, so
        that whoever is stopped for being late finds at the next attempt what was finished.
        """
        wanted = list(dict.fromkeys(questions))
        answers = self._brought_forward([count for one in wanted if (count := self._of(one))])
        missing = [one for one in wanted if one not in answers]
        for chunk in batched(missing, QUESTIONS_PER_QUERY):
            stretches = [Stretch(*one) for one in chunk]
            try:
                _, counted = count_stretches(stretches, at_most=SIMPLY_READ, since=min(one[0] for one in chunk))
                answers |= dict(zip(chunk, counted, strict=True))
            except TooMany:  # the newest first, which has the least to read; those that ignore something come after
                in_order = sorted(chunk, key=lambda one: (one[1] != "", -one[0]))
                answers |= {one: self._counted(one).counts for one in in_order}
        return [answers[one] for one in questions]

    def is_long(self, question: Question) -> bool:
        """Was the log found to be a long one when this was asked?"""
        return self._of(question) is not None

    def beside(self, question: Question, ask: Callable[[], int]) -> int:
        """Return what `ask` tells of a long log besides, asked once for each revision of the library."""
        count = self._of(question)
        if count is None:
            return ask()
        at, answer = self._beside.get(question, (-1, 0))
        if at != count.at:
            answer = ask()
            self._beside[question] = count.at, answer
        return answer

    def forget(self) -> None:
        """Count everything anew."""
        self._kept, self._beside = {}, {}

    def _of(self, question: Question) -> Count | None:
        found = self._kept.get(question)
        return found if found and time.monotonic() < found.good_until else None

    def _brought_forward(self, kept: Sequence[Count]) -> dict[Question, ChangeCounts]:
        """Return counts as they are now, where little has happened since they were made."""
        revision = current_revision() if kept else 0
        answers = {count.question: count.counts for count in kept if count.at == revision}
        older = sorted((count for count in kept if count.at != revision), key=lambda count: -count.at)
        for chunk in batched(older, QUESTIONS_PER_QUERY // 2):
            try:
                found = self._add_up([(count, [_what_came_after(count)], count.question) for count in chunk])
            except TooMany:
                break
            answers |= {count.question: count.counts for count in found}
        return answers

    def _counted(self, question: Question) -> Count:
        """Return a count of a long log: from an earlier one or a neighbour, where there is one."""
        revision, cause = question
        with suppress(TooMany):
            for start, steps in self._starts(question):
                if cause and start.question == (revision, "") and not _has_changes(cause, revision, upto=start.at):
                    return self._keep(question, start.counts, start.at)
                return self._add_up([(start, [_what_came_after(start), *steps], question)])[0]
        seen, (counts,) = count_stretches([Stretch(*question)])
        return self._keep(question, counts, seen)

    def _starts(self, question: Question) -> Iterator[tuple[Count, list[Step]]]:
        """Yield what a count may start from, the best first, and the steps from there."""
        found = self._of(question)
        if found and _is_short(found.at, at_most=FEW):
            yield found, []
        yield from self._neighbours(question)
        if found and _is_short(found.at):
            yield found, []

    def _neighbours(self, question: Question) -> Iterator[tuple[Count, list[Step]]]:
        """Yield the counts of other questions that one may start from, and the steps from there."""
        revision, cause = question
        if cause:
            own = changed_for(cause, revision)
            yield self._counted((revision, "")), [(Stretch(revision, among=own), Stretch(revision, cause, among=own))]
        later = min((one[0] for one in self._kept if one[0] > revision and not one[1] and self._of(one)), default=None)
        if later is not None and (neighbour := self._of((later, ""))) and _is_short(revision, later):
            between = changed_between(revision, later)
            yield neighbour, [(Stretch(later, among=between), Stretch(revision, among=between))]

    def _add_up(self, sums: Sequence[tuple[Count, list[Step], Question]]) -> list[Count]:
        """Return counts made from others by taking off and adding, in one statement.

        Raises TooMany where much has happened since those were made, the less of it the more they are, or the library
        has gone back to before them.
        """
        stretches = [stretch for _start, steps, _question in sums for step in steps for stretch in step]
        oldest, newest = min(start.at for start, *_ in sums), max(start.at for start, *_ in sums)
        revision, found = count_stretches(stretches, at_most=SHORT // len(sums), since=oldest)
        if revision < newest:  # a copy was restored
            self.forget()
            raise TooMany
        parts, counts = iter(found), []
        for start, steps, question in sums:
            total = start.counts
            for _step in steps:
                total = total - next(parts) + next(parts)
            counts.append(self._keep(question, total, revision))
        return counts

    def _keep(self, question: Question, counts: ChangeCounts, revision: int) -> Count:
        if len(self._kept) >= MOST_KEPT:
            self.forget()
        count = self._kept[question] = Count(question, counts, revision, time.monotonic() + GOOD_FOR)
        return count


def _what_came_after(count: Count) -> Step:
    """Return what the tracks that changed after a count came to when it was made, and what they come to now."""
    changed = changed_between(count.at)
    return Stretch(*count.question, upto=count.at, among=changed), Stretch(*count.question, among=changed)


def _has_changes(cause: str, revision: int, *, upto: int) -> bool:
    """Did anything happen for a cause after a revision, up to another?"""
    return changes_since(revision).filter(revision__lte=upto, cause=cause).order_by().exists()


def _is_short(revision: int, upto: int | None = None, *, at_most: int = SHORT) -> bool:
    """Is the log after a revision, up to another (None: now), a short one?"""
    changes = changes_since(revision).order_by()
    if upto is not None:
        changes = changes.filter(revision__lte=upto)
    return changes[: at_most + 1].count() <= at_most


large_counts = LargeCounts()
