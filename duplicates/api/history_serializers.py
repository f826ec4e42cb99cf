"""How the figures of clean-up look from outside: of one analysis, and of everything in a period."""

from typing import Any

from rest_framework import serializers

from duplicates.services.history import CleanupHistory, Tally, Week
from duplicates.services.history_advice import Advice, Tone
from duplicates.services.impact_summary import ImpactSummary, NewAnalysisSuggestion
from duplicates.services.timeline import EventKind

CONFIDENCES = [("high", "high"), ("medium", "medium"), ("low", "low")]
TIMINGS = [(name, name) for name in ("recommended", "suggested", "optional", "not_recommended")]


class SuggestionSerializer(serializers.Serializer[NewAnalysisSuggestion]):
    """Is a new analysis worth while after this much clean-up?"""

    is_suggested = serializers.BooleanField()
    timing = serializers.ChoiceField(TIMINGS)
    confidence = serializers.ChoiceField(CONFIDENCES)
    eliminated_percent = serializers.FloatField()
    threshold_percent = serializers.FloatField()
    reasons = serializers.ListField(child=serializers.CharField())


class ImpactSerializer(serializers.Serializer[ImpactSummary]):
    """What clean-up has made of an analysis."""

    groups = serializers.IntegerField()
    groups_resolved = serializers.IntegerField()
    groups_resolved_percent = serializers.FloatField()
    groups_partly = serializers.IntegerField(help_text="Open, with copies gone.")
    groups_open = serializers.IntegerField()
    groups_lost = serializers.IntegerField(help_text="Without any copy left, by other roads than clean-up.")
    duplicates = serializers.IntegerField()
    duplicates_eliminated = serializers.IntegerField()
    duplicates_eliminated_percent = serializers.FloatField()
    tracks = serializers.IntegerField()
    tracks_remaining = serializers.IntegerField()
    tracks_gone = serializers.IntegerField()
    tracks_cleaned_percent = serializers.FloatField()
    keepers_gone = serializers.IntegerField()
    tracks_removed = serializers.IntegerField(help_text="By clean-up: in quarantine, or purged.")
    plays_kept = serializers.IntegerField()
    bytes_freed = serializers.IntegerField(allow_null=True, help_text="Null where a size is not known.")
    sizes_unknown = serializers.IntegerField()
    by_resolution = serializers.DictField(child=serializers.IntegerField())


class AdviceSerializer(serializers.Serializer[Advice]):
    """One thing the figures say, and what to do about it."""

    code = serializers.CharField()
    tone = serializers.ChoiceField(Tone.choices)
    sentence = serializers.CharField()


class AnalysisImpactSerializer(ImpactSerializer):
    """The same with what follows from it."""

    new_analysis = SuggestionSerializer()
    recommendations = AdviceSerializer(many=True)


class TallySerializer(serializers.Serializer[Tally]):
    """What some verbs amount to; failures count as actions, what they would have changed does not count."""

    actions = serializers.IntegerField()
    failed = serializers.IntegerField()
    groups = serializers.IntegerField()
    tracks = serializers.IntegerField()
    plays = serializers.IntegerField()
    success_percent = serializers.FloatField(allow_null=True)
    mean_seconds = serializers.FloatField(allow_null=True)
    tracks_per_second = serializers.FloatField(allow_null=True)


class WeekSerializer(serializers.Serializer[Week]):
    """Seven days, the newest ending now."""

    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    cleanup = TallySerializer()


class EffectivenessSerializer(serializers.Serializer[CleanupHistory]):
    """How well clean-up goes."""

    actions_per_week = serializers.FloatField()
    activity_trend = serializers.ChoiceField([(one, one) for one in ("increasing", "steady", "decreasing")])
    single_removals = serializers.IntegerField()
    bulk_removals = serializers.IntegerField()
    tracks_gone = serializers.IntegerField(source="gone")
    keepers_gone = serializers.IntegerField()
    average_resolution_percent = serializers.FloatField(source="average_rate", allow_null=True)
    resolution_trend = serializers.ChoiceField(
        [(one, one) for one in ("improving", "stable", "declining")], source="rate_trend"
    )
    consistency = serializers.FloatField(allow_null=True, help_text="Of 100: how alike the analyses are resolved.")


class HistorySerializer(serializers.Serializer[CleanupHistory]):
    """What was done in a period, how well, and what follows from it."""

    days = serializers.IntegerField()
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    last_analysis_at = serializers.DateTimeField(allow_null=True)
    last_cleanup_at = serializers.DateTimeField(allow_null=True)
    analyses = TallySerializer()
    cleanup = TallySerializer()
    by_action = serializers.DictField(child=TallySerializer())
    weeks = WeekSerializer(many=True, help_text="The oldest first.")
    effectiveness = EffectivenessSerializer(source="*")
    recommendations = serializers.SerializerMethodField()

    def get_recommendations(self, history: CleanupHistory) -> list[dict[str, Any]]:
        return list(AdviceSerializer(self.context["advice"], many=True).data)


class EventSerializer(serializers.Serializer[Any]):
    """One thing that happened to a track."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(EventKind.choices)
    sentence = serializers.CharField()
    who = serializers.CharField(allow_blank=True, help_text="Empty: the system.")
    subject = serializers.SerializerMethodField(help_text="What it is about; null where there is nothing to name.")

    def get_subject(self, event: Any) -> dict[str, str] | None:
        return None if event.subject is None else {"kind": event.subject[0], "id": str(event.subject[1])}
