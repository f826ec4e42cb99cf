"""Writes the audit trail: one record for every verb that changes something, failures too.

Call `record` inside the transaction that makes the change, so that neither exists without the other, and the whole verb
inside `attempt`, which notes how long it took and writes a record when it is refused.
"""

import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Required, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from duplicates.exceptions import DuplicatesError, LastCopy
from duplicates.models import AuditRecord, AuditRetention
from duplicates.request_address import current_address
from duplicates.saved_work import note_saved
from duplicates.services.stored_words import as_stored
from duplicates.site_settings import site

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import Model

RECORDS_A_TRANSACTION = 5_000
# Marks a refusal that has its record, so that an attempt around it writes no second one.
_RECORDED = "_reprise_recorded"
_began: ContextVar[float | None] = ContextVar("audit_began", default=None)


class Facts(TypedDict, total=False):
    """What a record says beside its action."""

    actor: Required["AbstractBaseUser | None"]
    now: Required[datetime]
    subject: "Model | None"
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    counts: dict[str, Any] | None
    was_successful: bool
    duration_seconds: float | None
    message: str
    address: str | None


def record(action: str, **facts: Unpack["Facts"]) -> AuditRecord:
    """Append one record of `facts`, which are those of `new_record`.

    Unless given, the duration is that of the attempt it belongs to.
    """
    return record_each([new_record(action, **facts)])[0]


def record_each(records: Iterable[AuditRecord]) -> list[AuditRecord]:
    """Append records of what was done together; each takes an equal share of the time of their attempt."""
    listed = list(records)
    for one in listed:
        if one.duration_seconds is None and (seconds := _since_attempt()) is not None:
            one.duration_seconds = seconds / len(listed)
    # What the system does by the way, as when a page lets analyses follow the library, is nothing anybody sent.
    if any(one.was_successful and one.user_id_then is not None for one in listed):
        transaction.on_commit(note_saved)
    return AuditRecord.objects.bulk_create(listed)


def new_record(
    action: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    subject: "Model | None" = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    counts: dict[str, Any] | None = None,
    was_successful: bool = True,
    duration_seconds: float | None = None,
    message: str = "",
    address: str | None = None,
) -> AuditRecord:
    """Return a record for `record_each` to append. No actor means the system; names are frozen as they are now.

    Unless given, the address is that of the request.
    """
    counted = counts or {}
    return AuditRecord(
        created_at=now,
        user_id_then=actor.pk if actor else None,
        user_name=actor.get_username() if actor else "",
        action=action,
        subject_type=(subject._meta.model_name or "") if subject is not None else "",
        subject_id=str(subject.pk) if subject is not None else "",
        subject_label=as_stored(subject) if subject is not None else "",
        was_successful=was_successful,
        before=before,
        after=after,
        counts=counted,
        group_count=_whole(counted, "groups", "groups_found"),
        track_count=_whole(counted, "tracks", "duplicates_found"),
        play_count=_whole(counted, "plays"),
        duration_seconds=duration_seconds,
        message=message,
        address=address or current_address(),
    )


@contextmanager
def attempt(
    verb: str, *, subject: "Model | None" = None, actor: "AbstractBaseUser | None", now: datetime
) -> Iterator[None]:
    """Time a verb; when it is refused, write a record once its transaction is rolled back, and pass the error on.

    An attempt inside another times its own part. A refusal is recorded once: inside the other's transaction by the
    other, since a record of its own would be rolled back with everything else.
    """
    records = _began.get() is None or not connection.in_atomic_block
    token = _began.set(time.perf_counter())
    try:
        yield
    except (DuplicatesError, IntegrityError, ValidationError) as error:
        refusal = refusal_of_the_database(error) if isinstance(error, IntegrityError) else error
        if refusal is None:
            raise
        if records and not hasattr(refusal, _RECORDED):
            setattr(refusal, _RECORDED, True)
            record(verb, actor=actor, now=now, subject=subject, was_successful=False, **_said(refusal))
        if refusal is error:
            raise
        raise refusal from error
    finally:
        _began.reset(token)


def recorded[**P, R](verb: str, *, subject: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make an attempt of every call of a verb; `subject` names the argument that is its subject.

    The verb takes `now`, and `actor` or else the `user` whose own things it changes.
    """

    def decorate(work: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(work)

        @wraps(work)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            given = signature.bind(*args, **kwargs).arguments
            actor = given["actor"] if "actor" in given else given["user"]
            with attempt(verb, subject=given.get(subject), actor=actor, now=given["now"]):
                return work(*args, **kwargs)

        return timed

    return decorate


def _said(refusal: DuplicatesError | ValidationError) -> dict[str, Any]:
    """Return what a record keeps of a refusal."""
    if isinstance(refusal, ValidationError):
        return {"message": " ".join(refusal.messages), "after": {"code": "INVALID_OPTIONS"}}
    return {"message": str(refusal), "after": {"code": refusal.code}}


def forget_old_records(*, now: datetime, days: int | None = None) -> int:
    """Delete the records past their retention, in short transactions; return how many went.

    The only road by which the database lets records go.
    """
    limit = now - timedelta(days=site.AUDIT_RETENTION_DAYS if days is None else days)
    forgotten = 0
    while True:
        with transaction.atomic():
            AuditRetention.objects.update_or_create(pk=1, defaults={"deletable_before": limit})
            oldest = AuditRecord.objects.older_than(limit).order_by("created_at").values_list("pk", flat=True)
            part = AuditRecord.objects.filter(pk__in=list(oldest[:RECORDS_A_TRANSACTION])).forget()
            AuditRetention.objects.filter(pk=1).update(deletable_before=None)
        forgotten += part
        if part < RECORDS_A_TRANSACTION:
            return forgotten


def refusal_of_the_database(error: IntegrityError) -> LastCopy | None:
    """Return what a constraint of the database says in our words; None for one that no verb expects."""
    return LastCopy() if "group_keeps_a_copy" in str(error) else None


def _since_attempt() -> float | None:
    began = _began.get()
    return None if began is None else time.perf_counter() - began


def _whole(counts: dict[str, Any], *names: str) -> int:
    """Return the first of these counts that was made; 0 without one."""
    return next((max(int(counts[name]), 0) for name in names if isinstance(counts.get(name), int)), 0)
