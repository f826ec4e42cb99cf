"""What the schema says beyond what the views tell by themselves: every operation may answer an error of one shape."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

from duplicates.api.shapes import ErrorSerializer


class Schema(AutoSchema):
    """The description of one operation."""

    def get_response_serializers(self) -> Any:
        """Add the error to what a view answers."""
        responses: Any = super().get_response_serializers()
        if not isinstance(responses, dict):
            code = {"POST": 201, "DELETE": 204}.get(self.method, 200)
            responses = {code: None if code == 204 else responses}
        return {**responses, "default": ErrorSerializer}
