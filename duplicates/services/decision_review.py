"""Which decisions that two tracks differ hold now: their tracks are looked up by what they are, not by their rows.

A track is known by its source and id; one whose file was moved, so that it has another id, by its content. A decision
whose evidence changed is reopened, saying what changed. `look_at_decisions` only reads; `settle_decisions` writes down
what it found and is called before a run reads the library.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any, cast

from django.db import transaction

from duplicates.models import NotDuplicate
from duplicates.models.records import identity_key
from duplicates.services import audit
from duplicates.services.decision_evidence import FIELDS, Evidence, differs, evidence_of, is_same_content, what_changed
from duplicates.services.different import join
from duplicates.services.stored_words import as_stored
from library.models import Track
from library.quarantine import own_values_of

IDS_A_QUERY = 500
TITLES_A_QUERY = 2_000  # each query reads all tracks once, for titles have no index
NAMED = 10  # examples in an audit record
_OF_THE_TRACKS = ("left_key", "left_label", "left_evidence", "right_key", "right_label", "right_evidence")
_READ = ("pk", "source", "source_track_id", "title", "artist", "album", "duration_ms", "isrc", "explicit", "location")


@dataclass(frozen=True, slots=True)
class Known:
    """A track of the library that some decision is about."""

    track_id: int
    is_here: bool  # not in quarantine
    evidence: Evidence
    own: dict[str, Any] = field(default_factory=dict)  # of a keeper: fields without what it took over from copies

    def beside(self, said: Evidence) -> Evidence:
        """Return what it says now; what it only took over from a removed copy, or took over then, is no change."""
        unchanged = {name: self.own[name] for name in self.own if not differs(name, said, self.own)}
        return cast(Evidence, {**self.evidence, **unchanged})


@dataclass(slots=True)
class Standing:
    """What became of the decisions in force."""

    pairs: list[tuple[int, int]] = field(default_factory=list)  # track ids, the smaller first: to be kept apart
    changed: list[tuple[NotDuplicate, str]] = field(default_factory=list)  # and what changed
    moved: list[tuple[NotDuplicate, Evidence, Evidence]] = field(default_factory=list)  # and both sides now
    filled: list[NotDuplicate] = field(default_factory=list)  # older ones, whose evidence was not kept


def look_at_decisions() -> Standing:
    """Find the tracks of every decision in force and compare what they say with what they said."""
    decisions = list(NotDuplicate.objects.in_force().order_by("pk"))
    standing = Standing()
    if not decisions:
        return standing
    known = _tracks_of(decisions)
    standing.filled = list(_fill(decisions, known))
    found = known | _moved(decisions, known)
    for decision in decisions:
        left, right = found.get(decision.left_key), found.get(decision.right_key)
        if left is None or right is None:
            continue
        said = (decision.left_evidence, decision.right_evidence)
        says = what_changed(said, (left.beside(said[0]), right.beside(said[1])))
        if says:
            standing.changed.append((decision, says))
            continue
        if decision.left_key not in known or decision.right_key not in known:
            standing.moved.append((decision, left.evidence, right.evidence))
        if left.is_here and right.is_here:
            standing.pairs.append((min(left.track_id, right.track_id), max(left.track_id, right.track_id)))
    standing.pairs.sort()
    return standing


def settle_decisions(*, now: datetime) -> Standing:
    """Reopen the decisions whose evidence changed, and let those whose files were moved follow them."""
    standing = look_at_decisions()
    if not (standing.changed or standing.moved or standing.filled):
        return standing
    with transaction.atomic():
        _reopen(standing.changed, now=now)
        _follow(standing.moved, now=now)
        NotDuplicate.objects.bulk_update(standing.filled, ["left_evidence", "right_evidence"], batch_size=IDS_A_QUERY)
    return standing


# --- Looking ----------------------------------------------------------------------------------------------------------


def _tracks_of(decisions: Iterable[NotDuplicate]) -> dict[str, Known]:
    """Return the tracks that decisions name by source and id, by key."""
    wanted: dict[str, set[str]] = {}
    nameless: set[str] = set()
    for decision in decisions:
        for key, said in ((decision.left_key, decision.left_evidence), (decision.right_key, decision.right_evidence)):
            if said:
                wanted.setdefault(said["source"], set()).add(said["source_track_id"])
            else:
                nameless.add(key)
    rows = [
        row
        for source, ids in wanted.items()
        for part in batched(sorted(ids), IDS_A_QUERY)
        for row in Track.objects.filter(source=source, source_track_id__in=part).only(*_READ, "quarantined_at")
    ]
    if nameless:
        rows.extend(row for row in Track.objects.only(*_READ, "quarantined_at").iterator() if _key(row) in nameless)
    return _as_known(rows)


def _as_known(rows: list[Track]) -> dict[str, Known]:
    own: dict[int, dict[str, Any]] = {}
    for part in batched([row.pk for row in rows], IDS_A_QUERY):
        for pk, values in own_values_of(part).items():
            own[pk] = {name: value for name, value in values.items() if name in FIELDS}
    return {_key(row): Known(row.pk, row.quarantined_at is None, evidence_of(row), own.get(row.pk, {})) for row in rows}


def _fill(decisions: Iterable[NotDuplicate], known: dict[str, Known]) -> Iterator[NotDuplicate]:
    """Give decisions made before evidence was kept that of today."""
    for decision in decisions:
        sides = [(decision.left_key, "left_evidence"), (decision.right_key, "right_evidence")]
        empty = [(key, name) for key, name in sides if not getattr(decision, name)]
        for key, name in empty:
            if key in known:
                setattr(decision, name, dict(known[key].evidence))
        if any(getattr(decision, name) for _, name in empty):
            yield decision


def _moved(decisions: Iterable[NotDuplicate], known: dict[str, Known]) -> dict[str, Known]:
    """Return the tracks that are what a track was that is gone, by the key of the one that is gone.

    Where both tracks of a pair say the same, only the name of the file can tell which of them a newcomer is.
    """
    gone: dict[str, tuple[Evidence, bool]] = {}
    for decision in decisions:
        left, right = decision.left_evidence, decision.right_evidence
        are_alike = bool(left and right) and is_same_content(left, right)
        for key, said in ((decision.left_key, left), (decision.right_key, right)):
            if said and key not in known:
                gone[key] = (said, are_alike or gone.get(key, (said, False))[1])
    newcomers = _newcomers({said["title"] for said, _ in gone.values()}, known) if gone else []
    found: dict[str, Known] = {}
    for key, (said, needs_its_name) in sorted(gone.items()):
        same = [one for one in newcomers if is_same_content(said, one.evidence)]
        named = [one for one in same if one.evidence["file"] == said["file"]]
        if choice := named or ([] if needs_its_name else same):
            found[key] = choice[0]
            newcomers.remove(choice[0])
    return found


def _newcomers(titles: set[str], known: dict[str, Known]) -> list[Known]:
    """Return the tracks with one of these titles that no decision names."""
    rows = [
        row
        for part in batched(sorted(titles), TITLES_A_QUERY)
        for row in Track.objects.active().filter(title__in=part).only(*_READ, "quarantined_at").order_by("pk")
    ]
    return [one for key, one in _as_known(rows).items() if key not in known]


def _key(row: Track) -> str:
    return identity_key(row.source, row.source_track_id)


# --- Writing ----------------------------------------------------------------------------------------------------------


def _reopen(changed: list[tuple[NotDuplicate, str]], *, now: datetime) -> None:
    for decision, says in changed:
        decision.revoked_at, decision.reopened_because = now, says
        decision.save(update_fields=["revoked_at", "reopened_because"])
    if changed:
        audit.record(
            "pairs.reopened",
            actor=None,
            now=now,
            before={"pairs": [as_stored(decision) for decision, _ in changed[:NAMED]]},
            after={"because": [says for _, says in changed[:NAMED]]},
            counts={"pairs": len(changed)},
        )


def _follow(moved: list[tuple[NotDuplicate, Evidence, Evidence]], *, now: datetime) -> None:
    """Name the decisions' tracks by their new ids. One that would then repeat another ends instead."""
    followed = 0
    for decision, *sides in moved:
        labels = (decision.left_label, decision.right_label)
        keyed = [
            (identity_key(said["source"], said["source_track_id"]), label, said)
            for said, label in zip(sides, labels, strict=True)
        ]
        (left_key, left_label, left), (right_key, right_label, right) = sorted(keyed, key=lambda side: side[0])
        if same := NotDuplicate.objects.in_force().filter(left_key=left_key, right_key=right_key).first():
            join(decision, same)
            decision.revoked_at = now
            decision.save(update_fields=["revoked_at"])
            continue
        decision.left_key, decision.left_label, decision.left_evidence = left_key, left_label, dict(left)
        decision.right_key, decision.right_label, decision.right_evidence = right_key, right_label, dict(right)
        # Nothing else: somebody may have taken it back since it was looked at.
        decision.save(update_fields=_OF_THE_TRACKS)
        followed += 1
    if followed:
        audit.record(
            "pairs.followed_files",
            actor=None,
            now=now,
            after={"pairs": [as_stored(decision) for decision, *_ in moved[:NAMED]]},
            counts={"pairs": followed},
        )
