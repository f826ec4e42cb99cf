"""Logging in, with a limit on wrong passwords for each name and for each address.

Every try takes a place before its password is looked at, and gives it back when it was right; so tries at the same
moment cannot outrun the count. Places lie in the shared cache: all processes count together. A name is counted whether
it exists or not, so that the limit tells nothing.
"""

import hashlib
import ipaddress
import logging
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.cache import cache
from django.utils.translation import ngettext

logger = logging.getLogger("reprise.logins")

_NETWORK_BITS = 64  # one IPv6 customer has all of it
_LONGEST_NAME = 1_000


class LogInForm(AdminAuthenticationForm):
    """The log-in form of the admin. `is_blocked` says that there were too many tries."""

    is_blocked = False

    def clean(self) -> dict[str, Any]:
        """Check the password, unless there were too many wrong ones lately."""
        name = str(self.cleaned_data.get("username") or "")
        if not name or not self.cleaned_data.get("password"):
            return super().clean()
        of_name, of_address = _places_of_name(name), _places_of_address(self.request)
        taken = [_take(places) for places in (of_name, of_address)]
        if None in taken:
            cache.delete_many([one for one in taken if one])
            self._refuse(name)
        cleaned = super().clean()
        cache.delete_many([*of_name, *(one for one in taken if one)])
        return cleaned

    def _refuse(self, name: str) -> None:
        self.is_blocked = True
        logger.warning("Too many wrong passwords", extra={"user_name": name[:150]})
        minutes = settings.LOGIN_BLOCK_MINUTES
        said = ngettext(
            "Too many wrong passwords. Try again in %(count)d minute.",
            "Too many wrong passwords. Try again in %(count)d minutes.",
            minutes,
        )
        raise forms.ValidationError(said % {"count": minutes}, code="blocked")


def _places_of_name(name: str) -> list[str]:
    return _places("name", name[:_LONGEST_NAME].strip().casefold(), settings.LOGIN_FAILURES_PER_NAME)


def _places_of_address(request: Any) -> list[str]:
    return _places("address", _network(request), settings.LOGIN_FAILURES_PER_ADDRESS)


def _network(request: Any) -> str:
    """Return the peer's address, of IPv6 the network; headers are what their sender wrote."""
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return "none"
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False)) if address.version == 6 else str(address)


def _places(kind: str, who: str, most: int) -> list[str]:
    """Return the keys of as many places as there may be wrong passwords."""
    digest = hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return [f"login-{kind}-{digest}-{number}" for number in range(most)]


def _take(places: list[str]) -> str | None:
    """Take a free place until its time is over; None where none is left."""
    held = cache.get_many(places)
    free = (place for place in places if place not in held)
    return next((place for place in free if cache.add(place, 1, settings.LOGIN_BLOCK_MINUTES * 60)), None)
