"""Whether the request that is being answered has saved something already.

A change may be committed and the answer to it fail: the database goes away between the two, or time runs out. Whoever
asked must then not be told that nothing happened. `audit` notes what was committed; the middlewares that answer for a
request that broke off ask here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.utils.translation import gettext as _

_has_saved: ContextVar[bool | None] = ContextVar("saved_work", default=None)  # None: no request is watched


@contextmanager
def watching() -> Iterator[None]:
    """Watch one request."""
    token = _has_saved.set(False)
    try:
        yield
    finally:
        _has_saved.reset(token)


def note_saved() -> None:
    """Note that a change was committed which somebody asked for."""
    if _has_saved.get() is not None:
        _has_saved.set(True)


def has_saved() -> bool:
    """Was anything committed since the request began?"""
    return bool(_has_saved.get())


def saved_sentence() -> str:
    """Return what whoever asked is told of a request that has saved something and was not answered to its end."""
    return _("What you sent was saved; only the answer could not be given. Look at how it stands before you repeat it.")
