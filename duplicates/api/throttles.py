"""How often one person, or one token, may ask: counted for reading and for writing apart, in the shared cache.

The cache lies in the database, so that all processes count together.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from duplicates.models import ApiToken


class _PerPerson(SimpleRateThrottle):
    """Counts by token where there is one, else by person, else by address."""

    scope: str

    def get_rate(self) -> str:
        raise NotImplementedError

    def get_cache_key(self, request: Request, view: Any) -> str:
        if isinstance(request.auth, ApiToken):
            who = f"token-{request.auth.pk}"
        elif request.user and request.user.is_authenticated:
            who = f"user-{request.user.pk}"
        else:
            who = f"address-{self.get_ident(request)}"
        return f"throttle-{self.scope}-{who}"

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this request where it is not one too many. One that cannot be counted in time is let through."""
        try:
            with _one_at_a_time(self.get_cache_key(request, view)):
                return super().allow_request(request, view)
        except OperationalError:
            return True


@contextmanager
def _one_at_a_time(key: str) -> Iterator[None]:
    """Let nobody else count under this key meanwhile: what is read and written back apart would lose requests.

    A transaction of SQLite has the only write lock from its beginning; PostgreSQL is asked for one of this name.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
        yield


class ReadThrottle(_PerPerson):
    """GET, HEAD and OPTIONS."""

    scope = "read"

    def get_rate(self) -> str:
        return f"{settings.API_READS_PER_MINUTE}/min"

    def allow_request(self, request: Request, view: Any) -> bool:
        return request.method not in SAFE_METHODS or super().allow_request(request, view)


class WriteThrottle(_PerPerson):
    """Everything that changes something, each kind of request counted apart."""

    scope = "write"

    def get_rate(self) -> str:
        return f"{settings.API_WRITES_PER_MINUTE}/min"

    def allow_request(self, request: Request, view: Any) -> bool:
        return request.method in SAFE_METHODS or super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: Any) -> str:
        action = getattr(view, "action", None) or request.method
        return f"{super().get_cache_key(request, view)}-{type(view).__name__}-{action}"
