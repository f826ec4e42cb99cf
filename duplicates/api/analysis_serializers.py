"""How analyses look from outside: fields one by one, in reading order."""

from typing import Any

from rest_framework import serializers

from duplicates.api.shapes import StrictSerializer
from duplicates.choices import AnalysisStatus, Phase, Preset, SortBy, Trigger
from duplicates.engine.settings import IGNORABLE_FIELDS
from duplicates.models import DuplicateAnalysisResult
from duplicates.services.options import LONGEST_SEARCH
from duplicates.services.recommendations import SuggestedAction, Urgency, WarningLevel
from duplicates.services.staleness import Staleness
from duplicates.services.work_folder import is_unsaved_result_kept

LONGEST_RUN_SECONDS = 7 * 86_400


class ParametersSerializer(StrictSerializer):
    """What one can ask of an analysis. What is left out keeps its default, in a refresh its value."""

    preset = serializers.ChoiceField(Preset.choices, required=False)
    search = serializers.CharField(max_length=LONGEST_SEARCH, allow_blank=True, required=False)
    sort_by = serializers.ChoiceField(SortBy.choices, required=False)
    min_confidence = serializers.FloatField(min_value=0, max_value=1, required=False)
    ignored_fields = serializers.ListField(
        child=serializers.ChoiceField([(name, name) for name in sorted(IGNORABLE_FIELDS)]), required=False
    )
    fold_remasters = serializers.BooleanField(required=False)
    keep_explicit_apart = serializers.BooleanField(required=False)


class StartSerializer(ParametersSerializer):
    """The wish for an analysis."""

    force = serializers.BooleanField(
        default=False, help_text="Run even when an equal result younger than a day is still true."
    )
    time_limit_seconds = serializers.IntegerField(
        min_value=1, max_value=LONGEST_RUN_SECONDS, required=False, allow_null=True
    )
    keep_partial = serializers.BooleanField(default=True, help_text="When it is stopped, keep the groups found so far.")


class RefreshSerializer(ParametersSerializer):
    """What to ask otherwise this time."""

    learns_anew = serializers.BooleanField(default=False, help_text="Match every track, however few have changed.")


class AgeSerializer(serializers.Serializer[Any]):
    """How old a result is."""

    absolute = serializers.CharField(help_text="In the time zone of whoever asks.")
    relative = serializers.CharField()
    level = serializers.ChoiceField(Staleness.choices)
    colour = serializers.CharField()
    icon = serializers.CharField()
    needs_refresh = serializers.BooleanField()


class ChangesSerializer(serializers.Serializer[Any]):
    """What happened to the library since a result was found; each track counts once."""

    added = serializers.IntegerField()
    modified = serializers.IntegerField()
    deleted = serializers.IntegerField()
    total = serializers.IntegerField()
    percent = serializers.FloatField(help_text="Of the tracks there were then.")
    tracks_then = serializers.IntegerField()
    tracks_now = serializers.IntegerField()
    by_clean_up = serializers.IntegerField(help_text="Tracks that resolving this analysis changed; not in the total.")
    is_significant = serializers.BooleanField()
    sentence = serializers.CharField()


class LibraryChangesSerializer(ChangesSerializer):
    """The same with the groups that are touched."""

    touched_groups = serializers.IntegerField(help_text="Groups with a member edited or removed since.")
    touched_group_ids = serializers.ListField(
        child=serializers.IntegerField(), help_text="The first thousand of them; every other group is still true."
    )


class RecommendationSerializer(serializers.Serializer[Any]):
    """Whether to refresh, and why."""

    should_refresh = serializers.BooleanField()
    urgency = serializers.ChoiceField(Urgency.choices)
    reasons = serializers.ListField(child=serializers.CharField())
    suggested_action = serializers.ChoiceField(SuggestedAction.choices)
    advice = serializers.CharField()


class WarningSerializer(serializers.Serializer[Any]):
    """One warning about a result."""

    kind = serializers.CharField(help_text="age or changes")
    level = serializers.ChoiceField(WarningLevel.choices)
    message = serializers.CharField()


class ConditionSerializer(serializers.Serializer[Any]):
    """Whether a result still holds, by the limits of whoever asks."""

    age = AgeSerializer()
    recommendation = RecommendationSerializer()
    warnings = WarningSerializer(many=True)
    level = serializers.ChoiceField(WarningLevel.choices, help_text="The loudest of the warnings.")
    offers = serializers.ListField(child=serializers.ChoiceField(SuggestedAction.choices))


class FailureSerializer(serializers.Serializer[DuplicateAnalysisResult]):
    """Why a run ended without a result."""

    code = serializers.CharField(source="error_code")
    message = serializers.CharField(source="error_message")
    is_partial = serializers.BooleanField(help_text="Groups found until then were kept.")
    can_be_resumed = serializers.SerializerMethodField()
    has_unsaved_result = serializers.SerializerMethodField(
        help_text="It was found and not saved: `resume` saves it again, `unsaved` fetches it."
    )

    def get_can_be_resumed(self, analysis: DuplicateAnalysisResult) -> bool:
        return analysis.status in (AnalysisStatus.FAILED, AnalysisStatus.CANCELLED)

    def get_has_unsaved_result(self, analysis: DuplicateAnalysisResult) -> bool:
        return is_unsaved_result_kept(analysis)


