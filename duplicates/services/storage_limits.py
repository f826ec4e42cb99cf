"""How much results may hold, all together and those of one person, and the warning before a limit is reached."""

import uuid
from collections.abc import Iterable

from django.conf import settings
from django.utils.translation import gettext as _

from duplicates.choices import ACTIVE
from duplicates.exceptions import StorageFull
from duplicates.services.storage import MB, AnalysisStorage, Storage, Stored, get_storage
from duplicates.site_settings import site
from library.numbers import number


def limit_bytes() -> int:
    """Return what all results together may hold; 0 is no limit."""
    return int(site.STORAGE_LIMIT_MB) * MB


def limit_per_user_bytes() -> int:
    """Return what the results of one person may hold; 0 is no limit."""
    return int(site.STORAGE_PER_USER_MB) * MB


def storage_warnings(overview: Storage, *, free_bytes: int) -> list[str]:
    """Return what is to be said before, and after, a limit is reached or the disk is full."""
    warn_at = site.STORAGE_WARN_PERCENT / 100
    said = []
    if free_bytes < settings.LEAST_FREE_MB * MB:
        said.append(
            _("Only %(free)s MB are free where working files go; %(least)s MB are needed.")
            % {"free": f"{free_bytes // MB:,}", "least": f"{settings.LEAST_FREE_MB:,}"}
        )
    if (limit := limit_bytes()) and overview.results.size_bytes >= warn_at * limit:
        said.append(
            _("Results hold %(used)s of the %(limit)s MB they may. Beyond that the next clean-up takes the oldest.")
            % {"used": f"{overview.results.size_bytes / MB:,.0f}", "limit": f"{limit / MB:,.0f}"}
        )
    if limit := limit_per_user_bytes():
        for (_user_id, name), stored in overview.by_user.items():
            if stored.size_bytes >= warn_at * limit:
                said.append(
                    _("The results of %(who)s hold %(used)s of the %(limit)s MB one person's may.")
                    % {
                        "who": name or _("the system"),
                        "used": f"{stored.size_bytes / MB:,.0f}",
                        "limit": f"{limit / MB:,.0f}",
                    }
                )
    return said


def require_room(user_id: int | None) -> None:
    """Raise StorageFull when results, or this person's, hold as much as they may. Asks nothing without a limit."""
    limit, per_user = limit_bytes(), limit_per_user_bytes()
    if not limit and not per_user:
        return
    overview = get_storage()
    own = sum((one.stored for one in overview.analyses if one.user_id == user_id), Stored())
    if limit and overview.results.size_bytes >= limit:
        raise StorageFull(_("Results hold the %(limit)s MB they may.") % {"limit": number(limit // MB)})
    if per_user and own.size_bytes >= per_user:
        raise StorageFull(
            _("Your results hold the %(per_user)s MB one person's may.") % {"per_user": number(per_user // MB)}
        )


def over_limit(
    overview: Storage,
    *,
    gone: Iterable[uuid.UUID],
    kept: Iterable[uuid.UUID],
    max_bytes: int = 0,
    max_per_user: int = 0,
    users: Iterable[int | None] | None = None,
) -> list[uuid.UUID]:
    """Return the oldest analyses that must go, beside those that go anyway, so that the rest holds no more than it may.

    Never one that is kept, pinned, queued or running. 0 is no limit.
    """
    away, staying, chosen = set(gone), set(kept), None if users is None else set(users)
    rest = [one for one in overview.analyses if one.analysis_id not in away]
    rest = [one for one in rest if chosen is None or one.user_id in chosen]
    going: list[uuid.UUID] = []

    def shrink(analyses: list[AnalysisStorage], limit: int) -> None:
        held = sum(one.stored.size_bytes for one in analyses if one.analysis_id not in going)
        for one in sorted(analyses, key=lambda one: one.created_at):
            if held <= limit:
                return
            is_free = not (one.is_pinned or one.status in ACTIVE or one.analysis_id in staying)
            if is_free and one.analysis_id not in going:
                going.append(one.analysis_id)
                held -= one.stored.size_bytes

    if max_per_user:
        for user_id in {one.user_id for one in rest}:
            shrink([one for one in rest if one.user_id == user_id], max_per_user)
    if max_bytes:
        shrink(rest, max_bytes)
    return going
