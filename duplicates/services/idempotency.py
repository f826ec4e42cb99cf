"""Lets a program repeat a request whose answer it lost: the second one is answered, not done again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from duplicates.exceptions import IdempotencyKeyReused, RequestInProgress
from duplicates.models import KeptAnswer

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

KEPT = timedelta(days=1)
# After so long without an answer whoever worked on it is taken for dead.
ABANDONED = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered; `was_kept` when an earlier one did the work."""

    status_code: int
    body: Any
    was_kept: bool = False


def once(work: Callable[[], Answer], *, user: "AbstractBaseUser", key: str, request: bytes, now: datetime) -> Answer:
    """Do the work unless the same request with this key was done within a day; return the answer either way.

    An answer that says "try again" (5xx, 429) is not kept, nor is an exception. Raises IdempotencyKeyReused for another
    request with the same key and RequestInProgress while the first one is still being worked on.
    """
    digest = hashlib.sha256(request).hexdigest()
    kept = _begin(user, key, digest, now)
    if kept.status_code is not None:
        return Answer(kept.status_code, kept.body, was_kept=True)
    try:
        answer = work()
    except BaseException:
        kept.delete()
        raise
    if answer.status_code >= 500 or answer.status_code == 429:
        kept.delete()
    else:
        KeptAnswer.objects.filter(pk=kept.pk).update(status_code=answer.status_code, body=answer.body)
    return answer


def old_answers(*, now: datetime) -> QuerySet[KeptAnswer]:
    """Return the answers that are no longer kept."""
    return KeptAnswer.objects.filter(created_at__lt=now - KEPT)


def forget_old_answers(*, now: datetime) -> int:
    """Delete the answers that are no longer kept; return how many."""
    return old_answers(now=now).delete()[0]


def _begin(user: "AbstractBaseUser", key: str, digest: str, now: datetime) -> KeptAnswer:
    """Return the row of this request: new and without an answer, or with the one that was given."""
    old_answers(now=now).filter(user_id=user.pk, key=key).delete()
    try:
        with transaction.atomic():
            return KeptAnswer.objects.create(user_id=user.pk, key=key, request_digest=digest, created_at=now)
    except IntegrityError:
        kept = KeptAnswer.objects.filter(user_id=user.pk, key=key).first()
    if kept is None:  # whoever worked on it has just failed
        raise RequestInProgress
    if kept.request_digest != digest:
        raise IdempotencyKeyReused(_("The Idempotency-Key %(key)r was used for another request.") % {"key": key})
    if kept.status_code is None:
        unanswered = KeptAnswer.objects.filter(pk=kept.pk, status_code=None, created_at__lt=now - ABANDONED)
        if not unanswered.update(created_at=now):
            raise RequestInProgress
    return kept
