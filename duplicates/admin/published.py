"""What the lists of groups and of members share: rows of finished analyses only, one analysis at a time."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from duplicates.admin.shared import OfVisibleAnalyses, chosen_analysis, follow_if_possible
from duplicates.choices import ACTIVE, AnalysisStatus
from library import admin_pages as pages


class PublishedOnly(OfVisibleAnalyses):
    """Rows of finished analyses, and what stopped ones kept: a run under way may have written some that are neither."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        completed = Q(**{f"{self.analysis_path}__status": AnalysisStatus.COMPLETED})
        kept = Q(**{f"{self.analysis_path}__is_partial": True}) & ~Q(**{f"{self.analysis_path}__status__in": ACTIVE})
        return super().get_queryset(request).filter(completed | kept)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show what is true now of tracks that an import or somebody else took out of the library."""
        follow_if_possible()
        return super().change_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Say which analysis the list is about."""
        follow_if_possible()
        analysis = chosen_analysis(request)
        context: dict[str, Any] = {"of_analysis": analysis}
        if analysis is not None:
            context["of_analysis_age"] = pages.moment(analysis.age_anchor, timezone.now())
        return super().changelist_view(request, context | (extra_context or {}))
