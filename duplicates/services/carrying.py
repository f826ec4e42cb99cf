"""What a refresh takes over from the analysis it renews: the identity of groups, and decisions that still hold."""

from datetime import datetime

from django.db import connection, transaction

from duplicates.models import DuplicateAnalysisResult
from duplicates.services import claims
from duplicates.services.claims import Claim
from duplicates.services.difference import analysis_keys, carry_identities_over

_GROUPS, _MEMBERS = "duplicates_duplicateanalysisgroup", "duplicates_duplicateanalysistrack"
# What a person had before their eyes when they decided; a change of any of it opens the group again.
SEEN = (
    "title",
    "artist",
    "album_artist",
    "album",
    "track_number",
    "disc_number",
    "year",
    "duration_ms",
    "isrc",
    "explicit",
)


def carry_over(analysis: DuplicateAnalysisResult, claimed: Claim, *, now: datetime) -> None:
    """Take over what holds from the predecessor of a saved, not yet published analysis. Safe to repeat."""
    older = analysis.predecessor
    if older is None:
        return
    with transaction.atomic():
        claims.renew(claimed, now=now)
        carry_identities_over(older, analysis)
        _carry_decisions_over(older, analysis)


def _carry_decisions_over(older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult) -> None:
    """Resolve each group that was resolved before with the same members, none of which has changed."""
    differs = "IS DISTINCT FROM" if connection.vendor == "postgresql" else "IS NOT"
    changed = " OR ".join(f"om.{name} {differs} nm.{name}" for name in SEEN)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_GROUPS} SET is_resolved = o.is_resolved, resolution = o.resolution, "
            f"resolved_at = o.resolved_at, resolved_by_id = o.resolved_by_id FROM {_GROUPS} o "
            f"WHERE o.analysis_id = %s AND {_GROUPS}.analysis_id = %s AND o.group_key = {_GROUPS}.group_key "
            f"AND o.is_resolved AND NOT EXISTS (SELECT 1 FROM {_MEMBERS} om JOIN {_MEMBERS} nm "
            f"ON nm.group_id = {_GROUPS}.id AND nm.track_id = om.track_id WHERE om.group_id = o.id AND ({changed}))",
            analysis_keys(older, newer),
        )
