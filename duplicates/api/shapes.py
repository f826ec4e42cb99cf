"""What all shapes of the API share: strict input, and the one shape of errors."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """Input in which a misspelt name is an error and not silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(map(str, data)) - set(self.fields))):
            known = ", ".join(self.fields) or "none"
            raise serializers.ValidationError(
                {unknown[0]: _("There is no such field. Choose from %(known)s.") % {"known": known}}
            )
        return super().to_internal_value(data)


class NothingSerializer(StrictSerializer):
    """No input at all."""


class ErrorSerializer(serializers.Serializer[Any]):
    """The one shape of every error."""

    code = serializers.CharField(help_text="Upper snake case, such as ANALYSIS_NOT_FOUND.")
    message = serializers.CharField(help_text="A sentence for people.")
    details = serializers.DictField(help_text="Facts behind it, such as the fields that are not accepted.")
    suggestions = serializers.ListField(child=serializers.CharField(), help_text="Ways out.")
    retry_suggested = serializers.BooleanField()
    partial_results_available = serializers.BooleanField()
