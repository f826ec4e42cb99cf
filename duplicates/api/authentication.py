"""Who asks: somebody logged in to the admin, or a program with a token of one person."""

from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from duplicates.exceptions import InvalidToken
from duplicates.services.tokens import check_token


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer TOKEN`. `request.auth` is then the row of the token."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            token = check_token(secret.strip(), now=timezone.now())
        except InvalidToken as error:
            raise AuthenticationFailed(error.sentence) from error
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Make a missing log-in a 401, not a 403."""
        return "Bearer"


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes tokens."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token made in the admin under API tokens."}


__all__ = ["SessionAuthentication", "TokenAuthentication", "TokenScheme"]
