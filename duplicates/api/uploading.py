"""How the API takes files: only where a view asks for it, and through the handler that the admin uses, too."""

from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from duplicates.receiving import SpoolingHandler


class Uploads(MultiPartParser):
    """multipart/form-data, only where a view asks for it."""


def receive_privately(request: Request) -> None:
    """Let the body of a request be received by the handler above; before anything reads it."""
    request._request.upload_handlers = [SpoolingHandler(request._request)]
