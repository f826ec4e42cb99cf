"""Results that were found and could not be saved, read back from what the run kept of them.

They take the shape of the rows they would have become, so that an export does not know the difference. Nothing here
writes to the database: it may be what is broken.
"""

import copy
from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from django.utils.translation import gettext as _

from duplicates.exceptions import AnalysisNotReady
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import found, saving
from duplicates.services.bulk_rows import GROUP_COLUMNS, MEMBER_COLUMNS, SNAPSHOT_COLUMNS
from duplicates.services.checkpoints import StageCheckpoints
from duplicates.services.detecting import Detection, FoundGroup, FoundMember
from duplicates.services.itunes import CrossReference
from duplicates.services.loading import load_snapshots
from duplicates.services.options import AnalysisOptions
from duplicates.services.work_folder import FOUND

GroupWithMembers = tuple[DuplicateAnalysisGroup, list[DuplicateAnalysisTrack]]


def belongs_to(analysis_id: UUID, options: AnalysisOptions) -> str:
    """Return what a kept result belongs to: one analysis and one version of the matcher, not a state of the library."""
    return f"{options.engine_settings().fingerprint()}-{analysis_id}"


def load_unsaved(analysis: DuplicateAnalysisResult) -> Detection:
    """Return what the run found. Raises AnalysisNotReady when it is not kept or not to be trusted."""
    options = AnalysisOptions.from_parameters(analysis.parameters)
    arrays = StageCheckpoints(analysis.pk, belongs_to(analysis.pk, options)).load(FOUND)
    if arrays is None:
        raise AnalysisNotReady(_("What this run found is not kept here any more."), way_out=_("Retry it."))
    return found.from_arrays(arrays)


def as_if_saved(analysis: DuplicateAnalysisResult, detection: Detection) -> DuplicateAnalysisResult:
    """Return the analysis with the counts it would have had."""
    shown = copy.copy(analysis)
    saved = saving.Saved(len(detection), len(detection), detection.member_count)
    for name, value in saving.outcome(detection, saved, []).items():
        setattr(shown, name, value)
    return shown


def blocks_of_groups(analysis_id: UUID, detection: Detection, *, size: int) -> Iterator[list[GroupWithMembers]]:
    """Yield the groups in order, block by block, with what the library knows of their tracks now."""
    groups, position = detection.iter_groups(), 0
    while batch := list(islice(groups, size)):
        track_ids = np.array([member.track_id for group in batch for member in group.members], np.int64)
        snapshots = load_snapshots(track_ids, SNAPSHOT_COLUMNS)
        complete = [(group, members) for group in batch if (members := saving.still_there(group, snapshots))]
        yield [
            (
                _as_model(group, members, number, analysis_id, detection.cross_reference),
                _as_member_models(members, snapshots, detection.cross_reference),
            )
            for number, (group, members) in enumerate(complete, position + 1)
        ]
        position += len(complete)


def _as_model(
    group: FoundGroup, members: list[FoundMember], position: int, analysis_id: UUID, matches: CrossReference
) -> DuplicateAnalysisGroup:
    values = saving.group_row(group, members, position, analysis_id, matches)
    return DuplicateAnalysisGroup(**dict(zip(GROUP_COLUMNS, values, strict=True)))


def _as_member_models(
    members: list[FoundMember], snapshots: dict[int, tuple[Any, ...]], matches: CrossReference
) -> list[DuplicateAnalysisTrack]:
    """Return the members with their snapshots; a member's own columns begin after that of its group."""
    names = (*list(MEMBER_COLUMNS)[1:], *SNAPSHOT_COLUMNS)
    models = []
    for place, member in enumerate(members):
        values = dict(
            zip(names, (*saving.member_row(place, member, matches), *snapshots[member.track_id]), strict=True)
        )
        values["itunes_differences"] = orjson.loads(values["itunes_differences"])
        models.append(DuplicateAnalysisTrack(**values))
    return models
