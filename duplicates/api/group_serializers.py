"""How groups, their members and what was decided about them look from outside."""

from typing import Any

from rest_framework import serializers

from duplicates.api.shapes import StrictSerializer
from duplicates.choices import CleanupState, ConfidenceBand, ITunesMatch, LaterEdits, Resolution
from duplicates.models import CleanupAction, DuplicateAnalysisGroup, DuplicateAnalysisTrack, NotDuplicate

MOST_MEMBERS_SHOWN = 200
MOST_NAMED = 10_000
LARGEST_ID = 2**63 - 1
# What one can decide without removing anything.
DECISIONS = [(value, label) for value, label in Resolution.choices if value != Resolution.DELETED]


class GroupBriefSerializer(serializers.ModelSerializer[DuplicateAnalysisGroup]):
    """One group in a list."""

    analysis_id = serializers.UUIDField(read_only=True)
    band = serializers.ChoiceField(ConfidenceBand.choices, read_only=True)
    resolution = serializers.ChoiceField([*Resolution.choices, ("", "Open")], allow_blank=True, read_only=True)
    resolved_by = serializers.CharField(source="resolved_by.username", default=None, allow_null=True, read_only=True)
    keeper_chosen_by = serializers.CharField(
        source="keeper_chosen_by.username",
        default=None,
        allow_null=True,
        read_only=True,
        help_text="Null: a rule chose it.",
    )
    version = serializers.CharField(read_only=True, help_text="Also the ETag; send it as If-Match with a decision.")

    class Meta:
        model = DuplicateAnalysisGroup
        fields: tuple[str, ...] = (
            "id",
            "analysis_id",
            "position",
            "identity",
            "title",
            "artist",
            "member_count",
            "duplicate_count",
            "remaining_count",
            "total_plays",
            "confidence",
            "band",
            "average_similarity",
            "cohesion",
            "keeper_track_id",
            "keeper_rule",
            "keeper_reason",
            "keeper_chosen_by",
            "itunes_match",
            "itunes_match_count",
            "is_resolved",
            "resolution",
            "resolved_at",
            "resolved_by",
            "version",
        )
        read_only_fields = fields


class MemberSerializer(serializers.ModelSerializer[DuplicateAnalysisTrack]):
    """One member: what the track said when it was analysed, and its evidence against the keeper."""

    is_keeper = serializers.SerializerMethodField()
    track_id = serializers.IntegerField(read_only=True)
    itunes_match = serializers.ChoiceField(ITunesMatch.choices, read_only=True)
    itunes_differences = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = DuplicateAnalysisTrack
        fields = (
            "track_id",
            "position",
            "is_keeper",
            "source",
            "source_track_id",
            "title",
            "artist",
            "album_artist",
            "album",
            "genre",
            "track_number",
            "disc_number",
            "year",
            "duration_ms",
            "isrc",
            "explicit",
            "format",
            "bit_rate_kbps",
            "size_bytes",
            "lossless",
            "play_count",
            "skip_count",
            "last_played_at",
            "rating",
            "loved",
            "added_at",
            "similarity",
            "match_weight",
            "matches_keeper",
            "itunes_match",
            "itunes_confidence",
            "itunes_persistent_id",
            "itunes_differences",
            "still_exists",
            "deleted_at",
        )
        read_only_fields = fields

    def get_is_keeper(self, member: DuplicateAnalysisTrack) -> bool:
        return member.track_id == member.group.keeper_track_id


class GroupSerializer(GroupBriefSerializer):
    """One group with its members, the keeper first, at most 200 of them; `members/` lists all."""

    members = serializers.SerializerMethodField()

    class Meta(GroupBriefSerializer.Meta):
        fields = (*GroupBriefSerializer.Meta.fields, "members")
        read_only_fields = fields

    def get_members(self, group: DuplicateAnalysisGroup) -> list[dict[str, Any]]:
        members = group.members.select_related("group").order_by("position")[:MOST_MEMBERS_SHOWN]
        return list(MemberSerializer(members, many=True).data)


class ValueAheadSerializer(serializers.Serializer[Any]):
    """A field of the keeper that would change."""

    field = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class PlaceAheadSerializer(serializers.Serializer[Any]):
    """A playlist place of a copy."""

    playlist_id = serializers.IntegerField()
    playlist = serializers.CharField()
    position = serializers.IntegerField()
    copy_id = serializers.IntegerField()
    is_taken_over = serializers.BooleanField(help_text="False: the keeper is in that playlist already.")


class ObstacleSerializer(serializers.Serializer[Any]):
    """Why one member cannot be removed."""

    track_id = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()


