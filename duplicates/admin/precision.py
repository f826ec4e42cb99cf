"""Measured precision in the admin: one page of rates and switches, one of a sample, and the blind page."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.admin.judging import judging_context
from duplicates.admin.precision_page import PrecisionPage, sample_context
from duplicates.admin.shared import as_uuid, person, visible_results
from duplicates.exceptions import DuplicatesError
from duplicates.models import AutomaticResolution, PrecisionSample, SampledGroup
from duplicates.services import permissions, sampling
from duplicates.services.automatic_switch import switch_off, switch_on
from duplicates.services.keeper_profiles import find_profile
from library import admin_pages as pages

OVERVIEW = "admin:duplicates_precisionsample_changelist"
MOST_FOUND = 100


@admin.register(PrecisionSample)
class PrecisionSampleAdmin(pages.ReadOnlyAdmin):
    """Samples of the analyses one sees; the list is a page of its own."""

    fieldsets = ((None, {"fields": ()}),)
    change_form_template = "admin/duplicates/precision_sample.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return PrecisionSample.objects.visible_to(request.user)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("draw/", view(self.draw_view), name="duplicates_draw_sample"),
            path("switch/", view(self.switch_view), name="duplicates_automatic_switch"),
            path("<int:sample_id>/judge/", view(self.next_view), name="duplicates_judge_next"),
            path("judge/<int:group_id>/", view(self.judge_view), name="duplicates_judge"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the rates, the switches and the samples."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        page = PrecisionPage(person(request), timezone.now())
        context = {**self.admin_site.each_context(request), "opts": self.opts, **page.context()}
        return TemplateResponse(request, "admin/duplicates/precision.html", context)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Fill the page of one sample."""
        found = sampling.false_matches(obj, most=MOST_FOUND)
        return sample_context(obj, person(request), timezone.now(), sampling.judged_count(obj), found)

    # --- Doors --------------------------------------------------------------------------------------------------------

    def draw_view(self, request: HttpRequest) -> HttpResponseBase:
        """Draw a sample and lead to its first group."""
        if request.method != "POST":
            return HttpResponseRedirect(reverse(OVERVIEW))
        wanted = as_uuid(request.POST.get("analysis", ""))
        analysis = visible_results(request).filter(pk=wanted).first() if wanted else None
        if analysis is None:
            raise Http404("There is no such analysis.")
        if not permissions.may_sample(person(request), analysis):
            raise PermissionDenied
        per_band = _whole(request.POST.get("per_band", ""))
        try:
            sample = sampling.draw_sample(analysis, per_band=per_band, actor=person(request), now=timezone.now())
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.ERROR)
            return HttpResponseRedirect(reverse(OVERVIEW))
        many = sample.group_count
        said = ngettext("Drew %(many)s group.", "Drew %(many)s groups.", many) % {"many": pages.number(many)}
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:duplicates_judge_next", args=[sample.pk]))

    def switch_view(self, request: HttpRequest) -> HttpResponseBase:
        """Switch automatic resolution of a preset and band on or off."""
        if request.method != "POST":
            return HttpResponseRedirect(reverse(OVERVIEW))
        if not permissions.may_automate(person(request)):
            raise PermissionDenied
        try:
            said = self._switch(request)
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.ERROR)
        else:
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse(OVERVIEW))

    def _switch(self, request: HttpRequest) -> str:
        place: dict[str, Any] = {"preset": request.POST.get("preset", ""), "band": request.POST.get("band", "")}
        who: dict[str, Any] = {"actor": person(request), "now": timezone.now()}
        if request.POST.get("verb") == "off":
            switch = AutomaticResolution.objects.filter(**place).first()
            if switch is None:
                raise Http404("There is no such switch.")
            switch_off(switch, **who)
            return _("Automatic resolution is off: %(switch)s.") % {"switch": switch}
        resolution = request.POST.get("resolution", "")
        if not permissions.may_automate(person(request), resolution):
            raise PermissionDenied
        name = request.POST.get("profile", "")
        profile = find_profile(name) if name else None
        switch = switch_on(**place, resolution=resolution, profile=profile, **who)
        return _("Automatic resolution is on from the next analysis: %(switch)s.") % {"switch": switch}

    def next_view(self, request: HttpRequest, sample_id: int) -> HttpResponseBase:
        """Lead to a group that waits, or to the sample once none does."""
        self._require_judge(request)
        return HttpResponseRedirect(self._next_url(request, self._sample(request, sample_id)))

    def judge_view(self, request: HttpRequest, group_id: int) -> HttpResponseBase:
        """Show one drawn group blind, and keep the answer."""
        self._require_judge(request)
        drawn = self._drawn(request, group_id)
        if request.method == "POST":
            return self._judge(request, drawn)
        is_anothers = drawn.answer and drawn.judged_by_id != person(request).pk
        if is_anothers or drawn.sample.completed_at is not None:
            return HttpResponseRedirect(self._next_url(request, drawn.sample))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            **judging_context(drawn, person(request), self._last(request, drawn)),
        }
        return TemplateResponse(request, "admin/duplicates/judge.html", context)

    def _judge(self, request: HttpRequest, drawn: SampledGroup) -> HttpResponseBase:
        odd = [int(one) for one in request.POST.getlist("odd") if one.isdecimal() and len(one) < 19]
        answer = request.POST.get("answer", "")
        try:
            judged = sampling.judge(drawn, answer=answer, odd_tracks=odd, actor=person(request), now=timezone.now())
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:duplicates_judge", args=[drawn.pk]))
        return HttpResponseRedirect(self._next_url(request, judged.sample, last=judged))

    def _next_url(self, request: HttpRequest, sample: PrecisionSample, last: SampledGroup | None = None) -> str:
        waiting = sampling.next_to_judge(sample, user=person(request))
        if waiting is None:
            return reverse("admin:duplicates_precisionsample_change", args=[sample.pk])
        after = f"?last={last.pk}" if last is not None else ""
        return reverse("admin:duplicates_judge", args=[waiting.pk]) + after

    def _last(self, request: HttpRequest, drawn: SampledGroup) -> SampledGroup | None:
        """Return the answer before, if it is this person's and can be corrected."""
        pk = _whole(request.GET.get("last", ""))
        mine = SampledGroup.objects.filter(sample=drawn.sample, judged_by_id=person(request).pk)
        return mine.exclude(pk=drawn.pk).filter(pk=pk).first() if pk else None

    def _require_judge(self, request: HttpRequest) -> None:
        if not permissions.may_judge(person(request)):
            raise PermissionDenied

    def _sample(self, request: HttpRequest, sample_id: int) -> PrecisionSample:
        try:
            return sampling.get_sample(sample_id, user=person(request))
        except DuplicatesError as missing:
            raise Http404(str(missing)) from missing

    def _drawn(self, request: HttpRequest, group_id: int) -> SampledGroup:
        try:
            return sampling.get_sampled_group(group_id, user=person(request))
        except DuplicatesError as missing:
            raise Http404(str(missing)) from missing


def _whole(text: str) -> int:
    """Read a whole number that a form sent; anything else is 0, which no verb accepts."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0
