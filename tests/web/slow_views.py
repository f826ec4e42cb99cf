"""Views that take too long in the ways there are, beside all the real addresses."""

import time
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from duplicates.services import audit
from library.models import Playlist
from project.urls import urlpatterns as real

COUNTING = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000000000) SELECT count(*) FROM c"
SLOW = {"sqlite": COUNTING, "postgresql": "SELECT pg_sleep(60)"}


def run_slow_query() -> None:
    with connection.cursor() as cursor:
        cursor.execute(SLOW[connection.vendor])
        cursor.fetchall()


def write_and_dawdle() -> None:
    """Change something, outside of it something more, and then ask for far too much."""
    with transaction.atomic():
        Playlist.objects.create(source="test", source_playlist_id="1", name="half made")
        with transaction.atomic():
            run_slow_query()


def slow_page(request: HttpRequest) -> HttpResponse:
    write_and_dawdle()
    return HttpResponse("never")


def many_small(request: HttpRequest) -> HttpResponse:
    """Ask quick questions without end."""
    began = time.monotonic()
    while time.monotonic() - began < 20:
        Playlist.objects.count()
    return HttpResponse("never")


def save_and_dawdle() -> None:
    """Save what was asked for with its record, and be late with the answer."""
    with transaction.atomic():
        Playlist.objects.create(source="test", source_playlist_id="2", name="all made")
        audit.record("playlist.made", actor=User.objects.create(), now=timezone.now())
    began = time.monotonic()
    while time.monotonic() - began < 1.3:
        Playlist.objects.count()
    run_slow_query()


def saved_page(request: HttpRequest) -> HttpResponse:
    save_and_dawdle()
    return HttpResponse("never")


class SavedEndpoint(APIView):
    permission_classes = ()
    authentication_classes = ()

    def post(self, request: Any) -> Response:
        save_and_dawdle()
        return Response("never")


class SlowEndpoint(APIView):
    permission_classes = ()
    authentication_classes = ()

    def get(self, request: Any) -> Response:
        write_and_dawdle()
        return Response("never")


urlpatterns = [
    path("slow/", slow_page),
    path("many/", many_small),
    path("saved/", saved_page),
    path("api/v1/saved/", SavedEndpoint.as_view()),
    path("quick/", lambda request: HttpResponse(str(Playlist.objects.count()))),
    path("api/v1/slow/", SlowEndpoint.as_view()),
    *real,
]
