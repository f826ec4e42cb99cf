"""How measured precision, samples and switches look from outside."""

from typing import Any

from rest_framework import serializers

from duplicates.api.shapes import StrictSerializer
from duplicates.choices import Answer, AutomaticOutcome, ConfidenceBand, Preset
from duplicates.models import AutomaticResolution, AutomaticRun, PrecisionSample
from duplicates.models.keepers import LONGEST_NAME
from duplicates.services.automatic_switch import DOES
from duplicates.services.precision import MOST_MEMBERS
from duplicates.services.sampling import MOST_PER_BAND, USUAL_PER_BAND

LARGEST_ID = 2**63 - 1
_DECISIONS = [(value.value, value.label) for value in DOES]


class BarSerializer(serializers.Serializer[Any]):
    """What a band must beat; see the settings REPRISE_PRECISION_…"""

    limit = serializers.FloatField(help_text="The interval of the false-match rate must end below it, 0 to 1.")
    least_judged = serializers.IntegerField()
    least_without_a_false_match = serializers.IntegerField(help_text="How many judged groups it takes at best.")


class BandRateSerializer(serializers.Serializer[Any]):
    """The false-match rate of one preset and band."""

    preset = serializers.ChoiceField(Preset.choices)
    band = serializers.ChoiceField(ConfidenceBand.choices)
    judged = serializers.IntegerField(help_text="What the rate is made of: same and different.")
    same = serializers.IntegerField()
    different = serializers.IntegerField()
    cannot_tell = serializers.IntegerField(help_text="Left out of the rate.")
    waiting = serializers.IntegerField(help_text="Drawn and not judged yet.")
    rate = serializers.FloatField(allow_null=True)
    interval = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="95 %, after Wilson: lower and upper end."
    )


class SwitchSerializer(serializers.ModelSerializer[AutomaticResolution]):
    """Automatic resolution of one preset and band."""

    class Meta:
        model = AutomaticResolution
        fields = (
            "preset",
            "band",
            "is_on",
            "resolution",
            "profile_name",
            "user_name",
            "switched_on_at",
            "switched_off_at",
            "off_reason",
        )
        read_only_fields = fields


class AutomaticRunSerializer(serializers.ModelSerializer[AutomaticRun]):
    """What a switch made of one analysis."""

    preset = serializers.CharField(source="switch.preset")
    band = serializers.CharField(source="switch.band")
    analysis = serializers.UUIDField(source="analysis_id", allow_null=True)
    plan = serializers.UUIDField(source="plan_id", allow_null=True)
    outcome = serializers.ChoiceField(AutomaticOutcome.choices)

    class Meta:
        model = AutomaticRun
        fields = ("preset", "band", "analysis", "plan", "created_at", "outcome", "message")
        read_only_fields = fields


class PrecisionSerializer(serializers.Serializer[Any]):
    """Everything that was measured, and what it allows."""

    days = serializers.IntegerField(help_text="Samples drawn in these last days count.")
    engine_version = serializers.CharField(help_text="The matcher they are about.")
    bar = BarSerializer()
    rates = BandRateSerializer(many=True)
    older = BandRateSerializer(many=True, help_text="Samples that do not count any more.")
    switches = SwitchSerializer(many=True)


class SampleSerializer(serializers.ModelSerializer[PrecisionSample]):
    """One draw."""

    analysis = serializers.UUIDField(source="analysis_id", allow_null=True)
    judged_count = serializers.SerializerMethodField()
    populations = serializers.DictField(child=serializers.IntegerField(), help_text="Groups there were, by band.")
    seed = serializers.CharField(help_text="As text: it does not fit the numbers of every language.")

    class Meta:
        model = PrecisionSample
        fields = (
            "id",
            "analysis",
            "analysis_label",
            "preset",
            "engine_version",
            "band_limits",
            "populations",
            "seed",
            "per_band",
            "group_count",
            "judged_count",
            "user_name",
            "created_at",
            "completed_at",
        )
        read_only_fields = fields

    def get_judged_count(self, sample: PrecisionSample) -> int:
        counts: dict[int, int] = self.context["judged"]
        return counts.get(sample.pk, 0)


class BlindMemberSerializer(serializers.Serializer[Any]):
    """A member as it is shown to who judges."""

    track_id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()
    album_artist = serializers.CharField()
    album = serializers.CharField()
    track_number = serializers.IntegerField(allow_null=True)
    disc_number = serializers.IntegerField(allow_null=True)
    year = serializers.IntegerField(allow_null=True)
    explicit = serializers.BooleanField(allow_null=True)
    duration_ms = serializers.IntegerField(allow_null=True)
    format = serializers.CharField()
    bit_rate_kbps = serializers.IntegerField(allow_null=True)


class BlindGroupSerializer(serializers.Serializer[Any]):
    """A drawn group, blind: neither band nor evidence nor keeper."""

    id = serializers.IntegerField()
    preset = serializers.ChoiceField(Preset.choices, source="sample.preset", help_text="What “the same” means.")
    member_count = serializers.IntegerField()
    members = BlindMemberSerializer(many=True, help_text="All of them, in random order.")


class NextSerializer(serializers.Serializer[Any]):
    """What to judge next."""

    sample = SampleSerializer()
    group = BlindGroupSerializer(allow_null=True, help_text="Nothing once all are judged.")


class DrawSerializer(StrictSerializer):
    """A wish for a sample. The seed is nobody's choice."""

    analysis = serializers.UUIDField()
    per_band = serializers.IntegerField(min_value=1, max_value=MOST_PER_BAND, default=USUAL_PER_BAND)
    bands = serializers.ListField(
        child=serializers.ChoiceField(ConfidenceBand.choices), required=False, help_text="Left out: all of them."
    )


class AnswerSerializer(StrictSerializer):
    """What is said of a drawn group."""

    group = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    answer = serializers.ChoiceField(Answer.choices)
    odd_tracks = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        required=False,
        max_length=MOST_MEMBERS,
        help_text="Of a group of more than two that is not all the same: who is odd.",
    )


class SwitchWishSerializer(StrictSerializer):
    """Switch automatic resolution of one preset and band."""

    preset = serializers.ChoiceField(Preset.choices)
    band = serializers.ChoiceField(ConfidenceBand.choices)
    is_on = serializers.BooleanField()
    resolution = serializers.ChoiceField(_DECISIONS, required=False, help_text="Needed to switch it on.")
    profile = serializers.CharField(
        max_length=LONGEST_NAME, required=False, help_text="A keeper profile; left out, the keepers the groups have."
    )
