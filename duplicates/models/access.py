"""How programs get in: tokens, and the answers kept so that a repeated request is not done twice."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from duplicates.choices import TokenScope


class ApiToken(models.Model):
    """A key to the API that acts for one person, within its scopes and never beyond what that person may.

    Only a digest is stored; the token itself is shown once, when it is made. One that was revoked or has expired stays
    listed, so that people see what had access.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DB_CASCADE, related_name="api_tokens")
    name = models.CharField(_("name"), max_length=100, help_text=_("What uses it, such as “nightly report”."))
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(_("begins with"), max_length=16, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("made"), editable=False)
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        indexes = [
            # One's own, newest first.
            models.Index(fields=["user", "-created_at"], name="token_user_time"),
        ]

    def __str__(self) -> str:
        return self.name

    def allows(self, scope: str) -> bool:
        """May this token be used for that? `read` comes with every scope."""
        return scope in self.scopes or scope == TokenScope.READ


class KeptAnswer(models.Model):
    """What a request with an Idempotency-Key was answered; without an answer it is still being worked on.

    Kept for a day, so that a program that lost the answer can ask again and nothing is started twice.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DB_CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)

    class Meta:
        verbose_name = _("kept answer")
        indexes = [
            # What is old enough to go.
            models.Index(fields=["created_at"], name="kept_answer_age"),
        ]
        constraints = [
            # Of two equal requests at once one works and the other is told to wait.
            models.UniqueConstraint(fields=["user", "key"], name="kept_answer_once"),
        ]

    def __str__(self) -> str:
        return self.key
