"""What every list and page of the admin shares: read-only rows, counts that stay cheap, and values as people read them.

Nothing here knows a particular model. On a million rows a list must neither count to the end nor sort by what has no
index; `CappedPaginator` and `sortable_by` see to it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin import helpers
from django.core.paginator import Paginator
from django.db.models import Model
from django.forms.utils import pretty_name
from django.http import HttpRequest, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from library import numbers
from library.moments import absolute, relative
from library.wording import begin_with_a_capital

if TYPE_CHECKING:
    PaginatorOfRows = Paginator[Any]
    AnyModelAdmin = admin.ModelAdmin[Model]
else:
    PaginatorOfRows, AnyModelAdmin = Paginator, admin.ModelAdmin

UNKNOWN = "–"
EVERYWHERE = [admin.ActionLocation.CHANGE_LIST, admin.ActionLocation.CHANGE_FORM]  # an action of a list and of a row


class CappedPaginator(PaginatorOfRows):
    """Counts no further than `cap` rows: beyond it people search or filter instead of leafing."""

    cap = 10_000

    @cached_property
    def count(self) -> int:
        return min(self._counted, self.cap)

    @property
    def is_capped(self) -> bool:
        """Are there more rows than the pages show?"""
        return self._counted > self.cap

    @cached_property
    def _counted(self) -> int:
        # An inner LIMIT stops the scan; the order is irrelevant to a count and would cost a sort.
        return int(self.object_list.order_by()[: self.cap + 1].count())  # type: ignore[attr-defined]


class CalmAdmin(AnyModelAdmin):
    """A list that never counts everything, with room for a sentence where it is empty."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a count per choice would read the whole table for each
    list_per_page = 50
    empty_value_display = UNKNOWN
    empty_message: Any = lazy("Nothing here yet.")
    page_name: Any = ""  # where the menu and the list are called otherwise than the rows
    searches_as_you_type = False  # for lists whose search is fast however long they are

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let a column without words of its own, which Django calls by its method, follow the reader's language."""
        super().__init_subclass__(**kwargs)
        for name, method in vars(cls).items():
            if isinstance(method, FunctionType) and not hasattr(method, "short_description"):
                method.short_description = lazy(pretty_name(name))  # type: ignore[attr-defined]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list under its plain name and with its empty state."""
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            return HttpResponseRedirect(
                f"{request.path}?e=1"
            )  # as for any filter that cannot be; PostgreSQL refuses NUL
        name = str(self.page_name) or begin_with_a_capital(str(self.opts.verbose_name_plural))
        context = {
            "title": name,
            "empty_message": self.empty_message,
            "searches_as_you_type": self.searches_as_you_type,
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def action_checkbox(self, obj: Any) -> SafeString:
        """Return the box that chooses a row: Django's own without the template, which took a sixth of a list's time."""
        label = _("Select this object for an action - {}").format(obj)
        box = '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">'
        return format_html(box, helpers.ACTION_CHECKBOX_NAME, obj.pk, label)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Head the page of a row with the row's own name."""
        if original := context.get("original"):
            context.update({"title": str(original), "subtitle": None})
            context.update(self.page_context(request, original))
        return super().render_change_form(request, context, *args, **kwargs)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what a page of its own needs; the plain one lists the fields."""
        return {}


class ReadOnlyAdmin(CalmAdmin):
    """Rows that only the machine writes: to be read, found and filtered."""

    actions: Any = None
    change_form_template = "admin/record.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def badge(kind: str, text: object) -> SafeString:
    """Return a word on a coloured ground; `kind` names the class, the word says it without the colour."""
    return format_html('<span class="badge badge-{}">{}</span>', kind.replace("_", "-"), text)


def two_lines(first: str, second: str) -> SafeString:
    """Return two texts one below the other, the second in a quieter voice."""
    return format_html('{}<span class="aside under">{}</span>', first, second) if second else format_html("{}", first)


def moment(at: datetime | None, now: datetime) -> SafeString | str:
    """Return a moment both ways: absolute, and relative in a quieter voice."""
    if at is None:
        return UNKNOWN
    return format_html(
        '<time datetime="{}">{}</time> <span class="aside">{}</span>', at.isoformat(), absolute(at), relative(at, now)
    )


def when(field: str, name: Any = "") -> Any:
    """Return a column that shows the moment in `field` both ways; a callable, which Django takes for a field's name."""

    @admin.display(description=name or lazy(field.removesuffix("_at").replace("_", " ")))
    def shown(row: Any) -> str | SafeString:
        return moment(getattr(row, field), timezone.now())

    shown.__name__ = field
    return shown


def number(value: float | None, decimals: int = 0) -> str:
    """Return a number with its thousands apart."""
    return UNKNOWN if value is None else numbers.number(value, decimals)


def length(duration_ms: int | None) -> str:
    """Return a length as players show it: 3:45 or 1:02:03."""
    if duration_ms is None:
        return UNKNOWN
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def size(size_bytes: int | None) -> str:
    """Return a file size as people read it."""
    return UNKNOWN if size_bytes is None else filesizeformat(size_bytes)


def percent(share: float | None) -> str:
    """Return a share of 1 in percent, cut and not rounded: 99.96 must not read as a certain 100, nor a little as 0."""
    if share is None:
        return UNKNOWN
    tenths = int(share * 1000 + 1e-9)
    if tenths == 0 and share > 0:
        return f"< {number(0.1, 1)} %"
    return f"{number(tenths / 10, 0 if tenths % 10 == 0 else 1)} %"


def duration(seconds: float | None) -> str:
    """Return how long something took: 40 ms, 0.4 s, 12 s, 3 min 20 s."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.1:
        return f"{number(seconds * 1000)} ms"
    if seconds < 10:
        return f"{number(seconds, 1)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def quality(format_name: str, bit_rate_kbps: int | None) -> str:
    """Return what a file is: its format and bit rate, as far as known."""
    rate = f"{bit_rate_kbps} kbit/s" if bit_rate_kbps else ""
    return ", ".join(part for part in (format_name, rate) if part) or UNKNOWN


def stars(rating: int | None) -> str:
    """Return a rating of 0 to 100 as up to five stars."""
    if rating is None:
        return UNKNOWN
    full = round(rating / 20)
    return "★" * full + "☆" * (5 - full)


def lines(texts: Iterable[str]) -> SafeString:
    """Return texts one below the other."""
    return format_html('<ul class="plain-list">{}</ul>', format_html_join("", "<li>{}</li>", ((one,) for one in texts)))


def facts(value: Mapping[str, Any] | None) -> SafeString:
    """Return recorded facts as lines of name and value; where there are none, the sign for nothing."""
    if not value:
        return format_html("{}", UNKNOWN)
    return lines(f"{_named(name)}: {_spoken(one)}" for name, one in value.items())


def _named(name: str) -> str:
    """Call a recorded value as people do: most are fields, whose names are translated."""
    return _(spaced) if (spaced := name.replace("_", " ")) else ""


def _spoken(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return UNKNOWN
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(_spoken(one) for one in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{_named(name)}: {_spoken(one)}" for name, one in value.items())
    return str(value)
