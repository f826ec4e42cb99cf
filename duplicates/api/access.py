"""What a request may do: the person's own rights, asked of `services.permissions`, and the scopes of a token.

Each view says for each of its actions which scope a token needs and which question is asked about the person.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from duplicates.api.shapes import StrictSerializer
from duplicates.choices import TokenScope
from duplicates.exceptions import NotAllowed
from duplicates.models import ApiToken

Question = Callable[[Any], bool]


class ActionAccess(BasePermission):
    """Let staff in whose rights and token cover the action of the view.

    A view has `access`: action → (scope, question about the person). An action it does not name is refused.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not (user and user.is_authenticated):
            raise NotAuthenticated
        if not (user.is_active and getattr(user, "is_staff", False)):
            raise PermissionDenied(_("The API is for staff."))
        name = getattr(view, "action", None)
        if name is None:  # OPTIONS, or a method the view does not have: answered as 405
            return True
        scope, question = view.access[name]
        require_scope(request, scope)
        if not question(user):
            raise PermissionDenied(_("You may not do this. Ask an administrator for the permission."))
        return True


class Door:
    """A view whose actions each name their scope and their question; it reads input strictly and knows who asks."""

    access: ClassVar[Mapping[str, tuple[TokenScope, Question]]] = {}
    # Actions that work in steps, each in a transaction of its own: one that is stopped keeps those it finished.
    keeps_steps: ClassVar[frozenset[str]] = frozenset()
    permission_classes: Any = (ActionAccess,)
    request: Any

    @property
    def person(self) -> Any:
        """Whoever asks; nobody else gets past the permission."""
        return self.request.user

    def read(self, shape: type[StrictSerializer]) -> dict[str, Any]:
        """Return the body of the request as the shape accepts it."""
        serializer = shape(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


def require_scope(request: Request, scope: TokenScope) -> None:
    """Raise PermissionDenied where a token asks whose scopes do not hold this one."""
    if isinstance(request.auth, ApiToken) and not request.auth.allows(scope):
        raise PermissionDenied(_("This token has no scope %(scope)r.") % {"scope": str(scope)})


def require(answer: bool, sentence: str) -> None:
    """Raise NotAllowed with a sentence unless a question about one object was answered with yes."""
    if not answer:
        raise NotAllowed(sentence)