class AnalysisBriefSerializer(serializers.ModelSerializer[DuplicateAnalysisResult]):
    """One analysis in a list."""

    id = serializers.UUIDField(source="analysis_id", read_only=True)
    user = serializers.CharField(
        source="user.username", default=None, allow_null=True, read_only=True, help_text="Null: the system's."
    )
    status = serializers.ChoiceField(AnalysisStatus.choices)
    trigger = serializers.ChoiceField(Trigger.choices)
    staleness = serializers.SerializerMethodField(help_text="Null while there is no result.")
    changes = serializers.SerializerMethodField(help_text="Null while there is no result.")

    class Meta:
        model = DuplicateAnalysisResult
        fields: tuple[str, ...] = (
            "id",
            "user",
            "trigger",
            "status",
            "preset",
            "search_term",
            "created_at",
            "completed_at",
            "tracks_analyzed",
            "groups_found",
            "duplicates_found",
            "is_partial",
            "is_pinned",
            "predecessor",
            "staleness",
            "changes",
        )
        read_only_fields = fields

    def get_staleness(self, analysis: DuplicateAnalysisResult) -> str | None:
        condition = self.context["conditions"].get(analysis.pk)
        return None if condition is None else str(condition.age.level)

    def get_changes(self, analysis: DuplicateAnalysisResult) -> int | None:
        """Tracks added, edited or removed since."""
        condition = self.context["conditions"].get(analysis.pk)
        return None if condition is None else condition.changes.total


class AnalysisSerializer(AnalysisBriefSerializer):
    """One analysis, whole."""

    parameters = serializers.DictField(read_only=True)
    phase = serializers.ChoiceField([*Phase.choices, ("", "None")], allow_blank=True)
    not_enough_data = serializers.SerializerMethodField(
        help_text="Ids of the tracks that hold too little to be judged and are in no group: the first thousand."
    )
    failure = serializers.SerializerMethodField(help_text="Null unless it failed or was cancelled.")
    condition = serializers.SerializerMethodField(help_text="Null while there is no result.")

    class Meta(AnalysisBriefSerializer.Meta):
        fields = (
            *AnalysisBriefSerializer.Meta.fields,
            "parameters",
            "phase",
            "started_at",
            "library_track_count",
            "library_revision",
            "average_similarity",
            "not_enough_data_count",
            "not_enough_data",
            "processing_seconds",
            "cpu_seconds",
            "peak_memory_bytes",
            "phase_seconds",
            "failure",
            "condition",
        )
        read_only_fields = fields

    def get_not_enough_data(self, analysis: DuplicateAnalysisResult) -> list[int]:
        return list(analysis.not_enough_data)

    def get_failure(self, analysis: DuplicateAnalysisResult) -> dict[str, Any] | None:
        return dict(FailureSerializer(analysis).data) if analysis.error_code else None

    def get_condition(self, analysis: DuplicateAnalysisResult) -> dict[str, Any] | None:
        condition = self.context["conditions"].get(analysis.pk)
        return None if condition is None else dict(ConditionSerializer(condition).data)


class StartedSerializer(serializers.Serializer[Any]):
    """What came of the wish for an analysis."""

    analysis_id = serializers.UUIDField()
    status = serializers.ChoiceField(AnalysisStatus.choices)
    is_new = serializers.BooleanField(help_text="False: an equal one runs, or is still true.")
    progress_url = serializers.CharField()
    notice = serializers.CharField(allow_blank=True, help_text="Such as that no worker is running; else empty.")


class ProgressSerializer(serializers.Serializer[Any]):
    """Where a run is. Times are ISO 8601 in UTC; empty before it began."""

    analysis_id = serializers.UUIDField()
    status = serializers.ChoiceField(AnalysisStatus.choices)
    phase = serializers.CharField(allow_blank=True)
    stage = serializers.CharField(allow_blank=True)
    current_step = serializers.IntegerField()
    total_steps = serializers.IntegerField()
    percentage = serializers.FloatField()
    estimated_seconds_remaining = serializers.FloatField(allow_null=True)
    message = serializers.CharField(allow_blank=True)
    tracks_processed = serializers.IntegerField()
    total_tracks = serializers.IntegerField()
    groups_found = serializers.IntegerField()
    started_at = serializers.CharField(allow_blank=True)
    updated_at = serializers.CharField(allow_blank=True)


class CancelledSerializer(serializers.Serializer[Any]):
    """Whether there was something to cancel."""

    was_active = serializers.BooleanField(help_text="False: it was over already.")


class ResumeSerializer(StrictSerializer):
    """How to go on with a stopped run."""

    time_limit_seconds = serializers.IntegerField(
        min_value=1, max_value=LONGEST_RUN_SECONDS, required=False, allow_null=True
    )


class PinSerializer(StrictSerializer):
    """What one can change about a saved analysis."""

    is_pinned = serializers.BooleanField()


class DifferenceSerializer(serializers.Serializer[Any]):
    """What became of the groups of the earlier analysis in the later one."""

    earlier = serializers.UUIDField()
    later = serializers.UUIDField()
    new = serializers.IntegerField()
    gone = serializers.IntegerField()
    grown = serializers.IntegerField()
    shrunk = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    sentence = serializers.CharField()


MOST_TOUCHED_IDS = 1000
