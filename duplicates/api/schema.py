"""What the schema says beyond what the views tell by themselves: every operation may answer an error of one shape."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema

from duplicates.api.shapes import ErrorSerializer


class Schema(AutoSchema):
    """The description of one operation."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        """Add the error to what a view answers; `extend_schema` replaces everything that comes before this."""
        bodies = super()._get_response_bodies(direction)
        error = self._get_response_for_code(ErrorSerializer, "default", direction=direction)  # type: ignore[no-untyped-call]
        bodies.setdefault("default", error)
        return bodies

    def get_response_serializers(self) -> Any:
        """Give the usual status to what a view answers where it names none."""
        responses: Any = super().get_response_serializers()
        if isinstance(responses, dict):
            return responses
        code = {"create": 201, "destroy": 204}.get(getattr(self.view, "action", ""), 200)
        return {code: None if code == 204 else responses}
