"""Keeper profiles: named lists of rules that staff make, beside the built-in ones that nobody changes.

What a built-in one does is the engine's to say; its row only gives it a place in lists. A plan takes the rules of its
profile with it, so that it does what its preview said whatever becomes of the profile.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from duplicates.engine.keeper_rules import PROFILES, Wish, built_in, why_refused
from duplicates.exceptions import InvalidOptions, ProfileIsBuiltIn
from duplicates.models import KeeperProfile
from duplicates.models.keepers import LONGEST_NAME
from duplicates.services import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def wishes_of(profile: KeeperProfile) -> tuple[Wish, ...]:
    """Return the rules of a profile, the most important first."""
    if profile.is_built_in and profile.name in PROFILES:
        return built_in(profile.name)
    return from_json(profile.rules)


def as_json(wishes: Iterable[Wish]) -> list[dict[str, Any]]:
    """Return rules as JSON holds them."""
    return [{"rule": wish.rule, "prefer": list(wish.prefer)} for wish in wishes]


def from_json(rules: Iterable[dict[str, Any]]) -> tuple[Wish, ...]:
    """Return what `as_json` was given."""
    return tuple(Wish(rule["rule"], tuple(rule.get("prefer", ()))) for rule in rules)


def find_profile(name: str) -> KeeperProfile:
    """Return the profile of a name, in capitals or not. Raises InvalidOptions naming those there are."""
    found = KeeperProfile.objects.filter(name__iexact=name.strip()).first()
    if found is None:
        names = ", ".join(KeeperProfile.objects.values_list("name", flat=True))
        raise InvalidOptions(
            _("%(name)s is no keeper profile. Choose from %(names)s.") % {"name": repr(name), "names": names}
        )
    return found


@audit.recorded("keeper_profile.saved")
def save_profile(
    *,
    name: str,
    wishes: Sequence[Wish],
    description: str = "",
    profile: KeeperProfile | None = None,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> KeeperProfile:
    """Make a profile, or change the one given; a row that was never saved is a new one, too.

    Raises InvalidOptions for rules that make no profile, a name of no use and one that is taken, and ProfileIsBuiltIn.
    """
    name = _checked(name, wishes)
    profile = profile or KeeperProfile()
    with transaction.atomic():
        old = KeeperProfile.objects.select_for_update().filter(pk=profile.pk).first()
        if old is not None and old.is_built_in:
            raise ProfileIsBuiltIn(_("%(name)s is built in.") % {"name": old.name})
        profile.name, profile.description, profile.rules = name, description.strip(), as_json(wishes)
        profile.version = 1 if old is None else old.version + 1
        profile.changed_at, profile.user_id = now, actor.pk if actor else None
        try:
            with transaction.atomic():
                profile.save()
        except IntegrityError as error:
            raise InvalidOptions(_("There is a profile %(name)s already.") % {"name": name}) from error
        action = "keeper_profile.added" if old is None else "keeper_profile.changed"
        before = None if old is None else _as_facts(old)
        audit.record(action, actor=actor, now=now, subject=profile, before=before, after=_as_facts(profile))
    return profile


@audit.recorded("keeper_profile.removed", subject="profile")
def remove_profile(profile: KeeperProfile, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    """Forget a profile; plans made with it keep its rules. Raises ProfileIsBuiltIn."""
    if profile.is_built_in:
        raise ProfileIsBuiltIn(_("%(name)s is built in.") % {"name": profile.name})
    with transaction.atomic():
        audit.record("keeper_profile.removed", actor=actor, now=now, subject=profile, before=_as_facts(profile))
        profile.delete()


def _checked(name: str, wishes: Sequence[Wish]) -> str:
    name = " ".join(name.split())
    if not name:
        raise InvalidOptions(_("A profile needs a name."))
    if len(name) > LONGEST_NAME:
        raise InvalidOptions(
            _("A name has at most %(most)d characters, not %(many)d.") % {"most": LONGEST_NAME, "many": len(name)}
        )
    if refused := why_refused(wishes):
        raise InvalidOptions(refused)
    return name


def _as_facts(profile: KeeperProfile) -> dict[str, Any]:
    return {"name": profile.name, "rules": profile.rules, "version": profile.version}
