"""`/metrics`: the figures of `services.metrics` in the words of Prometheus, for whoever the settings let in.

Every name, label and value is drawn from a fixed list, so that the number of series cannot grow with the data.
"""

import hmac
import ipaddress
import time
from collections.abc import Iterator
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from duplicates.choices import Answer
from duplicates.services.metrics import WINDOWS, Metrics, get_metrics, known_codes
from duplicates.services.storage_growth import get_growth

GROWTH_DAYS = 30


def serve_metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape; 404 to everybody else, who need not know that there is anything."""
    if not is_let_in(request):
        return HttpResponse("Not found\n", status=HTTPStatus.NOT_FOUND, content_type="text/plain")
    registry = CollectorRegistry()
    registry.register(RepriseCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def is_let_in(request: HttpRequest) -> bool:
    """May this request read the figures: has it the token, or does it come directly from an address that may?

    A request that went through a proxy has the proxy's address, which says nothing of who sent it.
    """
    token, sent = settings.METRICS_TOKEN, request.headers.get("Authorization", "")
    if token and hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
        return True
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in settings.METRICS_NETWORKS)


def families(metrics: Metrics, growth_bytes_per_day: float | None) -> Iterator[GaugeMetricFamily]:
    """Yield every metric family. All are gauges: they say what is, and clean-up may lower any of them."""
    yield from _runs(metrics)
    yield from _work(metrics)
    yield from _storage(metrics, growth_bytes_per_day)
    yield from _people(metrics)
    yield from _samples(metrics)


class RepriseCollector(Collector):
    """Looks at the database when it is asked, once for a scrape."""

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # so that registering asks nothing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        began = time.perf_counter()
        now = timezone.now()
        metrics, growth = get_metrics(now=now, days=max(WINDOWS)), get_growth(now=now, days=GROWTH_DAYS)
        yield from families(metrics, growth.bytes_per_day)
        yield _gauge("scrape_seconds", "How long it took to compute these figures.", time.perf_counter() - began)


def _gauge(name: str, says: str, value: float | None = None, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"reprise_{name}", says, labels=labels)
    if value is not None:
        family.add_metric([], value)
    return family


def _runs(metrics: Metrics) -> Iterator[GaugeMetricFamily]:
    ended = _gauge("analyses_ended", "Analyses that ended within so many days.", labels=("status", "days"))
    ratio = _gauge("analysis_completion_ratio", "Completed of completed and failed analyses.", labels=("days",))
    failures = _gauge("analysis_failures", "Failed analyses that are kept, by code.", labels=("code", "days"))
    for days in WINDOWS:
        activity, label = metrics.activity(days), str(days)
        for status in ("completed", "failed", "cancelled"):
            ended.add_metric([status, label], getattr(activity, status))
        if activity.completion_ratio is not None:
            ratio.add_metric([label], activity.completion_ratio)
        found = metrics.failures_within(days)
        for code in sorted(known_codes() & found.keys()):
            failures.add_metric([code, label], found[code])
    yield from (ended, ratio, failures)
    seconds = _gauge("analysis_duration_seconds", "How long analyses took, by size.", labels=("tracks", "value"))
    phases = _gauge("analysis_phase_seconds", "Median of each phase, by size.", labels=("tracks", "phase"))
    pace = _gauge("analysis_tracks_per_second", "Median pace of analyses, by size.", labels=("tracks",))
    memory = _gauge("analysis_peak_memory_bytes", "Highest memory peak of analyses, by size.", labels=("tracks",))
    for size in metrics.by_size:
        tracks = size.size_class.replace(" ", "_").replace(",", "")
        seconds.add_metric([tracks, "median"], size.median_seconds)
        seconds.add_metric([tracks, "longest"], size.longest_seconds)
        pace.add_metric([tracks], size.tracks_per_second)
        memory.add_metric([tracks], size.peak_memory_bytes)
        for phase, took in size.phase_seconds.items():
            phases.add_metric([tracks, phase], took)
    yield from (seconds, phases, pace, memory)


def _work(metrics: Metrics) -> Iterator[GaugeMetricFamily]:
    queue, workers = metrics.queue, metrics.workers
    yield _gauge("analyses_queued", "Analyses that wait for a worker.", queue.queued)
    yield _gauge("analyses_running", "Analyses under way.", queue.running)
    yield _gauge("oldest_queued_seconds", "How long the first in the queue has waited.", queue.oldest_queued_seconds)
    yield _gauge("exports_waiting", "Exports that wait or are being written.", queue.exports_waiting)
    yield _gauge("plans_at_work", "Clean-up plans under way.", queue.plans_at_work)
    yield _gauge("tasks_waiting", "Wake-up calls nobody has answered.", queue.tasks_waiting)
    yield _gauge("workers", "Workers seen alive.", workers.alive)
    yield _gauge("worker_heartbeat_age_seconds", "Since a worker was last seen.", workers.heartbeat_age_seconds)


def _storage(metrics: Metrics, growth_bytes_per_day: float | None) -> Iterator[GaugeMetricFamily]:
    size = _gauge("storage_bytes", "What is stored, by kind.", labels=("kind",))
    rows = _gauge("storage_rows", "Rows or files that are stored, by kind.", labels=("kind",))
    for kind, stored in metrics.storage.by_kind.items():
        size.add_metric([kind], stored.size_bytes)
        rows.add_metric([kind], stored.rows)
    yield from (size, rows)
    yield _gauge("storage_results_bytes", "What analyses hold together.", metrics.storage.results.size_bytes)
    yield _gauge("storage_limit_bytes", "What they may hold; 0 is no limit.", metrics.storage_limit_bytes)
    yield _gauge("storage_growth_bytes_per_day", "Trend of all storage over 30 days.", growth_bytes_per_day)
    yield _gauge("disk_free_bytes", "Room left where working files go.", metrics.free_bytes)


def _people(metrics: Metrics) -> Iterator[GaugeMetricFamily]:
    exports = _gauge("exports", "Exports that are kept, by status.", labels=("status",))
    for status, count in metrics.exports.items():
        exports.add_metric([status], count)
    yield exports
    names = {
        "exports_requested": "Exports asked for within so many days.",
        "exports_failed": "Exports that failed within so many days.",
        "downloads": "Downloads of exports within so many days.",
        "groups_decided": "Groups decided within so many days.",
        "tracks_removed": "Copies removed within so many days.",
    }
    for name, says in names.items():
        family = _gauge(name, says, labels=("days",))
        for days in WINDOWS:
            family.add_metric([str(days)], getattr(metrics.activity(days), name))
        yield family
    yield _gauge("reviewers", "People who decided something within 30 days.", len(metrics.reviewers))
    decided = _gauge("decided_groups", "Decided groups, by confidence and decision.", labels=("band", "decision"))
    precision = _gauge("measured_precision_ratio", "Confirmed of decided groups, by confidence.", labels=("band",))
    for band in metrics.precision:
        decided.add_metric([band.band, "confirmed"], band.confirmed)
        decided.add_metric([band.band, "different"], band.different)
        if band.precision is not None:
            precision.add_metric([band.band], band.precision)
    yield from (decided, precision)


def _samples(metrics: Metrics) -> Iterator[GaugeMetricFamily]:
    """Yield what blind samples say; a band of which nothing was judged has no rate."""
    place = ("preset", "band")
    judged = _gauge("judged_groups", "Groups judged blind, by answer.", labels=(*place, "answer"))
    rate = _gauge("false_match_ratio", "Groups that are not all the same, of those judged blind.", labels=place)
    upper = _gauge("false_match_upper_ratio", "Upper end of its 95 % interval.", labels=place)
    for one in metrics.false_matches.rates:
        for answer in Answer.values:
            judged.add_metric([one.preset, one.band, answer], getattr(one, answer))
        if one.rate is not None and one.interval is not None:
            rate.add_metric([one.preset, one.band], one.rate)
            upper.add_metric([one.preset, one.band], one.interval[1])
    yield from (judged, rate, upper)
