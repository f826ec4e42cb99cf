"""The addresses of the API, all below /api/v1/."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from duplicates.api.analyses import AnalysisViewSet
from duplicates.api.decisions import NotDuplicateViewSet, RemovalViewSet
from duplicates.api.errors import not_found
from duplicates.api.exports import ExportViewSet
from duplicates.api.groups import GroupViewSet
from duplicates.api.history import HistoryViewSet
from duplicates.api.imports import ImportViewSet
from duplicates.api.library import PlaylistViewSet, TrackViewSet
from duplicates.api.pairs import PairViewSet
from duplicates.api.plans import PlanViewSet
from duplicates.api.precision import PrecisionViewSet, SampleViewSet
from duplicates.api.profiles import ProfileViewSet
from duplicates.api.records import AuditViewSet, PreferencesViewSet
from duplicates.api.summary import SummaryViewSet

app_name = "api"

router = SimpleRouter(use_regex_path=False)
router.register("analyses", AnalysisViewSet, basename="analysis")
router.register("groups", GroupViewSet, basename="group")
router.register("pairs", PairViewSet, basename="pair")
router.register("plans", PlanViewSet, basename="plan")
router.register("samples", SampleViewSet, basename="sample")
router.register("keeper-profiles", ProfileViewSet, basename="keeper-profile")
router.register("removals", RemovalViewSet, basename="removal")
router.register("not-duplicates", NotDuplicateViewSet, basename="not-duplicate")
router.register("tracks", TrackViewSet, basename="track")
router.register("playlists", PlaylistViewSet, basename="playlist")
router.register("imports", ImportViewSet, basename="import")
router.register("exports", ExportViewSet, basename="export")
router.register("audit", AuditViewSet, basename="audit")

# One's own, so without an id.
preferences = PreferencesViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})
summary = SummaryViewSet.as_view({"get": "retrieve"})
cleanup_history = HistoryViewSet.as_view({"get": "retrieve"})
precision = PrecisionViewSet.as_view({"get": "retrieve"})
automatic_runs = PrecisionViewSet.as_view({"get": "runs"})
automatic_switch = PrecisionViewSet.as_view({"post": "switch"})

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    path("cleanup-history/", cleanup_history, name="cleanup-history"),
    path("summary/", summary, name="summary"),
    path("precision/", precision, name="precision"),
    path("precision/runs/", automatic_runs, name="automatic-runs"),
    path("precision/switch/", automatic_switch, name="automatic-switch"),
    path("preferences/", preferences, name="preferences"),
    path("", include(router.urls)),
    re_path("^(?P<path>.*)$", not_found),
]
