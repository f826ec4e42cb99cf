"""API tokens: everybody makes and revokes their own; the secret is shown on one page, once."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ActionLocation
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from duplicates.admin.shared import person
from duplicates.choices import TokenScope
from duplicates.models import ApiToken
from duplicates.services.tokens import LONGEST_LIFE, NewToken, create_token, revoke_token
from library import admin_pages as pages

EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]
OFFERED_DAYS = 90
LAST_USED = pages.when("last_used_at")


class TokenForm(forms.ModelForm[ApiToken]):
    """What one chooses of a new token."""

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=TokenScope.choices,
        initial=[TokenScope.READ],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("What it may be used for. It never may more than you."),
    )
    days = forms.IntegerField(
        label=gettext_lazy("Valid for (days)"), min_value=1, max_value=LONGEST_LIFE.days, initial=OFFERED_DAYS
    )

    class Meta:
        model = ApiToken
        fields = ("name",)


@admin.register(ApiToken)
class TokenAdmin(pages.CalmAdmin):
    """The keys to the API that were made, and when each was last used."""

    form = TokenForm  # type: ignore[assignment]
    list_display = ("name", "owner", "hint", "shown_scopes", "state", "made", LAST_USED, "expires")
    search_fields = ("name", "user__username")
    sortable_by = ()
    ordering = ("-created_at",)
    actions = ("revoke",)
    empty_message = gettext_lazy("No API token yet. Make one for each program, so that each can be revoked alone.")
    shown = ("name", "owner", "hint", "shown_scopes", "state", "made", LAST_USED, "expires")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).select_related("user")
        return rows if request.user.is_superuser else rows.filter(user_id=person(request).pk)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown if obj else ("name", "scopes", "days")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A token is never edited; who wants another one makes it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is revoked and stays listed."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Everybody who may make tokens may revoke those they see."""
        return self.has_add_permission(request)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Make the token by the service; the page that follows shows its secret."""
        now = timezone.now()
        answers = form.cleaned_data
        request.new_token = create_token(  # type: ignore[attr-defined]
            user=person(request),
            name=answers["name"],
            scopes=answers["scopes"],
            expires_at=now + timedelta(days=answers["days"]),
            actor=person(request),
            now=now,
        )
        obj.pk = request.new_token.row.pk  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """Show the secret here and nowhere else: a message would travel through a cookie."""
        made: NewToken = request.new_token  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Your new API token"),
            "secret": made.secret,
            "token": made.row,
        }
        response = TemplateResponse(request, "admin/duplicates/new_token.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(
        description=gettext_lazy("Revoke"),
        permissions=["revoke"],
        location=EVERYWHERE,
    )
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        revoked = sum(revoke_token(token, actor=person(request), now=now) for token in queryset)
        said = ngettext("Revoked %(count)d token.", "Revoked %(count)d tokens.", revoked) % {"count": revoked}
        self.message_user(request, said, messages.SUCCESS if revoked else messages.INFO)

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, token: ApiToken) -> str:
        return token.user.get_username()

    @admin.display(description=gettext_lazy("scopes"))
    def shown_scopes(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description=gettext_lazy("state"))
    def state(self, token: ApiToken) -> SafeString:
        if token.revoked_at is not None:
            return pages.badge("quiet", _("Revoked"))
        if token.expires_at <= timezone.now():
            return pages.badge("quiet", _("Expired"))
        return pages.badge("good", _("Valid"))

    @admin.display(description=gettext_lazy("made"), ordering="created_at")
    def made(self, token: ApiToken) -> str | SafeString:
        return pages.moment(token.created_at, timezone.now())

    @admin.display(description=gettext_lazy("expires"))
    def expires(self, token: ApiToken) -> str | SafeString:
        return format_html("{}", pages.moment(token.expires_at, timezone.now()))
