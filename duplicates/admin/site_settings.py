"""The page of the settings that may be changed while the site runs: what holds, who chose it, and the way back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from duplicates.admin.shared import person
from duplicates.exceptions import InvalidSetting
from duplicates.models import SiteSetting
from duplicates.services.changing_settings import change_settings
from duplicates.site_settings import as_kind, sort_choices, variables
from library import admin_pages as pages


class SiteSettingsForm(forms.Form):
    """One field for each setting; an empty one follows the environment.

    Only what the person altered is saved, so that two at once do not take back each other's choice.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, variable in variables().items():
            kind = forms.IntegerField if variable.kind == "whole number" else forms.FloatField
            self.fields[name] = kind(
                required=False,
                label=variable.name,
                help_text=gettext_lazy(variable.help),
                min_value=variable.least,
                max_value=variable.most,
                show_hidden_initial=True,
                widget=forms.NumberInput(attrs={"step": 1 if kind is forms.IntegerField else "any"}),
            )

    @property
    def altered(self) -> dict[str, float | None]:
        return {name: self.cleaned_data[name] for name in self.changed_data}


@admin.register(SiteSetting)
class SiteSettingAdmin(pages.CalmAdmin):
    """One page instead of a list: every setting has its place whether somebody chose a value or not."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Lead to the one page there is."""
        return HttpResponseRedirect("../../")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the settings, and save those that were altered."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = _rows()
        chosen = {name: as_kind(name, row.value) for name, row in rows.items() if name in variables()}
        form = SiteSettingsForm(request.POST or None, initial=chosen)
        if request.method == "POST":
            if not self.has_change_permission(request):
                raise PermissionDenied
            if "reset" in request.POST:
                return self._change(request, {request.POST["reset"]: None}, form) or self._page(request, form, _rows())
            if form.is_valid() and (answer := self._change(request, form.altered, form)):
                return answer
            rows = _rows()  # what was refused may contradict what a colleague chose meanwhile: show it
        return self._page(request, form, rows)

    def _change(
        self, request: HttpRequest, values: dict[str, float | None], form: SiteSettingsForm
    ) -> HttpResponseBase | None:
        """Save, tell the person and lead back to the page; None where the values are refused."""
        try:
            changed = change_settings(values, actor=person(request), now=timezone.now())
        except InvalidSetting as refused:
            form.full_clean()
            form.add_error(None, str(refused))
            return None
        count = len(changed)
        said = ngettext("%(count)s setting changed.", "%(count)s settings changed.", count) % {"count": count}
        level = messages.SUCCESS if changed else messages.INFO
        self.message_user(request, said if changed else _("Nothing was altered."), level)
        return HttpResponseRedirect(request.path)

    def _page(self, request: HttpRequest, form: SiteSettingsForm, rows: dict[str, SiteSetting]) -> HttpResponseBase:
        may_change = self.has_change_permission(request)
        set_aside = sort_choices((name, row.value) for name, row in rows.items()).set_aside
        if not may_change:
            for field in form.fields.values():
                field.disabled = True
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Site settings"),
            "form": form,
            "may_change": may_change,
            "set_aside": [(variables()[name].name, why) for name, why in set_aside.items()],
            "lines": [self._line(form, name, rows.get(name), set_aside.get(name, "")) for name in variables()],
        }
        return TemplateResponse(request, "admin/duplicates/site_settings.html", context)

    def _line(self, form: SiteSettingsForm, name: str, row: SiteSetting | None, set_aside: str) -> dict[str, Any]:
        variable = variables()[name]
        return {
            "field": form[name],
            "name": name,
            "unit": _(variable.unit) if variable.unit else "",
            "range": _range(variable.least, variable.most),
            "environment": f"{variable.value:g}",
            "row": row,
            "chosen": f"{row.value:g}" if row else "",
            "set_aside": set_aside,
            "by": (row.changed_by or _("System")) if row else "",
            "changed": pages.moment(row.changed_at, timezone.now()) if row else "",
        }


def _rows() -> dict[str, SiteSetting]:
    return {row.name: row for row in SiteSetting.objects.select_related("changed_by")}


def _range(least: float | None, most: float | None) -> str:
    if least is None or most is None:
        return ""
    return _("%(least)s to %(most)s") % {"least": _plain(least), "most": _plain(most)}


def _plain(value: float) -> str:
    """Return a limit with as many decimals as it has."""
    return pages.number(value, len(f"{value:g}".partition(".")[2]) if value < 1 else 0)
