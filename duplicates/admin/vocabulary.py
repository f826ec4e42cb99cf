"""The version vocabulary: the phrases of staff to edit, and what the matcher knows by itself to read."""

from typing import Any

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.admin.shared import person
from duplicates.exceptions import InvalidOptions
from duplicates.models import VersionWord
from duplicates.services import vocabulary
from library import admin_pages as pages

CHANGED = pages.when("changed_at", lazy("changed"))


class VersionWordForm(ModelForm[VersionWord]):
    """Refuses what the service would refuse, beside the field."""

    class Meta:
        model = VersionWord
        fields = ("phrase", "marker", "is_active")

    def clean_phrase(self) -> str:
        """Return the phrase with single spaces. Refuses one without a letter or digit."""
        phrase = " ".join(str(self.cleaned_data["phrase"]).split())
        if not any(letter.isalnum() for letter in phrase):
            self.add_error("phrase", _("A phrase needs at least one letter or digit."))
        return phrase


@admin.register(VersionWord)
class VersionWordAdmin(pages.CalmAdmin):
    """Phrases behind titles, and what they make of a song."""

    form: Any = VersionWordForm
    change_list_template = "admin/duplicates/versionword/change_list.html"
    list_display = ("phrase", "marker", "is_active", "user", CHANGED)
    list_filter = ("marker", "is_active")
    list_select_related = ("user",)
    search_fields = ("phrase",)
    actions = None
    empty_message = lazy("No words of your own yet. What the matcher knows by itself is listed below.")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the built-in vocabulary below the list."""
        context = {"built_in_words": vocabulary.built_in_words()}
        return super().changelist_view(request, context | (extra_context or {}))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Tell what only the database could know: somebody added the same phrase meanwhile."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except InvalidOptions as error:
            self.message_user(request, error.sentence, messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand the phrase to the service, which writes the audit record."""
        vocabulary.save_word(
            phrase=obj.phrase,
            marker=obj.marker,
            is_active=obj.is_active,
            word=obj,
            actor=person(request),
            now=timezone.now(),
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Let the service forget the phrase, with its audit record."""
        vocabulary.remove_word(obj, actor=person(request), now=timezone.now())
