"""Whether everything people were told of is there, once, and nothing of the library is lost; reads past Django.

The rules are those of `tests/duplicates/test_conservation.py`: whoever stands in for others has their plays together
and their best rating, and every playlist names whoever stands in for what it held.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.support import House
from tests.load.journal import DONE, UNKNOWN, Journal, Told
from tests.load.site import SOURCE

type Decision = tuple[str, str, int]  # person, verb, group
_VERB_OF = {"manual_review": "later", "not_duplicates": "not_duplicates"}


@dataclass(frozen=True)
class Library:
    """What the library says of itself at one moment."""

    tracks: dict[int, tuple[int, int | None, bool]]  # plays, rating, whether it is there
    places: dict[int, dict[int, int]]  # playlist → position → track
    keeper_of: dict[int, int]
    of_source: dict[str, tuple[int, int]]  # tracks and plays that are there

    def root(self, track: int) -> int:
        """Return who stands in for a track."""
        while track in self.keeper_of:
            track = self.keeper_of[track]
        return track


def read_library(home: House) -> Library:
    rows = home.rows("SELECT id, play_count, rating, quarantined_at, source FROM library_track")
    places: dict[int, dict[int, int]] = defaultdict(dict)
    for playlist, position, track in home.rows("SELECT playlist_id, position, track_id FROM library_playlistentry"):
        places[playlist][position] = track
    there: dict[str, list[int]] = defaultdict(list)
    for _, count, _, gone, source in rows:
        if gone is None:
            there[source].append(count)
    of_source = {source: (len(counts), sum(counts)) for source, counts in there.items()}
    tracks = {pk: (count, rating, gone is None) for pk, count, rating, gone, source in rows if source == SOURCE}
    return Library(tracks, dict(places), dict(home.rows("SELECT track_id, keeper_id FROM library_merge")), of_source)


def library_problems(before: Library, after: Library) -> Iterator[str]:
    """Yield what was lost between two moments, the first without any removal."""
    if before.tracks.keys() != after.tracks.keys():
        yield f"{len(before.tracks.keys() - after.tracks.keys())} tracks are gone"
    families: dict[int, list[int]] = defaultdict(list)
    for track in before.tracks:
        families[after.root(track)].append(track)
    for track, (plays, rating, is_there) in after.tracks.items():
        if is_there == (track in after.keeper_of):
            yield f"track {track} is {'there' if is_there else 'removed'} against what the merges say"
        elif is_there:
            family = [before.tracks[one] for one in families[track]]
            ratings = [one for _, one, _ in family if one is not None]
            if (plays, rating) != (sum(one for one, _, _ in family), max(ratings, default=None)):
                yield f"track {track} has {plays} plays and rating {rating}, not those of its {len(family)} copies"
    for playlist, own in before.places.items():
        yield from _playlist_problems(playlist, own, after)


def _playlist_problems(playlist: int, own: dict[int, int], after: Library) -> Iterator[str]:
    shown = after.places.get(playlist, {})
    if any(at not in own or after.root(own[at]) != track for at, track in shown.items()):
        yield f"playlist {playlist} names a track at a place that is another's"
    if set(shown.values()) != {after.root(track) for track in own.values()}:
        yield f"playlist {playlist} lost a song"
    untouched = {at for at, track in own.items() if track not in after.keeper_of}
    if not untouched <= shown.keys():
        yield f"playlist {playlist} lost a place nobody touched"


def read_decisions(home: House) -> Counter[Decision]:
    """Return how often the audit trail says that somebody did something to a group."""
    found: Counter[Decision] = Counter()
    actions = {_key(pk): group for pk, group in home.rows("SELECT action_id, group_id FROM duplicates_cleanupaction")}
    query = "SELECT user_name, action, subject_id, before, after FROM duplicates_auditrecord WHERE was_successful"
    for person, action, subject, before, after in home.rows(query):
        for verb, group in _verbs(action, subject, _read(before), _read(after), actions):
            found[person, verb, group] += 1
    return found


def _verbs(action: str, subject: str, before: Any, after: Any, actions: dict[str, int]) -> list[tuple[str, int]]:
    match action:
        case "groups.resolved":
            return [(_VERB_OF.get(after["resolution"], "other"), group) for group in after["group_ids"]]
        case "groups.reopened":
            return [("reopen", one["group_id"]) for one in before["groups"]]
        case "duplicates.removed":
            return [("remove", int(subject))]
        case "removal.undone":
            return [("undo", actions[_key(subject)])]
        case "keeper.chosen":
            return [("keep", int(subject))]
        case "keeper.choice_undone":
            return [("keep_back", int(subject))]
    return []


def decision_problems(journal: Journal, kept: Counter[Decision]) -> Iterator[str]:
    """Yield every decision told of that is not there as often, and every refused one that is there."""
    told: Counter[Decision] = Counter()
    unknown: Counter[Decision] = Counter()
    for one in journal.told:
        told[_named(one)] += one.outcome == DONE
        unknown[_named(one)] += one.outcome == UNKNOWN
    people = {one.person for one in journal.told}
    for decision in told.keys() | {one for one in kept if one[0] in people}:
        least = told[decision]
        if not least <= kept[decision] <= least + unknown[decision]:
            yield f"{decision}: told of {least} times, unknown {unknown[decision]}, in the database {kept[decision]}"


def group_problems(journal: Journal, home: House) -> Iterator[str]:
    """Yield every group whose decision is not the one that was told last."""
    last = {one.group: one for one in sorted(journal.told, key=lambda one: one.at) if one.outcome == DONE}
    doubtful = {one.group for one in journal.told if one.outcome == UNKNOWN}
    expected = {"later": "manual_review", "not_duplicates": "not_duplicates", "reopen": "", "remove": "deleted"}
    for pk, resolution in home.rows("SELECT id, resolution FROM duplicates_duplicateanalysisgroup"):
        if pk in last and pk not in doubtful and last[pk].verb in expected and resolution != expected[last[pk].verb]:
            yield f"group {pk} is {resolution or 'open'}, though {last[pk].person} was told: {last[pk].verb}"


def declared_problems(home: House) -> Iterator[str]:
    """Yield every group declared different without a pair in force, and every pair in force of a group that is not."""
    declared = {pk for (pk,) in home.rows(_DECLARED_GROUPS)}
    in_force = {pk for (pk,) in home.rows(_PAIRS_IN_FORCE)}
    for pk in sorted(declared ^ in_force):
        lost = "lost its decision" if pk in declared else "is open, and its decision is still in force"
        yield f"group {pk} {lost}"


_DECLARED_GROUPS = "SELECT id FROM duplicates_duplicateanalysisgroup WHERE resolution = 'not_duplicates'"
_PAIRS_IN_FORCE = """SELECT DISTINCT d.group_id FROM duplicates_decidinggroup d
    JOIN duplicates_notduplicate n ON n.id = d.decision_id WHERE n.revoked_at IS NULL"""
_RESULTS = """SELECT a.analysis_id, a.groups_found, a.duplicates_found,
        (SELECT COUNT(*) FROM duplicates_duplicateanalysisgroup g WHERE g.analysis_id = a.analysis_id),
        (SELECT COUNT(*) FROM duplicates_duplicateanalysistrack m JOIN duplicates_duplicateanalysisgroup g
            ON g.id = m.group_id WHERE g.analysis_id = a.analysis_id)
    FROM duplicates_duplicateanalysisresult a WHERE a.status = 'completed'"""


def result_problems(home: House) -> Iterator[str]:
    """Yield every analysis whose groups and members are not as many as it says, as after a death amid saving."""
    for pk, groups, duplicates, rows, members in home.rows(_RESULTS):
        if (groups, duplicates) != (rows, members - rows):
            yield f"analysis {pk} says {groups} groups and {duplicates} duplicates; it has {rows} and {members - rows}"


def unfinished(home: House) -> Iterator[str]:
    """Yield everything that has not ended."""
    for table, key, ended in (
        ("duplicates_duplicateanalysisresult", "analysis_id", ("completed",)),
        ("duplicates_duplicateanalysisexport", "export_id", ("completed", "failed", "expired")),
        ("library_libraryimport", "import_id", ("completed", "failed")),
    ):
        for pk, status in home.rows(f"SELECT {key}, status FROM {table}"):
            if status not in ended:
                yield f"{table} {pk} is {status}"


def _named(one: Told) -> Decision:
    return one.person, one.verb, one.group


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _key(value: Any) -> str:
    return str(value).replace("-", "")