class RemovalPreviewSerializer(serializers.Serializer[Any]):
    """What removing copies would do; nothing is done."""

    removing = serializers.ListField(child=serializers.IntegerField())
    refused = serializers.CharField(allow_null=True, help_text="Why nothing can be removed; null where something can.")
    obstacles = ObstacleSerializer(many=True)
    values = ValueAheadSerializer(many=True)
    places = PlaceAheadSerializer(many=True)
    plays_moved = serializers.IntegerField()
    bytes_freed = serializers.IntegerField(allow_null=True)


class RemoveSerializer(StrictSerializer):
    """Which copies to remove. Left out: every one that nothing forbids, beside the keeper."""

    keeper_track_id = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="The keeper as you saw it; refused where it is another by now.",
    )
    track_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        required=False,
        min_length=1,
        max_length=MOST_NAMED,
    )


class ResolveSerializer(StrictSerializer):
    """A decision that removes nothing."""

    resolution = serializers.ChoiceField(DECISIONS)


class PreviewWishSerializer(StrictSerializer):
    """Which copies to think of."""

    track_id = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), required=False, max_length=MOST_NAMED
    )


class TrackNameSerializer(StrictSerializer):
    """One member of the group."""

    track_id = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)


class RemovalSerializer(serializers.ModelSerializer[CleanupAction]):
    """One removal: copies that were merged into a keeper and wait in quarantine."""

    id = serializers.UUIDField(source="action_id", read_only=True)
    analysis_id = serializers.UUIDField(read_only=True, allow_null=True)
    group_id = serializers.IntegerField(read_only=True, allow_null=True)
    state = serializers.ChoiceField(CleanupState.choices, read_only=True)
    user = serializers.CharField(source="user_name", read_only=True, help_text="Empty: the system.")

    class Meta:
        model = CleanupAction
        fields = (
            "id",
            "batch_id",
            "analysis_id",
            "group_id",
            "label",
            "keeper_track_id",
            "user",
            "created_at",
            "state",
            "expires_at",
            "ended_at",
            "removed_count",
            "plays_moved",
            "places_moved",
            "bytes_freed",
        )
        read_only_fields = fields


class UndoSerializer(StrictSerializer):
    """What to do with values that somebody edited after the removal."""

    later_edits = serializers.ChoiceField(LaterEdits.choices, default=LaterEdits.ASK)


class UndoBatchSerializer(UndoSerializer):
    """Undo everything of one batch, or what one did on one day."""

    batch_id = serializers.UUIDField(required=False)
    day = serializers.DateField(required=False, help_text="Of your own removals, in your time zone.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("batch_id" in attrs) == ("day" in attrs):
            raise serializers.ValidationError("Name either a batch_id or a day.")
        return attrs


class RefusedSerializer(serializers.Serializer[Any]):
    """Something that was not undone, and why."""

    id = serializers.UUIDField()
    code = serializers.CharField()
    message = serializers.CharField()


class UndoneSerializer(serializers.Serializer[Any]):
    """What came of undoing several removals."""

    undone = serializers.ListField(child=serializers.UUIDField())
    refused = RefusedSerializer(many=True)


class PurgedSerializer(serializers.Serializer[Any]):
    """What came of a purge."""

    deleted = serializers.IntegerField(help_text="Tracks deleted for good.")
    held = serializers.IntegerField(help_text="Tracks kept because their keeper is gone.")


class DecisionSerializer(serializers.ModelSerializer[NotDuplicate]):
    """Two tracks that somebody declared different."""

    left = serializers.CharField(source="left_label", read_only=True)
    right = serializers.CharField(source="right_label", read_only=True)
    user = serializers.CharField(source="user_name", read_only=True, help_text="Empty: the system.")

    class Meta:
        model = NotDuplicate
        fields = ("id", "left", "right", "user", "created_at", "note", "revoked_at", "reopened_because")
        read_only_fields = fields


class ExplainedSerializer(serializers.Serializer[Any]):
    """Why two tracks are, or are not, a group: signed evidence in bits, comparison by comparison."""

    left = serializers.DictField()
    right = serializers.DictField()
    preset = serializers.CharField()
    analysis_id = serializers.UUIDField(allow_null=True)
    outcome = serializers.CharField()
    is_linked = serializers.BooleanField()
    verdict = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    remark = serializers.CharField(allow_blank=True)
    notes = serializers.ListField(child=serializers.CharField())
    probability = serializers.FloatField()
    threshold = serializers.FloatField()
    match_weight = serializers.FloatField()
    base_weight = serializers.FloatField()
    steps = serializers.ListField(child=serializers.DictField())
