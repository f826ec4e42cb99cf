"""How clean-up plans and keeper profiles look from outside."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from duplicates.api.shapes import StrictSerializer
from duplicates.choices import (
    ConfidenceBand,
    ITunesMatch,
    KeeperRuleName,
    LaterEdits,
    PlanItemState,
    PlanState,
    Resolution,
)
from duplicates.models import CleanupPlan, CleanupPlanItem, KeeperProfile
from duplicates.models.keepers import LONGEST_NAME
from duplicates.services import keeper_profiles, planning
from duplicates.services.difference import GroupChange
from duplicates.services.selecting import SIZES

LARGEST_ID = 2**63 - 1
MOST_GROUPS_NAMED = 10_000
MOST_RULES = 40
MOST_PREFERRED = 100
LONGEST_PREFERRED = 1_000


class GroupsWishSerializer(StrictSerializer):
    """Which undecided groups are meant: what is left out does not matter."""

    group_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), required=False, max_length=MOST_GROUPS_NAMED
    )
    band = serializers.ChoiceField(ConfidenceBand.choices, required=False)
    size = serializers.ChoiceField([(name, name) for name in SIZES], required=False)
    decision = serializers.ChoiceField([("open", "open"), ("manual_review", "manual_review")], required=False)
    itunes_match = serializers.ChoiceField(ITunesMatch.choices, required=False)
    touched = serializers.ChoiceField([("yes", "yes"), ("no", "no")], required=False)
    since = serializers.ChoiceField(
        [(fate.value, fate.value) for fate in GroupChange if fate != GroupChange.GONE],
        required=False,
        help_text="What became of them since the analysis before.",
    )
    artist = serializers.CharField(max_length=500, required=False, help_text="Exactly so.")
    search = serializers.CharField(max_length=200, required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Remove the copies of every very sure group",
            value={
                "analysis": "5b0cbe0e-6a43-4b55-9d7b-6c1d7b3a5f10",
                "groups": {"band": "very_high"},
                "resolution": "deleted",
                "profile": "Quality first",
            },
            request_only=True,
        ),
        OpenApiExample(
            "Declare two groups no duplicates",
            value={
                "analysis": "5b0cbe0e-6a43-4b55-9d7b-6c1d7b3a5f10",
                "groups": {"group_ids": [7, 9]},
                "resolution": "not_duplicates",
            },
            request_only=True,
        ),
    ]
)
class PlanWishSerializer(StrictSerializer):
    """One decision about many groups."""

    analysis = serializers.UUIDField()
    groups = GroupsWishSerializer(required=False, help_text="Left out: every undecided group of the analysis.")
    resolution = serializers.ChoiceField(Resolution.choices)
    profile = serializers.CharField(
        max_length=LONGEST_NAME, required=False, help_text="A keeper profile; left out, the keepers the groups have."
    )


class PlanSerializer(serializers.ModelSerializer[CleanupPlan]):
    """A plan: what it will do is exact from the state `planned` on; what it has done counts up."""

    id = serializers.UUIDField(source="plan_id", read_only=True)
    analysis_id = serializers.UUIDField(read_only=True, allow_null=True)
    groups = serializers.DictField(source="filters", read_only=True, help_text="Which groups are meant.")
    resolution = serializers.ChoiceField(Resolution.choices, read_only=True)
    profile = serializers.CharField(source="profile_name", read_only=True, help_text="Empty: the groups' own keepers.")
    user = serializers.CharField(source="user_name", read_only=True, help_text="Empty: the system.")
    confirmed_by = serializers.CharField(source="confirmed_name", read_only=True)
    state = serializers.ChoiceField(PlanState.choices, read_only=True)
    refused = serializers.DictField(child=serializers.IntegerField(), read_only=True, help_text="Groups by reason.")
    must_type_the_count = serializers.SerializerMethodField(help_text="Confirming needs `count`.")

    class Meta:
        model = CleanupPlan
        fields = (
            "id",
            "analysis_id",
            "groups",
            "resolution",
            "profile",
            "profile_version",
            "user",
            "created_at",
            "state",
            "confirmed_by",
            "confirmed_at",
            "ended_at",
            "error_message",
            "total_groups",
            "group_count",
            "track_count",
            "play_count",
            "place_count",
            "byte_count",
            "sizeless_count",
            "refused",
            "must_type_the_count",
            "done_groups",
            "done_tracks",
            "undone_groups",
        )
        read_only_fields = fields

    def get_must_type_the_count(self, plan: CleanupPlan) -> bool:
        return planning.must_type_the_count(plan)


class PlanProgressSerializer(serializers.Serializer[Any]):
    """How far the present work of a plan is."""

    state = serializers.ChoiceField(PlanState.choices)
    is_at_work = serializers.BooleanField(help_text="False: it waits for a person, or is over.")
    groups_behind = serializers.IntegerField()
    groups_total = serializers.IntegerField()
    percentage = serializers.FloatField()
    notice = serializers.CharField(allow_blank=True, help_text="What helps when it does not move.")


class PlanItemSerializer(serializers.ModelSerializer[CleanupPlanItem]):
    """One group of a plan: what is to become of it, and what became of it."""

    state = serializers.ChoiceField(PlanItemState.choices, read_only=True)
    removing = serializers.ListField(child=serializers.IntegerField(), read_only=True)
    removal_id = serializers.UUIDField(source="action_id", read_only=True, allow_null=True)

    class Meta:
        model = CleanupPlanItem
        fields = (
            "id",
            "group_id",
            "label",
            "keeper_track_id",
            "keeper_rule",
            "keeper_reason",
            "removing",
            "play_count",
            "place_count",
            "byte_count",
            "sizeless_count",
            "state",
            "code",
            "message",
            "removal_id",
        )
        read_only_fields = fields


class ConfirmSerializer(StrictSerializer):
    """The one confirmation."""

    count = serializers.IntegerField(
        min_value=0,
        max_value=LARGEST_ID,
        required=False,
        help_text="The plan's `track_count` as you saw it; has to be sent for a large removal.",
    )


class UndoPlanSerializer(StrictSerializer):
    """What becomes of values that somebody edited after the removal."""

    later_edits = serializers.ChoiceField(LaterEdits.choices, default=LaterEdits.ASK)


class RuleSerializer(StrictSerializer):
    """One rule of a profile."""

    rule = serializers.ChoiceField(KeeperRuleName.choices)
    prefer = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_PREFERRED),
        max_length=MOST_PREFERRED,
        required=False,
        help_text="Sources or folders, the dearest first, for the rules that need them.",
    )


class ProfileWishSerializer(StrictSerializer):
    """A keeper profile as it should be."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    description = serializers.CharField(max_length=2_000, allow_blank=True, required=False)
    rules = serializers.ListField(
        child=RuleSerializer(), min_length=1, max_length=MOST_RULES, help_text="The most important first."
    )


class ProfileSerializer(serializers.ModelSerializer[KeeperProfile]):
    """A named list of rules; the first on which two copies differ decides."""

    rules = serializers.SerializerMethodField()
    changed_by = serializers.CharField(source="user.username", default=None, allow_null=True, read_only=True)

    class Meta:
        model = KeeperProfile
        fields = ("id", "name", "description", "rules", "is_built_in", "version", "changed_at", "changed_by")
        read_only_fields = fields

    def get_rules(self, profile: KeeperProfile) -> list[dict[str, Any]]:
        """Return the rules, the most important first."""
        return keeper_profiles.as_json(keeper_profiles.wishes_of(profile))
