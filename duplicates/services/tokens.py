"""Tokens for the API: made once, stored as a digest, checked with each request, revoked for good."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from duplicates.choices import TokenScope
from duplicates.exceptions import InvalidOptions, InvalidToken
from duplicates.models import ApiToken
from duplicates.services import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

PREFIX = "reprise_"  # lets secret scanners and people recognise one
_RANDOM_BYTES = 32  # so many that a plain digest cannot be guessed back
_HINT_LETTERS = len(PREFIX) + 4
LONGEST_LIFE = timedelta(days=365)
# Use is noted no more often than this: a busy program must not cost a write per request.
_NOTE_USE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A row just made, and the secret that is never seen again."""

    row: ApiToken
    secret: str


@audit.recorded("token.created")
def create_token(
    *,
    user: "AbstractBaseUser",
    name: str,
    scopes: Collection[str],
    expires_at: datetime,
    actor: "AbstractBaseUser",
    now: datetime,
) -> NewToken:
    """Make a token for a person. Raises InvalidOptions for an unknown or missing scope or a lifetime out of range."""
    if unknown := sorted(set(scopes) - set(TokenScope.values)):
        raise InvalidOptions(
            _("%(name)r is no scope. Choose from %(values)s.")
            % {"name": unknown[0], "values": ", ".join(TokenScope.values)}
        )
    if not scopes:
        raise InvalidOptions(
            _("A token needs at least one scope of %(values)s.") % {"values": ", ".join(TokenScope.values)}
        )
    if not now < expires_at <= now + LONGEST_LIFE:
        raise InvalidOptions(
            _("A token expires within %(days)s days and not before now, not %(expires_at)s.")
            % {"days": LONGEST_LIFE.days, "expires_at": expires_at}
        )
    secret = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    with transaction.atomic():
        row = ApiToken.objects.create(
            user_id=user.pk,
            name=name,
            digest=_digest(secret),
            hint=secret[:_HINT_LETTERS],
            scopes=[scope for scope in TokenScope.values if scope in scopes],
            created_at=now,
            expires_at=expires_at,
        )
        audit.record(
            "token.created",
            actor=actor,
            now=now,
            subject=row,
            after={"scopes": row.scopes, "user": user.get_username()},
        )
    return NewToken(row, secret)


@audit.recorded("token.revoked", subject="token")
def revoke_token(token: ApiToken, *, actor: "AbstractBaseUser", now: datetime) -> bool:
    """End a token for good; False when it was revoked before."""
    with transaction.atomic():
        revoked = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
        if revoked:
            audit.record("token.revoked", actor=actor, now=now, subject=token)
    return bool(revoked)


def check_token(secret: str, *, now: datetime) -> ApiToken:
    """Return the token with its owner. Raises InvalidToken for one that is unknown, revoked, expired or ownerless."""
    token = ApiToken.objects.select_related("user").filter(digest=_digest(secret)).first()
    if token is None or token.revoked_at is not None or not token.user.is_active:
        raise InvalidToken
    if token.expires_at <= now:
        raise InvalidToken(_("The token “%(name)s” has expired.") % {"name": token.name})
    if token.last_used_at is None or now - token.last_used_at >= _NOTE_USE_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
