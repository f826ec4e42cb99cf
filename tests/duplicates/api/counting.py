"""Counts what a request costs."""

from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient


def queries_of(api: APIClient, url: str) -> int:
    """Return how many queries it takes to read a page."""
    with CaptureQueriesContext(connection) as queries:
        assert api.get(url).status_code == 200
    return len(queries)
