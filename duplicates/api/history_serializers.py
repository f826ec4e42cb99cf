"""How the figures of clean-up look from outside: of one analysis, and of everything in a period."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from duplicates.services.history import CleanupHistory, Tally, Week
from duplicates.services.history_advice import Advice, Tone
from duplicates.services.impact_summary import ImpactSummary, NewAnalysisSuggestion
from duplicates.services.outcomes import Outcome, Outcomes
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
    benefits = serializers.ListField(child=serializers.CharField(), help_text="What a new analysis would bring.")
    new_duplicates_estimate = serializers.IntegerField(
        allow_null=True, help_text="A rule of thumb: 10 % of the tracks gone and 5 % of those added, 5 at least."
    )


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
    groups_per_action = serializers.FloatField(allow_null=True, help_text="Of those that succeeded, as the next two.")
    tracks_per_action = serializers.FloatField(allow_null=True)
    plays_per_action = serializers.FloatField(allow_null=True)


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
    most_active_week = WeekSerializer(allow_null=True)
    least_active_week = WeekSerializer(allow_null=True, help_text="Of those with any action.")
    average_resolution_percent = serializers.FloatField(source="outcomes.average_rate", allow_null=True)
    resolution_trend = serializers.ChoiceField(
        [(one, one) for one in ("improving", "stable", "declining")], source="outcomes.trend"
    )
    recent_performance = serializers.ChoiceField(
        [(one, one) for one in ("better", "as_usual", "worse")],
        source="outcomes.recent_performance",
        allow_null=True,
        help_text="The newest three analyses beside all before them; null where there is none before.",
    )
    consistency = serializers.FloatField(
        source="outcomes.consistency", allow_null=True, help_text="Of 100: how alike the analyses are resolved."
    )


class OutcomeSerializer(serializers.Serializer[Outcome]):
    """What became of one analysis."""

    analysis_id = serializers.UUIDField()
    name = serializers.CharField(source="label")
    completed_at = serializers.DateTimeField(source="at")
    is_kept = serializers.BooleanField(help_text="False: deleted since; the figures are those of its last day.")
    groups = serializers.IntegerField()
    groups_resolved = serializers.IntegerField(source="resolved")
    groups_resolved_percent = serializers.FloatField(source="rate")
    duplicates = serializers.IntegerField()
    duplicates_eliminated = serializers.IntegerField(source="eliminated")


class OutcomesSerializer(serializers.Serializer[Outcomes]):
    """What became of the analyses of the period that found anything."""

    analyses = serializers.IntegerField()
    with_cleanup = serializers.IntegerField()
    groups = serializers.IntegerField()
    groups_resolved = serializers.IntegerField(source="resolved")
    duplicates = serializers.IntegerField()
    duplicates_eliminated = serializers.IntegerField(source="eliminated")
    best = OutcomeSerializer(allow_null=True)
    worst = OutcomeSerializer(allow_null=True, help_text="Null where there is only one.")


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
    outcomes = OutcomesSerializer()
    recommendations = serializers.SerializerMethodField()

    def get_recommendations(self, history: CleanupHistory) -> list[dict[str, Any]]:
        return list(AdviceSerializer(self.context["advice"], many=True).data)


def history_as_json(history: CleanupHistory, advice: Sequence[Advice]) -> dict[str, Any]:
    """Return the history of a period and what follows from it, as API and command tell them."""
    return dict(HistorySerializer(history, context={"advice": advice}).data)


def impact_as_json(
    summary: ImpactSummary, suggestion: NewAnalysisSuggestion, advice: Sequence[Advice]
) -> dict[str, Any]:
    """Return what clean-up has made of an analysis and what follows from it, as API and command tell them."""
    return {
        **ImpactSerializer(summary).data,
        "new_analysis": SuggestionSerializer(suggestion).data,
        "recommendations": [AdviceSerializer(one).data for one in advice],
    }


class EventSerializer(serializers.Serializer[Any]):
    """One thing that happened to a track."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(EventKind.choices)
    sentence = serializers.CharField()
    who = serializers.CharField(allow_blank=True, help_text="Empty: the system.")
    subject = serializers.SerializerMethodField(help_text="What it is about; null where there is nothing to name.")

    def get_subject(self, event: Any) -> dict[str, str] | None:
        return None if event.subject is None else {"kind": event.subject[0], "id": str(event.subject[1])}
